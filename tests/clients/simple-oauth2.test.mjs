// simple-oauth2: revokes a refresh token, and all tokens of a sign-in.
import assert from "node:assert/strict";
import { test } from "node:test";
import { install } from "./install.mjs";
import { startProvider } from "./provider.mjs";

const { load } = await install("simple-oauth2");
const { AuthorizationCode } = (await load("simple-oauth2")).default;

const provider = await startProvider();
const REDIRECT_URI = "http://localhost/callback";

const app = await provider.putClient("app", {
  client_name: "App", redirect_uris: [REDIRECT_URI], application_type: "native",
  grant_types: ["authorization_code", "refresh_token"],
});
const client = new AuthorizationCode({
  client: { id: app.client_id, secret: app.client_secret },
  auth: {
    tokenHost: provider.issuer, authorizePath: "/auth/authorize", tokenPath: "/auth/token", revokePath: "/auth/revoke",
  },
});

async function signIn() {
  const scope = "openid email offline_access";
  const url = client.authorizeURL({ redirect_uri: REDIRECT_URI, scope, state: "a state", prompt: "consent" });
  const code = (await provider.signIn(url)).searchParams.get("code");
  return client.getToken({ code, redirect_uri: REDIRECT_URI });
}

const userinfo = async ({ token }) => {
  const headers = { authorization: `Bearer ${token.access_token}` };
  return (await fetch(`${provider.issuer}/auth/userinfo`, { headers })).status;
};

const isRefused = (refreshing) => assert.rejects(refreshing, ({ data }) => data.payload.error === "invalid_grant");

test("revoke of the access token ends it, and the refresh token goes on", async () => {
  const token = await signIn();
  assert.equal(await userinfo(token), 200);
  await token.revoke("access_token");
  assert.equal(await userinfo(token), 401);
  assert.equal(await userinfo(await token.refresh()), 200);
});

test("revoke of the refresh token ends both", async () => {
  const token = await signIn();
  await token.revoke("refresh_token");
  await isRefused(token.refresh());
  assert.equal(await userinfo(token), 401);
});

test("revokeAll ends both", async () => {
  const first = await signIn();
  const token = await first.refresh();
  await token.revokeAll();
  await isRefused(token.refresh());
  assert.deepEqual([await userinfo(first), await userinfo(token)], [401, 401]);
});
