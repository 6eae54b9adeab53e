// oidc-client-ts as a single-page app on an origin, and a site, of its own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { singlePageApp } from "./spa/serve.mjs";
import { press, signIn, start } from "./world.mjs";

const METADATA = {
  client_name: "A single-page app",
  token_endpoint_auth_method: "none",
  grant_types: ["authorization_code", "refresh_token"],
};

for (const kind of ["https", "loopback"]) {
  const { issuer, origin, serve, client, visitor } = await start(kind);
  serve(singlePageApp(issuer));
  await client("spa", { ...METADATA, redirect_uris: [`${origin}/`] });

  /** What the app shows last, once it is something else than before. */
  const outcome = async (page, before = "") => {
    const text = page.locator("#outcome").filter({ hasText: /./ }).filter({ hasNotText: before || /^$/ });
    return JSON.parse(await text.innerText());
  };

  const signedIn = async () => {
    const page = await visitor();
    await page.goto(origin);
    await press(page, "Sign in");
    await signIn(page);
    await press(page, "Allow");
    await page.waitForURL(`${origin}/`);
    return page;
  };

  test(`${kind}: a single-page app signs a person in and asks for userinfo`, async () => {
    const page = await signedIn();
    const { profile, scope, refresh_token: refreshToken } = await outcome(page);
    assert.equal(profile.iss, issuer);
    assert.equal(profile.sub, "alice");
    assert.equal(profile.email, "alice@example.com");
    assert.equal(scope, "openid profile email offline_access");
    assert.match(refreshToken, /^[\w.-]{43,}$/);
  });

  test(`${kind}: it renews silently by its refresh token`, async () => {
    const page = await signedIn();
    const first = await outcome(page);
    await press(page, "Renew");
    const second = await outcome(page, first.access_token);
    assert.notEqual(second.access_token, first.access_token);
    assert.notEqual(second.refresh_token, first.refresh_token);
    assert.equal(second.profile.auth_time, first.profile.auth_time);
  });

  test(`${kind}: nobody is signed in silently who has not signed in`, async () => {
    const page = await visitor();
    await page.goto(origin);
    await press(page, "Sign in silently");
    await page.waitForURL(`${origin}/`);
    assert.equal((await outcome(page)).error, "login_required");
  });

  if (kind === "https") {
    test("https: it signs in again silently, without a page", async () => {
      const page = await signedIn();
      const first = await outcome(page);
      await press(page, "Sign in silently");
      const second = await outcome(page, first.access_token);
      assert.equal(second.profile.sub, "alice");
      assert.equal(second.profile.auth_time, first.profile.auth_time);
    });
  } else {
    test("loopback: what anything there could claim to be does not sign in without a page", async () => {
      const page = await signedIn();
      const first = await outcome(page);
      await press(page, "Sign in silently");
      assert.equal((await outcome(page, first.access_token)).error, "consent_required");
    });
  }

  test(`${kind}: who denies is told so by the app`, async () => {
    const page = await visitor();
    await page.goto(origin);
    await press(page, "Sign in");
    await signIn(page, "bob");
    await press(page, "Deny");
    await page.waitForURL(`${origin}/`);
    assert.equal((await outcome(page)).error, "access_denied");
  });
}
