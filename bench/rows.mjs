// Measures databases with millions of rows that are over: the requests of users beside them, and the runs of the
// maintenance that delete them.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Failure, step } from "../scripts/steps.mjs";
import { PASSWORD, Browser, authorizePath, formOf, putClient, redeem, responseParameters, successJson } from "../tests/edge/browser.mjs";
import { ISSUER, keysMade, operatorApi } from "../tests/edge/harness.mjs";
import { CLIENT, OFFLINE } from "../tests/edge/steps.mjs";
import { now } from "./fixtures.mjs";
import { describe, machine, versions } from "./machine.mjs";
import { FOLDERS, databaseIn, open, passwordHash, people } from "./statements.mjs";
import { STRANGERS_ROWS, USERS_ROWS, countRows, fillClients, fillUsers, filling, migrate } from "./statements_fill.mjs";
import { spread } from "./statistics.mjs";
import { number, table } from "./table.mjs";
import { bundle, childrenOf, readings } from "./workerd.mjs";

const PLAN = { sizes: [1_000, 10_000, 100_000], over: 200_000, requests: 200, logins: 20, runs: 3 };
const FULL = { ...PLAN, sizes: [1_000, 100_000, 1_000_000], over: 5_000_000 };
/** So many users are added without making the indexes anew, which takes as long as there are rows. */
const FEW = 100_000;

/** The page of a measurement, by default of a database that is filled in a minute. */
export async function measureRows({ isFull }) {
  const begin = Date.now();
  const found = await measureRowsOf(isFull ? FULL : PLAN);
  return rowsPage({ ...found, machine: machine(), versions: await versions(), seconds: (Date.now() - begin) / 1000 });
}

/**
 * Measures two databases, because one with all of it is larger than D1 allows: one with users, and their sessions and grants
 * that are over, and one with the rows of strangers.
 *
 * @param {typeof PLAN} plan
 */
export async function measureRowsOf(plan) {
  const bundled = await bundle("rows", "src/cloudflare/entry.mjs");
  const users = await withDatabase(bundled, async (database) => {
    const steps = [];
    let from = 0;
    for (const users of plan.sizes) {
      await step(`${number(users)} users`, async () => {
        database.fill((sqlite) => {
          fillUsers(sqlite, [from, users], { popular: CLIENT, passwordHash: passwordHash(19_456, 2), now: now() });
          if (from === 0) fillOver(sqlite, USERS_ROWS, plan.over, users);
        }, { keepsIndexes: from > 0 && users <= FEW });
        steps.push({ users, ...database.size(), figures: await database.serve((miniflare) => measureSteps(miniflare, users, plan)) });
        from = users;
      }, { shows: true });
    }
    return { steps, ...(await step("runs of the maintenance", () => maintain(database, plan))) };
  });
  const strangers = await withDatabase(bundled, (database) => step("rows of strangers", () => {
    database.fill((sqlite) => fillOver(sqlite, STRANGERS_ROWS, plan.over));
    return maintain(database, plan);
  }));
  return { plan, users, strangers };
}

/** Adds rows of these kinds that are over, with different ends. */
function fillOver(sqlite, kinds, over, ...users) {
  fillClients(sqlite, now());
  for (const add of Object.values(kinds)) add(sqlite, [0, over], ...users, `${now() - 86_400} - n / 100`);
}

/** Makes a migrated database, and removes it after the work. */
async function withDatabase(bundled, work) {
  mkdirSync(FOLDERS, { recursive: true });
  const folder = mkdtempSync(join(FOLDERS, "rows-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.on("exit", remove);
  /** Works with the worker and the database in workerd. */
  const serve = async (work) => {
    const miniflare = await open(bundled, folder);
    try {
      return await work(miniflare);
    } finally {
      await miniflare.dispose();
    }
  };
  // Miniflare decides where the file of a database is.
  await serve(async (miniflare) => (await miniflare.getD1Database("DB")).prepare("SELECT 1").run());
  const file = databaseIn(folder);
  /** Works with the database in Node. */
  const use = (work) => {
    const sqlite = new DatabaseSync(file);
    const result = work(sqlite);
    sqlite.close();
    return result;
  };
  use(migrate);
  const database = {
    serve,
    fill: (work, options = undefined) => use((sqlite) => filling(sqlite, work, options)),
    size: () => ({ rows: use(countRows), bytes: statSync(file).size }),
  };
  try {
    return await work(database);
  } finally {
    remove();
    process.off("exit", remove);
  }
}

/** The CPU and the time of userinfo, of a redemption and of a login. */
async function measureSteps(miniflare, users, { requests, logins }) {
  /** @type {any} */
  const fetch = (target, init = {}) => miniflare.dispatchFetch(new URL(target, ISSUER), { redirect: "manual", ...init });
  await keysMade(fetch);
  const workerd = childrenOf(process.pid).find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8") === "workerd\n");
  if (workerd === undefined) throw new Failure("miniflare has no workerd");
  const { cpu } = readings(workerd);
  /** Sends a request for each, one after another, after a few to warm up. Returns the responses and the figures. */
  const measure = async (inputs, send) => {
    const responses = [];
    for (const input of inputs.splice(0, Math.ceil(inputs.length / 5))) responses.push(await send(input));
    const begin = cpu();
    const times = [];
    for (const input of inputs) {
      const sent = performance.now();
      responses.push(await send(input));
      times.push(performance.now() - sent);
    }
    return { responses, figures: { cpu: (cpu() - begin) / inputs.length / 1_000, time: spread(times) } };
  };

  const app = await putClient(operatorApi(fetch), CLIENT);
  const { alice: user } = people(users);
  const path = authorizePath(app, { scope: OFFLINE });
  const alice = new Browser(fetch);
  await alice.authorize(path, user);
  const codes = [];
  while (codes.length < requests) codes.push(responseParameters(await alice.get(`${path}&prompt=none`)).code);
  const redeemed = await measure(codes, async (code) => successJson(await redeem(fetch, app, code)));
  const tokens = redeemed.responses.map(({ access_token: token }) => token);
  const userinfo = await measure(tokens, (token) => fetch("/auth/userinfo", { headers: { authorization: `Bearer ${token}` } }));
  assert.ok(userinfo.responses.every(({ status }) => status === 200));
  const pages = [];
  while (pages.length < logins) {
    const browser = new Browser(fetch);
    pages.push({ browser, ...formOf(await browser.get(path)) });
  }
  const login = await measure(pages, ({ browser, action, fields }) => browser.post(action, { ...fields, login: user, password: PASSWORD }));
  assert.ok(login.responses.every(({ status }) => status === 303));
  return { "Userinfo": userinfo.figures, "Redemption": redeemed.figures, "Login": login.figures };
}

/** Runs the maintenance several times, as the scheduled event does. */
async function maintain(database, { runs: count }) {
  const before = database.size();
  const runs = await database.serve(async (miniflare) => {
    const [worker, d1] = [await miniflare.getWorker(), await miniflare.getD1Database("DB")];
    const runs = [];
    while (runs.length < count) {
      const begin = performance.now();
      await worker.scheduled({ cron: "*/5 * * * *" });
      const seconds = (performance.now() - begin) / 1_000;
      const { report } = await d1.prepare("SELECT report FROM maintenance_runs ORDER BY started_at DESC LIMIT 1").first();
      runs.push({ seconds, ...JSON.parse(report).steps.sweep });
    }
    return runs;
  });
  return { ...before, runs };
}

/** The page with what was found. */
export function rowsPage({ plan, users, strangers, machine, versions, seconds }) {
  const { steps } = users;
  const sizes = steps.map(({ users }) => `${number(users)} users`);
  const names = Object.keys(steps[0].figures);
  const figures = (read) => table(["", ...sizes], names.map((name) => [name, ...steps.map(({ figures }) => read(figures[name]))]));
  const contents = [...steps.map(({ users, ...size }) => [`${number(users)} users`, size]), ["rows of strangers", strangers]];
  const tables = Object.keys(users.rows).filter((name) => contents.some(([, { rows }]) => rows[name] > 0));
  const runs = ({ runs }) => table(["run", "seconds", "batches", "rows deleted", "kinds that have more"], runs.map((run, index) => [
    index + 1, number(run.seconds, 1), run.batches, number(Object.values(run.deleted).reduce((sum, rows) => sum + rows, 0)),
    run.left.map((name) => `\`${name}\``).join(", ") || "–",
  ]));
  return [
    `# What \`npm run bench -- --rows${plan.over === FULL.over ? " --full" : ""}\` found\n`,
    `Written by the bench; [NOTES.md](../NOTES.md#rows-that-are-over) explains it. The run took ${number(seconds)} s.\n`,
    `${describe({ machine, versions })}\n`,
    `## Requests of users beside ${number(plan.over)} sessions and as many grants that are over\n`,
    "CPU of workerd for a request, in ms: that of the module and of D1.\n",
    `${figures(({ cpu }) => number(cpu, 2))}\n`,
    "Time of a request, in ms, as median with the quartiles.\n",
    `${figures(({ time }) => `${number(time.median, 1)} (${number(time.low, 1)}–${number(time.high, 1)})`)}\n`,
    "## Runs of the maintenance\n",
    `With ${sizes.at(-1)}, and as many rows of users that are over:\n`, `${runs(users)}\n`,
    "With the rows of strangers:\n", `${runs(strangers)}\n`,
    "## The databases\n",
    table(["rows", ...contents.map(([name]) => name)], [
      ...tables.map((name) => [`\`${name}\``, ...contents.map(([, { rows }]) => number(rows[name]))]),
      ["file, MB", ...contents.map(([, { bytes }]) => number(bytes / 1e6))],
    ]), "",
  ].join("\n");
}
