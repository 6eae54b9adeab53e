// Calls the operator's interface, /admin.
import { printable } from "./printable.mjs";
import { Failure } from "./steps.mjs";

/** A failure that may be temporary: no answer, a server error or a rate limit. */
export class Outage extends Failure {}

/**
 * Sends a request to /admin and returns the JSON of the response. Fails with the provider's message; the failure's
 * `code` is the error code of the response.
 *
 * @callback OperatorRequest
 * @param {string} method
 * @param {string} path     The path after /admin.
 * @param {string | Uint8Array} [body]
 * @returns {Promise<any>}
 */

/**
 * Returns a function that sends requests to /admin of the provider at `url`. `unreachable` is the message if there is
 * no answer.
 *
 * @param {string} url
 * @param {string} token
 * @param {string} unreachable
 * @returns {OperatorRequest}
 */
export function operatorApi(url, token, unreachable) {
  const call = caller(url, token, unreachable);
  /** @type {(method: string, path: string, body?: string | Uint8Array) => ReturnType<typeof call>} */
  const send = (method, path, body) => call(method, `/admin${path}`, body);

  return async function request(method, path, body) {
    const { ok, status, json } = await send(method, path, body);
    if (ok && json) return json;
    // 404 also means that there is no such user or client. This path exists wherever /admin does.
    if (status === 404 && (await send("GET", "/users?limit=1", undefined)).status === 404) {
      throw new Failure(`${url} has no /admin: is that the issuer's URL, and is its secret ADMIN_TOKEN set?`);
    }
    throw failure(url, `${method} ${url}/admin${path}`, status, json);
  };
}

/**
 * Returns the report of /healthz, also of a provider that is not ready.
 *
 * @param {string} url
 * @param {string} token
 * @param {string} unreachable
 * @returns {Promise<{ ready: boolean, checks: { name: string, status: string, detail: string, latency_ms?: number }[] }>}
 */
export async function fetchReport(url, token, unreachable) {
  const { status, json } = await caller(url, token, unreachable)("GET", "/healthz", undefined);
  if (json?.checks) return json;
  throw failure(url, `GET ${url}/healthz`, status, json);
}

/** Returns a function that sends requests with the token to paths of the provider. */
function caller(url, token, unreachable) {
  // The error of fetch would show the whole header, with the token.
  if (!/^[!-~]+$/.test(token)) throw new Failure("ADMIN_TOKEN has a space, a line break or a character outside ASCII");
  const headers = { authorization: `Bearer ${token}` };
  return async (method, path, body) => {
    try {
      // A redirection is not followed, because the token is for this worker only.
      const signal = AbortSignal.timeout(60_000);
      const response = await fetch(`${url}${path}`, { method, body, headers, redirect: "manual", signal });
      return { ok: response.ok, status: response.status, json: tryParse(await response.text()) };
    } catch (error) {
      throw new Outage(`${unreachable} (${error.cause?.code ?? error.cause?.message ?? error.message})`);
    }
  };
}

/**
 * Parses JSON, keeping the digits of numbers that JavaScript would round. That needs Node 21; an older one rounds.
 *
 * @param {string} text
 */
export function parseJson(text) {
  // The declarations of JSON.parse still lack the third argument.
  const reviver = /** @type {(name: string, value: any) => any} */ (keepDigits);
  return JSON.parse(text, reviver);
}

function keepDigits(_, value, context) {
  const isRounded = typeof value === "number" && !Number.isSafeInteger(value);
  return isRounded && "rawJSON" in JSON ? /** @type {any} */ (JSON).rawJSON(context.source) : value;
}

function failure(url, call, status, json) {
  // They may quote what a client registered.
  const [error, description] = [json?.error, json?.error_description].map((text) => text && printable(String(text)));
  switch (true) {
    case status < 300:
      return new Failure(`the response to ${call} is not JSON: is that the issuer's URL?`);
    case status === 401:
      return new Failure(`${url} does not accept this ADMIN_TOKEN`);
    case status >= 500 || status === 429:
      return new Outage(`${call} failed with ${status}${description ? `, ${error}: ${description}` : ""}`);
    case error !== undefined:
      return Object.assign(new Failure(`${error}: ${description}`), { code: error });
    default:
      return new Failure(`${call} failed with ${status}`);
  }
}

/** Returns the parsed JSON, or undefined if another program than a provider answered. */
function tryParse(text) {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
