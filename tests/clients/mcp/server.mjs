// An MCP server, written with the MCP TypeScript SDK: an API of the provider with protected resource metadata (RFC 9728)
// that checks access tokens by the provider's published keys.
import { install } from "../install.mjs";
import { listen } from "../provider.mjs";

const { load } = await install("mcp-server");
const { McpServer } = await load("@modelcontextprotocol/sdk/server/mcp.js");
const { StreamableHTTPServerTransport } = await load("@modelcontextprotocol/sdk/server/streamableHttp.js");
const { requireBearerAuth } = await load("@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js");
const { InvalidTokenError } = await load("@modelcontextprotocol/sdk/server/auth/errors.js");
const { default: express } = await load("express");
const jose = await load("jose");

/**
 * How an MCP server describes itself.
 *
 * @typedef {object} Options
 * @property {string} issuer
 * @property {string} audience   The `aud` of its tokens: the spelling in RESOURCES.
 * @property {string} resource   The spelling in its metadata.
 * @property {string} write      The scope that the tool `write` needs.
 * @property {string[]} [challenged]       The scopes in its challenge. Without them the challenge has none.
 * @property {string[]} [scopesSupported]  The scopes in its metadata.
 * @property {string} [typ]
 * @property {string} [alg]
 */

/** The SDK's own client, for programs that are MCP servers to it. */
export const client = {
  ...(await load("@modelcontextprotocol/sdk/client/index.js")),
  ...(await load("@modelcontextprotocol/sdk/client/stdio.js")),
};

/** Listens, and answers when `serve` has the options, because the provider must know the server's URL first. */
export async function listenForMcp(path = "/mcp") {
  let app = (_request, response) => response.writeHead(503).end();
  const { port, close } = await listen((request, response) => app(request, response));
  const origin = `http://localhost:${port}`;
  /** Access tokens that count as expired. */
  const expired = new Set();
  /** The access token of the last request. */
  const seen = /** @type {{ token?: string }} */ ({});
  return {
    origin, url: `${origin}${path}`, close, seen,
    /** Makes the server refuse the last access token, as if ten minutes were over. */
    expire: () => expired.add(seen.token),
    serve: (/** @type {Options} */ options) => { app = application({ ...options, origin, path, expired, seen }); },
  };
}

/** @param {Options & { origin: string, path: string, expired: Set<string>, seen: { token?: string } }} options */
function application({ issuer, audience, resource, write, challenged, scopesSupported, ...server }) {
  const metadataPath = `/.well-known/oauth-protected-resource${server.path === "/" ? "" : server.path}`;
  const resourceMetadataUrl = `${server.origin}${metadataPath}`;
  const keys = jose.createRemoteJWKSet(new URL(`${issuer}/auth/jwks.json`));
  const expected = { issuer, audience, typ: server.typ ?? "at+jwt", algorithms: [server.alg ?? "ES256"] };
  const verifier = {
    async verifyAccessToken(token) {
      server.seen.token = token;
      if (server.expired.has(token)) throw new InvalidTokenError("the token has expired");
      const { payload } = await jose.jwtVerify(token, keys, expected).catch((error) => {
        throw new InvalidTokenError(error.message);
      });
      const { client_id: clientId, scope = "", exp: expiresAt } = payload;
      return { token, clientId, scopes: scope.split(" "), expiresAt, extra: payload };
    },
  };
  const app = express();
  app.use(forBrowsers);
  app.use(express.json());
  app.get(metadataPath, (_request, response) => response.json({
    resource, authorization_servers: [issuer], ...(scopesSupported && { scopes_supported: scopesSupported }),
  }));
  const requirements = { verifier, requiredScopes: challenged, resourceMetadataUrl };
  const forWriting = stepUp([...(challenged ?? []), write], resourceMetadataUrl);
  app.post(server.path, requireBearerAuth(requirements), forWriting, answer);
  // It sends nothing by itself, so that it has no stream to open.
  app.all(server.path, requireBearerAuth(requirements), (_request, response) => response.status(405).end());
  return app;
}

/** Lets applications in browsers in (CORS). */
function forBrowsers(request, response, next) {
  response.set({
    "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "WWW-Authenticate, Mcp-Session-Id",
    "Access-Control-Allow-Headers": "*, Authorization", "Access-Control-Allow-Methods": "GET, POST, DELETE",
  });
  if (request.method === "OPTIONS") response.status(204).end();
  else next();
}

/** The tool `write` needs a scope of its own (RFC 6750 section 3.1). The challenge has every scope that it needs. */
const stepUp = (scopes, resourceMetadataUrl) => (request, response, next) => {
  const { method, params } = request.body;
  if (method !== "tools/call" || params.name !== "write" || request.auth.scopes.includes(scopes.at(-1))) return next();
  const error = "insufficient_scope";
  const challenge = `Bearer error="${error}", scope="${scopes.join(" ")}", resource_metadata="${resourceMetadataUrl}"`;
  return response.status(403).set("WWW-Authenticate", challenge).json({ error });
};

/** Answers one request without a session. */
async function answer(request, response) {
  const mcp = new McpServer({ name: "tests", version: "1.0.0" });
  const described = ({ authInfo }) => ({ content: [{ type: "text", text: JSON.stringify(authInfo.extra) }] });
  mcp.registerTool("whoami", { description: "The claims of the token" }, described);
  mcp.registerTool("write", { description: "Needs a scope of its own" }, described);
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.on("close", () => transport.close());
  await mcp.connect(transport);
  await transport.handleRequest(request, response, request.body);
}
