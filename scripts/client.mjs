// The operator's interface, /admin, as a function.
import { Failure } from "./steps.mjs";

/** A failure that may pass. */
export class Outage extends Failure {}

/**
 * A function that sends a request to /admin of the provider at `url` and returns what it answers.
 * `unreachable` is what to say where nothing answers. A failure that the provider names has that `code`.
 */
export function client(url, token, unreachable) {
  // The error that fetch would give tells the whole header.
  if (!/^[!-~]+$/.test(token)) throw new Failure("ADMIN_TOKEN has characters that no token has");
  const headers = { authorization: `Bearer ${token}` };
  return async function request(method, path, body) {
    const what = `${method} ${url}/admin${path}`;
    let response, text;
    try {
      // Where a redirection leads is not asked: the token is for this worker only.
      const signal = AbortSignal.timeout(60_000);
      response = await fetch(`${url}/admin${path}`, { method, body, headers, redirect: "manual", signal });
      text = await response.text();
    } catch (error) {
      throw new Outage(`${unreachable} (${error.cause?.code ?? error.cause?.message ?? error.message})`);
    }
    const answer = parse(text);
    if (response.ok && answer) return answer;
    throw failure(response, answer ?? {}, what, url);
  };
}

/** Numbers that JavaScript would round stay as they are written, on a Node that can do it (21). */
function keepDigits(_, value, context) {
  const isRounded = typeof value === "number" && !Number.isSafeInteger(value);
  return isRounded && JSON.rawJSON ? JSON.rawJSON(context.source) : value;
}

function failure(response, { error, error_description: description }, what, url) {
  switch (true) {
    case response.ok:
      return new Failure(`${what} was answered with no JSON: is that the issuer's URL?`);
    case response.status === 401:
      return new Failure(`${url} does not accept this ADMIN_TOKEN`);
    case response.status === 404 && [undefined, "nothing is served here"].includes(description):
      return new Failure(`${url} has no /admin: is that the issuer's URL, and is its secret ADMIN_TOKEN set?`);
    case response.status >= 500 || response.status === 429:
      return new Outage(`${what} was answered ${response.status}${description ? `, ${error}: ${description}` : ""}`);
    case error !== undefined:
      return Object.assign(new Failure(`${error}: ${description}`), { code: error });
    default:
      return new Failure(`${what} was answered ${response.status}`);
  }
}

/** The answer, unless something else than a provider gave it. */
function parse(text) {
  try {
    return JSON.parse(text, keepDigits);
  } catch {
    return undefined;
  }
}
