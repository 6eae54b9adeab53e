// The worker of `npm start`: its address, and its secrets in .dev.vars.
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Failure, hasCode, root } from "./steps.mjs";

/** The secrets that a worker needs, each made by randomSecret(). */
export const SECRETS = ["ADMIN_TOKEN", "KEY_ENCRYPTION_KEY"];

/** Makes each entry that .dev.vars may lack: the secrets, and the demo users' password, which is short to type. */
const GENERATORS = {
  ...Object.fromEntries(SECRETS.map((name) => [name, randomSecret])),
  DEMO_PASSWORD: () => randomBytes(9).toString("base64url"),
};

const DEFAULT_PORT = 8787;

const file = join(root, ".dev.vars");

/**
 * Returns the local worker's address, issuer, secrets and data folder. The issuer is ISSUER of .dev.vars, for example
 * the URL of a tunnel or an issuer with a path, and otherwise the worker's URL. ISSUER of wrangler.toml is for the
 * deployed worker.
 *
 * Each port has its own data, because two workers with one database would replace each other's demo client.
 */
export function localWorker() {
  const port = Number(process.env.PORT || DEFAULT_PORT);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Failure("PORT must be a number from 1 to 65535");
  const { ISSUER, ADMIN_TOKEN, DEMO_PASSWORD } = readVariables();
  // URL leaves out the default port, as an issuer must.
  const { origin } = new URL(`http://localhost:${port}`);
  const path = ISSUER && URL.canParse(ISSUER) ? new URL(ISSUER).pathname.replace(/\/+$/, "") : "";
  return {
    port, origin, url: origin + path, issuer: ISSUER || origin,
    adminToken: ADMIN_TOKEN, demoPassword: DEMO_PASSWORD,
    state: `.wrangler/state${port === DEFAULT_PORT ? "" : `-${port}`}`,
  };
}

/**
 * Adds the missing entries to .dev.vars and returns their names.
 *
 * @returns {string[]}
 */
export function createSecrets() {
  const variables = readVariables();
  const missing = Object.entries(GENERATORS).filter(([name]) => !variables[name]);
  const names = missing.map(([name]) => name);
  if (missing.length === 0) return names;
  const lines = missing.map(([name, generate]) => `${name}=${generate()}\n`).join("");
  const before = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  const separator = before === undefined || before === "" || before.endsWith("\n") ? "" : "\n";
  // A file that the developer made may be readable by others.
  if (before !== undefined) chmodSync(file, 0o600);
  try {
    writeFileSync(file, separator + lines, { flag: before === undefined ? "ax" : "a", mode: 0o600 });
  } catch (error) {
    // Another npm start in this checkout has just made the file.
    if (hasCode(error, "EEXIST")) return createSecrets();
    throw error;
  }
  return names;
}

/** Returns 256 random bits in base64url. */
export function randomSecret() {
  return randomBytes(32).toString("base64url");
}

// An entry as dotenv reads it: quoted, or up to a comment.
const ENTRY = /^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=[ \t]*(?:'([^']*)'|"([^"]*)"|`([^`]*)`|([^#\r\n]*))/gm;

/** @returns {Record<string, string>} */
function readVariables() {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const entries = [...text.matchAll(ENTRY)];
  return Object.fromEntries(entries.map(([, name, ...values]) => [name, values.find((v) => v !== undefined).trim()]));
}
