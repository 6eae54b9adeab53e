// openid-client sends its user to the logout endpoint and back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { install } from "./install.mjs";
import { startProvider } from "./provider.mjs";

const { load } = await install("openid-client-logout");
const openid = await load("openid-client");
const provider = await startProvider();
const ORIGIN = "http://localhost:1";
const [CALLBACK, AFTER] = [`${ORIGIN}/callback`, `${ORIGIN}/signed-out`];
const { client_id: id, client_secret: secret } = await provider.putClient("app", {
  client_name: "App", redirect_uris: [CALLBACK], post_logout_redirect_uris: [AFTER],
});
const options = { execute: [openid.allowInsecureRequests] };
const config = await openid.discovery(new URL(provider.issuer), id, secret, undefined, options);

/** Runs an authorization request in a browser. Returns the tokens. */
async function signIn(browser, parameters = {}) {
  const pkceCodeVerifier = openid.randomPKCECodeVerifier();
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK, scope: "openid", code_challenge_method: "S256",
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier), ...parameters,
  });
  return openid.authorizationCodeGrant(config, await browser.signIn(url), { pkceCodeVerifier });
}

test("openid-client builds the URL of a logout, which signs the user out and leads back with the state", async () => {
  const browser = provider.browser();
  const { id_token: hint, access_token: token } = await signIn(browser);
  await signIn(browser, { prompt: "none" });
  const state = openid.randomState();
  const url = openid.buildEndSessionUrl(config, { id_token_hint: hint, post_logout_redirect_uri: AFTER, state });
  const { url: end } = await browser.visit(url, { isEnd: ({ origin }) => origin === ORIGIN });
  assert.equal(end.href, `${AFTER}?state=${state}`);
  await assert.rejects(signIn(browser, { prompt: "none" }), { error: "login_required" });
  await assert.rejects(openid.fetchUserInfo(config, token, "alice"));
});

test("without a hint the URL that openid-client builds leads to a confirmation", async () => {
  const browser = provider.browser();
  await signIn(browser);
  const page = await browser.visit(openid.buildEndSessionUrl(config, { post_logout_redirect_uri: AFTER }));
  assert.deepEqual([page.status, page.url.origin], [200, provider.issuer]);
  assert.match(page.body, /Do you want to sign out\?/);
  await signIn(browser, { prompt: "none" });
});
