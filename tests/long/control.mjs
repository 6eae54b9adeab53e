// node tests/long/control.mjs [REQUESTS]: how RSS of workerd rises in the test harness without Postern, beside which the
// soak's is to be seen. Each request sends one batch to D1, and the rows stay 500.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { createTestHarness } from "wrangler";
import { measureWorkerd } from "./processes.mjs";

const REQUESTS = Number(process.argv[2] ?? 72_000);
const ROUNDS = 10;
const AT_ONCE = 8;
const ROWS = 500;
const MIB = 1_048_576;

// As in tests/edge/harness.mjs.
process.env.X_LOCAL_OBSERVABILITY = "false";

const server = createTestHarness({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  workers: [{
    config: {
      name: "control", main: "tests/long/control_worker.mjs", compatibility_date: "2026-10-20",
      d1_databases: [{ binding: "DB", database_name: "control", database_id: "control" }],
    },
  }],
});
await server.listen();
const worker = server.getWorker();
const { DB } = await worker.getEnv();
await DB.exec("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)");

const inMib = () => (measureWorkerd().residentBytes / MIB).toFixed(1);
console.log(`| after | RSS, MiB |\n| --- | --: |\n| the beginning | ${inMib()} |`);
let sent = 0;
for (let round = 1; round <= ROUNDS; round += 1) {
  while (sent < (REQUESTS * round) / ROUNDS) {
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      const response = await worker.fetch(`https://control.example/?id=${sent++ % ROWS}`);
      assert.equal(response.status, 200, await response.text());
    }));
  }
  console.log(`| ${sent} requests | ${inMib()} |`);
}
await server.close();
