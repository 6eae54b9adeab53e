// The MCP TypeScript SDK in Chromium, as MCP Inspector uses it: every request but the sign-in is subject to CORS, with
// the header MCP-Protocol-Version. The browser's console must have no error, so that no preflight fails.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { press, signIn, start } from "../browser/test_provider.mjs";
import { install } from "./install.mjs";
import { listenForMcp } from "./mcp/server.mjs";
import { outcome, pageOf } from "./pages/app.mjs";

const { folder, load } = await install("mcp-browser");
const mcp = await listenForMcp();
after(mcp.close);
const { issuer, origin, serve, newPage } = await start("loopback", {
  REGISTRATION: "open", RESOURCES: JSON.stringify({ [mcp.url]: { scopes: ["mcp:use", "mcp:write"], open: true } }),
});
mcp.serve({ issuer, audience: mcp.url, resource: mcp.url, write: "mcp:write", challenged: ["mcp:use"] });

const { build } = await load("esbuild");
const sdk = "@modelcontextprotocol/sdk/client";
const { outputFiles } = await build({
  stdin: {
    contents: ["index", "streamableHttp", "auth"].map((name) => `export * from "${sdk}/${name}.js";`).join("\n"),
    resolveDir: folder,
  },
  bundle: true, format: "esm", platform: "browser", write: false,
});
serve(pageOf("mcp-browser", outputFiles[0].text, { url: mcp.url }));

test("an MCP client in a browser registers, signs in, calls a tool and refreshes", async () => {
  const page = await newPage();
  await page.goto(origin);
  await signIn(page);
  await press(page, "Allow");
  await page.waitForURL(`${origin}/?code=**`);
  const shown = await outcome(page);
  assert.deepEqual([shown.sub, shown.aud], ["alice", mcp.url], JSON.stringify(shown));

  mcp.expire();
  const refreshed = await page.evaluate(() => /** @type {any} */ (globalThis).whoami());
  assert.equal(refreshed.sub, "alice");
  assert.notEqual(refreshed.token, shown.token);
});
