// Tests `npm run bench -- --growth` on two small databases.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { measureRowsOf, rowsPage } from "../../bench/rows.mjs";
import { measureStatements } from "../../bench/statements.mjs";
import { growthChart } from "../../bench/statements_chart.mjs";
import { GROWING } from "../../bench/statements_steps.mjs";
import { faults, growthPage, isGrowing } from "../../bench/statements_table.mjs";
import { statedCounts } from "../../scripts/request_table.mjs";

let found;

before(async () => {
  found = await measureStatements([200, 2_000]);
});

test("a step reads as many rows with ten times the users, unless a reason is stated", () => {
  assert.deepEqual(faults(found).map(({ step, rowsRead }) => `${step}: ${rowsRead}`), []);
  assert.deepEqual(found.steps.filter(isGrowing).map(({ step }) => step).sort(), [...GROWING.keys()].sort());
});

test("every statement of the source is measured, in a database with rows in every table that grows", () => {
  assert.deepEqual(found.unused, []);
  for (const { rows } of found.sizes) {
    const empty = Object.keys(rows).filter((table) => rows[table] === 0);
    const small = ["deleted_clients", "deleted_users", "key_claims", "maintenance_runs", "signing_keys", "sweep_time"];
    assert.deepEqual(empty.sort(), small, "bench/statements_fill.mjs fills each table that grows");
  }
});

test("every step of docs/d1-requests.md that sends statements is measured", () => {
  const document = readFileSync(new URL("../../docs/d1-requests.md", import.meta.url), "utf8");
  const stated = [...statedCounts(document)].filter(([, { requests }]) => requests > 0).map(([step]) => step);
  const measured = new Set(found.steps.map(({ step }) => step));
  assert.deepEqual(stated.filter((step) => !measured.has(step)), []);
});

test("a step that reads more without a stated reason is a fault, and the page says so", () => {
  const name = "GET authorize without a session: sign-in page";
  const steps = found.steps.map((one) => (one.step === name ? { ...one, rowsRead: [1, 200] } : one));
  const changed = { ...found, steps };
  assert.deepEqual(faults(changed).map(({ step }) => step), [name]);
  const about = { machine: { cores: 1, cpu: "a CPU", memory: 0, kernel: "", load: 0 }, versions: {}, seconds: 1 };
  assert.match(growthPage({ ...changed, ...about }), /^- \*\*GET authorize without a session: sign-in page\*\*: no reason/m);
  const { length } = found.steps;
  assert.ok(growthChart({ ...changed, ...about }).includes(`>${length - GROWING.size - 1} of ${length} steps read the same`));
});

test("requests beside rows that are over succeed, and the runs of the maintenance delete all of these", async () => {
  const plan = { sizes: [100, 300], over: 2_500, requests: 5, logins: 5, runs: 2 };
  const rows = await measureRowsOf(plan);
  for (const { runs } of [rows.users, rows.strangers]) assert.deepEqual(runs.at(-1).left, []);
  const deleted = ({ runs }) => runs.map(({ deleted }) => Object.values(deleted).reduce((sum, rows) => sum + rows, 0));
  // Sessions, those that have ended, events, and grants, each of which has a refresh token.
  assert.deepEqual(deleted(rows.users), [5 * plan.over, 0]);
  assert.deepEqual(deleted(rows.strangers), [7 * plan.over, 0]);
  const about = { machine: { cores: 1, cpu: "a CPU", memory: 0, kernel: "", load: 0 }, versions: {}, seconds: 1 };
  assert.match(rowsPage({ ...rows, ...about }), /^\| Login \| \d\d+\.\d\d \| \d\d+\.\d\d \|$/m);
});
