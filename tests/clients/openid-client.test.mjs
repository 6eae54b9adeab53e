// openid-client: revokes and introspects tokens, with each way of client authentication.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeKey } from "../edge/client_server.mjs";
import { install } from "./install.mjs";
import { startProvider } from "./provider.mjs";

const { load } = await install("openid-client");
const openid = await load("openid-client");

const API = "https://orders.example/api";
const provider = await startProvider({ vars: { RESOURCES: { [API]: ["orders:read"] } } });
const key = await makeKey("ES256", "key-1");
const jwks = { keys: [key.jwk] };

/** The registered method and the authentication of each client. */
const AUTHENTICATIONS = {
  client_secret_basic: ({ client_secret: secret }) => openid.ClientSecretBasic(secret),
  client_secret_post: ({ client_secret: secret }) => openid.ClientSecretPost(secret),
  private_key_jwt: () => openid.PrivateKeyJwt({ key: key.privateKey, kid: key.kid }),
  none: () => openid.None(),
};

const REDIRECT_URI = "http://localhost/callback";
let clients = 0;

/** Stores a client. Returns the configuration of the library, with these metadata. */
async function configure(method, metadata = {}) {
  const app = await provider.putClient(`app-${++clients}`, {
    client_name: "App", redirect_uris: [REDIRECT_URI], application_type: "native",
    grant_types: ["authorization_code", "refresh_token"], token_endpoint_auth_method: method,
    ...(method === "private_key_jwt" && { jwks }), ...metadata,
  });
  const options = { execute: [openid.allowInsecureRequests] };
  return openid.discovery(
    new URL(provider.issuer), app.client_id, metadata, AUTHENTICATIONS[method](app), options,
  );
}

async function signIn(config) {
  const verifier = openid.randomPKCECodeVerifier();
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI, scope: "openid email offline_access", code_challenge_method: "S256",
    code_challenge: await openid.calculatePKCECodeChallenge(verifier), prompt: "consent",
  });
  return openid.authorizationCodeGrant(config, await provider.signIn(url), { pkceCodeVerifier: verifier });
}

for (const method of Object.keys(AUTHENTICATIONS)) {
  test(`tokenRevocation of a refresh token ends the grant of a client with ${method}`, async () => {
    const config = await configure(method);
    const tokens = await signIn(config);
    await openid.tokenRevocation(config, tokens.refresh_token, { token_type_hint: "refresh_token" });
    await assert.rejects(openid.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
    await assert.rejects(openid.fetchUserInfo(config, tokens.access_token, "alice"), { status: 401 });
  });

  test(`tokenRevocation of an access token ends it alone for a client with ${method}`, async () => {
    const config = await configure(method);
    const tokens = await signIn(config);
    await openid.tokenRevocation(config, tokens.access_token);
    await assert.rejects(openid.fetchUserInfo(config, tokens.access_token, "alice"), { status: 401 });
    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal((await openid.fetchUserInfo(config, refreshed.access_token, "alice")).email, "alice@example.com");
  });

  test(`tokenIntrospection by a client with ${method}`, async () => {
    const config = await configure(method);
    const tokens = await signIn(config);
    const introspect = (token) => openid.tokenIntrospection(config, token);
    if (method === "none") {
      await assert.rejects(introspect(tokens.access_token), { status: 401 });
      return;
    }
    const { active, sub, scope, token_type: type } = await introspect(tokens.access_token);
    assert.deepEqual([active, sub, scope, type], [true, "alice", "openid email offline_access", "Bearer"]);
    assert.equal((await introspect(tokens.refresh_token)).active, true);
    await openid.tokenRevocation(config, tokens.refresh_token);
    assert.deepEqual(await introspect(tokens.access_token), { active: false });
    assert.deepEqual(await introspect(tokens.refresh_token), { active: false });
  });
}

for (const alg of ["RS256", "ES256"]) {
  test(`tokenIntrospection verifies a response that is signed with ${alg}`, async () => {
    const config = await configure("client_secret_basic", { introspection_signed_response_alg: alg });
    openid.enableNonRepudiationChecks(config);
    const tokens = await signIn(config);
    const { active, sub, iss } = await openid.tokenIntrospection(config, tokens.access_token);
    assert.deepEqual([active, sub, iss], [true, "alice", provider.issuer]);
    assert.ok(provider.log.includes("GET /auth/jwks.json 200"), "the library has the keys that verify the response");
    assert.deepEqual(await openid.tokenIntrospection(config, "unknown"), { active: false });
  });
}

test("tokenIntrospection by a resource server of the tokens of its API", async () => {
  const server = await configure("client_secret_basic", { introspection_resources: [API] });
  const machine = await provider.putClient("machine", {
    client_name: "Machine", grant_types: ["client_credentials"], scope: "orders:read",
  });
  const options = { execute: [openid.allowInsecureRequests] };
  const config = await openid.discovery(
    new URL(provider.issuer), machine.client_id, machine.client_secret, undefined, options,
  );
  const { access_token: token } = await openid.clientCredentialsGrant(config, {});
  const { active, aud, client_id: id, scope } = await openid.tokenIntrospection(server, token);
  assert.deepEqual([active, aud, id, scope], [true, API, "machine", "orders:read"]);
  await openid.tokenRevocation(config, token);
  assert.deepEqual(await openid.tokenIntrospection(server, token), { active: false });
});
