// The provider of these tests itself: with http and with TLS, by the functions and by a program that opens a browser.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { install } from "./install.mjs";
import { listenForCallback, startProvider } from "./provider.mjs";

const { load } = await install("provider");
const openid = await load("openid-client");

const providers = { http: await startProvider(), https: await startProvider({ tls: true }) };

for (const [scheme, provider] of Object.entries(providers)) {
  test(`${scheme}: openid-client signs in, with and without a program that opens a browser`, async () => {
    const callback = await listenForCallback();
    const { client_id: id, client_secret: secret } = await provider.putClient("app", {
      client_name: "App", redirect_uris: [callback.url],
    });
    const options = { execute: [openid.allowInsecureRequests] };
    const config = await openid.discovery(new URL(provider.issuer), id, secret, undefined, options);
    const verifier = openid.randomPKCECodeVerifier();
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: callback.url, scope: "openid email", code_challenge_method: "S256",
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    });

    const checks = { pkceCodeVerifier: verifier };
    const direct = await openid.authorizationCodeGrant(config, await provider.signIn(url), checks);
    assert.equal(direct.claims().sub, "alice");

    const { env, errors } = await provider.programThatOpens();
    const child = spawn("xdg-open", [url.href], { env: { ...process.env, ...env }, stdio: "inherit" });
    assert.deepEqual(await once(child, "close"), [0, null]);
    const byProgram = await openid.authorizationCodeGrant(config, await callback.next(), checks);
    assert.equal((await openid.fetchUserInfo(config, byProgram.access_token, "alice")).email, "alice@example.com");
    assert.deepEqual(errors, []);
  });
}
