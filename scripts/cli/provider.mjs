// The provider that a command manages.
import { localWorker } from "../local.mjs";
import { fetchReport, operatorApi } from "../operator_api.mjs";
import { Failure } from "../steps.mjs";

/**
 * @typedef {object} Provider
 * @property {string} url
 * @property {import("../operator_api.mjs").OperatorRequest} request
 * @property {() => ReturnType<typeof fetchReport>} report
 *   Returns the report of /healthz.
 * @property {() => Promise<Record<string, any>>} discover
 *   Returns the provider metadata, or an empty object if it cannot be fetched.
 */

/**
 * Returns the provider at POSTERN_URL, or the local worker. The ADMIN_TOKEN of .dev.vars is sent to the local worker
 * only.
 *
 * @returns {Provider}
 */
export function selectProvider() {
  const { POSTERN_URL, ADMIN_TOKEN } = process.env;
  if (!POSTERN_URL) {
    const { url, adminToken } = localWorker();
    if (!adminToken) throw new Failure("there is no ADMIN_TOKEN in .dev.vars: npm start makes one");
    return provider(url, adminToken, `no worker answers at ${url}: npm start starts one`);
  }
  const url = URL.canParse(POSTERN_URL) ? new URL(POSTERN_URL) : undefined;
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(url?.hostname);
  if (url?.protocol !== "https:" && !(url?.protocol === "http:" && isLocal)) {
    throw new Failure("POSTERN_URL must be an https URL (http is for localhost): the ADMIN_TOKEN is sent there");
  }
  if (!ADMIN_TOKEN) throw new Failure("ADMIN_TOKEN is not set: the provider at POSTERN_URL needs its own");
  return provider(url.origin + url.pathname.replace(/\/+$/, ""), ADMIN_TOKEN, `no answer from ${url.origin}`);
}

function provider(url, token, unreachable) {
  return {
    url,
    request: operatorApi(url, token, unreachable),
    report: () => fetchReport(url, token, unreachable),
    discover: () => discover(url),
  };
}

/** Fetches the provider metadata. It serves warnings only, so a failure is not worth an error. */
async function discover(url) {
  try {
    const signal = AbortSignal.timeout(10_000);
    return await (await fetch(`${url}/.well-known/openid-configuration`, { signal })).json();
  } catch {
    return {};
  }
}

/**
 * Returns the path of a resource under /admin.
 *
 * @param {...string} segments
 */
export function pathOf(...segments) {
  return `/${segments.map(encodeURIComponent).join("/")}`;
}

/**
 * Fetches a collection a page at a time and passes each page to `show`. Names each damaged row on standard error, and
 * sets the exit code.
 *
 * @param {Provider} provider
 * @param {"clients" | "grants" | "initial-access-tokens" | "logouts" | "sessions" | "users"} collection
 * @param {(items: any[]) => Promise<void>} show
 * @param {(text: string) => void} note
 * @param {[string, string][]} [filter]    Parameters of the request.
 */
export async function fetchAll({ request }, collection, show, note, filter = []) {
  let after = "";
  do {
    const query = new URLSearchParams(filter);
    query.set("limit", "500");
    query.set("after", after);
    const page = await request("GET", `/${collection}?${query}`);
    await show(page[collection.replaceAll("-", "_")]);
    for (const id of page.damaged ?? []) {
      note(`${id} is damaged in the database and is left out: put it again, or delete it`);
      process.exitCode = 1;
    }
    after = page.next;
  } while (after !== undefined);
}
