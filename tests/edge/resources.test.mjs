// An API of the operator's takes the tokens that were made for it, and no others.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SignJWT } from "jose";
import * as openid from "openid-client";
import { ISSUER, start } from "./harness.mjs";
import { makeKey } from "./party.mjs";
import { Visitor, askToken, authorizePath, granted, putApp, putUser, queryAnswer, VERIFIER } from "./visitor.mjs";

const ORDERS = "https://orders.example/api";
const STOCK = "https://stock.example";
const RESOURCES = JSON.stringify({ [ORDERS]: ["orders:read", "orders:write"], [STOCK]: ["stock"] });
const EVERYTHING = "openid orders:read orders:write stock";

let postern;
before(async () => {
  const api = {
    name: "api", main: "tests/edge/api.mjs", compatibility_date: "2026-10-20",
    services: [{ binding: "POSTERN", service: "postern-watched" }],
  };
  postern = await start({
    vars: { RESOURCES }, others: [{ config: api, vars: { ISSUER, AUDIENCE: ORDERS } }],
  });
  await putUser(postern.operator, "alice");
  await postern.keysMade();
  // As if they were made long ago, so that there can be old tokens.
  await postern.env.DB.prepare("UPDATE signing_keys SET publish_from = 1, sign_from = 1").run();
});
after(() => postern.close());

/** What the API says to who presents a token. */
async function present(token) {
  const headers = { authorization: `Bearer ${token}` };
  const response = await postern.server.getWorker("api").fetch("https://orders.example/orders", { headers });
  return [response.status, await response.json()];
}

/** Tokens for alice, the access token for this resource. */
async function tokensFor(app, scope, resource) {
  const answer = queryAnswer(await new Visitor(postern.ask).authorize(authorizePath(app, { scope }), "alice"));
  return granted(await askToken(postern.ask, app, {
    grant_type: "authorization_code", code: answer.code, redirect_uri: app.redirect_uris[0], code_verifier: VERIFIER,
    ...(resource && { resource }),
  }));
}

test("an API takes a person's token that was made for it, by the published keys alone", async () => {
  const app = await putApp(postern.operator, "app", { scope: EVERYTHING });
  const { access_token: token, scope } = await tokensFor(app, "openid orders:read stock", ORDERS);
  assert.equal(scope, "orders:read");
  assert.deepEqual(await present(token), [200, { sub: "alice", client_id: "app", is_machine: false }]);
});

test("an API takes a machine's token, got by openid-client", async () => {
  const { status, body } = await postern.operator("PUT", "/admin/clients/machine", {
    grant_types: ["client_credentials"], scope: "orders:read stock",
  });
  assert.equal(status, 200, JSON.stringify(body));
  const options = { [openid.customFetch]: postern.ask };
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

test("an API refuses what was made for another, for userinfo, as an ID token, by others, or has expired", async () => {
  const app = await putApp(postern.operator, "other", { scope: EVERYTHING });
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

  await postern.sleep(-700);
  const old = await tokensFor(app, "openid orders:read", ORDERS);
  await postern.sleep(0);
  assert.equal(await refusal(old.access_token), "ERR_JWT_EXPIRED");
  const { access_token: weak } = await tokensFor(app, "openid orders:write", ORDERS);
  assert.deepEqual(await present(weak), [403, { error: "insufficient_scope" }]);
});
