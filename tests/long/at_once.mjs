// Many concurrent requests, for tests that look for one winner.

/** `MANY=10000` sends more requests. */
export const MANY = Number(process.env.MANY ?? 100);

/** How many requests are under way at most: more would only wait in the harness. */
const IN_FLIGHT = 500;

/** How many of them a test sends that must prepare each request by others. */
export const MANY_PREPARED = Math.min(MANY, 400);

/**
 * Calls `send` so many times, with each isolate in turn. The calls overlap. Returns the results in order.
 * @param {any[]} isolates
 * @param {(isolate: any, index: number) => Promise<any>} send
 */
export async function atOnce(isolates, send, count = MANY) {
  const results = [];
  let next = 0;
  const sendInTurn = async () => {
    while (next < count) {
      const index = next++;
      results[index] = await send(isolates[index % isolates.length], index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, count) }, sendInTurn));
  return results;
}

/** How many responses have each status. */
export function counted(responses) {
  const counts = {};
  for (const { status } of responses) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

export const WHERE = [{ where: "one isolate", count: 1 }, { where: "four isolates", count: 4 }];
