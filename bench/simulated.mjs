// Measures the same workers in miniflare, on its own D1 and KV in the same process: as `wrangler dev`, without its proxy.
// The table checks the others. It is no measure of the platform.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "../scripts/steps.mjs";
import { BARE, HONO, POSTERN } from "./contenders.mjs";
import { Target, measure } from "./rounds.mjs";
import { DEFAULTS, makeTokens, route } from "./routes.mjs";
import { rowsOf } from "./stores.mjs";
import { childrenOf, readings } from "./workerd.mjs";

const NAMES = ["discovery", "userinfo-new", "userinfo-seen", "redeem", "refresh"];
const PLAN = { rounds: 9, count: 30, warmUp: 100, connections: 8 };
const IN_ALL = PLAN.rounds * PLAN.count + PLAN.warmUp;
const BATCH = 500;

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
  const { default: miniflare } = await import("miniflare");
  const { texts, kv = "KV" } = contender.settings;
  const before = new Set(childrenOf(process.pid));
  const instance = new miniflare.Miniflare(miniflare.convertV4MiniflareOptions({
    compatibilityDate: "2026-10-20", bindings: texts, kvNamespaces: [kv], d1Databases: ["DB"], cf: false,
    modules: modules.map((name) => ({
      type: name.endsWith(".wasm") ? "CompiledWasm" : "ESModule", path: name, contents: readFileSync(join(folder, name)),
    })),
    modulesRoot: "/", unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }], handleStructuredLogs: () => {},
  }));
  const { port } = await instance.unsafeGetDirectURL();
  const [pid] = childrenOf(process.pid).filter((child) => !before.has(child));
  const database = await instance.getD1Database("DB");
  const migrations = join(root, "migrations");
  for (const file of readdirSync(migrations).sort()) {
    const text = readFileSync(join(migrations, file), "utf8").replaceAll(/--.*$/gm, "");
    await database.batch(text.split(";").filter((sql) => sql.trim()).map((sql) => database.prepare(sql)));
  }
  for (const [sql, count, row] of rowsOf(contents)) {
    const prepared = database.prepare(sql);
    for (let begin = 0; begin < count; begin += BATCH) {
      const length = Math.min(BATCH, count - begin);
      await database.batch(Array.from({ length }, (_, index) => prepared.bind(...row(begin + index))));
    }
  }
  const namespace = await instance.getKVNamespace(kv);
  const put = (key, value) => /** @type {any} */ (namespace).put(key, value);
  await contender.seed?.({ put }, documents, contents);
  const stop = () => instance.dispose();
  const worker = { port: Number(port), pid, ...readings(pid), errors: () => "", kill: () => void stop(), stop };
  const store = { take: async () => ({ d1: 0, statements: 0, reads: 0, writes: 0, texts: [] }) };
  return new Target(contender, worker, store, { ...DEFAULTS, ...contender.given, tokens, etags: {} });
}
