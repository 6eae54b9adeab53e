// The tests of the MCP SDK for Python, in each of its versions: a client and a protected server of the same version.
// The client discovers the provider by the server's metadata (RFC 9728), registers itself, and opens a browser.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { install } from "../install.mjs";
import { claimsOf, freePort, here, runForJson, runProgram, startServer } from "../programs.mjs";
import { startProvider } from "../provider.mjs";
import { serveDocument } from "./document.mjs";

/**
 * Declares the tests of one version of the SDK.
 *
 * @param {string} name
 * @param {{ rootSlash: boolean }} version  Whether the client puts a slash behind a resource without a path.
 */
export async function testMcpOfPython(name, { rootSlash }) {
  const python = (await install(name)).bin("python");
  const servers = {
    root: await serverAt(""), unscoped: await serverAt("/mcp"), stepUp: await serverAt("/mcp"),
    closed: await serverAt("/mcp"), document: await serverAt("/mcp"), machine: await serverAt(""),
  };
  const provider = await startProvider({ vars: {
    REGISTRATION: "open",
    RESOURCES: {
      [servers.root.resource]: { scopes: ["root:use"], open: true },
      [servers.unscoped.resource]: { scopes: ["unscoped:use", "unscoped:more"], open: true },
      [servers.stepUp.resource]: { scopes: ["step:use", "step:admin"], open: true },
      [servers.closed.resource]: ["closed:use"],
      [servers.machine.resource]: ["machine:use"],
    },
  } });
  const documents = await startProvider({ vars: {
    REGISTRATION: "closed",
    CLIENT_DOCUMENTS: "open",
    RESOURCES: { [servers.document.resource]: { scopes: ["document:use"], open: true } },
  } });
  declareOpenTests(programs(python, provider), servers, provider, rootSlash);
  declareRefusalTest(programs(python, provider), servers.closed);
  declareDocumentTest(programs(python, documents), servers.document, documents);
  declareMachineTests(programs(python, provider), servers.machine, provider);
}

/** The address of an MCP server, whose resource has this path. */
async function serverAt(path) {
  const port = await freePort();
  return { port, url: `http://127.0.0.1:${port}/mcp`, resource: `http://127.0.0.1:${port}${path}` };
}

/** The server and the client of this version, at this provider. */
function programs(python, provider) {
  const serve = ({ port, resource }, options) => startServer(
    port, python, ["-W", "ignore", here("mcp/server.py"), `${port}`, provider.issuer, resource, JSON.stringify(options)],
  );
  const commandOf = ({ url }, options) => [here("mcp/client.py"), url, JSON.stringify(options)];
  return {
    serve,
    /** Runs the client without a user, which authenticates by a secret or by the input, a private key. */
    callAsMachine({ url }, id, secret = "", input = "") {
      return runForJson(python, [here("mcp/machine.py"), url, provider.issuer, id, secret], { input });
    },
    /** Runs the client, which must succeed. */
    async call(server, options = {}) {
      const { env, errors } = await provider.programThatOpens();
      const result = await runForJson(python, commandOf(server, options), { env });
      assert.deepEqual(errors, []);
      return result;
    },
    /** Runs the client, which must fail. Returns its output. */
    async fail(server) {
      const { env } = await provider.programThatOpens();
      const { code, output } = await runProgram(python, commandOf(server, {}), { env });
      assert.notEqual(code, 0, output);
      return output;
    },
  };
}

function declareOpenTests({ serve, call }, { root, unscoped, stepUp }, provider, rootSlash) {
  test("it calls a tool of an open API and refreshes, with the resource spelled as the client does", async () => {
    await serve(root, { scopes: ["root:use"] });
    const { results, requests, tokens, client } = await call(root);
    assert.deepEqual(results, { add: "3", refreshed: "7" });
    assert.equal(requests.length, 1, "the user signed in once");
    assert.equal(requests[0].resource, rootSlash ? `${root.resource}/` : root.resource);
    assert.equal(tokens.length, 2);
    for (const { access_token: token } of tokens) {
      const { aud, sub, scope } = claimsOf(token);
      assert.deepEqual([aud, sub, scope], [root.resource, "alice", "root:use"]);
    }
    assert.notEqual(tokens[0].access_token, tokens[1].access_token);

    // The next start listens on another port of loopback.
    const registrations = () => provider.log.filter((line) => line.startsWith("POST /auth/register")).length;
    const before = registrations();
    const again = await call(root, { client });
    assert.equal(again.requests[0].client_id, client.client_id);
    assert.notEqual(again.requests[0].redirect_uri, requests[0].redirect_uri);
    assert.equal(registrations(), before);
  });

  test("a server that names no scopes gets a token with those of its API", async () => {
    await serve(unscoped, {});
    const { results, requests, tokens } = await call(unscoped);
    assert.deepEqual(results, { add: "3", refreshed: "7" });
    assert.equal(requests[0].resource, unscoped.resource);
    for (const { access_token: token } of tokens) {
      assert.deepEqual(claimsOf(token).scope.split(" ").sort(), ["unscoped:more", "unscoped:use"]);
    }
  });

  test("it gets the scope of a challenge, and another one at insufficient_scope", async () => {
    await serve(stepUp, { challenge: "step:use", admin: "step:admin" });
    const { results, requests, tokens } = await call(stepUp, { admin: true });
    assert.deepEqual(results, { add: "3", refreshed: "7", admin: "done" });
    const requested = requests.map(({ scope }) => scope.split(" ").filter((one) => one.startsWith("step:")));
    assert.deepEqual(requested, [["step:use"], ["step:use", "step:admin"]]);
    const granted = tokens.map(({ access_token: token }) => claimsOf(token).scope);
    assert.deepEqual(granted, ["step:use", "step:use", "step:use step:admin"]);
  });
}

function declareRefusalTest({ serve, fail }, closed) {
  test("it gets no token for an API that is not open", async () => {
    await serve(closed, { scopes: ["closed:use"] });
    // Without a scope that is left it cannot register itself; with `offline_access` beside it is refused later.
    assert.match(
      await fail(closed), /"error":"invalid_client_metadata","error_description":"scope: |'error': 'invalid_target'/,
    );
  });
}

function declareDocumentTest({ serve, call }, server, provider) {
  test("a client metadata document: it signs in and refreshes without a registration", async () => {
    await serve(server, { scopes: ["document:use"] });
    const { url } = await serveDocument({
      client_name: "Python MCP client", redirect_uris: ["http://127.0.0.1/callback"],
      grant_types: ["authorization_code", "refresh_token"], response_types: ["code"], token_endpoint_auth_method: "none",
    });
    const { results, client, tokens } = await call(server, { document: url });
    assert.deepEqual(results, { add: "3", refreshed: "7" });
    assert.equal(client.client_id, url);
    assert.deepEqual(tokens.map(({ access_token: token }) => claimsOf(token).client_id), [url, url]);
    assert.ok(!provider.log.some((line) => line.includes("/auth/register")), provider.log.join("\n"));
  });
}

function declareMachineTests({ serve, callAsMachine }, server, provider) {
  const put = (id, metadata) => provider.putClient(id, {
    client_name: "Nightly import", grant_types: ["client_credentials"], scope: "machine:use", ...metadata,
  });
  const check = ({ results, tokens }, id) => {
    assert.deepEqual(results, ["3", "7"]);
    for (const token of tokens) {
      const { aud, sub, scope } = claimsOf(token);
      assert.deepEqual([aud, sub, scope], [server.resource, id, "machine:use"]);
    }
  };

  test("a machine gets a token by its secret", async () => {
    // The server names no scope, so that the SDK requests every scope of the provider.
    await serve(server, {});
    const { client_secret: secret } = await put("secretive", {});
    check(await callAsMachine(server, "secretive", secret), "secretive");
  });

  test("a machine gets a token by an assertion of its key", async () => {
    await serve(server, { scopes: ["machine:use"] });
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const keys = [{ ...publicKey.export({ format: "jwk" }), kid: "1", alg: "RS256", use: "sig" }];
    await put("signing", { token_endpoint_auth_method: "private_key_jwt", jwks: { keys } });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" });
    check(await callAsMachine(server, "signing", "", String(pem)), "signing");
  });
}
