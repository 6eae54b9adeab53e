// mcp-remote: lets an MCP client that only starts programs use a server that needs OAuth.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { install } from "./install.mjs";
import { serveDocument } from "./mcp/document.mjs";
import { client as sdk, listenForMcp } from "./mcp/server.mjs";
import { startProvider } from "./provider.mjs";

const { bin } = await install("mcp-remote");
const mcp = await listenForMcp();
const provider = await startProvider({
  vars: {
    REGISTRATION: "open", CLIENT_DOCUMENTS: "open",
    RESOURCES: { [mcp.url]: { scopes: ["mcp:use", "mcp:write"], open: true } },
  },
});
after(mcp.close);
mcp.serve({
  issuer: provider.issuer, audience: mcp.url, resource: mcp.url, write: "mcp:write", challenged: ["mcp:use"],
});

/** A folder for the tokens of one user. */
function settingsFolder() {
  const settings = mkdtempSync(join(tmpdir(), "postern-mcp-remote-"));
  after(() => rmSync(settings, { recursive: true, force: true }));
  return settings;
}

/** Starts mcp-remote and connects to it. It opens a browser if it has no tokens. */
async function connect(settings, options = []) {
  const browser = await provider.programThatOpens();
  const transport = new sdk.StdioClientTransport({
    command: bin("mcp-remote"), args: [mcp.url, ...options], stderr: "pipe",
    env: { HOME: settings, MCP_REMOTE_CONFIG_DIR: settings, ...browser.env },
  });
  after(() => transport.close());
  let output = "";
  transport.stderr.on("data", (text) => { output += text; });
  const client = new sdk.Client({ name: "tests", version: "1.0.0" });
  await client.connect(transport).catch((error) => assert.fail(`${error.message}\n${output}`));
  const whoami = async () => {
    const { content, isError } = await client.callTool({ name: "whoami", arguments: {} });
    assert.ok(!isError, `${content[0].text}\n${output}`);
    return JSON.parse(content[0].text);
  };
  return { client, browser, whoami };
}

test("mcp-remote registers, opens a browser, signs in, refreshes, and needs no browser the next time", async () => {
  const settings = settingsFolder();
  const first = await connect(settings);
  const { sub, aud, scope } = await first.whoami();
  assert.deepEqual([sub, aud, scope.split(" ").includes("mcp:use")], ["alice", mcp.url, true]);
  assert.equal(first.browser.pages.length, 1);
  const before = mcp.seen.token;
  mcp.expire();
  assert.equal((await first.whoami()).sub, "alice");
  assert.notEqual(mcp.seen.token, before);
  assert.equal(first.browser.pages.length, 1, "the refresh needed the user");
  await first.client.close();

  const second = await connect(settings);
  assert.equal((await second.whoami()).sub, "alice");
  assert.equal(second.browser.pages.length, 0);
  await second.client.close();
});

test("mcp-remote signs in with a client metadata document", async () => {
  const { url } = await serveDocument({
    client_name: "mcp-remote", redirect_uris: ["http://localhost/oauth/callback"], token_endpoint_auth_method: "none",
    grant_types: ["authorization_code", "refresh_token"], response_types: ["code"],
  });
  const { client, whoami } = await connect(settingsFolder(), ["--client-metadata-url", url]);
  const { sub, client_id: clientId } = await whoami();
  assert.deepEqual([sub, clientId], ["alice", url]);
  await client.close();
});
