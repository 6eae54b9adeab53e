// openid-client on a device without a browser: it starts the device authorization grant (RFC 8628), shows the code, and polls.
import assert from "node:assert/strict";
import { test } from "node:test";
import { formOf } from "../edge/browser.mjs";
import { install } from "./install.mjs";
import { ALICE, startProvider } from "./provider.mjs";

const { load } = await install("openid-client-device");
const openid = await load("openid-client");
const provider = await startProvider({ vars: { REGISTRATION: "open" } });
const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code";
const METADATA = { client_name: "A device", redirect_uris: [], grant_types: [GRANT_TYPE, "refresh_token"] };
const options = { execute: [openid.allowInsecureRequests] };

const discover = (id, secret, authentication) => openid.discovery(new URL(provider.issuer), id, secret, authentication, options);

/** Opens the link of a QR code as alice, who decides. Returns the last page. */
async function decide({ user_code: code, verification_uri_complete: link }, decision) {
  const browser = provider.browser();
  const { action, fields } = formOf(await browser.visit(link));
  return browser.visit(action, { form: { ...fields, user_code: code }, decision });
}

/** Starts a sign-in, lets alice decide, and polls. */
async function signIn(config, decision = "allow") {
  const started = await openid.initiateDeviceAuthorization(config, { scope: "openid email offline_access" });
  const polled = openid.pollDeviceAuthorizationGrant(config, started);
  polled.catch(() => {});
  const page = await decide(started, decision);
  assert.match(page.body, decision === "allow" ? /Your device is connected/ : /Access denied/);
  return polled;
}

const CLIENTS = {
  "a public client": async () => {
    await provider.putClient("tv", { ...METADATA, token_endpoint_auth_method: "none" });
    return discover("tv", undefined, openid.None());
  },
  "a client with a secret": async () => {
    const { client_id: id, client_secret: secret } = await provider.putClient("box", METADATA);
    return discover(id, secret);
  },
  "a client that registers itself": async () => openid.dynamicClientRegistration(
    new URL(provider.issuer), { ...METADATA, token_endpoint_auth_method: "client_secret_post" }, openid.ClientSecretPost(), options,
  ),
};

for (const [name, configure] of Object.entries(CLIENTS)) {
  test(`${name} gets tokens for its user, and refreshes them`, async () => {
    const config = await configure();
    const tokens = await signIn(config);
    const { sub } = tokens.claims();
    assert.equal(sub, "alice");
    assert.equal((await openid.fetchUserInfo(config, tokens.access_token, sub)).email, ALICE.email);
    const fresh = await openid.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal((await openid.fetchUserInfo(config, fresh.access_token, sub)).email, ALICE.email);
  });
}

test("a device learns that its user has denied the request", async () => {
  const config = await CLIENTS["a public client"]();
  await assert.rejects(signIn(config, "deny"), { error: "access_denied" });
});
