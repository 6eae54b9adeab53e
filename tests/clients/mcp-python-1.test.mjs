// The MCP SDK for Python, 1.x.
import { testMcpOfPython } from "./mcp/python.mjs";

await testMcpOfPython("mcp-python-1", { rootSlash: true });
