// The authorization code flow, run by relying parties that we did not write.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as jose from "jose";
import { ISSUER, start, startIsolates, until } from "./harness.mjs";
import { CALLBACKS, LIBRARIES } from "./parties.mjs";
import {
  Visitor, authorizePath, destination, formPostAnswer, granted, isLogin, putApp, putUser, queryAnswer, redeem,
  refused,
} from "./visitor.mjs";

const MODES = ["query", "form_post"];
// Each method of authentication with each mode and each algorithm.
const WAYS = [
  ["client_secret_basic", "query", "RS256"], ["client_secret_basic", "form_post", "ES256"],
  ["client_secret_post", "form_post", "RS256"], ["client_secret_post", "query", "ES256"],
  ["none", "query", "RS256"], ["none", "form_post", "ES256"],
];
const CLAIMS = { name: "Alice Adams", email: "alice@example.com", email_verified: true };

const answerOf = (mode, page) => (mode === "query" ? destination(page) : formPostAnswer(page));

let postern;
before(async () => {
  postern = await start();
  await putUser(postern.operator, "alice", CLAIMS);
});
after(() => postern.close());

test("the very first sign-in of a new deployment gets its tokens at once", async () => {
  const { keys } = await postern.env.DB.prepare("SELECT count(*) AS keys FROM signing_keys").first();
  assert.equal(keys, 0, "nothing has made a key before");
  const party = await LIBRARIES.oauth4webapi(postern.ask, await putApp(postern.operator));
  const { url, redeem } = await party.begin();
  const tokens = await redeem(destination(await new Visitor(postern.ask).authorize(url, "alice")));
  assert.equal(jose.decodeProtectedHeader(tokens.id_token).alg, "RS256");
  assert.equal((await party.userinfo(tokens.access_token, tokens.claims.sub)).name, "Alice Adams");
});

for (const [library, partyOf] of Object.entries(LIBRARIES)) {
  const redirect_uris = [CALLBACKS[library]];

  for (const [method, mode, alg] of WAYS) {
    test(`${library} signs somebody in: ${method}, ${mode}, ${alg}`, () => signIn(library, method, mode, alg));
  }

  test(`${library} is told by an error that nobody is signed in, with state and issuer`, async () => {
    const party = await partyOf(postern.ask, await putApp(postern.operator, `${library}-none`, { redirect_uris }));
    for (const mode of MODES) {
      const { url, redeem } = await party.begin({ prompt: "none", response_mode: mode });
      const page = await new Visitor(postern.ask).get(url);
      await assert.rejects(redeem(answerOf(mode, page)), (error) => {
        assert.deepEqual([error.code, error.error], ["OAUTH_AUTHORIZATION_RESPONSE_ERROR", "login_required"]);
        return true;
      });
    }
  });

  test(`${library} refuses what was mixed up: another state, and another issuer`, async () => {
    const party = await partyOf(postern.ask, await putApp(postern.operator, `${library}-mixed`, { redirect_uris }));
    const alice = new Visitor(postern.ask);
    const { url, redeem } = await party.begin();
    const answer = destination(await alice.authorize(url, "alice"));
    assert.equal(answer.searchParams.get("iss"), ISSUER);
    for (const name of ["state", "iss"]) {
      const changed = new URL(answer);
      changed.searchParams.set(name, "https://other.example");
      await assert.rejects(redeem(changed), (error) => {
        assert.match((error.cause instanceof Error ? error.cause : error).message, new RegExp(`^unexpected "${name}"`));
        return true;
      });
    }
    assert.equal((await redeem(answer)).claims.sub, "alice", "and nothing was spent by that");
  });
}

async function signIn(library, method, mode, alg) {
  const app = await putApp(postern.operator, [library, method, mode, alg].join("-"), {
    redirect_uris: [CALLBACKS[library]], token_endpoint_auth_method: method,
    ...(alg !== "RS256" && { id_token_signed_response_alg: alg }),
  });
  assert.equal(app.id_token_signed_response_alg, alg, "RS256 is what a client gets that says nothing");
  assert.equal(app.client_secret === undefined, method === "none");

  const party = await LIBRARIES[library](postern.ask, app);
  const alice = new Visitor(postern.ask);
  const { url, redeem } = await party.begin({
    scope: "openid profile email offline_access", response_mode: mode, prompt: "consent",
  });
  const page = await alice.authorize(url, "alice");
  const tokens = await redeem(answerOf(mode, page));
  assert.equal(jose.decodeProtectedHeader(tokens.id_token).alg, alg);
  assert.equal(tokens.scope, "openid profile email offline_access");
  const { claims } = tokens;
  assert.deepEqual([claims.iss, claims.sub, claims.aud], [ISSUER, "alice", app.client_id]);
  assert.deepEqual(claims.amr, ["pwd"]);
  assert.ok(Math.abs(claims.auth_time - Date.now() / 1_000) < 60);
  assert.deepEqual(await party.userinfo(tokens.access_token, "alice"), { sub: "alice", ...CLAIMS });
  await assert.rejects(party.userinfo(tokens.access_token, "mallory"));

  const refreshed = await party.refresh(tokens.refresh_token);
  assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
  assert.notEqual(refreshed.access_token, tokens.access_token);
  assert.ok("nonce" in claims && !("nonce" in refreshed.claims), "a nonce answers one request");
  for (const name of ["iss", "sub", "aud", "auth_time", "sid", "acr"]) {
    assert.ok(claims[name] !== undefined, name);
    assert.deepEqual(refreshed.claims[name], claims[name], name);
  }
  assert.equal((await party.userinfo(refreshed.access_token, "alice")).sub, "alice");
  assert.ok((await party.refresh(refreshed.refresh_token)).refresh_token, "and so on");
}

test("a person who is signed in and has agreed sees no page, by GET or by POST, and one session has one sid", async () => {
  const app = await putApp(postern.operator, "silent");
  const alice = new Visitor(postern.ask);
  const first = await granted(await redeem(postern.ask, app, await alice.codeFor(app, "alice")));
  for (const parameters of [{}, { prompt: "none" }]) {
    const path = authorizePath(app, parameters);
    const [target, query] = path.split("?");
    for (const page of [await alice.get(path), await alice.follow(await alice.post(target, query))]) {
      const { code, iss, state } = queryAnswer(page);
      assert.deepEqual([iss, state], [ISSUER, "the state"]);
      const again = await granted(await redeem(postern.ask, app, code));
      const [was, is] = [first, again].map(({ id_token: token }) => jose.decodeJwt(token));
      assert.deepEqual([is.sid, is.auth_time], [was.sid, was.auth_time]);
    }
  }
});

test("a password that is wrong signs nobody in, and the right one does after it", async () => {
  const app = await putApp(postern.operator, "wrong");
  const alice = new Visitor(postern.ask, { address: "198.51.100.7" });
  const page = await alice.get(authorizePath(app));
  const again = await alice.signInOn(page, "alice", "not the password");
  assert.deepEqual([again.status, isLogin(again)], [403, true]);
  assert.deepEqual([...alice.cookies.keys()], ["__Host-postern-browser"]);
  assert.equal((await alice.signInOn(again, "alice")).status, 200);
  assert.ok(alice.cookies.has("__Host-postern-session"));
});

test("a code that meets an isolate without a key is answered 503 with Retry-After, and is not spent", async () => {
  const [first, second] = await startIsolates(2);
  await putUser(first.operator, "alice");
  const app = await putApp(first.operator);
  const alice = new Visitor(first.ask);
  const code = await alice.codeFor(app, "alice");
  await granted(await redeem(first.ask, app, await alice.codeFor(app, "alice")));
  // As if the worker that made the key had died on its way.
  for (const table of ["signing_keys WHERE alg = 'RS256'", "key_claims"]) {
    await first.env.DB.prepare(`DELETE FROM ${table}`).run();
  }
  const early = await redeem(second.ask, app, code);
  assert.equal(early.headers.get("retry-after"), "5");
  await refused(early, "temporarily_unavailable", 503);
  const later = await until(() => redeem(second.ask, app, code), ({ status }) => status !== 503);
  assert.equal(jose.decodeProtectedHeader((await granted(later)).id_token).alg, "RS256");
});
