// Relying parties on libraries of others, with tokens of the operator.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as jose from "jose";
import * as client from "openid-client";
import { ISSUER, start } from "./harness.mjs";

let postern;
let token;
before(async () => {
  postern = await start();
  await postern.putAlice();
  ({ access_token: token } = await postern.mint("openid profile email groups"));
});
after(() => postern.close());

/** @type {any} */
const fetchHere = (url, init) => postern.fetch(url, init);

test("openid-client discovers the issuer and reads userinfo", async () => {
  const options = { [client.customFetch]: fetchHere };
  const config = await client.discovery(new URL(ISSUER), "some-client", undefined, client.None(), options);
  assert.equal(config.serverMetadata().issuer, ISSUER);
  config[client.customFetch] = fetchHere;
  const claims = await client.fetchUserInfo(config, token, "alice");
  assert.deepEqual(claims, {
    sub: "alice", name: "Alice Adams", email: "alice@example.com", email_verified: true, groups: ["staff"],
  });
  await assert.rejects(client.fetchUserInfo(config, `${token}x`, "alice"), (/** @type {any} */ error) => {
    assert.equal(error.cause[0].parameters.error, "invalid_token");
    return true;
  });
});

test("openid-client discovers the issuer by RFC 8414 as well", async () => {
  /** @type {client.DiscoveryRequestOptions} */
  const options = { algorithm: "oauth2", [client.customFetch]: fetchHere };
  const config = await client.discovery(new URL(ISSUER), "some-client", undefined, client.None(), options);
  assert.equal(config.serverMetadata().jwks_uri, `${ISSUER}/auth/jwks.json`);
});

test("jose verifies an access token against the served key set", async () => {
  const keys = jose.createRemoteJWKSet(new URL(`${ISSUER}/auth/jwks.json`), { [jose.customFetch]: fetchHere });
  const { payload, protectedHeader } = await jose.jwtVerify(token, keys, {
    issuer: ISSUER, audience: `${ISSUER}/auth/userinfo`, typ: "at+jwt", algorithms: ["ES256"],
    requiredClaims: ["sub", "client_id", "scope", "jti", "iat", "exp", "grant_id"],
  });
  assert.equal(payload.sub, "alice");
  assert.equal(payload.client_id, "operator");
  const served = await postern.keysMade();
  for (const key of served) assert.equal(await jose.calculateJwkThumbprint(key), key.kid);
  const [ec, rsa] = ["ES256", "RS256"].map((alg) => served.find((key) => key.alg === alg));
  assert.equal(protectedHeader.kid, ec.kid);
  assert.deepEqual(Object.keys(ec), ["kty", "use", "alg", "kid", "crv", "x", "y"]);
  assert.deepEqual(Object.keys(rsa), ["kty", "use", "alg", "kid", "n", "e"]);
});

test("access tokens end when their grant is revoked or their user is deleted", async () => {
  const minted = await postern.mint("openid");
  assert.equal((await postern.userinfo(minted.access_token)).status, 200);
  const revoked = await postern.operator("DELETE", `/admin/grants/${minted.grant_id}`);
  assert.equal(revoked.status, 200);
  assert.equal((await postern.userinfo(minted.access_token)).status, 401);

  await postern.operator("PUT", "/admin/users/bob", { claims: {} });
  const bobs = await postern.mint("openid", "bob");
  assert.equal((await postern.userinfo(bobs.access_token)).status, 200);
  assert.equal((await postern.operator("DELETE", "/admin/users/bob")).status, 200);
  assert.equal((await postern.userinfo(bobs.access_token)).status, 401);
  const again = await postern.operator("PUT", "/admin/users/bob", { claims: {} });
  assert.deepEqual([again.status, again.body.error], [409, "conflict"]);
});

test("a bulk import reports each refused line", async () => {
  const lines = ['{"sub":"u1"}', "nonsense", '{"sub":"u2","claims":{"email":1}}', '{"sub":"u3","login":"U1"}', ""];
  const { body } = await postern.operator("POST", "/admin/users", lines.join("\n"));
  assert.equal(body.stored, 1);
  assert.deepEqual(body.refused.map((one) => one.line), [2, 3, 4]);
});

test("a client keeps its secret when it is replaced, and is gone when it is deleted", async () => {
  const metadata = { redirect_uris: ["https://app.example/cb"] };
  const first = await postern.operator("PUT", "/admin/clients/app", metadata);
  assert.equal(first.status, 200);
  assert.match(first.body.client_secret, /^[\w-]{43}$/);
  const again = await postern.operator("PUT", "/admin/clients/app", { ...metadata, client_name: "App", trusted: true });
  assert.deepEqual([again.body.client_secret, again.body.client_name, again.body.trusted], [undefined, "App", true]);
  const { body } = await postern.operator("GET", "/admin/clients");
  assert.deepEqual(body.clients.map((one) => one.client_id), ["app"]);
  assert.equal((await postern.operator("DELETE", "/admin/clients/app")).status, 200);
  assert.equal((await postern.operator("GET", "/admin/clients/app")).status, 404);
});
