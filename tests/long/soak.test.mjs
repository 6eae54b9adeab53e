// Mixed traffic for a long time, on a fixed number of requests: nothing grows that is not stated, and nothing fails.
//
//     node --test tests/long/soak.test.mjs
//     MINUTES=60 REQUESTS=72000 RESULT=soak.md node --test tests/long/soak.test.mjs
//
// The traffic follows from SEED. It comes in rounds, a minute each. After a round the clock moves on by HOURS, with a run of
// the maintenance every hour, so that sessions, tokens and counters end and the signing keys rotate. After the traffic it
// moves on by two months, which takes some minutes.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { start, until } from "../edge/harness.mjs";
import { LONGEST_ACTION } from "./actions.mjs";
import { measureWorkerd } from "./processes.mjs";
import { VARS, prepareTraffic } from "./traffic.mjs";

const MINUTES = Number(process.env.MINUTES ?? 1);
const REQUESTS = Number(process.env.REQUESTS ?? MINUTES * 1_200);
const SEED = Number(process.env.SEED ?? 20);
const ROUNDS = Math.max(6, Math.ceil(MINUTES));
const HOURS = 22;
const AT_ONCE = 4;

const MIB = 2 ** 20;
const HOUR = 3_600;
const DAY = 24 * HOUR;
/** The longest time between two runs that leaves no row behind: each deletes what ended an hour later than the one before. */
const RUN_SECONDS = HOUR;
const AUDIT_DAYS = 30;
// Each key signs for some days, so that the keys rotate many times.
const KEY_SIGNING_SECONDS = 5 * DAY;
const KEY_AHEAD_SECONDS = 2 * DAY;
/** The longest that a row stays after its last use: a spent refresh token, for 30 days after its 30 days. */
const ALL_OVER_SECONDS = 60 * DAY + 3 * HOUR;

/** Tables whose rows are over an hour after they are, and so within HOURS. */
const SHORT_LIVED = [
  "authorization_requests", "client_assertions", "deleted_clients", "deleted_users", "ended_sessions",
  "initial_access_tokens", "logout_deliveries", "revoked_tokens", "user_code_attempts",
];
/** Tables of which docs/data-model.md states that rows stay, with how many may. */
const STAYING = {
  users: 26, clients: 10, consents: 26 * 11, pairwise_subjects: 26, key_claims: 2, maintenance_runs: 144, sweep_time: 1,
  // Of each algorithm one for each period of the 30 days that a row stays, and those that are still published.
  signing_keys: 20,
  // The last ones that were made.
  audit_events: 20,
};
/** The documents in KV: discovery and the JWK Set. */
const PUBLISHED = 2;
/** The bytes of a row of each table that grows with the traffic, with its indexes, as docs/data-model.md states them. */
const ROW_BYTES = {
  users: 380, clients: 560, consents: 100, pairwise_subjects: 160, sessions: 250, grants: 600, refresh_tokens: 170,
  audit_events: 300, sign_in_attempts: 172,
};
/** The pages of the short-lived rows of one round, and what is left of pages that are not full. */
const SHORT_LIVED_BYTES = 2 * MIB;
/**
 * The most memory of the module: 2.25 MiB without passwords, and twice the 19 MiB of Argon2. It allocates them for each
 * password at the end of the memory. While requests in flight hold some of the bytes that it has freed, it takes as many
 * again, once: from then on these requests have that room.
 */
const MEMORY_MOST = (2.25 + 2 * 19.0625) * MIB;
/** By how much it may grow after the first sixth: four pages, because fragments differ. */
const MEMORY_SLACK = 4 * 65_536;
/**
 * How steeply RSS may rise after the first third, in bytes for each request, as the least squares say. The process has D1,
 * KV and the isolates of the harness, too, and V8 collects garbage late while there is room.
 */
const RESIDENT_BYTES_PER_REQUEST = 4_096;
/** How many rounds show whether something goes on growing. */
const LONG_ENOUGH = 20;
const TOO_SHORT = `${LONG_ENOUGH} rounds of a minute each are needed`;
/** By how many places the table of JavaScript values may grow: those of the most requests that are in flight at once. */
const MORE_HANDLES = 256;
/** How many more connections than at the beginning may be open at the end: between the harness and workerd. */
const KEPT_CONNECTIONS = 8;

let postern;
let traffic;
let ahead = 0;
const { now } = Date;
/** The measurements after each round. */
const rounds = [];
let beginning;
let end;
let status;
let instances = 0;
let maintenanceRuns = 0;
let failedRuns = 0;
/** Lines of the log that are errors, except that a run of the maintenance is late, because the clock moves by an hour. */
const errorLines = [];
let seconds;

const inject = async () => { instances += (await postern.setClockAhead(ahead)).instances; };

/** Moves the clock of all on, with the runs of the maintenance meanwhile. */
async function passTime(duration) {
  for (let left = duration; left > 0; left -= RUN_SECONDS) {
    ahead += Math.min(RUN_SECONDS, left);
    await inject();
    await postern.maintain();
    maintenanceRuns += 1;
  }
  traffic.forgetAccessTokens();
}

async function rowsOfTables() {
  const { DB } = postern.env;
  const { results } = await DB.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*' AND name != 'd1_migrations'").all();
  const names = results.map(({ name }) => name).sort();
  const counts = await DB.batch(names.map((name) => DB.prepare(`SELECT count(*) AS count FROM ${name}`)));
  return {
    rows: Object.fromEntries(counts.map(({ results: [{ count }] }, index) => [names[index], count])),
    bytes: counts[0].meta.size_after,
  };
}

/** Whether a line of the log is an error. workerd writes some about the tail session by which the harness reads the log. */
const isError = (line) =>
  /"level":"error"|"notes":|^(?!{)/.test(line) && !/"maintenance_late"|for this tail session/.test(line);

/** Reads the log since the last call. */
function readLog() {
  const lines = postern.server.getLogs().map(({ message }) => message);
  errorLines.push(...lines.filter(isError));
  failedRuns += lines.filter((line) => line.includes('"maintenance":"failed"')).length;
  postern.server.clearLogs();
}

async function measure() {
  await until(inject, () => postern.tasksRunning() === 0);
  readLog();
  return {
    sent: traffic.sent, ahead, tasks: postern.tasksRunning(), memory: postern.memoryBytes(), handles: postern.handles(),
    instances,
    workerd: measureWorkerd(), kv: (await postern.env.KV.list()).keys.length, ...(await rowsOfTables()),
  };
}

/** Sends as many requests as belong to a round, at the pace of the whole run. */
async function sendRound(index, begin) {
  const target = Math.round(REQUESTS * (index + 1) / ROUNDS);
  const pace = async () => {
    const wait = begin + traffic.sent / REQUESTS * MINUTES * 60_000 - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  };
  while (traffic.sent < target - AT_ONCE * LONGEST_ACTION) {
    await traffic.act(AT_ONCE);
    await pace();
  }
  while (traffic.sent < target) {
    await traffic.one();
    await pace();
  }
}

const mib = (bytes) => (bytes / MIB).toFixed(1);
const sum = (rows) => Object.values(rows).reduce((total, count) => total + count, 0);

function printRound({ sent, memory, handles, workerd, tasks, rows, bytes, kv }) {
  const days = (ahead / DAY).toFixed(1);
  console.log([
    `${sent} requests`, `day ${days}`, `wasm ${mib(memory)} MiB`, `${handles} places for handles`, `RSS ${mib(workerd.residentBytes)} MiB`,
    `${workerd.descriptors} descriptors`, `${tasks} tasks`, `${sum(rows)} rows`, `${mib(bytes)} MiB in D1`, `${kv} KV keys`,
    `${errorLines.length} error lines`, `${traffic.failures.length} failures`, `CPU ${workerd.cpuSeconds.toFixed(0)} s`,
  ].join(", "));
  for (const failure of traffic.failures.slice(0, 3)) console.log(`  ${failure}`);
}

before(async () => {
  const vars = { ...VARS, AUDIT_DAYS, KEY_SIGNING_SECONDS, KEY_AHEAD_SECONDS };
  const texts = Object.entries(vars).map(([name, value]) => [name, String(value)]);
  postern = await start({ vars: Object.fromEntries(texts) });
  Date.now = () => now() + ahead * 1_000;
  await postern.keysMade();
  traffic = await prepareTraffic(postern, SEED);
  await passTime(RUN_SECONDS);
  readLog();
  errorLines.length = 0;
  beginning = await measure();
  const begin = performance.now();
  for (let index = 0; index < ROUNDS; index++) {
    await sendRound(index, begin);
    const crowded = await measure();
    await passTime(HOURS * HOUR);
    rounds.push({ ...(await measure()), crowded });
    printRound(rounds.at(-1));
  }
  seconds = (performance.now() - begin) / 1_000;
  traffic.closeConnections();
  await passTime(ALL_OVER_SECONDS);
  // Connections without a request end after some seconds.
  await until(measureWorkerd, ({ descriptors }) => descriptors <= mostDescriptors());
  end = await measure();
  printRound(end);
  status = (await postern.operator("GET", "/healthz")).body;
  if (process.env.RESULT) writeFileSync(process.env.RESULT, page());
});
after(async () => {
  Date.now = now;
  await traffic.close();
  await postern.close();
});

/** How many descriptors may be open at the end. */
const mostDescriptors = () => beginning.workerd.descriptors + KEPT_CONNECTIONS;

/** The measurements after the first share of the rounds. */
const from = (share) => rounds.slice(Math.floor(rounds.length * share));
const all = () => [beginning, ...rounds.flatMap((round) => [round.crowded, round]), end];

/** The slope of the line through points by least squares. */
function slopeOf(points) {
  const mean = (values) => values.reduce((total, value) => total + value, 0) / values.length;
  const [x, y] = [mean(points.map(([value]) => value)), mean(points.map(([, value]) => value))];
  const squares = points.reduce((total, [value]) => total + (value - x) ** 2, 0);
  return points.reduce((total, [a, b]) => total + (a - x) * (b - y), 0) / squares;
}

const residentSlope = () => slopeOf(from(1 / 3).map(({ sent, workerd }) => [sent, workerd.residentBytes]));

test(`${REQUESTS} requests get the expected statuses, none of them 5xx`, () => {
  assert.deepEqual(traffic.failures.slice(0, 20), []);
  assert.equal(traffic.sent, REQUESTS);
});

test("no line of the log is an error, and no run of the maintenance fails", () => {
  assert.deepEqual(errorLines.slice(0, 20), []);
  assert.equal(failedRuns, 0);
  // The configuration has settings for development.
  assert.deepEqual(status.checks.filter(({ name, status: found }) => found !== "ok" && name !== "configuration"), []);
});

test("the module keeps its instance, and takes memory for two passwords at most", () => {
  assert.equal(end.instances, 0);
  const most = Math.max(...all().map(({ memory }) => memory));
  assert.ok(most <= MEMORY_MOST, `${mib(most)} of ${mib(MEMORY_MOST)} MiB`);
});

test("the module's memory does not grow after the first sixth", (t) => {
  if (rounds.length < LONG_ENOUGH) return t.skip(TOO_SHORT);
  const [first, ...later] = from(1 / 6);
  for (const { memory, sent } of [...later, end]) {
    assert.ok(memory <= first.memory + MEMORY_SLACK, `${memory} bytes after ${sent} requests, ${first.memory} before`);
  }
});

test("no deferred task is left after a round, and the module holds no more JavaScript values", () => {
  assert.deepEqual(all().filter(({ tasks }) => tasks > 0), []);
  const most = Math.max(...all().map(({ handles }) => handles));
  assert.ok(most <= beginning.handles + MORE_HANDLES, `${most} places, and ${beginning.handles} at the beginning`);
});

test("the resident memory of workerd does not rise with the requests", (t) => {
  if (end.workerd.processes === 0) return t.skip("no /proc");
  if (rounds.length < LONG_ENOUGH) return t.skip(TOO_SHORT);
  assert.ok(residentSlope() < RESIDENT_BYTES_PER_REQUEST, `${residentSlope()} bytes for each request`);
});

test("no descriptor is left but those of kept connections", (t) => {
  if (end.workerd.processes === 0) return t.skip("no /proc");
  assert.ok(end.workerd.descriptors <= mostDescriptors(), `${end.workerd.descriptors} of ${mostDescriptors()}`);
});

test(`rows that live for less than ${HOURS} hours are gone after each round`, () => {
  const made = SHORT_LIVED.filter((table) => rounds.some(({ crowded }) => crowded.rows[table] > 0));
  assert.ok(made.length >= 5, made.join());
  for (const { rows, sent } of rounds) {
    const left = SHORT_LIVED.filter((table) => rows[table] > 0);
    assert.deepEqual(left, [], `after ${sent} requests`);
  }
});

test("D1 has no more bytes than docs/data-model.md states for its rows", () => {
  const { rows, bytes } = rounds.at(-1).crowded;
  const stated = Object.entries(ROW_BYTES).reduce((total, [table, size]) => total + size * rows[table], 0);
  assert.ok(bytes - beginning.bytes < stated + SHORT_LIVED_BYTES, `${bytes - beginning.bytes} bytes, ${stated} stated`);
});

test("when all is over, only the rows are left that docs/data-model.md says stay", async () => {
  const left = Object.entries(end.rows).filter(([table, count]) => count > (STAYING[table] ?? 0));
  assert.deepEqual(left, []);
  const events = await postern.env.DB.prepare("SELECT DISTINCT kind FROM audit_events").all();
  assert.deepEqual(events.results, [{ kind: "key.created" }]);
  assert.equal(end.kv, PUBLISHED);
});

test("each logout token has arrived once, and the keys have rotated", () => {
  assert.ok(traffic.logoutTokensExpected > 0);
  assert.equal(traffic.logoutTokensReceived, traffic.logoutTokensExpected);
  assert.ok(rounds.at(-1).rows.signing_keys > 2);
});

/** The page with the figures. */
function page() {
  const tenths = new Set(Array.from({ length: 10 }, (_, index) => rounds[Math.ceil((index + 1) * rounds.length / 10) - 1]));
  const shown = [["the beginning", beginning], ...[...tenths].map((one) => [`${one.sent} requests`, one]), ["all is over", end]];
  const line = ([name, one]) => `| ${[
    name, (one.ahead / DAY).toFixed(1), mib(one.memory), one.handles, mib(one.workerd.residentBytes),
    one.workerd.descriptors, one.tasks,
    sum(one.rows), mib(one.bytes),
  ].join(" | ")} |`;
  const tables = Object.keys(end.rows).filter((table) => all().some(({ rows }) => rows[table] > 0));
  const most = (table) => Math.max(...all().map(({ rows }) => rows[table]));
  return `# What an hour of mixed traffic leaves behind

Written by \`MINUTES=${MINUTES} REQUESTS=${REQUESTS} SEED=${SEED} RESULT=… node --test tests/long/soak.test.mjs\`.

${REQUESTS} requests in ${Math.round(seconds / 60)} minutes, ${maintenanceRuns} runs of the maintenance, ${(rounds.at(-1).ahead / DAY).toFixed(0)}
days by the clock of the worker and ${(ALL_OVER_SECONDS / DAY).toFixed(0)} more without traffic. Errors in the log: ${errorLines.length}. Unexpected
statuses: ${traffic.failures.length}. Instances of the module lost: ${end.instances}. Logout tokens: ${traffic.logoutTokensReceived} of
${traffic.logoutTokensExpected}. Resident memory after the first third: ${residentSlope().toFixed(0)} bytes more for each request.

| after | days | wasm memory, MiB | places for handles | RSS, MiB | descriptors | deferred tasks | rows in D1 | MiB in D1 |
| --- | --: | --: | --: | --: | --: | --: | --: | --: |
${shown.map(line).join("\n")}

## Rows

| table | at the beginning | at most | after the last round | when all is over |
| --- | --: | --: | --: | --: |
${tables.map((table) => `| \`${table}\` | ${beginning.rows[table]} | ${most(table)} | ${rounds.at(-1).rows[table]} | ${end.rows[table]} |`).join("\n")}

## Responses

| request | status | responses |
| --- | --: | --: |
${[...traffic.statuses].sort(([a], [b]) => a.localeCompare(b, "en")).map(([key, count]) => `| ${key.replace(/ (\d+)$/, " | $1")} | ${count} |`).join("\n")}
`;
}
