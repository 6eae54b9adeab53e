// The D1 requests, rows and KV operations of each step in a warm isolate, as docs/d1-requests.md states them, and the
// costs that follow. BLESS=1 writes the measured counts into that document, and the costs into docs/operations.md too.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { putUser } from "./browser.mjs";
import { start } from "./harness.mjs";
import { LAST_ROWS, VARS, prepare, takeSteps } from "./steps.mjs";
import { readUsage, tables, withTables } from "../../scripts/cost.mjs";
import { differences, statedCounts, stepsWithReason, withCounts } from "../../scripts/request_table.mjs";

const DOCUMENT = "d1-requests.md";
const pathOf = (name) => new URL(`../../docs/${name}`, import.meta.url);
const read = (name) => readFileSync(pathOf(name), "utf8");
const USERS = { alice: "alice", bob: "bob", carol: "carol" };

const measured = new Map();
let postern;
let world;

before(async () => {
  postern = await start({ config: "wrangler.counting.toml", vars: VARS });
  await postern.keysMade();
  for (const sub of Object.values(USERS)) await putUser(postern.operator, sub);
  await postern.env.DB.batch(LAST_ROWS.map((sql) => postern.env.DB.prepare(sql)));
  world = await prepare({ ...postern, users: USERS });
});
after(() => postern.close());

const takeCounts = async () => (await postern.fetch("/test/counts")).json();

/** Measures what one step costs. Returns the step's result. */
async function measure(step, work) {
  await takeCounts();
  const result = await work();
  assert.ok(!measured.has(step), step);
  measured.set(step, await takeCounts());
  return result;
}

test("each step costs the D1 requests, rows and KV operations that docs/d1-requests.md states", async () => {
  await takeSteps(world, measure);

  const costs = tables(measured, readUsage());
  if (process.env.BLESS) {
    writeFileSync(pathOf(DOCUMENT), withCounts(read(DOCUMENT), measured));
    for (const [name, made] of Object.entries(costs)) writeFileSync(pathOf(name), withTables(read(name), made));
  }
  const text = read(DOCUMENT);
  const found = differences(statedCounts(text), measured);
  assert.deepEqual(found, [], `${found.join("\n")}\nBLESS=1 writes these counts into docs/d1-requests.md.`);

  for (const [name, made] of Object.entries(costs)) {
    for (const one of made) assert.ok(read(name).includes(one), `docs/${name} has the tables of node scripts/cost.mjs:\n${one}`);
  }

  const several = [...measured].filter(([, { requests }]) => requests > 1).map(([step]) => step);
  const reasons = stepsWithReason(text);
  const missing = several.filter((step) => !reasons.some((reason) => step.startsWith(reason)));
  assert.deepEqual(missing, [], "docs/d1-requests.md says why a step needs more than one request");
  const outdated = reasons.filter((reason) => !several.some((step) => step.startsWith(reason)));
  assert.deepEqual(outdated, [], "docs/d1-requests.md gives a reason for steps with more than one request only");
});

test("a count that grows or shrinks, and a step that appears or disappears, differ from the table", () => {
  const counts = { requests: 1, rowsRead: 4, rowsWritten: 2, kv: 0 };
  const stated = new Map([["step", counts]]);
  assert.deepEqual(differences(stated, new Map([["step", { ...counts }]])), []);
  assert.deepEqual(differences(stated, new Map([["step", { ...counts, requests: 2, rowsRead: 3 }]])), [
    "step: D1 requests: 2, and the table allows 1", "step: rows read: 3, fewer than the table's 4: update the table",
  ]);
  assert.deepEqual(differences(stated, new Map([["other", counts]])), [
    "other: is not in the table", "step: is in the table, but was not measured",
  ]);
});
