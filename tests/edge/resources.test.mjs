// A resource server accepts the access tokens for its audience, and no others.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SignJWT } from "jose";
import * as openid from "openid-client";
import { ISSUER, start } from "./harness.mjs";
import { makeKey } from "./client_server.mjs";
import { Browser, requestToken, authorizePath, successJson, putClient, putUser, responseParameters, VERIFIER } from "./browser.mjs";

const ORDERS = "https://orders.example/api";
const STOCK = "https://stock.example";
const RESOURCES = JSON.stringify({ [ORDERS]: ["orders:read", "orders:write"], [STOCK]: ["stock"] });
const EVERYTHING = "openid orders:read orders:write stock";

let postern;
before(async () => {
  const api = {
    name: "api", main: "tests/edge/api.mjs", compatibility_date: "2026-10-20",
    services: [{ binding: "POSTERN", service: "postern-with-faults" }],
  };
  postern = await start({
    vars: { RESOURCES }, others: [{ config: api, vars: { ISSUER, AUDIENCE: ORDERS } }],
  });
  await putUser(postern.operator, "alice");
  await postern.keysMade();
  // Backdates the keys, so that tokens can be older than the test.
  await postern.env.DB.prepare("UPDATE signing_keys SET publish_from = 1, sign_from = 1").run();
});
after(() => postern.close());

/** Sends a request to the resource server with this access token. Returns the status and the JSON. */
async function present(token) {
  const headers = { authorization: `Bearer ${token}` };
  const response = await postern.server.getWorker("api").fetch("https://orders.example/orders", { headers });
  return [response.status, await response.json()];
}

/** Signs alice in. Returns the tokens, for this resource if there is one. */
async function tokensFor(app, scope, resource = undefined) {
  const response = responseParameters(await new Browser(postern.fetch).authorize(authorizePath(app, { scope }), "alice"));
  return successJson(await requestToken(postern.fetch, app, {
    grant_type: "authorization_code", code: response.code, redirect_uri: app.redirect_uris[0], code_verifier: VERIFIER,
    ...(resource && { resource }),
  }));
}

test("a resource server accepts a user's token for its audience, by the published keys", async () => {
  const app = await putClient(postern.operator, "app", { scope: EVERYTHING });
  const { access_token: token, scope } = await tokensFor(app, "openid orders:read stock", ORDERS);
  assert.equal(scope, "orders:read");
  assert.deepEqual(await present(token), [200, { sub: "alice", client_id: "app", is_machine: false }]);
});

test("a resource server accepts a token of the client credentials grant", async () => {
  const { status, body } = await postern.operator("PUT", "/admin/clients/machine", {
    grant_types: ["client_credentials"], scope: "orders:read stock",
  });
  assert.equal(status, 200, JSON.stringify(body));
  const options = { [openid.customFetch]: postern.fetch };
  const config = await openid.discovery(new URL(ISSUER), "machine", body.client_secret, undefined, options);
  const { access_token: token, id_token, refresh_token } =
    await openid.clientCredentialsGrant(config, { resource: ORDERS });
  assert.deepEqual([id_token, refresh_token], [undefined, undefined]);
  assert.deepEqual(await present(token), [200, { sub: "machine", client_id: "machine", is_machine: true }]);
  assert.equal((await postern.userinfo(token)).status, 401);

  const other = await openid.clientCredentialsGrant(config, { scope: "stock" });
  assert.deepEqual(await present(other.access_token), [401, { error: "invalid_token", code: "ERR_JWT_CLAIM_VALIDATION_FAILED" }]);
  await assert.rejects(openid.clientCredentialsGrant(config, { scope: "openid" }), { error: "invalid_scope" });
});

test("a resource server refuses other audiences, ID tokens, forged and expired tokens", async () => {
  const app = await putClient(postern.operator, "other", { scope: EVERYTHING });
  const refusal = async (token) => (await present(token))[1].code;
  const forStock = await tokensFor(app, "openid orders:read stock", STOCK);
  assert.equal(await refusal(forStock.access_token), "ERR_JWT_CLAIM_VALIDATION_FAILED");
  const forUserinfo = await tokensFor(app, "openid orders:read");
  assert.equal(await refusal(forUserinfo.access_token), "ERR_JWT_CLAIM_VALIDATION_FAILED");
  assert.equal(await refusal(forUserinfo.id_token), "ERR_JOSE_ALG_NOT_ALLOWED");
  const key = await makeKey("ES256", "key-1");
  const forged = await new SignJWT({ scope: "orders:read", client_id: "app" })
    .setProtectedHeader({ alg: "ES256", kid: "key-1", typ: "at+jwt" })
    .setIssuer(ISSUER).setAudience(ORDERS).setSubject("alice").setExpirationTime("1m").sign(key.privateKey);
  assert.equal(await refusal(forged), "ERR_JWKS_NO_MATCHING_KEY");
  assert.equal(await refusal("x"), "ERR_JWS_INVALID");

  await postern.setClockAhead(-700);
  const old = await tokensFor(app, "openid orders:read", ORDERS);
  await postern.setClockAhead(0);
  assert.equal(await refusal(old.access_token), "ERR_JWT_EXPIRED");
  const { access_token: weak } = await tokensFor(app, "openid orders:write", ORDERS);
  assert.deepEqual(await present(weak), [403, { error: "insufficient_scope" }]);
});
