// The variables of wrangler.toml, checked by the code that reads them where it is deployed: the built module.
import { join } from "node:path";
import { Failure, root } from "./steps.mjs";

/** The path that nothing is served at: its answer needs no binding. */
const NOWHERE = "https://localhost/";

/** Returns the configuration as wrangler reads it. */
export async function readConfiguration() {
  const { unstable_readConfig: readConfig } = await import("wrangler");
  return readConfig({ config: join(root, "wrangler.toml") });
}

/**
 * Fails, in the module's own words, if a deployed worker would refuse these variables: a wrong one is its answer to
 * every request.
 */
export async function checkVariables(variables) {
  const { fetch, __wbg_reset_state: makeInstance } = await import("../build/index.js");
  // An instance reads its variables once.
  makeInstance();
  const response = await withoutLog(() => fetch(new Request(NOWHERE), variables, { waitUntil() {} }));
  if (response.status !== 404) throw wrong((await response.json()).error_description);
  // The module cannot know that it is deployed.
  if (variables.ISSUER.startsWith("http:")) throw wrong("ISSUER must begin with https:// (http:// is for npm start)");
}

const wrong = (description) => new Failure(`wrangler.toml: ${description}`);

/** Calls a function without showing what it logs: the module logs every request. */
function withoutLog(call) {
  const { log, error } = console;
  Object.assign(console, { log() {}, error() {} });
  try {
    return call();
  } finally {
    Object.assign(console, { log, error });
  }
}
