// oauthlib with requests-oauthlib: the web application flow with PKCE, and TLS. A refresh sends the whole scope again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { install } from "./install.mjs";
import { here, runSignIn } from "./programs.mjs";
import { AUTHORITY, startProvider } from "./provider.mjs";

const { bin } = await install("oauthlib");
const provider = await startProvider({ tls: true });
const callback = "https://app.example.net/callback";

/** Signs in and refreshes as the operator's client with this registered scope. */
async function run(client, registered, requested) {
  const { client_id: id, client_secret: secret } = await provider.putClient(client, {
    client_name: "App", redirect_uris: [callback], grant_types: ["authorization_code", "refresh_token"], scope: registered,
  });
  // Its documentation has OAUTHLIB_RELAX_TOKEN_SCOPE for providers that grant less than was requested.
  const env = { REQUESTS_CA_BUNDLE: AUTHORITY, OAUTHLIB_RELAX_TOKEN_SCOPE: "1" };
  const args = [here("python/oauthlib_app.py"), provider.issuer, callback, id, secret, requested];
  return runSignIn(bin("python"), args, provider.signIn, { env });
}

test("it signs in with PKCE, refreshes, and reads userinfo", async () => {
  const scope = "openid profile email offline_access";
  const { token, userinfo, refreshed, userinfo_again: again } = await run("app", scope, scope);
  assert.deepEqual([userinfo.sub, userinfo.email], ["alice", "alice@example.com"]);
  assert.deepEqual(again, userinfo);
  assert.notEqual(refreshed.access_token, token.access_token);
});

test("a refresh with the whole scope that was requested once gets what was granted", async () => {
  const granted = "openid email offline_access";
  const { token, refresh_request: request, refreshed, userinfo_again: again } =
    await run("less", granted, "openid profile email offline_access groups");
  assert.deepEqual(token.scope.sort(), granted.split(" ").sort());
  const { scope } = Object.fromEntries(new URLSearchParams(request));
  assert.equal(scope, "openid profile email offline_access groups");
  assert.deepEqual(refreshed.scope.sort(), granted.split(" ").sort());
  assert.equal(again.email, "alice@example.com");
  assert.equal(again.name, undefined);
});
