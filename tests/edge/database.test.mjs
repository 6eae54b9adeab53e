// The steps of a sign-in while D1 fails.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { start } from "./harness.mjs";
import {
  PASSWORD, Browser, authorizePath, formOf, successJson, isConsent, putClient, putUser, redeem, refresh, assertError,
} from "./browser.mjs";

let postern;
let app;
let alice;

before(async () => {
  postern = await start();
  await postern.keysMade();
  await putUser(postern.operator, "alice");
  app = await putClient(postern.operator);
  alice = new Browser(postern.fetch);
  // Warms the isolate up: decrypts the keys, and stores a session and consent.
  const scope = "openid email offline_access";
  const code = await alice.codeFor(app, "alice", { scope, prompt: "consent" });
  await refresh(postern.fetch, app, (await successJson(await redeem(postern.fetch, app, code))).refresh_token);
});
after(() => postern.close());

test("while D1 fails, users get a page and clients JSON, and no code or token is used up", async () => {
  const parameters = { scope: "openid offline_access", prompt: "consent" };
  const { refresh_token: token } = await successJson(await redeem(postern.fetch, app, await alice.codeFor(app, "alice", parameters)));
  const code = await alice.codeFor(app, "alice", parameters);
  const bob = new Browser(postern.fetch);
  const login = await bob.get(authorizePath(app, parameters));
  const { action, fields } = formOf(login);

  await postern.failBindings("DB");
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
    assert.doesNotMatch(page.body, /secret|injected fault|<form/);
    assert.deepEqual(page.setCookies, []);
  }
  for (const response of [await redeem(postern.fetch, app, code), await refresh(postern.fetch, app, token)]) {
    assert.equal(response.headers.get("retry-after"), "5");
    assert.equal(response.headers.get("content-type"), "application/json");
    await assertError(response, "temporarily_unavailable", 503);
  }

  await postern.takeCounts();
  await successJson(await redeem(postern.fetch, app, code));
  await successJson(await refresh(postern.fetch, app, token));
  assert.ok(isConsent(await bob.signInOn(login, "alice")));
});

for (const scope of ["openid", "openid offline_access"]) {
  test(`redeeming a code for ${scope} can be repeated after any D1 request failed`, async () => {
    for (let successes = 0; ; successes++) {
      const code = await alice.codeFor(app, "alice", { scope, prompt: "consent" });
      await postern.failBindingAfter("DB", successes);
      const response = await redeem(postern.fetch, app, code);
      await postern.takeCounts();
      if (response.status === 200) return;
      await assertError(response, "temporarily_unavailable", 503);
      await successJson(await redeem(postern.fetch, app, code));
    }
  });
}
