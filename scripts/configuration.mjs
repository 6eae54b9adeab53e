// Checks the variables of wrangler.toml with the code that reads them in production: the built module.
import { join } from "node:path";
import { Failure, root } from "./steps.mjs";

/** A path without an endpoint: the module answers 404 without using a binding. */
const UNSERVED_URL = "https://localhost/unserved";

/** Typed as a string because the module exists only after a build. */
const MODULE = /** @type {string} */ ("../build/index.js");

/** Returns the configuration as wrangler reads it. */
export async function readConfiguration() {
  const { unstable_readConfig: readConfig } = await import("wrangler");
  return readConfig({ config: join(root, "wrangler.toml") });
}

/**
 * Fails with the module's own message if a deployed worker would refuse these variables. Such a worker answers 500 to
 * every request.
 *
 * @param {Record<string, any>} variables
 */
export async function checkVariables(variables) {
  const { fetch, __wbg_reset_state: resetInstance } = await import(MODULE);
  // An instance reads its variables once.
  resetInstance();
  const response = await withoutLog(() => fetch(new Request(UNSERVED_URL), variables, { waitUntil() {} }));
  if (response.status !== 404) throw invalidVariable((await response.json()).error_description);
  // The module cannot know that it will be deployed.
  if (variables.ISSUER.startsWith("http:")) {
    throw invalidVariable("ISSUER: must begin with https:// (http:// is for npm start)");
  }
}

const invalidVariable = (description) => new Failure(`wrangler.toml: ${description}`);

/** Calls a function without its log: the module logs each request. */
function withoutLog(call) {
  const { log, error } = console;
  Object.assign(console, { log() {}, error() {} });
  try {
    return call();
  } finally {
    Object.assign(console, { log, error });
  }
}
