// The worker of `npm start`: where it is, and its secrets in .dev.vars.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Failure, root } from "./steps.mjs";

/** The secrets that a worker needs; randomSecret() makes either. */
export const SECRETS = ["ADMIN_TOKEN", "KEY_ENCRYPTION_KEY"];

/** How what .dev.vars lacks is made: the secrets, and the password of the demo users, which people type. */
const MAKERS = {
  ...Object.fromEntries(SECRETS.map((name) => [name, randomSecret])),
  DEMO_PASSWORD: () => randomBytes(9).toString("base64url"),
};

const DEFAULT_PORT = 8787;

const file = join(root, ".dev.vars");

/**
 * Where the local worker is, under which issuer, what opens its doors, and where its data is. An ISSUER in .dev.vars
 * is somebody's choice and wins (a tunnel's URL, an issuer with a path); without one it is the URL
 * of the worker, whatever wrangler.toml says, which is about the deployed one.
 *
 * Each port has data of its own: two workers that share a database would replace each other's demo client.
 */
export function localWorker() {
  const port = Number(process.env.PORT || DEFAULT_PORT);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Failure("PORT must be a number from 1 to 65535");
  const { ISSUER, ADMIN_TOKEN, DEMO_PASSWORD } = readVariables();
  // The parser leaves out a port that goes without saying, as an issuer must.
  const { origin } = new URL(`http://localhost:${port}`);
  const path = ISSUER && URL.canParse(ISSUER) ? new URL(ISSUER).pathname.replace(/\/+$/, "") : "";
  return {
    port, origin, url: origin + path, issuer: ISSUER || origin,
    adminToken: ADMIN_TOKEN, demoPassword: DEMO_PASSWORD,
    state: `.wrangler/state${port === DEFAULT_PORT ? "" : `-${port}`}`,
  };
}

/** Gives .dev.vars what it lacks, and tells what that was. */
export function createSecrets() {
  const variables = readVariables();
  const missing = Object.keys(MAKERS).filter((name) => !variables[name]);
  if (missing.length === 0) return missing;
  const lines = missing.map((name) => `${name}=${MAKERS[name]()}\n`).join("");
  const before = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  const separator = before === undefined || before === "" || before.endsWith("\n") ? "" : "\n";
  try {
    writeFileSync(file, separator + lines, { flag: before === undefined ? "ax" : "a", mode: 0o600 });
  } catch (error) {
    // Another npm start in this checkout has just made the file.
    if (error.code === "EEXIST") return createSecrets();
    throw error;
  }
  return missing;
}

/** 256 random bits in base64url. */
export function randomSecret() {
  return randomBytes(32).toString("base64url");
}

// An entry as dotenv reads it: quoted, or up to a comment.
const ENTRY = /^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=[ \t]*(?:'([^']*)'|"([^"]*)"|`([^`]*)`|([^#\r\n]*))/gm;

function readVariables() {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const entries = [...text.matchAll(ENTRY)];
  return Object.fromEntries(entries.map(([, name, ...values]) => [name, values.find((v) => v !== undefined).trim()]));
}
