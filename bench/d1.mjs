// workerd's own D1 and KV, in miniflare, with the interface of the bench's stores.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "../scripts/steps.mjs";
import { rowsOf } from "./stores.mjs";

const BATCH = 500;

/** Starts miniflare with a database `DB` and a namespace. Returns the instance and the store. */
export async function openMiniflare(options, kv = "KV") {
  const { default: miniflare } = await import("miniflare");
  const instance = new miniflare.Miniflare(miniflare.convertV4MiniflareOptions({
    compatibilityDate: "2026-10-20", kvNamespaces: [kv], d1Databases: ["DB"], cf: false, ...options,
  }));
  const database = await instance.getD1Database("DB");
  const namespace = /** @type {any} */ (await instance.getKVNamespace(kv));
  return { instance, store: storeOf(database, namespace) };
}

const storeOf = (database, namespace) => ({
  database,
  put: (key, value) => namespace.put(key, value),
  execute: (sql) => database.batch(sql.replaceAll(/--.*$/gm, "").split(";").filter((one) => one.trim())
    .map((one) => database.prepare(one))),
  async insert(sql, count, row) {
    const prepared = database.prepare(sql);
    for (let begin = 0; begin < count; begin += BATCH) {
      const length = Math.min(BATCH, count - begin);
      await database.batch(Array.from({ length }, (_, index) => prepared.bind(...row(begin + index))));
    }
  },
  async fill(contents) {
    const migrations = join(root, "migrations");
    for (const file of readdirSync(migrations).sort()) await this.execute(readFileSync(join(migrations, file), "utf8"));
    for (const [sql, count, row] of rowsOf(contents)) await this.insert(sql, count, row);
  },
});
