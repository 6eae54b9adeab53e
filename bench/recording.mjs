// Records the D1 requests of Postern, which bare repeats, so that the floor follows Postern.
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../scripts/steps.mjs";
import { codeOf, hash, refreshTokenOf } from "./fixtures.mjs";
import { route } from "./routes.mjs";

/**
 * The recorded routes, each with the text that distinguishes a request: the digest of its credential, which is a
 * parameter of the statements, or `state`.
 * @type {[string, (number: number) => string | undefined][]}
 */
const RECORDED = [
  ["userinfo-new", () => undefined],
  ["redeem", (number) => hash(codeOf(number))],
  ["refresh", (number) => hash(refreshTokenOf(number))],
  ["authorize", (number) => `state-${number}`],
];

/**
 * Sends each route's request with different credentials. Returns the responses, and the D1 requests as templates: the
 * parameters that differ depend on the request.
 */
export async function record(target) {
  const recorded = {};
  for (const [name, digestOf] of RECORDED) {
    const runs = [];
    // All requests come from one browser.
    await target.prepare(route(name), 1);
    // The first request is not recorded: it can also read keys.
    for (const number of [0, 1, 2]) {
      await target.store.record();
      const { status, head, body } = await target.send(route(name).make(target, number));
      if (status !== route(name).status) throw new Failure(`${name}: ${status} ${body}`);
      const [, location] = /\r\nlocation: *([^\r]*)/i.exec(head) ?? [];
      // Work after the response belongs to the request.
      await sleep(50);
      runs.push({ body, status, location, digest: digestOf(number), requests: await target.store.recorded() });
    }
    const [, first, second] = runs;
    if (first.requests.length !== second.requests.length) throw new Failure(`${name}: the D1 requests vary`);
    const template = templates(first.digest);
    const requests = first.requests.map(({ isBatch, queries }, request) => ({
      isBatch, queries: queries.map(({ sql, params, rows }, query) => {
        const others = second.requests[request].queries[query].params;
        return { sql, rows, params: params.map((value, index) => template(value, others[index])) };
      }),
    }));
    const { body, status, location } = first;
    recorded[name] = { body, status, location, requests };
  }
  return recorded;
}

/**
 * Returns a function that turns a parameter into a template. A text that is another in another request becomes the
 * digest with a suffix, the same one for the same text.
 */
function templates(digest) {
  const suffixes = new Map();
  return (value, other) => {
    if (typeof value !== "string" || value === other) return value;
    if (value.includes(digest)) return value.replaceAll(digest, "{digest}");
    // A JSON parameter would not be JSON any longer.
    if (/^[[{]/.test(value)) return value;
    if (!suffixes.has(value)) suffixes.set(value, `{digest}.${suffixes.size}`);
    return suffixes.get(value);
  };
}
