// What a request costs in an isolate that is warm: trips to D1 (a batch is one) and reads of KV. Whoever changes
// a figure here sees what it was.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { start } from "./harness.mjs";
import {
  PASSWORD, Visitor, authorizePath, formOf, granted, isConsent, isLogin, putApp, putUser, queryAnswer, redeem, refresh,
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

test("a code costs two trips to D1, with a refresh token three, and a refresh three", async () => {
  const plain = await alice.codeFor(app, "alice", { scope: "openid email" });
  await granted(await costs(2, () => redeem(postern.ask, app, plain)));
  const offline = await alice.codeFor(app, "alice", { scope: "openid email offline_access" });
  const { refresh_token: token } = await granted(await costs(3, () => redeem(postern.ask, app, offline)));
  assert.ok(token, "which consent is remembered for");
  await granted(await costs(3, () => refresh(postern.ask, app, token)));
});
