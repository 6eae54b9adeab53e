// Measures what each flow uses of what a Worker pays for: requests, CPU, rows of D1, and operations of KV.
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../scripts/steps.mjs";
import { CONTENDERS } from "./contenders.mjs";
import { openMiniflare } from "./d1.mjs";
import { walk } from "./flows.mjs";
import { makeTokens } from "./routes.mjs";
import { openAll, progress, stopAll } from "./run.mjs";
import { quantile } from "./statistics.mjs";

/** The contenders that sign users in on Workers. */
const MEASURED = CONTENDERS.filter(({ signIn, isOnNode }) => signIn && !isOnNode);
/** The users of the walk that is counted, and of the walks whose CPU is measured after others have warmed up. */
const [COUNTED, WARM_UP, TIMED] = [1, 40, 20];
const USERS = 1 + COUNTED + WARM_UP + TIMED;

/** Returns what each flow uses, by contender. */
export async function measureUsage(bench) {
  const used = {};
  for (const contender of MEASURED) {
    const { name } = contender;
    const flows = await bench.failures.attempt(name, "what the flows use", () => usageOf(contender, bench));
    if (!flows) continue;
    used[name] = flows;
    progress(name, Object.entries(flows).map(([flow, { d1, cpu }]) => `${flow} ${d1} D1 requests, ${cpu} ms CPU`).join("; "));
  }
  return used;
}

async function usageOf(contender, bench) {
  const tokens = makeTokens({ fresh: USERS, forged: 1, users: USERS });
  const contents = { users: USERS, redeemable: USERS };
  const [target] = await openAll({ ...bench, tokens, isRecorded: true }, contents, [contender]);
  if (!target) throw new Failure("it did not start");
  const users = Array.from({ length: USERS }, (_, user) => user);
  const take = (count) => walk(target, users.splice(0, count));

  // The first user's requests read keys. Work after a response belongs to the flow.
  await take(1);
  await sleep(50);
  const before = (await target.store.recorded()).length;
  const counted = await take(COUNTED);
  await sleep(50);
  const recorded = await target.store.recorded();
  await target.store.stopRecording();

  await take(WARM_UP);
  const timed = await take(TIMED);
  await stopAll([target]);

  const rows = await rowsOf(contender, { ...contents, fresh: tokens.fresh.length }, recorded, bench);
  const flows = {};
  let at = before;
  for (const [flow, [cell]] of Object.entries(counted)) {
    if (!cell) continue;
    const { requests, d1, reads, writes, lists } = cell;
    const sum = (figure) => rows.slice(at, at + d1).reduce((all, one) => all + one[figure], 0);
    flows[flow] = {
      requests, cpu: Number(quantile(timed[flow].map(({ cpu }) => cpu), 0.5).toPrecision(2)), d1,
      rowsRead: sum("rowsRead"), rowsWritten: sum("rowsWritten"),
      kvReads: reads - lists, kvWrites: writes, kvLists: lists,
    };
    at += d1;
  }
  if (at !== recorded.length) throw new Failure("D1 requests between the flows");
  return flows;
}

/** Repeats D1 requests on workerd's own D1, which counts rows. Returns the rows that each reads and writes. */
async function rowsOf(contender, contents, recorded, { documents }) {
  const script = "export default { fetch() { return new Response(); } }";
  const { instance, store } = await openMiniflare({ modules: true, script });
  try {
    await store.fill(contents);
    await contender.seed?.(store, documents, contents);
    const counts = [];
    for (const { queries } of recorded) {
      const results = await store.database.batch(queries.map(({ sql, params }) => store.database.prepare(sql).bind(...params)));
      const differs = results.findIndex((result, query) => result.results.length !== queries[query].rows);
      if (differs >= 0) throw new Failure(`repeated, a statement has other rows: ${queries[differs].sql}`);
      const sum = (figure) => results.reduce((all, { meta }) => all + meta[figure], 0);
      counts.push({ rowsRead: sum("rows_read"), rowsWritten: sum("rows_written") });
    }
    return counts;
  } finally {
    await instance.dispose();
  }
}
