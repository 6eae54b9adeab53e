// Measures each D1 statement in databases of growing size: the rows that it reads in workerd's D1, and its time in
// SQLite.
import { argon2Sync, randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Failure, root, step } from "../scripts/steps.mjs";
import { PASSWORD } from "../tests/edge/browser.mjs";
import { ISSUER, keysMade, operatorApi, settings } from "../tests/edge/harness.mjs";
import { CLIENT, LAST_ROWS, VARS, prepare, takeSteps } from "../tests/edge/steps.mjs";
import { now } from "./fixtures.mjs";
import { machine, versions } from "./machine.mjs";
import { growthChart } from "./statements_chart.mjs";
import { bytesOfRows, countRows, fill, subOf } from "./statements_fill.mjs";
import { replay } from "./statements_replay.mjs";
import { placesOf, unusedPlaces } from "./statements_source.mjs";
import { MAINTENANCE, SWEEPING, takeOperatorSteps, takeRareSteps } from "./statements_steps.mjs";
import { faults, growthPage } from "./statements_table.mjs";
import { bundle } from "./workerd.mjs";

/** Each size has a folder here with its databases, until it is measured. */
export const FOLDERS = join(root, "build", "bench");

/**
 * The tables of keys, which have a few rows at every size, and the look at the last runs before a key is made. These
 * statements, and their events, run when an isolate starts, and when keys are made. The last one runs only while
 * KEY_ENCRYPTION_KEY is replaced, and finds counters by their names.
 */
const NOT_GROWING = /^(signing_keys::|acts::key_|maintenance_runs::has_later$|sign_in_attempts::carry_over$)/;

/** The numbers of users. */
const SIZES = [1_000, 100_000, 1_000_000];

/** Measures all sizes. Returns the page, the picture, and whether every step reads as it should and every statement ran. */
export async function measureGrowth() {
  const begin = Date.now();
  const found = await measureStatements(SIZES);
  const measured = { ...found, machine: machine(), versions: await versions(), seconds: (Date.now() - begin) / 1000 };
  return {
    text: growthPage(measured), picture: growthChart(measured),
    isGood: faults(measured).length === 0 && measured.unused.length === 0,
  };
}

/**
 * Measures databases with these numbers of users. Returns each size, and each step with its statements, whose figures
 * are lists with one for each size.
 *
 * @param {number[]} sizes
 */
export async function measureStatements(sizes) {
  const bundled = await bundle("growth", "tests/edge/counting_worker.mjs");
  const runs = [];
  for (const users of sizes) {
    runs.push(await step(`${users.toLocaleString("en")} users`, () => measureSize(bundled, users), { shows: true }));
  }
  const steps = joined(runs);
  const texts = [...new Set(steps.flatMap(({ statements }) => statements.map(({ sql }) => sql)))];
  const places = placesOf(texts);
  for (const statement of steps.flatMap(({ statements }) => statements)) statement.place = places.get(statement.sql);
  return {
    sizes: runs.map(({ size }) => size), steps,
    unused: unusedPlaces(texts).filter((place) => !NOT_GROWING.test(place)),
  };
}

/** Measures one size: fills a database, records every step in workerd on it, and replays them on a copy. */
async function measureSize(bundled, users) {
  mkdirSync(FOLDERS, { recursive: true });
  const folder = mkdtempSync(join(FOLDERS, "growth-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.on("exit", remove);
  // Miniflare decides where the file of a database is.
  const first = await open(bundled, folder);
  await (await first.getD1Database("DB")).prepare("SELECT 1").run();
  await first.dispose();

  const file = databaseIn(folder);
  const copy = join(folder, "copy.sqlite");
  const size = await step("  filling the database", async () => {
    const database = new DatabaseSync(file);
    fill(database, { users, popular: CLIENT, passwordHash: passwordHash(19_456, 2), now: now() });
    const outdated = database.prepare("UPDATE users SET password_hash = ? WHERE sub = ?");
    outdated.run(passwordHash(1_024, 1), people(users).dave);
    database.exec(LAST_ROWS.join(";"));
    const rows = countRows(database);
    const bytesEach = bytesOfRows(database, rows);
    database.close();
    copyFileSync(file, copy);
    return { users, rows, bytesEach, bytes: statSync(file).size };
  });
  const { recorded, plans } = await step("  recording the steps in workerd's D1", async () => {
    const miniflare = await open(bundled, folder);
    try {
      const recorded = await record(miniflare, users);
      return { recorded, plans: await plansOf(await miniflare.getD1Database("DB"), recorded) };
    } finally {
      await miniflare.dispose();
    }
  });
  const times = await step("  repeating their statements in SQLite", async () => replay(copy, recorded));
  remove();
  process.off("exit", remove);
  return { size, recorded, plans, times };
}

/** Starts the worker in miniflare, with its D1 and KV in a folder. */
export async function open({ folder: bundle, modules }, folder) {
  const { default: miniflare } = await import("miniflare");
  const { vars, secrets } = settings({ ...VARS, ALLOW_IMPLICIT: "true" });
  const options = miniflare.convertV4MiniflareOptions({
    compatibilityDate: "2026-10-20", bindings: { ...vars, ...secrets }, kvNamespaces: ["KV"], d1Databases: ["DB"], cf: false,
    modules: modules.map((name) => ({
      type: name.endsWith(".wasm") ? "CompiledWasm" : "ESModule", path: name, contents: readFileSync(join(bundle, name)),
    })),
    modulesRoot: "/", handleStructuredLogs: () => {},
  });
  return new miniflare.Miniflare({ ...options, resourcePersistencePath: folder });
}

/** The users of the steps, who use the popular client. */
export function people(users) {
  const middle = Math.floor(users / 20) * 10;
  const [alice, bob, carol, dave] = [0, 10, 20, 30].map((number) => subOf(middle + number));
  return { alice, bob, carol, dave };
}

/** The hash of the password, as a PHC string. */
export function passwordHash(memory, passes) {
  const nonce = randomBytes(16);
  const hash = argon2Sync("argon2id", { message: PASSWORD, nonce, parallelism: 1, tagLength: 32, memory, passes });
  const text = (bytes) => bytes.toString("base64").replaceAll("=", "");
  return `$argon2id$v=19$m=${memory},t=${passes},p=1$${text(nonce)}$${text(hash)}`;
}

/** The file of miniflare's D1 database. */
export function databaseIn(folder) {
  const files = readdirSync(join(folder, "d1"), { recursive: true, encoding: "utf8" });
  const found = files.filter((path) => /[0-9a-f]{64}\.sqlite$/.test(path));
  if (found.length !== 1) throw new Failure(`miniflare has ${found.length} D1 databases in ${folder} instead of one`);
  return join(folder, "d1", found[0]);
}

/** Whether a D1 request is the batch of `all` in `store/sweep.rs`, which ends with the deletion of deleted users. */
const isSweep = (request) => request.at(-1).sql.startsWith("DELETE FROM deleted_users");

/** Takes every step. Returns the D1 requests in order; those between two steps have no step. */
async function record(miniflare, users) {
  /** @type {any} */
  const fetch = (target, init = {}) => miniflare.dispatchFetch(new URL(target, ISSUER), { redirect: "manual", ...init });
  const recorded = [];
  let executed = [];
  const take = async (/** @type {string | undefined} */ step = undefined) => {
    const { statements } = await (await fetch("/test/counts")).json();
    const requests = [...statements, ...executed];
    executed = [];
    // An isolate sweeps after any response when it is time to, so that this is no part of a step.
    const sweeps = SWEEPING.has(step ?? "") ? [] : requests.filter(isSweep);
    const others = requests.filter((request) => !sweeps.includes(request));
    if (others.length > 0) recorded.push({ step, requests: others });
    if (sweeps.length > 0) recorded.push({ step: undefined, requests: sweeps });
  };
  const measure = async (step, work) => {
    if (recorded.some((other) => other.step === step)) throw new Failure(`two steps are named "${step}"`);
    await take();
    const result = await work();
    await take(step);
    return result;
  };
  const database = await miniflare.getD1Database("DB");
  const execute = async (commands) => {
    for (const sql of commands.split("; ")) {
      const { results, meta } = await database.prepare(sql).all();
      executed.push([{ sql, params: [], rows: results.length, rowsRead: meta.rows_read, rowsWritten: meta.rows_written }]);
    }
  };
  await keysMade(fetch);
  // First, because a step also deletes a few expired rows, and the time would decide how many it finds.
  const worker = await miniflare.getWorker();
  const maintain = () => worker.scheduled({ cron: "*/5 * * * *" });
  await measure(MAINTENANCE, maintain);
  const world = await prepare({ fetch, operator: operatorApi(fetch), users: people(users) });
  await takeSteps(world, measure);
  await takeRareSteps(world, measure);
  await takeOperatorSteps({ ...world, execute, database, maintain }, measure);
  return recorded;
}

/** The tables and indexes in which D1 finds the rows of each recorded statement, by its text. */
async function plansOf(database, recorded) {
  const plans = new Map();
  for (const { sql, params } of recorded.flatMap(({ requests }) => requests.flat())) {
    if (plans.has(sql)) continue;
    const { results } = await database.prepare(`EXPLAIN QUERY PLAN ${sql}`).bind(...params).all();
    plans.set(sql, [...new Set(results.map(({ detail }) => pathOf(detail, sql)).filter(Boolean))]);
  }
  return plans;
}

/**
 * The index of a step of a plan, or the columns of a table's own. A scan reads the whole table.
 * @param {string} detail
 * @param {string} sql
 */
function pathOf(detail, sql) {
  const [, kind, name, path = ""] = /^(SEARCH|SCAN) (\S+)(?: USING (.*))?/.exec(detail) ?? [];
  if (!kind || /^(CONSTANT|json_each|\(subquery)/.test(name)) return undefined;
  const [, table = name] = new RegExp(`(\\w+) AS ${name}\\b`).exec(sql) ?? [];
  if (kind === "SCAN") return `all of ${table}`;
  const [, index = "sqlite_autoindex"] = /INDEX (\w+)/.exec(path) ?? [];
  if (!index.startsWith("sqlite_autoindex")) return index;
  return `${table} (${[...path.matchAll(/(\w+)[=<>]/g)].map(([, column]) => column).join(", ")})`;
}

/** The steps of all sizes together. Fails if their statements differ. */
function joined(runs) {
  const [{ recorded: all }] = runs;
  return all.filter(({ step }) => step !== undefined).map(({ step, requests }) => {
    const perSize = runs.map(({ recorded, times, plans }) => {
      const statements = recorded.find((other) => other.step === step)?.requests.flat() ?? [];
      return { ...times.get(step), plans, recorded: statements };
    });
    const texts = perSize.map(({ recorded }) => recorded.map(({ sql }) => sql).join("\n"));
    if (new Set(texts).size !== 1) throw new Failure(`${step}: other statements in another size:\n${texts.join("\n\n")}`);
    const statements = perSize[0].recorded.map(({ sql }, index) => ({
      sql, plan: perSize.at(-1).plans.get(sql),
      rowsRead: perSize.map(({ recorded }) => recorded[index].rowsRead),
      rowsWritten: perSize.map(({ recorded }) => recorded[index].rowsWritten),
      time: perSize.map(({ statements }) => statements[index].time),
    }));
    const sum = (figure) => runs.map((_, size) => statements.reduce((total, statement) => total + statement[figure][size], 0));
    return {
      step, requests: requests.length, statements, time: perSize.map(({ time }) => time),
      rowsRead: sum("rowsRead"), rowsWritten: sum("rowsWritten"),
    };
  });
}
