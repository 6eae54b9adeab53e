// `npm run deploy` up to where it would send something, and its dry run: scripts/deploy.mjs, unchanged, in a copy of
// the checkout.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync, readFileSync, readdirSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, beforeEach, describe, test } from "node:test";
import { checkVariables } from "../../scripts/configuration.mjs";
import { SECRETS } from "../../scripts/local.mjs";
import { root as ROOT } from "../../scripts/steps.mjs";
import { configure, copyCheckout } from "../edge/checkout.mjs";
import { WITHOUT_SCRIPT } from "../edge/command_line.mjs";

const ISSUER = "https://login.example.com";

let folder;
before(() => { folder = copyCheckout(); });
after(() => { if (folder) rmSync(folder, { recursive: true, force: true }); });

test("a deployment without an ISSUER is refused, and its dry run says so and goes on", async () => {
  configure(folder, 'ISSUER = ""');
  const { code, said } = await deploy();
  assert.deepEqual([code, said.split(":")[0]], [1, "ISSUER in wrangler.toml is empty"]);
  const dry = await deploy("--dry-run");
  assert.equal(dry.code, 0, dry.said);
  assert.match(dry.said, /\n· ISSUER in wrangler.toml is empty: .*\n· packing it for Cloudflare … .*Total Upload/);
  assert.match(dry.said, /\n· cron: \*\/5 \* \* \* \*\n$/);
});

test("a deployment without a cron trigger is refused before anything is sent, and its dry run says so", async () => {
  configure(folder, `ISSUER = "${ISSUER}"`);
  const file = join(folder, "wrangler.toml");
  const configured = readFileSync(file, "utf8");
  writeFileSync(file, configured.replace(/^\[triggers\]\ncrons = .*$/m, ""));
  const { code, said } = await deploy();
  assert.equal(code, 1, said);
  assert.match(said, /^\[triggers\] in wrangler\.toml has no crons: /);
  assert.match((await deploy("--dry-run")).said, /\n· cron: none, so no key rotates and no row is deleted\n$/);
  writeFileSync(file, configured);
});

test("a deployment with a wrong variable is refused before anything is sent, and so is its dry run", async () => {
  for (const [lines, complaint] of /** @type {[string, RegExp][]} */ ([
    [`ISSUER = "${ISSUER}"\nREGISTRATION = "Open"`, /\nwrangler.toml: REGISTRATION: must be closed, token or open, in lower case\n$/],
    ['ISSUER = "http://login.example.com"', /\nwrangler.toml: ISSUER: must begin with https:\/\/ /],
    ['ISSUER = "http://localhost:8787"', /\nwrangler.toml: ISSUER: must begin with https:\/\/ /],
  ])) {
    configure(folder, lines);
    for (const args of [[], ["--dry-run"]]) {
      const { code, said } = await deploy(...args);
      assert.equal(code, 1, said);
      assert.match(said, complaint);
      assert.doesNotMatch(said, /packing|database|deploying/);
    }
  }
});

test("the variables are checked by the module that is deployed, and named", async () => {
  await checkVariables({ ISSUER, RESOURCES: { "https://api.example.com": ["orders:read"] }, CLOCK_LEEWAY: 60 });
  const api = { scopes: { "mcp:use": { "": "Use the tools" } }, open: true, alg: "RS256", typ: "JWT" };
  const staff = { claims: ["staff_id"], words: { de: "Ihre Personalnummer" } };
  await checkVariables({ ISSUER, RESOURCES: { "https://mcp.example.com": api }, SCOPES: { staff } });
  for (const [variables, reason] of /** @type {[object, string][]} */ ([
    [{ ISSUER: "" }, "ISSUER: not set"],
    [{ ISSUER: "http://login.example.com" }, "ISSUER: must begin with https:// (http:// is allowed for localhost"],
    [{ ISSUER: "http://localhost:8787" }, "ISSUER: must begin with https:// (http:// is for npm start)"],
    [{ ISSUER: `${ISSUER}/` }, "ISSUER: must not end with a slash"],
    [{ RESOURCES: { "api.example.com": ["orders:read"] } }, "RESOURCES: "],
    [{ RESOURCES: { "urn:api": { ...api, opened: true } } }, "RESOURCES: urn:api: opened is not one of"],
    [{ SCOPES: { staff: { ...staff, word: {} } } }, "SCOPES: the scope staff: word is not one of"],
    [{ CLOCK_LEEWAY: 61 }, "CLOCK_LEEWAY: must be a whole number of seconds from 0 to 60"],
  ])) {
    await assert.rejects(checkVariables({ ISSUER, ...variables }), ({ message }) => message.startsWith(`wrangler.toml: ${reason}`));
  }
});

test("npm run deploy --help prints the usage, and an argument that it does not take is refused", async () => {
  const { code, said } = await deploy("--help");
  assert.equal(code, 0);
  assert.match(said, /^npm run deploy\n[^·]*--dry-run/);
  assert.equal((await deploy("--dryrun")).said, "Unknown option '--dryrun'; --help lists the options\n");
});

describe("the secrets of the first deployment", () => {
  let account;
  before(() => {
    configure(folder, `ISSUER = "${ISSUER}"`);
    account = installStandIn(folder);
  });
  beforeEach(() => {
    for (const name of secretFiles()) rmSync(join(folder, name));
    rmSync(account, { force: true });
  });

  /** The files with secrets in the copy. */
  const secretFiles = () => readdirSync(folder).filter((name) => name.startsWith(".deployed-secrets-"));
  /** The secrets that wrangler got, as lines of a file. */
  const sent = () => {
    const secrets = Object.entries(JSON.parse(readFileSync(account, "utf8")));
    assert.deepEqual(secrets.map(([name, { length }]) => [name, length]), SECRETS.map((name) => [name, 43]));
    return secrets.map(([name, value]) => `${name}=${value}\n`).join("");
  };

  test("are in a file for its owner alone, and not in the output, if that is no terminal", async () => {
    const { code, said } = await deploy();
    assert.equal(code, 0, said);
    const [name, ...others] = secretFiles();
    assert.deepEqual(others, []);
    const file = join(folder, name);
    assert.equal(readFileSync(file, "utf8"), sent());
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.ok(said.includes(`are in ${file}: move it`), said);
    for (const line of sent().trim().split("\n")) assert.ok(!said.includes(line.split("=")[1]), "a secret is printed");
    const { stdout } = spawnSync("git", ["-C", ROOT, "check-ignore", name], { encoding: "utf8" });
    assert.equal(stdout.trim(), name, "the file could be committed");
  });

  test("are kept if they may have been stored although wrangler failed", async () => {
    const { code, said } = await deploy({ env: { STAND_IN_FAILS: "true" } });
    assert.equal(code, 1, said);
    assert.equal(readFileSync(join(folder, secretFiles()[0]), "utf8"), sent());
  });

  test("are shown at a terminal, and in a file in a CI job with a terminal", { skip: WITHOUT_SCRIPT }, async () => {
    const atTerminal = await deploy({ isTerminal: true });
    assert.equal(atTerminal.code, 0, atTerminal.said);
    assert.ok(atTerminal.said.replaceAll("\r\n", "\n").includes(sent()), atTerminal.said);
    assert.deepEqual(secretFiles(), []);
    const inJob = await deploy({ isTerminal: true, env: { CI: "true" } });
    assert.equal(inJob.code, 0, inJob.said);
    assert.equal(readFileSync(join(folder, secretFiles()[0]), "utf8"), sent());
    for (const line of sent().trim().split("\n")) assert.ok(!inJob.said.includes(line.split("=")[1]), "a secret is printed");
  });
});

/**
 * Replaces wrangler in the copy by a stand-in for an account that has nothing yet. Returns the file to which it writes
 * the secrets.
 */
function installStandIn(folder) {
  const modules = join(folder, "node_modules");
  const installed = realpathSync(modules);
  rmSync(modules);
  mkdirSync(join(modules, ".bin"), { recursive: true });
  const names = readdirSync(installed).filter((name) => name !== ".bin");
  const programs = readdirSync(join(installed, ".bin")).filter((name) => name !== "wrangler");
  for (const name of [...names, ...programs.map((program) => join(".bin", program))]) {
    symlinkSync(join(installed, name), join(modules, name));
  }
  const account = join(folder, "account.json");
  writeFileSync(join(modules, ".bin", "wrangler"), `#!/usr/bin/env node
const { writeFileSync, readFileSync } = require("node:fs");
const [command, ...rest] = process.argv.slice(2);
if (rest.includes("list")) console.log("[]");
if (rest[0] === "bulk") {
  writeFileSync(${JSON.stringify(account)}, readFileSync(0));
  if (process.env.STAND_IN_FAILS) process.exit(1);
}
`, { mode: 0o755 });
  return account;
}

/**
 * Runs the script without anybody's account. Returns its exit code, and all that it printed.
 *
 * @param {...(string | { env?: Record<string, string>, isTerminal?: boolean })} args  Arguments, and how to run it.
 */
async function deploy(...args) {
  const { POSTERN_NODE, npm_lifecycle_event, CLOUDFLARE_API_TOKEN, CI, ...inherited } = process.env;
  const { env = {}, isTerminal = false } = args.find((arg) => typeof arg === "object") ?? {};
  const words = ["scripts/deploy.mjs", ...args.filter((arg) => typeof arg === "string")];
  const [program, rest] = isTerminal
    ? ["script", ["-qec", [process.execPath, ...words].map((word) => `'${word}'`).join(" "), "/dev/null"]]
    : [process.execPath, words];
  const child = spawn(program, rest, { cwd: folder, env: { ...inherited, ...env } });
  const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code, said: out + error };
}
