// The MCP SDK for Python, 2.x.
import { testMcpOfPython } from "./mcp/python.mjs";

await testMcpOfPython("mcp-python-2", { rootSlash: false });
