// What a sign-in asks of D1 in an isolate that is warm, and what becomes of it when D1 does not answer. A trip is
// one statement or one batch. Whoever changes a figure here sees what it was.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { start } from "./harness.mjs";
import {
  PASSWORD, Visitor, authorizePath, formOf, granted, isConsent, isLogin, putApp, putUser, queryAnswer, redeem, refresh,
  refused,
} from "./visitor.mjs";

let postern;
let app;
let alice;

before(async () => {
  postern = await start();
  await postern.keysMade();
  await putUser(postern.operator, "alice");
  app = await putApp(postern.operator);
  alice = new Visitor(postern.ask);
  // Once through all of it: then the keys are open, and there is a session, and consent.
  const scope = "openid email offline_access";
  const code = await alice.codeFor(app, "alice", { scope, prompt: "consent" });
  await refresh(postern.ask, app, (await granted(await redeem(postern.ask, app, code))).refresh_token);
});
after(() => postern.close());

/** Asserts what `work` asks of D1, and that it asks KV for nothing. */
async function costs(trips, work) {
  await postern.watch();
  const result = await work();
  const { DB, KV } = await postern.watch();
  assert.deepEqual({ DB, KV }, { DB: trips, KV: 0 });
  return result;
}

test("the login page costs one trip to D1, signing in three, and the way on to consent another three", async () => {
  const visitor = new Visitor(postern.ask);
  const page = await costs(1, () => visitor.get(authorizePath(app)));
  assert.ok(isLogin(page));
  const { action, fields } = formOf(page);
  const signedIn = await costs(3, () => visitor.post(action, { ...fields, login: "alice", password: PASSWORD }));
  assert.ok(isConsent(await costs(3, () => visitor.get(signedIn.headers.get("location")))));
});

test("a silent sign-in costs four trips to D1", async () => {
  const page = await costs(4, () => alice.get(authorizePath(app, { scope: "openid email", prompt: "none" })));
  assert.ok(queryAnswer(page).code);
});

test("the consent page costs three trips to D1, and agreeing another four", async () => {
  const page = await costs(3, () => alice.get(authorizePath(app, { scope: "openid email", prompt: "consent" })));
  assert.ok(isConsent(page));
  const { action, fields } = formOf(page);
  const answer = await costs(4, () => alice.post(action, { ...fields, decision: "allow" }));
  assert.ok(queryAnswer(answer).code);
});

test("a code costs two trips to D1, with a refresh token or without, and a refresh three", async () => {
  const plain = await alice.codeFor(app, "alice", { scope: "openid email" });
  await granted(await costs(2, () => redeem(postern.ask, app, plain)));
  const offline = await alice.codeFor(app, "alice", { scope: "openid email offline_access" });
  const { refresh_token: token } = await granted(await costs(2, () => redeem(postern.ask, app, offline)));
  assert.ok(token, "which consent is remembered for");
  await granted(await costs(3, () => refresh(postern.ask, app, token)));
});

test("a failing D1 is a page for people and JSON for clients, and takes nobody's code, token or sign-in", async () => {
  const asked = { scope: "openid offline_access", prompt: "consent" };
  const { refresh_token: token } = await granted(await redeem(postern.ask, app, await alice.codeFor(app, "alice", asked)));
  const code = await alice.codeFor(app, "alice", asked);
  const bob = new Visitor(postern.ask);
  const login = await bob.get(authorizePath(app, asked));
  const { action, fields } = formOf(login);

  await postern.watch("DB");
  for (const page of [
    await alice.get(authorizePath(app)),
    await bob.get(authorizePath(app)),
    await bob.post(action, { ...fields, login: "alice", password: PASSWORD }),
    await alice.get("/auth/account"),
  ]) {
    assert.deepEqual([page.status, page.headers.get("retry-after")], [503, "5"]);
    assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
    assert.equal(page.headers.get("cache-control"), "no-store");
    assert.match(page.body, /temporarily_unavailable/);
    assert.doesNotMatch(page.body, /secret|told to fail|<form/);
    assert.deepEqual(page.setCookies, []);
  }
  for (const ask of [redeem(postern.ask, app, code), refresh(postern.ask, app, token)]) {
    const response = await ask;
    assert.equal(response.headers.get("retry-after"), "5");
    assert.equal(response.headers.get("content-type"), "application/json");
    await refused(response, "temporarily_unavailable", 503);
  }

  await postern.watch();
  await granted(await redeem(postern.ask, app, code));
  await granted(await refresh(postern.ask, app, token));
  assert.ok(isConsent(await bob.signInOn(login, "alice")));
});

for (const scope of ["openid", "openid offline_access"]) {
  test(`a redemption for ${scope} may be tried again at whichever trip to D1 it fails`, async () => {
    for (let spared = 0; ; spared++) {
      const code = await alice.codeFor(app, "alice", { scope, prompt: "consent" });
      await postern.watchUntil("DB", spared);
      const response = await redeem(postern.ask, app, code);
      await postern.watch();
      if (response.status === 200) return;
      await refused(response, "temporarily_unavailable", 503);
      await granted(await redeem(postern.ask, app, code));
    }
  });
}
