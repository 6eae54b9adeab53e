// node scripts/cost.mjs: what a million sign-ins, userinfo calls and refreshes cost, from the counts in
// docs/d1-requests.md and the published prices.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { statedCounts } from "./request_table.mjs";
import { Failure, isMain, parseOptions, root } from "./steps.mjs";

const USAGE = `node scripts/cost.mjs

Prints the price of a million sign-ins, userinfo calls and refreshes in dollars, as a Markdown table. The counts are those
of docs/d1-requests.md. The prices are those beyond what the Workers paid plan includes.`;

/** Dollars a million beyond the included amounts of the Workers paid plan, as read in November 2026. */
const PRICES = {
  // https://developers.cloudflare.com/workers/platform/pricing/
  requests: 0.3,
  cpuMilliseconds: 0.02,
  // https://developers.cloudflare.com/d1/platform/pricing/
  rowsRead: 0.001,
  rowsWritten: 1,
  // https://developers.cloudflare.com/kv/platform/pricing/: that of a write. A read costs 0.5, and the table counts both.
  kv: 5,
};

/** CPU of a request, as docs/operations.md assumes: Argon2id needs most of the first. */
const CPU_MILLISECONDS = { password: 45, other: 1 };

const LOGIN = "POST login";

/** The steps of each flow. */
const FLOWS = {
  "first sign-ins, with password and consent": [
    "GET authorize without a session: sign-in page", LOGIN, "GET authorize after the login: consent page",
    "POST consent: code", "Redeem, client secret, offline_access",
  ],
  "sign-ins with a session and consent": ["GET authorize with prompt=none: code", "Redeem, client secret"],
  "userinfo calls": ["Userinfo"],
  refreshes: ["Refresh, client secret"],
  "tokens of machines": ["Client credentials"],
};

/**
 * The price of a million of each flow, as a Markdown table.
 *
 * @param {Map<string, import("./request_table.mjs").Counts>} counts The counts of each step.
 */
export function costTable(counts) {
  const lines = Object.entries(FLOWS).map(([flow, steps]) => {
    const used = usageOf(steps, counts);
    const prices = Object.entries(PRICES).map(([unit, price]) => used[unit] * price);
    const total = prices.reduce((sum, price) => sum + price, 0);
    return `| ${[flow, ...[...prices, total].map(dollars)].join(" | ")} |`;
  });
  return ["| a million | Worker requests | CPU | rows read | rows written | KV | together |",
    "| --- | --: | --: | --: | --: | --: | --: |", ...lines].join("\n");
}

/**
 * What one run of a flow uses, by the names of the prices.
 *
 * @param {string[]} steps
 * @param {Map<string, import("./request_table.mjs").Counts>} counts
 */
function usageOf(steps, counts) {
  const used = { requests: 0, cpuMilliseconds: 0, rowsRead: 0, rowsWritten: 0, kv: 0 };
  for (const step of steps) {
    const counted = counts.get(step);
    if (!counted) throw new Failure(`docs/d1-requests.md: has no step "${step}"`);
    // Each step is one request to the worker. Its requests to D1 have no price.
    used.requests += 1;
    used.cpuMilliseconds += step === LOGIN ? CPU_MILLISECONDS.password : CPU_MILLISECONDS.other;
    for (const unit of /** @type {const} */ (["rowsRead", "rowsWritten", "kv"])) used[unit] += counted[unit];
  }
  return used;
}

const dollars = (/** @type {number} */ price) => `$${price.toFixed(2)}`;

if (isMain(import.meta.url)) {
  parseOptions(USAGE);
  console.log(costTable(statedCounts(readFileSync(join(root, "docs", "d1-requests.md"), "utf8"))));
}
