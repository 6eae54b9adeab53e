// GET /healthz in workerd, on real D1 and KV, and `postern status`, which prints its report.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WITHOUT_SCRIPT, commandsAt, terminalAt } from "./command_line.mjs";
import { ADMIN_TOKEN, start, until } from "./harness.mjs";

const PARTS = [
  "database", "migrations", "signing_key_ES256", "signing_key_RS256", "maintenance", "logout_tokens", "cache", "rate_limit", "configuration",
];

let postern;
before(async () => {
  postern = await start();
  await postern.keysMade();
});
after(() => postern.close());

/** The report: its status code, and the checks by their names. */
async function report() {
  const { status, body } = await postern.operator("GET", "/healthz");
  return { code: status, ...body, ...Object.fromEntries(body.checks.map((check) => [check.name, check])) };
}

test("a probe without a token uses neither D1 nor KV", async () => {
  await postern.failBindings("DB", "KV");
  for (const method of ["GET", "HEAD"]) {
    const response = await postern.fetch("/healthz", { method });
    assert.deepEqual([response.status, response.headers.get("cache-control")], [200, "no-store"]);
    assert.equal(await response.text(), method === "GET" ? '{"status":"ok"}' : "");
  }
  const { DB, KV, promises } = await postern.takeCounts();
  assert.deepEqual({ DB, KV, promises }, { DB: 0, KV: 0, promises: 0 });
});

test("an event is a line of its own, at its level", async () => {
  postern.server.clearLogs();
  await postern.fetch("/admin/users", { headers: { authorization: "Bearer wrong" } });
  await postern.fetch("/nothing");
  const events = () => postern.server.getLogs().filter(({ message }) => message.includes('"event"'));
  const [{ message, level }] = await until(events, ({ length }) => length > 0);
  assert.deepEqual([JSON.parse(message), level], [{ event: "admin_token_refused", level: "warning" }, "warn"]);
});

test("the report has a line for each part, and the first one without a run of the maintenance has a warning", async () => {
  await postern.takeCounts();
  const first = await report();
  const { DB, KV } = await postern.takeCounts();
  assert.deepEqual({ DB, KV }, { DB: 2, KV: 1 });
  assert.deepEqual([first.code, first.ready, first.status], [200, true, "warning"]);
  assert.deepEqual(first.checks.map(({ name }) => name), PARTS);
  const others = first.checks.filter(({ status }) => status !== "ok");
  assert.deepEqual(others.map(({ name }) => name), ["maintenance"], JSON.stringify(others));
  assert.match(first.maintenance.detail, /^no run yet/);
  for (const name of ["database", "cache", "rate_limit"]) assert.ok(first[name].latency_ms >= 0, name);
  assert.match(first.migrations.detail, /^\d{4}_\w+\.sql is applied$/, "by the table of wrangler");

  await postern.maintain();
  const { status, maintenance } = await report();
  assert.deepEqual([status, maintenance.status], ["ok", "ok"], maintenance.detail);
  assert.match(maintenance.detail, /^the last run began \d+ seconds? ago and took \d+ seconds?; .*sweep: batches \d+, /);
});

test("the report of a provider without D1 is a 503, and one without KV has a warning", async () => {
  await postern.failBindings("DB");
  const withoutD1 = await report();
  assert.deepEqual([withoutD1.code, withoutD1.ready, withoutD1.database.status], [503, false, "failed"]);
  await postern.failBindings("KV");
  const withoutKv = await report();
  assert.deepEqual([withoutKv.code, withoutKv.ready, withoutKv.cache.status], [200, true, "warning"]);
  for (const { checks } of [withoutD1, withoutKv]) assert.doesNotMatch(JSON.stringify(checks), /injected|secret/);
  await postern.takeCounts();
  assert.equal((await report()).code, 200);
});

test("a migration that is not applied is named", async () => {
  const { name } = await postern.env.DB.prepare("SELECT name FROM d1_migrations ORDER BY id DESC LIMIT 1").first();
  await postern.env.DB.prepare("UPDATE d1_migrations SET name = 'x' WHERE name = ?").bind(name).run();
  const { code, migrations } = await report();
  assert.deepEqual([code, migrations.detail], [503, `${name} is not applied: npm run deploy applies it`]);
  await postern.env.DB.prepare("UPDATE d1_migrations SET name = ? WHERE name = 'x'").bind(name).run();
});

test("postern status prints a line for each part, and exits with 1 if the provider is not ready", async () => {
  const run = commandsAt(String(postern.url), ADMIN_TOKEN);
  const ready = await run(["status"]);
  assert.deepEqual([ready.code, ready.err], [0, ""]);
  const lines = ready.out.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ name }) => name), PARTS);

  await postern.failBindings("DB");
  const { code, out, err } = await run(["status"]);
  assert.equal(code, 1);
  assert.match(err, /^http:\S+ is not ready: database\n$/);
  assert.match(out, /^\{"name":"database","status":"failed","detail":/);
  await postern.takeCounts();

  const refused = await commandsAt(String(postern.url), `${ADMIN_TOKEN}x`)(["status"]);
  assert.deepEqual([refused.code, refused.out], [1, ""]);
  assert.match(refused.err, /does not accept this ADMIN_TOKEN\n$/);
});

test("postern status prints a table at a terminal", { skip: WITHOUT_SCRIPT }, async () => {
  const { screen, code } = await terminalAt(String(postern.url), ADMIN_TOKEN)(["status"]);
  assert.equal(code, 0, screen);
  const [head, ...rows] = screen.trim().split("\n");
  assert.match(head, /^PART +STATUS +MS +DETAIL$/);
  assert.deepEqual(rows.map((row) => row.split(" ")[0]), PARTS);
  assert.match(screen, /^database +ok +\d+ +the primary answers$/m);
});
