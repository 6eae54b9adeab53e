// The authorization code flow with relying parties on libraries of others.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as jose from "jose";
import { ISSUER, start, startIsolates, until } from "./harness.mjs";
import { CALLBACKS, LIBRARIES } from "./test_clients.mjs";
import {
  Browser, authorizePath, redirectTarget, formPostRequest, successJson, isLogin, putClient, putUser, responseParameters, redeem,
  assertError,
} from "./browser.mjs";

const MODES = ["query", "form_post"];
// Each authentication method with each response mode and each algorithm.
const COMBINATIONS = [
  ["client_secret_basic", "query", "RS256"], ["client_secret_basic", "form_post", "ES256"],
  ["client_secret_post", "form_post", "RS256"], ["client_secret_post", "query", "ES256"],
  ["none", "query", "RS256"], ["none", "form_post", "ES256"],
];
const CLAIMS = { name: "Alice Adams", email: "alice@example.com", email_verified: true };

const responseOf = (mode, page) => (mode === "query" ? redirectTarget(page) : formPostRequest(page));

let postern;
before(async () => {
  postern = await start();
  await putUser(postern.operator, "alice", CLAIMS);
});
after(() => postern.close());

test("the first sign-in of a new deployment gets its tokens at once", async () => {
  const { keys } = await postern.env.DB.prepare("SELECT count(*) AS keys FROM signing_keys").first();
  assert.equal(keys, 0, "there is no key yet");
  const client = await LIBRARIES.oauth4webapi(postern.fetch, await putClient(postern.operator));
  const { url, redeem } = await client.begin();
  const tokens = await redeem(redirectTarget(await new Browser(postern.fetch).authorize(url, "alice")));
  assert.equal(jose.decodeProtectedHeader(tokens.id_token).alg, "RS256");
  assert.equal((await client.userinfo(tokens.access_token, tokens.claims.sub)).name, "Alice Adams");
});

for (const [library, clientOf] of Object.entries(LIBRARIES)) {
  const redirect_uris = [CALLBACKS[library]];

  for (const [method, mode, alg] of COMBINATIONS) {
    test(`${library} signs a user in: ${method}, ${mode}, ${alg}`, () => signIn(library, method, mode, alg));
  }

  test(`${library} gets login_required with state and issuer if no user is signed in`, async () => {
    const client = await clientOf(postern.fetch, await putClient(postern.operator, `${library}-none`, { redirect_uris }));
    for (const mode of MODES) {
      const { url, redeem } = await client.begin({ prompt: "none", response_mode: mode });
      const page = await new Browser(postern.fetch).get(url);
      await assert.rejects(redeem(responseOf(mode, page)), (/** @type {any} */ error) => {
        assert.deepEqual([error.code, error.error], ["OAUTH_AUTHORIZATION_RESPONSE_ERROR", "login_required"]);
        return true;
      });
    }
  });

  test(`${library} refuses a response with another state or another issuer`, async () => {
    const client = await clientOf(postern.fetch, await putClient(postern.operator, `${library}-mixed`, { redirect_uris }));
    const alice = new Browser(postern.fetch);
    const { url, redeem } = await client.begin();
    const response = redirectTarget(await alice.authorize(url, "alice"));
    assert.equal(response.searchParams.get("iss"), ISSUER);
    for (const name of ["state", "iss"]) {
      const changed = new URL(response);
      changed.searchParams.set(name, "https://other.example");
      await assert.rejects(redeem(changed), (/** @type {any} */ error) => {
        assert.match((error.cause instanceof Error ? error.cause : error).message, new RegExp(`^unexpected "${name}"`));
        return true;
      });
    }
    assert.equal((await redeem(response)).claims.sub, "alice", "the code is still good");
  });
}

async function signIn(library, method, mode, alg) {
  const app = await putClient(postern.operator, [library, method, mode, alg].join("-"), {
    redirect_uris: [CALLBACKS[library]], token_endpoint_auth_method: method,
    ...(alg !== "RS256" && { id_token_signed_response_alg: alg }),
  });
  assert.equal(app.id_token_signed_response_alg, alg, "RS256 is the default");
  assert.equal(app.client_secret === undefined, method === "none");

  const client = await LIBRARIES[library](postern.fetch, app);
  const alice = new Browser(postern.fetch);
  const { url, redeem } = await client.begin({
    scope: "openid profile email offline_access", response_mode: mode, prompt: "consent",
  });
  const page = await alice.authorize(url, "alice");
  const tokens = await redeem(responseOf(mode, page));
  assert.equal(jose.decodeProtectedHeader(tokens.id_token).alg, alg);
  assert.equal(tokens.scope, "openid profile email offline_access");
  const { claims } = tokens;
  assert.deepEqual([claims.iss, claims.sub, claims.aud], [ISSUER, "alice", app.client_id]);
  assert.deepEqual(claims.amr, ["pwd"]);
  assert.ok(Math.abs(claims.auth_time - Date.now() / 1_000) < 60);
  assert.deepEqual(await client.userinfo(tokens.access_token, "alice"), { sub: "alice", ...CLAIMS });
  await assert.rejects(client.userinfo(tokens.access_token, "mallory"));

  const refreshed = await client.refresh(tokens.refresh_token);
  assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
  assert.notEqual(refreshed.access_token, tokens.access_token);
  assert.ok("nonce" in claims && !("nonce" in refreshed.claims), "only the first ID token has a nonce");
  for (const name of ["iss", "sub", "aud", "auth_time", "sid", "acr"]) {
    assert.ok(claims[name] !== undefined, name);
    assert.deepEqual(refreshed.claims[name], claims[name], name);
  }
  assert.equal((await client.userinfo(refreshed.access_token, "alice")).sub, "alice");
  assert.ok((await client.refresh(refreshed.refresh_token)).refresh_token, "the next token can be refreshed too");
}

test("a signed-in user who has consented sees no page, and the sid does not change", async () => {
  const app = await putClient(postern.operator, "silent");
  const alice = new Browser(postern.fetch);
  const first = await successJson(await redeem(postern.fetch, app, await alice.codeFor(app, "alice")));
  for (const parameters of [{}, { prompt: "none" }]) {
    const path = authorizePath(app, parameters);
    const [target, query] = path.split("?");
    for (const page of [await alice.get(path), await alice.follow(await alice.post(target, query))]) {
      const { code, iss, state } = responseParameters(page);
      assert.deepEqual([iss, state], [ISSUER, "the state"]);
      const again = await successJson(await redeem(postern.fetch, app, code));
      const [was, is] = [first, again].map(({ id_token: token }) => jose.decodeJwt(token));
      assert.deepEqual([is.sid, is.auth_time], [was.sid, was.auth_time]);
    }
  }
});

test("a wrong password fails, and the right one signs the user in after it", async () => {
  const app = await putClient(postern.operator, "wrong");
  const alice = new Browser(postern.fetch, { address: "198.51.100.7" });
  const page = await alice.get(authorizePath(app));
  const again = await alice.signInOn(page, "alice", "not the password");
  assert.deepEqual([again.status, isLogin(again)], [403, true]);
  assert.match([...alice.cookies.keys()].join(), /^__Host-postern-browser\.[\w-]{8}$/);
  assert.equal((await alice.signInOn(again, "alice")).status, 200);
  assert.ok(alice.cookies.has("__Host-postern-session"));
});

test("login and password may be typed in another Unicode form", async () => {
  const app = await putClient(postern.operator, "unicode");
  const [login, password] = ["Zoë.Müller@example.com", "Grüße aus 한국"];
  const user = { login: `${login.normalize("NFD")} `, password: password.normalize("NFD") };
  const { body } = await postern.operator("PUT", "/admin/users/zoe", user);
  assert.equal(body.login, login.toLowerCase());
  for (const [index, typed] of [login, login.normalize("NFKD").toUpperCase(), `ｚｏë.müller＠example.com\u00a0`].entries()) {
    const zoe = new Browser(postern.fetch, { address: `198.51.100.${20 + index}` });
    const page = await zoe.get(authorizePath(app));
    const again = await zoe.signInOn(page, typed, password.toUpperCase());
    assert.ok(isLogin(again), "case counts in a password");
    await zoe.signInOn(again, typed, password.normalize(index === 0 ? "NFD" : "NFC"));
    assert.ok(zoe.cookies.has("__Host-postern-session"), typed);
  }
  const taken = await postern.operator("PUT", "/admin/users/other", { login: "ＺＯË.müller@example.com" });
  assert.deepEqual([taken.status, taken.body.error], [409, "conflict"]);
});

test("redeeming a code without a signing key returns 503, and the code stays good", async () => {
  const [first, second] = await startIsolates(2);
  await putUser(first.operator, "alice");
  const app = await putClient(first.operator);
  const alice = new Browser(first.fetch);
  const code = await alice.codeFor(app, "alice");
  await successJson(await redeem(first.fetch, app, await alice.codeFor(app, "alice")));
  // The state after the worker that was making the key stopped.
  for (const table of ["signing_keys WHERE alg = 'RS256'", "key_claims"]) {
    await first.env.DB.prepare(`DELETE FROM ${table}`).run();
  }
  const early = await redeem(second.fetch, app, code);
  assert.equal(early.headers.get("retry-after"), "5");
  await assertError(early, "temporarily_unavailable", 503);
  const later = await until(() => redeem(second.fetch, app, code), ({ status }) => status !== 503);
  assert.equal(jose.decodeProtectedHeader((await successJson(later)).id_token).alg, "RS256");
});
