// Measures the same workers in miniflare, on its own D1 and KV in the same process: as `wrangler dev`, without its proxy.
// The table checks the others. It is no measure of the platform.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BARE, HONO, POSTERN } from "./contenders.mjs";
import { openMiniflare } from "./d1.mjs";
import { Target, measure } from "./rounds.mjs";
import { DEFAULTS, makeTokens, route } from "./routes.mjs";
import { childrenOf, readings } from "./workerd.mjs";

const NAMES = ["discovery", "userinfo-new", "userinfo-seen", "redeem", "refresh"];
const PLAN = { rounds: 9, count: 30, warmUp: 100, connections: 8 };
const IN_ALL = PLAN.rounds * PLAN.count + PLAN.warmUp;

/** Returns a table of the routes. */
export function measureSimulated({ bundles, documents, plan: { users }, failures, phases }) {
  return phases.step("the same in miniflare, on its D1 and KV", async () => {
    const tokens = makeTokens({ fresh: IN_ALL, forged: 1, users });
    const contents = { users, redeemable: IN_ALL };
    const targets = [];
    const rows = [];
    try {
      for (const contender of [BARE, HONO, POSTERN].filter(({ name }) => !failures.has(name))) {
        const target = await failures.attempt(contender.name, "miniflare", () =>
          open(contender, bundles.get(contender.name), documents, contents, tokens));
        if (target) targets.push(target);
      }
      for (const name of NAMES) {
        const running = targets.filter((target) => !failures.has(target.name));
        const cells = await measure(running, route(name), PLAN, failures);
        for (const cell of Object.values(cells)) delete cell.texts;
        rows.push({ label: route(name).title, cells });
      }
    } finally {
      await Promise.all(targets.map(({ worker }) => worker.stop()));
    }
    return { title: "In miniflare, with its D1 and KV in the process", names: targets.map(({ name }) => name), rows };
  });
}

async function open(contender, { folder, modules }, documents, contents, tokens) {
  const { texts, kv = "KV" } = contender.settings;
  const before = new Set(childrenOf(process.pid));
  const { instance, store: d1 } = await openMiniflare({
    bindings: texts,
    modules: modules.map((name) => ({
      type: name.endsWith(".wasm") ? "CompiledWasm" : "ESModule", path: name, contents: readFileSync(join(folder, name)),
    })),
    modulesRoot: "/", unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }], handleStructuredLogs: () => {},
  }, kv);
  const { port } = await instance.unsafeGetDirectURL();
  const [pid] = childrenOf(process.pid).filter((child) => !before.has(child));
  await d1.fill(contents);
  await contender.seed?.(d1, documents, contents);
  const stop = () => instance.dispose();
  const worker = { port: Number(port), pid, ...readings(pid), errors: () => "", kill: () => void stop(), stop };
  const store = { take: async () => ({ d1: 0, statements: 0, reads: 0, writes: 0, texts: [] }) };
  return new Target(contender, worker, store, { ...DEFAULTS, ...contender.given, tokens, etags: {} });
}
