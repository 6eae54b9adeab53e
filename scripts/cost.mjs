// node scripts/cost.mjs: what sign-ins, userinfo calls and refreshes cost, from counted requests, rows and operations,
// measured CPU and the published prices.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { statedCounts } from "./request_table.mjs";
import { Failure, isMain, parseOptions, root } from "./steps.mjs";

const USAGE = `node scripts/cost.mjs [--write]

Prints, as Markdown tables, the price in dollars of a million sign-ins, userinfo calls and refreshes, the same for other
providers that run on Workers, and what an organization of 10,000 users pays a month. Postern's counts are those of
docs/d1-requests.md; those of others, and the CPU of all, are those of bench/results/usage.json, which
"npm run bench -- --network" writes. The prices are those beyond what the Workers paid plan includes.

  --write  writes the tables into docs/d1-requests.md and docs/operations.md`;

/** Dollars a million beyond the included amounts of the Workers paid plan, as read in November 2026. */
const PRICES = {
  // https://developers.cloudflare.com/workers/platform/pricing/
  requests: 0.3,
  cpuMilliseconds: 0.02,
  // https://developers.cloudflare.com/d1/platform/pricing/
  rowsRead: 0.001,
  rowsWritten: 1,
  // https://developers.cloudflare.com/kv/platform/pricing/: a deletion costs as much as a write.
  kvReads: 0.5,
  kvWrites: 5,
  kvLists: 5,
};
/** The included amounts a month, and the price of the plan, in dollars. */
const INCLUDED = { requests: 10e6, cpuMilliseconds: 30e6, rowsRead: 25e9, rowsWritten: 50e6 };
const PLAN = 5;

/** @typedef {import("./request_table.mjs").Counts} Counts */
/** @typedef {{ about: string, flows: Record<string, Record<string, Counts>> }} Usage */

const PAGE = "GET authorize without a session: sign-in page";
const LOGIN = "POST login";
const CODE = "GET authorize with prompt=none: code";
const REDEEM = "Redeem, client secret";
const REDEEM_OFFLINE = "Redeem, client secret, offline_access";
const USERINFO = "Userinfo";
const REFRESH = "Refresh, client secret";
const FIRST = [PAGE, LOGIN, "GET authorize after the login: consent page", "POST consent: code"];

/**
 * Postern's flows: the steps of each, and the flow in usage.json with its CPU.
 *
 * @type {Record<string, [string[], string | undefined]>}
 */
const FLOWS = {
  "first sign-ins, with password and consent": [[...FIRST, REDEEM_OFFLINE], "first"],
  "sign-ins with a session and consent": [[CODE, REDEEM], "again"],
  "userinfo calls": [[USERINFO], "userinfo"],
  refreshes: [[REFRESH], "refresh"],
  "tokens of machines": [["Client credentials"], undefined],
};
/** CPU in milliseconds where it is not measured. */
const ASSUMED_CPU = 1;

/** The flows that are compared with those of other providers, as the bench does them: each with `offline_access`. */
const COMPARED = {
  first: ["first sign-in, with password and consent", [...FIRST, REDEEM_OFFLINE]],
  again: ["sign-in again, same browser", [CODE, REDEEM_OFFLINE]],
  userinfo: ["userinfo call", [USERINFO]],
  refresh: ["refresh", [REFRESH]],
};

const OURS = "postern";

/** @returns {Usage} */
export const readUsage = () => JSON.parse(readFileSync(join(root, "bench", "results", "usage.json"), "utf8"));

/** The CPU of one of Postern's flows, in milliseconds. */
const cpuOf = (/** @type {Usage} */ { flows }, /** @type {string | undefined} */ flow) =>
  (flow ? flows[OURS][flow].cpu : ASSUMED_CPU);

/**
 * The price of a million of each of Postern's flows, as a Markdown table.
 *
 * @param {Map<string, Counts>} counts The counts of each step.
 * @param {Usage} usage
 */
export function costTable(counts, usage) {
  const lines = Object.entries(FLOWS).map(([title, [steps, flow]]) => {
    const used = usageOf(steps, cpuOf(usage, flow), counts);
    const kv = used.kvReads + used.kvWrites + used.kvLists;
    const prices = [
      used.requests * PRICES.requests, used.cpuMilliseconds * PRICES.cpuMilliseconds, used.rowsRead * PRICES.rowsRead,
      used.rowsWritten * PRICES.rowsWritten, kv * PRICES.kvWrites,
    ];
    return [title, ...[...prices, priceOf(used)].map(dollars)];
  });
  return table("a million", ["Worker requests", "CPU", "rows read", "rows written", "KV", "together"], lines);
}

/**
 * A table of what one of each flow uses, and of the price of a million, for each provider that was measured.
 *
 * @param {Map<string, Counts>} counts
 * @param {Usage} usage
 */
export function peersTable(counts, usage) {
  const names = [OURS, ...Object.keys(usage.flows).filter((name) => name !== OURS)];
  const lines = Object.entries(COMPARED).flatMap(([flow, [title, steps]]) =>
    names.filter((name) => usage.flows[name][flow]).map((name) => {
      const { cpu, ...others } = usage.flows[name][flow];
      /** @type {Counts} */
      const used = name === OURS ? usageOf(/** @type {string[]} */ (steps), cpu, counts) : { ...others, cpuMilliseconds: cpu };
      return [`${title}: ${name}`, used.requests, cpu, used.d1, used.rowsRead, used.rowsWritten, used.kvReads,
        used.kvWrites, used.kvLists, dollars(priceOf(used))];
    }));
  const head = ["Worker requests", "ms of CPU", "D1 requests", "rows read", "rows written", "KV reads", "KV writes", "KV lists",
    "a million"];
  return table("one", head, lines);
}

/** A day of a user who types the password once and signs in to three applications, each of which calls userinfo once. */
const DAY = {
  steps: [PAGE, LOGIN, ...times(3, CODE), ...times(3, REDEEM), ...times(3, USERINFO)],
  flows: ["first", ...times(2, "again"), ...times(3, "userinfo")],
};
/** The same with an application that refreshes its tokens and calls userinfo every ten minutes for eight hours. */
const BUSY_DAY = {
  steps: [PAGE, LOGIN, ...times(3, CODE), ...times(2, REDEEM), REDEEM_OFFLINE, ...times(51, USERINFO), ...times(48, REFRESH)],
  flows: ["first", ...times(2, "again"), ...times(51, "userinfo"), ...times(48, "refresh")],
};
/** The days of 10,000 users with 22 working days a month. */
const DAYS = 10_000 * 22;
/** The rows of a day that the cron deletes later: a grant with its code for each authorization, refresh tokens, and events. */
const deletedRows = (steps) => 2 * steps.filter((step) => step === CODE).length
  + steps.filter((step) => [REDEEM_OFFLINE, REFRESH, LOGIN].includes(step)).length;
/** Bytes of rows with their indexes, of bench/results/growth.md. */
const BYTES = { user: 376, session: 253, consent: 97, grant: 338, code: 260, refreshToken: 167, event: 256 };
/** How many days' refresh tokens are kept, of those with work: a month's. */
const KEPT_DAYS = 22;
/** The same of events: three months'. */
const AUDITED_DAYS = 66;

/**
 * A table of what 10,000 users cost a month.
 *
 * @param {Map<string, Counts>} counts
 * @param {Usage} usage
 */
export function monthTable(counts, usage) {
  const months = [DAY, BUSY_DAY].map(({ steps, flows }) => {
    const used = usageOf(steps, flows.reduce((sum, flow) => sum + cpuOf(usage, flow), 0), counts);
    used.rowsWritten += deletedRows(steps);
    const all = Object.fromEntries(Object.entries(used).map(([unit, amount]) => [unit, amount * DAYS]));
    const beyond = Object.entries(INCLUDED)
      .map(([unit, included]) => [unit, Math.max(0, all[unit] - included) / 1e6]);
    const tokens = steps.filter((step) => step === REFRESH || step === REDEEM_OFFLINE).length;
    const kept = tokens > 0 ? KEPT_DAYS * (BYTES.grant + BYTES.code + tokens * BYTES.refreshToken) : 0;
    const bytes = 10_000 * (BYTES.user + BYTES.session + 3 * BYTES.consent + AUDITED_DAYS * BYTES.event + kept);
    return { used, all, bytes, price: PLAN + priceOf(Object.fromEntries(beyond)) };
  });
  const row = (title, cell) => [title, ...months.map(cell)];
  const [day] = months;
  return table("a month", ["sign-ins only", "with refreshing"], [
    row("requests", ({ all }) => millions(all.requests)),
    row("CPU", ({ all }) => `${millions(all.cpuMilliseconds)} ms`),
    row(`D1 rows written (${day.used.rowsWritten} a day of sign-ins, ${countsOf(REFRESH, counts).rowsWritten + 1} a refresh, with their deletion)`,
      ({ all }) => millions(all.rowsWritten)),
    row("size of D1, which does not grow", ({ bytes }) => `${(bytes / 1e9).toFixed(2)} GB`),
    row("price without storage over 5 GB", ({ price }) => (price === PLAN ? `$${PLAN}` : `about $${Math.round(price)}`)),
  ]);
}

/**
 * The tables of the two documents, each with the beginning of its first line.
 *
 * @param {Map<string, Counts>} counts
 * @param {Usage} usage
 */
export const tables = (counts, usage) => ({
  "d1-requests.md": [costTable(counts, usage), peersTable(counts, usage)],
  "operations.md": [monthTable(counts, usage)],
});

/**
 * A document with these tables instead of those with the same first cell.
 *
 * @param {string} text
 * @param {string[]} made
 */
export function withTables(text, made) {
  return made.reduce((all, one) => {
    const [start] = one.match(/^\| [^|]+\|/);
    const begin = all.indexOf(`\n${start}`) + 1;
    if (begin === 0) throw new Failure(`there is no table that begins with ${start}`);
    const [old] = all.slice(begin).match(/^(?:\|.*\n)*/);
    return `${all.slice(0, begin)}${one}\n${all.slice(begin + old.length)}`;
  }, text);
}

/** @returns {Counts} */
function countsOf(step, counts) {
  const counted = counts.get(step);
  if (!counted) throw new Failure(`docs/d1-requests.md: has no step "${step}"`);
  return counted;
}

/**
 * The amounts that these steps use, by the names of the prices, and their D1 requests, which have no price.
 *
 * @param {string[]} steps
 * @param {number} cpuMilliseconds
 * @param {Map<string, Counts>} counts
 */
function usageOf(steps, cpuMilliseconds, counts) {
  // Each step is one request to the worker. The document has the sum of KV's operations; its writes cost most.
  const used = { requests: steps.length, cpuMilliseconds, d1: 0, rowsRead: 0, rowsWritten: 0, kvReads: 0, kvWrites: 0, kvLists: 0 };
  for (const step of steps) {
    const { requests, rowsRead, rowsWritten, kv } = countsOf(step, counts);
    used.d1 += requests;
    used.rowsRead += rowsRead;
    used.rowsWritten += rowsWritten;
    used.kvWrites += kv;
  }
  return used;
}

/** The price of a million of what is used, or the price of what is used in millions. */
const priceOf = (/** @type {Counts} */ used) =>
  Object.entries(PRICES).reduce((sum, [unit, price]) => sum + (used[unit] ?? 0) * price, 0);

function times(count, one) {
  return Array.from({ length: count }, () => one);
}

const dollars = (/** @type {number} */ price) => `$${price.toFixed(2)}`;
const millions = (/** @type {number} */ number) =>
  `${(number / 1e6).toLocaleString("en", { maximumSignificantDigits: number < 1e7 ? 2 : 3 })} million`;

function table(first, head, lines) {
  const line = (/** @type {any[]} */ cells) => `| ${cells.join(" | ")} |`;
  return [line([first, ...head]), `| --- |${" --: |".repeat(head.length)}`, ...lines.map(line)].join("\n");
}

if (isMain(import.meta.url)) {
  const options = parseOptions(USAGE, { write: { type: "boolean" } });
  const path = (/** @type {string} */ name) => join(root, "docs", name);
  const counts = statedCounts(readFileSync(path("d1-requests.md"), "utf8"));
  for (const [name, made] of Object.entries(tables(counts, readUsage()))) {
    if (options.write) writeFileSync(path(name), withTables(readFileSync(path(name), "utf8"), made));
    else console.log(`${made.join("\n\n")}\n`);
  }
}
