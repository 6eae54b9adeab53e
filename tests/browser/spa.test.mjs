// A single-page app on oidc-client-ts, on another site than the provider.
import assert from "node:assert/strict";
import { test } from "node:test";
import { singlePageApp } from "./spa/serve.mjs";
import { press, signIn, start } from "./test_provider.mjs";

const METADATA = {
  client_name: "A single-page app",
  token_endpoint_auth_method: "none",
  grant_types: ["authorization_code", "refresh_token"],
};

for (const kind of ["https", "loopback"]) {
  const { issuer, origin, serve, client, newPage } = await start(kind);
  serve(singlePageApp(issuer));
  await client("spa", { ...METADATA, redirect_uris: [`${origin}/`] });

  /** Waits until the app shows another result than `before`. Returns the result. */
  const outcome = async (page, before = "") => {
    const text = page.locator("#outcome").filter({ hasText: /./ }).filter({ hasNotText: before || /^$/ });
    return JSON.parse(await text.innerText());
  };

  const signedIn = async () => {
    const page = await newPage();
    await page.goto(origin);
    await press(page, "Sign in");
    await signIn(page);
    await press(page, "Allow");
    await page.waitForURL(`${origin}/`);
    return page;
  };

  test(`${kind}: a single-page app signs a user in and gets userinfo`, async () => {
    const page = await signedIn();
    const { profile, scope, refresh_token: refreshToken } = await outcome(page);
    assert.equal(profile.iss, issuer);
    assert.equal(profile.sub, "alice");
    assert.equal(profile.email, "alice@example.com");
    assert.equal(scope, "openid profile email offline_access");
    assert.match(refreshToken, /^[\w.-]{43,}$/);
  });

  test(`${kind}: a single-page app renews its tokens by its refresh token`, async () => {
    const page = await signedIn();
    const first = await outcome(page);
    await press(page, "Renew");
    const second = await outcome(page, first.access_token);
    assert.notEqual(second.access_token, first.access_token);
    assert.notEqual(second.refresh_token, first.refresh_token);
    assert.equal(second.profile.auth_time, first.profile.auth_time);
  });

  test(`${kind}: a silent sign-in without a session fails with login_required`, async () => {
    const page = await newPage();
    await page.goto(origin);
    await press(page, "Sign in silently");
    await page.waitForURL(`${origin}/`);
    assert.equal((await outcome(page)).error, "login_required");
  });

  if (kind === "https") {
    test("https: a single-page app signs in again without a page", async () => {
      const page = await signedIn();
      const first = await outcome(page);
      await press(page, "Sign in silently");
      const second = await outcome(page, first.access_token);
      assert.equal(second.profile.sub, "alice");
      assert.equal(second.profile.auth_time, first.profile.auth_time);
    });
  } else {
    // Any program on this machine can listen on a loopback redirect URI.
    test("loopback: a silent sign-in of a public client fails with consent_required", async () => {
      const page = await signedIn();
      const first = await outcome(page);
      await press(page, "Sign in silently");
      assert.equal((await outcome(page, first.access_token)).error, "consent_required");
    });
  }

  test(`${kind}: after the user denies consent, the app shows access_denied`, async () => {
    const page = await newPage();
    await page.goto(origin);
    await press(page, "Sign in");
    await signIn(page, "bob");
    await press(page, "Deny");
    await page.waitForURL(`${origin}/`);
    assert.equal((await outcome(page)).error, "access_denied");
  });
}
