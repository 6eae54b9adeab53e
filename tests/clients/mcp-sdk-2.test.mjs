// The MCP TypeScript SDK 2, whose client is a package of its own.
import { install } from "./install.mjs";
import { testSdk } from "./mcp/typescript.mjs";

const { load } = await install("mcp-sdk-2");
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = await load("@modelcontextprotocol/client");

await testSdk({ Client, StreamableHTTPClientTransport, UnauthorizedError }, {
  // It checks the response's `iss` (RFC 9207).
  stepsUp: true, readsDocuments: true, finishArgument: (callback) => callback.searchParams,
});
