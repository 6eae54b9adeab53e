// The registration documents that programs are known to send. The programs themselves cannot run here. Each registers
// itself with its document, signs a user in with the redirect URI that it then uses, and refreshes.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { startProvider } from "./provider.mjs";

const API = "https://mcp.example.com/mcp";

const provider = await startProvider({
  vars: { REGISTRATION: "open", RESOURCES: { [API]: { scopes: ["mcp:use", "mcp:write"], open: true } } },
});

const CODE_AND_REFRESH = ["authorization_code", "refresh_token"];
const PUBLIC = { grant_types: CODE_AND_REFRESH, response_types: ["code"], token_endpoint_auth_method: "none" };
const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";

/**
 * The programs: what each sends, the redirect URIs that it uses, and the ones that must be left out.
 *
 * @type {Record<string, { document: any, uses: string[], leftOut?: string[] }>}
 */
const PROGRAMS = {
  "Claude Code": {
    document: { client_name: "Claude Code (orders)", redirect_uris: ["http://localhost:3118/callback"], ...PUBLIC },
    // The port is free again the next time, or not.
    uses: ["http://localhost:3118/callback", "http://localhost:54545/callback"],
  },
  "Claude Code, ports left out": {
    document: {
      client_name: "Claude Code", redirect_uris: ["http://localhost/callback", "http://127.0.0.1/callback"], ...PUBLIC,
    },
    uses: ["http://localhost:3118/callback", "http://127.0.0.1:54321/callback"],
  },
  "Claude Desktop": {
    document: { client_name: "MCP CLI Proxy", redirect_uris: ["http://localhost:35535/oauth/callback"], ...PUBLIC },
    uses: ["http://localhost:41234/oauth/callback"],
  },
  "VS Code": {
    document: {
      client_name: "Visual Studio Code", client_uri: "https://code.visualstudio.com", ...PUBLIC,
      grant_types: [...CODE_AND_REFRESH, DEVICE_CODE], application_type: "native", scope: "mcp:use",
      redirect_uris: [
        "https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/",
        "http://127.0.0.1:33418/",
      ],
    },
    uses: ["http://127.0.0.1:33418/", "http://127.0.0.1:50000/", "https://vscode.dev/redirect"],
  },
  "VS Code, without application_type": {
    document: {
      client_name: "Visual Studio Code", client_uri: "https://code.visualstudio.com", ...PUBLIC,
      grant_types: [...CODE_AND_REFRESH, DEVICE_CODE],
      redirect_uris: [
        "https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://localhost/", "http://127.0.0.1/",
        "http://localhost:33418/", "http://127.0.0.1:33418/",
      ],
    },
    uses: ["http://localhost:50000/", "https://insiders.vscode.dev/redirect"],
  },
  Cursor: {
    document: {
      client_name: "Cursor", ...PUBLIC,
      redirect_uris: [
        "cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback",
        "http://localhost:8787/callback",
      ],
    },
    uses: ["https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"],
    leftOut: ["cursor://anysphere.cursor-mcp/oauth/callback"],
  },
  "Cursor, with two schemes": {
    document: {
      client_name: "Cursor", ...PUBLIC,
      redirect_uris: [
        "https://www.cursor.com/agents/mcp/oauth/callback", "https://www.cursor.com/bot/mcp/oauth/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback", "http://localhost:8787/callback",
        "grokbot://mcp/oauth/callback",
      ],
    },
    uses: ["http://localhost:8788/callback"],
    leftOut: ["cursor://anysphere.cursor-mcp/oauth/callback", "grokbot://mcp/oauth/callback"],
  },
  "MCP Inspector": {
    document: {
      client_name: "MCP Inspector", client_uri: "https://github.com/modelcontextprotocol/inspector", ...PUBLIC,
      scope: "",
      redirect_uris: ["http://localhost:6274/oauth/callback"],
    },
    uses: ["http://localhost:6274/oauth/callback"],
  },
};

for (const [name, { document, uses, leftOut = [] }] of Object.entries(PROGRAMS)) {
  test(`${name} registers, signs in and refreshes`, async () => {
    const { status, body: client } = await post("/auth/register", JSON.stringify(document), "application/json");
    assert.equal(status, 201, JSON.stringify(client));
    // The answer states what is in force (RFC 7591 section 3.2.1).
    assert.deepEqual(client.redirect_uris, document.redirect_uris.filter((uri) => !leftOut.includes(uri)));
    assert.deepEqual(client.grant_types, document.grant_types);
    assert.equal(client.token_endpoint_auth_method, "none");
    assert.equal(client.client_secret, undefined);

    for (const redirectUri of uses) {
      for (const scope of [undefined, "mcp:use", "mcp:use offline_access"]) await signIn(client, redirectUri, scope);
    }
    for (const redirectUri of leftOut) {
      const page = await provider.browser().visit(authorizationUrl(client, redirectUri).url);
      assert.equal(page.status, 400, page.body);
      assert.match(page.body, /redirect_uri/);
    }
  });
}

/** Signs alice in by one of the client's redirect URIs, and refreshes. */
async function signIn({ client_id }, redirectUri, scope) {
  const { url, verifier } = authorizationUrl({ client_id }, redirectUri, scope);
  const callback = await provider.signIn(url);
  assert.equal(callback.origin + callback.pathname, redirectUri, callback.href);
  const code = callback.searchParams.get("code");
  assert.ok(code, callback.href);
  const first = await token({
    grant_type: "authorization_code", client_id, code, code_verifier: verifier, redirect_uri: redirectUri, resource: API,
  });
  const granted = first.scope.split(" ");
  assert.ok(granted.includes("mcp:use"), first.scope);
  const second = await token({
    grant_type: "refresh_token", client_id, refresh_token: first.refresh_token, resource: API,
  });
  assert.notEqual(second.access_token, first.access_token);
  const [, claims] = second.access_token.split(".");
  assert.equal(JSON.parse(Buffer.from(claims, "base64url").toString()).aud, API);
}

function authorizationUrl({ client_id }, redirect_uri, scope = undefined) {
  const verifier = randomBytes(32).toString("base64url");
  const parameters = {
    response_type: "code", client_id, redirect_uri, resource: API, state: "state with a space", ...(scope && { scope }),
    code_challenge: createHash("sha256").update(verifier).digest("base64url"), code_challenge_method: "S256",
  };
  return { url: `${provider.issuer}/auth/authorize?${new URLSearchParams(parameters)}`, verifier };
}

async function token(parameters) {
  const type = "application/x-www-form-urlencoded";
  const { status, body } = await post("/auth/token", String(new URLSearchParams(parameters)), type);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

async function post(path, body, type) {
  const response = await fetch(provider.issuer + path, { method: "POST", headers: { "content-type": type }, body });
  return { status: response.status, body: /** @type {any} */ (await response.json()) };
}
