// The MCP SDK for Go, with registration as in its example, and with a client metadata document.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { install } from "./install.mjs";
import { build } from "./installers/go-library.mjs";
import { serveDocument } from "./mcp/document.mjs";
import { listenForMcp } from "./mcp/server.mjs";
import { here } from "./programs.mjs";
import { startProvider } from "./provider.mjs";

const { folder } = await install("mcp-go");
const program = await build(folder, here("mcp/go/main.go"));
const mcp = await listenForMcp();
after(mcp.close);
const [use, write] = ["mcp:use", "mcp:write"];
const RESOURCES = { [mcp.url]: { scopes: [use, write], open: true } };
const registering = await startProvider({ vars: { REGISTRATION: "open", RESOURCES } });
const reading = await startProvider({ vars: { REGISTRATION: "closed", CLIENT_DOCUMENTS: "open", RESOURCES } });

/** As the SDK's example has it: a root without a path. */
const REDIRECT_URL = "http://localhost:3142";

/**
 * Runs the program with the MCP server, which trusts this provider, and calls these tools. Signs alice in when the program
 * needs it. Returns the claims of the access token at each tool, or the error, and the number of sign-ins until then.
 */
async function callTools(provider, tools, options = {}) {
  mcp.serve({
    issuer: provider.issuer, audience: mcp.url, resource: mcp.url, write, challenged: [use], scopesSupported: [use, write],
  });
  const given = { Server: mcp.url, RedirectURL: REDIRECT_URL, ...options };
  const child = spawn(program, [JSON.stringify(given)], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.on("error", () => {});
  const browser = provider.browser();
  const results = [];
  const remaining = [...tools];
  let signIns = 0;
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const { url, result, error } = JSON.parse(line);
      if (url) {
        signIns += 1;
        child.stdin.write(`${(await browser.signIn(url)).search.slice(1)}\n`);
        continue;
      }
      results.push({ signIns, error, ...(result && JSON.parse(result)) });
      if (remaining.length > 0) child.stdin.write(`${remaining.shift()}\n`);
      else child.stdin.end();
    }
  } finally {
    child.kill();
  }
  assert.equal(results.length, 1 + tools.length, "the program has ended early");
  return results.slice(1);
}

for (const [name, provider, options] of /** @type {[string, any, () => Promise<object>][]} */ ([
  ["registers itself", registering, async () => ({})],
  ["has a client metadata document", reading, async () => ({ Document: await documentUrl() })],
])) {
  test(`the SDK ${name}, signs in and calls a tool`, async () => {
    const [claims] = await callTools(provider, ["whoami"], await options());
    assert.deepEqual([claims.error, claims.sub, claims.aud, claims.signIns], [undefined, "alice", mcp.url, 1]);
    assert.ok(claims.scope.split(" ").includes(use), claims.scope);
  });

  test(`the SDK ${name} and refreshes`, async () => {
    const [first, second] = await callTools(provider, ["whoami", "whoami"], { ...await options(), Expired: true });
    assert.deepEqual([first.error, second.error, second.sub, second.signIns], [undefined, undefined, "alice", 1]);
    assert.notEqual(first.jti, second.jti);
  });

  test(`the SDK ${name} and steps up by insufficient_scope`, async () => {
    const [first, second] = await callTools(provider, ["whoami", "write"], await options());
    assert.deepEqual([first.error, second.error, first.signIns, second.signIns], [undefined, undefined, 1, 2]);
    assert.ok(!first.scope.split(" ").includes(write), first.scope);
    assert.deepEqual([use, write].filter((scope) => !second.scope.split(" ").includes(scope)), []);
  });
}

/** The URL of a client metadata document for the program. */
async function documentUrl() {
  const { url } = await serveDocument({
    client_name: "MCP client with a document", redirect_uris: [REDIRECT_URL], token_endpoint_auth_method: "none",
    grant_types: ["authorization_code", "refresh_token"], response_types: ["code"],
  });
  return url;
}
