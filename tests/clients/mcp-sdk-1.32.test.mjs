// The MCP TypeScript SDK 1.32, before version 2.
import { install } from "./install.mjs";
import { testSdk } from "./mcp/typescript.mjs";

const { load } = await install("mcp-sdk-1.32");
const { Client } = await load("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = await load("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { UnauthorizedError } = await load("@modelcontextprotocol/sdk/client/auth.js");

await testSdk({ Client, StreamableHTTPClientTransport, UnauthorizedError }, {
  stepsUp: true, readsDocuments: true, refreshesToStepUp: true,
});
