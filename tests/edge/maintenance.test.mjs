// The maintenance, which the scheduled event runs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { start } from "./harness.mjs";

let postern;

before(async () => {
  postern = await start();
});
after(() => postern.close());

const runs = async () =>
  (await postern.env.DB.prepare("SELECT report FROM maintenance_runs").all()).results.map(({ report }) => JSON.parse(report));

test("the scheduled event deletes expired rows, in a new isolate too, and records the run", async () => {
  await postern.env.DB.prepare(
    "INSERT INTO authorization_requests (handle_hash, parameters, expires_at) VALUES ('over', '', 1), ('valid', '', 9e9)").run();
  await postern.maintain();
  const [report] = await runs();
  assert.equal(report.notes, undefined, report.notes?.join());
  assert.deepEqual(report.steps.sweep.left, []);
  const { results } = await postern.env.DB.prepare("SELECT handle_hash FROM authorization_requests").all();
  assert.deepEqual(results, [{ handle_hash: "valid" }]);
});

test("a run while D1 fails ends, and the next one goes on", async () => {
  await postern.failBindings("DB");
  await postern.maintain();
  await postern.setClockAhead(10);
  await postern.maintain();
  assert.equal((await runs()).length, 2);
});
