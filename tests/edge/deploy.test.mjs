// `npm run deploy` up to where it would send something, and its dry run: scripts/deploy.mjs, unchanged, in a copy of
// the checkout.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { checkVariables } from "../../scripts/configuration.mjs";
import { configure, copyCheckout } from "./checkout.mjs";

const ISSUER = "https://login.example.com";

let folder;
before(() => { folder = copyCheckout(); });
after(() => { if (folder) rmSync(folder, { recursive: true, force: true }); });

test("a deployment without an ISSUER is assertError, and its dry run says so and goes on", async () => {
  configure(folder, 'ISSUER = ""');
  const { code, said } = await deploy();
  assert.deepEqual([code, said.split(":")[0]], [1, "ISSUER in wrangler.toml is empty"]);
  const dry = await deploy("--dry-run");
  assert.equal(dry.code, 0, dry.said);
  assert.match(dry.said, /\n· ISSUER in wrangler.toml is empty: .*\n· packing it for Cloudflare … .*Total Upload/);
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

/** Runs the script without anybody's account. Returns its exit code, and all that it printed. */
async function deploy(...args) {
  const { POSTERN_NODE, npm_lifecycle_event, CLOUDFLARE_API_TOKEN, ...inherited } = process.env;
  const child = spawn(process.execPath, ["scripts/deploy.mjs", ...args], { cwd: folder, env: inherited });
  const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code, said: out + error };
}
