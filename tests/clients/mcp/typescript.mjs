// The tests of the MCP TypeScript SDK, for each of its versions.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startProvider } from "../provider.mjs";
import { serveDocument } from "./document.mjs";
import { listenForMcp } from "./server.mjs";

/** No program listens there, because the browser stops before the callback. */
const CALLBACK = "http://localhost:8090/callback";

/** As the SDK's own example has it, without a scope. */
const METADATA = {
  client_name: "Simple OAuth MCP Client", redirect_uris: [CALLBACK],
  grant_types: ["authorization_code", "refresh_token"], response_types: ["code"],
  token_endpoint_auth_method: "none",
};

/**
 * The MCP servers: how RESOURCES (`listed`) and the server's metadata (`resource`) spell the path of the resource, and
 * how the server announces scopes.
 *
 * @typedef {{ path: string, listed: string, resource: string, api?: object, challenges?: boolean, lists?: boolean }} Server
 * @type {Record<string, Server>}
 */
const SERVERS = {
  "scope in the challenge": { path: "/mcp", listed: "/mcp", resource: "/mcp", challenges: true, lists: true },
  "no scope anywhere": { path: "/mcp", listed: "/mcp", resource: "/mcp" },
  "listed without slash, RS256 and JWT": {
    path: "/", listed: "", resource: "/", api: { alg: "RS256", typ: "JWT" }, challenges: true,
  },
  "listed with slash": { path: "/", listed: "/", resource: "", lists: true },
};

/**
 * Declares the tests of one version of the SDK.
 *
 * @param {{ Client: any, StreamableHTTPClientTransport: any, UnauthorizedError: any }} sdk
 * @param {Version} version
 *
 * @typedef {object} Version
 * @property {boolean} stepsUp  Whether it knows `insufficient_scope`.
 * @property {boolean} [readsDocuments]  Whether its client_id can be the URL of a client metadata document.
 * @property {boolean} [refreshesToStepUp]  Whether it then refreshes where it would have to send the user.
 * @property {(callback: URL) => any} [finishArgument]  The argument of finishAuth. By default the code.
 */
export async function testSdk(sdk, version) {
  const servers = [];
  for (const [name, server] of Object.entries(SERVERS)) {
    const mcp = await listenForMcp(server.path);
    after(mcp.close);
    const scopes = [`mcp${servers.length}:use`, `mcp${servers.length}:write`];
    servers.push({ name, mcp, scopes, audience: `${mcp.origin}${server.listed}`, ...server });
  }
  const provider = await startProvider({ vars: { REGISTRATION: "open", RESOURCES: resourcesOf(servers) } });
  const closed = version.readsDocuments && (await startClosed());
  for (const server of servers) {
    serve(server, provider.issuer);
    declareTests(server, (metadata) => connect(sdk, { provider, mcp: server.mcp, version }, metadata), version);
  }
  if (closed) declareDocumentTest(closed, (metadata, url) => connect(sdk, { ...closed, version }, metadata, url));
}

const resourcesOf = (servers) =>
  Object.fromEntries(servers.map(({ audience, scopes, api }) => [audience, { scopes, open: true, ...api }]));

/**
 * Makes an MCP server announce itself, its resource and its scopes.
 *
 * @param {any} server
 * @param {string} issuer
 */
function serve({ mcp, audience, resource, api, scopes: [use, write], challenges, lists }, issuer) {
  mcp.serve({
    issuer, audience, resource: `${mcp.origin}${resource}`, write, ...api,
    challenged: challenges ? [use] : undefined, scopesSupported: lists ? [use, write] : undefined,
  });
}

/** Starts a provider with closed registration, which takes client metadata documents, and an MCP server. */
async function startClosed() {
  const mcp = await listenForMcp();
  after(mcp.close);
  const server = { mcp, audience: mcp.url, resource: "/mcp", scopes: ["mcp:use", "mcp:write"], challenges: true };
  const provider = await startProvider({
    vars: { REGISTRATION: "closed", CLIENT_DOCUMENTS: "open", RESOURCES: resourcesOf([server]) },
  });
  serve(server, provider.issuer);
  return { mcp, provider };
}

function declareDocumentTest({ mcp }, connectWith) {
  test("a client metadata document: the SDK signs in and refreshes without a registration", async () => {
    const { url, fetches } = await serveDocument({ ...METADATA, redirect_uris: ["http://localhost/callback"] });
    const { client, stored } = await connectWith(METADATA, url);
    assert.equal(stored.client.client_id, url);
    const { sub, aud, client_id: clientId } = await call(client, "whoami");
    assert.deepEqual([sub, aud, clientId], ["alice", mcp.url, url]);
    mcp.expire();
    assert.equal((await call(client, "whoami")).sub, "alice");
    assert.equal(stored.signIns, 1, "the refresh needed the user");
    // The provider keeps it for as long as its headers say.
    assert.equal(fetches(), 1);
    await client.close();
  });
}

function declareTests({ name, mcp, audience, scopes, challenges }, connectWith, { stepsUp, refreshesToStepUp = false }) {
  const [use, write] = scopes;

  test(`${name}: the SDK registers, signs in, calls a tool and refreshes`, async () => {
    const { client, stored } = await connectWith(METADATA);
    const claims = await call(client, "whoami");
    assert.deepEqual([claims.aud, claims.sub], [audience, "alice"]);
    const granted = claims.scope.split(" ");
    assert.ok(granted.includes(use), claims.scope);
    // No scope of another API, also where the SDK requests every scope.
    assert.deepEqual(granted.filter((scope) => !scopes.includes(scope)), []);
    assert.ok(stored.tokens.refresh_token, "there is no refresh token");

    const { access_token: before } = stored.tokens;
    mcp.expire();
    assert.equal((await call(client, "whoami")).aud, audience);
    assert.notEqual(stored.tokens.access_token, before);
    assert.equal(stored.signIns, 1, "the refresh needed the user");
    await client.close();
  });

  if (!stepsUp || !challenges) return;
  test(`${name}: the SDK steps up by insufficient_scope`, async () => {
    const metadata = refreshesToStepUp ? { ...METADATA, grant_types: ["authorization_code"] } : METADATA;
    const session = await connectWith(metadata);
    assert.equal((await call(session.client, "whoami")).scope, use);
    await assert.rejects(call(session.client, "write"), session.isUnauthorized);
    await session.finish();
    assert.deepEqual((await call(session.client, "write")).scope.split(" ").includes(write), true);
    assert.equal(session.stored.signIns, 2);
    await session.client.close();
  });
}

/** Calls a tool. Returns the claims of the access token, which the server answers with. */
async function call(client, name) {
  const { content } = await client.callTool({ name, arguments: {} });
  return JSON.parse(content[0].text);
}

const codeOf = (callback) => callback.searchParams.get("code");

/** Connects as the documentation has it: the first attempt sends the user to the provider, the second is signed in. */
async function connect(sdk, { provider, mcp, version }, metadata, documentUrl = undefined) {
  const { Client, StreamableHTTPClientTransport, UnauthorizedError } = sdk;
  const stored = { signIns: 0 };
  const authProvider = oauthProvider(stored, metadata, documentUrl);
  const browser = provider.browser();
  const isUnauthorized = (error) => error instanceof UnauthorizedError;
  const transportOf = () => new StreamableHTTPClientTransport(new URL(mcp.url), { authProvider });
  const open = async (transport) => {
    const client = new Client({ name: "tests", version: "1.0.0" }, { capabilities: {} });
    await client.connect(transport);
    return client;
  };
  let transport = transportOf();
  const session = {
    stored, isUnauthorized, client: undefined,
    /** The user signs in at the URL of the last authorization request. */
    async finish() {
      const callback = await browser.signIn(stored.authorizationUrl);
      assert.ok(callback.searchParams.has("code"), callback.href);
      stored.signIns += 1;
      await transport.finishAuth((version.finishArgument ?? codeOf)(callback));
    },
  };
  await assert.rejects(open(transport), isUnauthorized);
  await session.finish();
  transport = transportOf();
  session.client = await open(transport);
  return session;
}

/** The SDK's interface for what an application stores. */
function oauthProvider(stored, clientMetadata, clientMetadataUrl) {
  return {
    clientMetadataUrl,
    get redirectUrl() { return clientMetadata.redirect_uris[0]; },
    get clientMetadata() { return clientMetadata; },
    clientInformation: () => stored.client,
    saveClientInformation: (client) => { stored.client = client; },
    tokens: () => stored.tokens,
    saveTokens: (tokens) => { stored.tokens = tokens; },
    redirectToAuthorization: (url) => { stored.authorizationUrl = url; },
    saveCodeVerifier: (verifier) => { stored.verifier = verifier; },
    codeVerifier: () => stored.verifier,
    discoveryState: () => stored.discovery,
    saveDiscoveryState: (state) => { stored.discovery = state; },
  };
}
