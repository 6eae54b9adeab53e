// The steps of docs/d1-requests.md: every step of each flow, in a warm isolate.
import assert from "node:assert/strict";
import { listen, makeKey } from "./client_server.mjs";
import {
  CALLBACK, PASSWORD, Browser, authorizePath, formOf, formsTo, isConsent, isLogin, putClient, redeem, redirectTarget, refresh,
  introspect, requestToken, responseParameters, revoke, successJson,
} from "./browser.mjs";
import { ISSUER } from "./harness.mjs";

export const RESOURCE = "https://orders.example/api";
const SCOPE = "openid email";
export const OFFLINE = `${SCOPE} offline_access`;
/** The client that most steps use. */
export const CLIENT = "with-secret";

/** The variables of a worker that the steps need. */
export const VARS = {
  ALLOW_LOOPBACK: "true", CLIENT_DOCUMENTS: "127.0.0.1", REGISTRATION: "open",
  RESOURCES: JSON.stringify({ [RESOURCE]: ["orders:read"] }),
};

/**
 * A row behind all others in each table with random keys that a logout reads. Without it, the rows that D1 counts would
 * depend on whether a random key is the last one: a search for all rows of a key ends at the next key, which counts.
 */
export const LAST_ROWS = [
  "INSERT INTO users (sub, login, claims, created_at, updated_at) VALUES ('~', '~', '{}', 0, 0)",
  "INSERT INTO sessions (id, cookie_hash, sub, auth_time, used_at) VALUES ('~', '~', '~', 4102444800, 4102444800)",
  "INSERT INTO session_clients (session_id, client_id, sid, subject, signed_in_at) VALUES ('~', '~', '~', '~', 4102444800)",
  "INSERT INTO ended_sessions (end_id, session_id, sub, ended_at) VALUES ('~', '~', '~', 4102444800)",
  "INSERT INTO grants (id, sub, client_id, scope, created_at) VALUES ('~', '~', '~', 'openid offline_access', 4102444800)",
  "INSERT INTO codes (code_hash, grant_id, redirect_uri, expires_at) VALUES ('~', '~', '~', 4102444800)",
];

/**
 * The provider, users and clients of the steps.
 * @typedef {object} World
 * @property {import("./harness.mjs").Fetch} fetch
 * @property {ReturnType<typeof import("./harness.mjs").operatorApi>} operator
 * @property {{ alice: string, bob: string, carol: string }} users The logins of users who have a password.
 * @property {Record<string, any>} clients The clients, by what authenticates them.
 * @property {Awaited<ReturnType<typeof listen>>} clientServer The server with the documents of clients.
 */

/**
 * Stores the clients, and warms the isolate up: decrypts the keys, and renders the documents.
 * @param {Pick<World, "fetch" | "operator" | "users">} given
 * @returns {Promise<World>}
 */
export async function prepare({ fetch, operator, users }) {
  const key = await makeKey("ES256", "key-1");
  const clientServer = await listen();
  const method = (token_endpoint_auth_method, metadata = {}) => ({ token_endpoint_auth_method, ...metadata });
  const clients = {
    "client secret": await putClient(operator, CLIENT),
    "public client": await putClient(operator, "public", method("none")),
    private_key_jwt: {
      ...(await putClient(operator, "with-key", method("private_key_jwt", { jwks: { keys: [key.jwk] } }))), key,
    },
    "client by document": clientServer.client("/client.json"),
  };
  const app = clients["client secret"];
  await successJson(await redeem(fetch, app, await new Browser(fetch).codeFor(app, users.bob, { scope: OFFLINE })));
  for (const path of ["/.well-known/openid-configuration", "/auth/jwks.json"]) await (await fetch(path)).text();
  return { fetch, operator, users, clients, clientServer };
}

/**
 * Takes every step. `measure` does the work of one.
 * @param {World} world
 * @param {(step: string, work: () => Promise<any>) => Promise<any>} measure
 */
export async function takeSteps(world, measure) {
  const alice = await signIn(world, measure);
  await accessTokens(world, measure, await tokens(world, measure, alice));
  await pushedRequests(world, measure, alice);
  await devices(world, measure, alice);
  await takenBack(world, measure, alice);
  await registration(world, measure);
  await pages(world, measure);
  await logout(world, measure);
}

/** Sends JSON to the registration endpoints. */
async function send({ fetch }, method, url, accessToken, metadata = undefined) {
  const authorization = accessToken && { authorization: `Bearer ${accessToken}` };
  const response = await fetch(url, {
    method, body: metadata && JSON.stringify(metadata),
    headers: { "content-type": "application/json", "cf-connecting-ip": "198.51.100.1", ...authorization },
  });
  const text = await response.text();
  assert.ok(response.ok, text);
  return text && JSON.parse(text);
}

async function signIn({ fetch, clients, users }, measure) {
  const alice = new Browser(fetch);
  const path = authorizePath(clients["client secret"], { scope: SCOPE });
  const login = await measure("GET authorize without a session: sign-in page", () => alice.get(path));
  assert.ok(isLogin(login));
  const form = formOf(login);
  const mallory = new Browser(fetch, { address: "203.0.113.5" });
  const guess = formOf(await mallory.get(path));
  const wrong = await measure("POST login, wrong password: sign-in page", () =>
    mallory.post(guess.action, { ...guess.fields, login: users.alice, password: "a guess" }));
  assert.equal(wrong.status, 403);
  const visible = await measure("POST login, show password: sign-in page", () =>
    alice.post(form.action, { ...form.fields, login: users.alice, password: "half of it", visible: "true" }));
  assert.ok(isLogin(visible));
  const signedIn = await measure("POST login", () =>
    alice.post(form.action, { ...form.fields, login: users.alice, password: PASSWORD }));
  const consent = await measure("GET authorize after the login: consent page", () =>
    alice.get(redirectTarget(signedIn)));
  assert.ok(isConsent(consent));
  const { action, fields } = formOf(consent);
  const allowed = await measure("POST consent: code", () => alice.post(action, { ...fields, decision: "allow" }));
  assert.ok(responseParameters(allowed).code);
  const silent = authorizePath(clients["client secret"], { scope: SCOPE, prompt: "none" });
  assert.ok(responseParameters(await measure("GET authorize with prompt=none: code", () => alice.get(silent))).code);
  return alice;
}

/** Redeems codes and refreshes tokens of each client. Returns an access token. */
async function tokens({ fetch, clients, users }, measure, alice) {
  let accessToken;
  for (const [name, app] of Object.entries(clients)) {
    const plain = await alice.codeFor(app, users.alice, { scope: SCOPE });
    await successJson(await measure(`Redeem, ${name}`, () => redeem(fetch, app, plain)));
    const offline = await alice.codeFor(app, users.alice, { scope: OFFLINE });
    const first = await successJson(await measure(`Redeem, ${name}, offline_access`, () => redeem(fetch, app, offline)));
    const second = await successJson(await measure(`Refresh, ${name}`, () => refresh(fetch, app, first.refresh_token)));
    accessToken = second.access_token;
  }
  return accessToken;
}

async function accessTokens({ fetch, operator }, measure, accessToken) {
  const userinfo = () => fetch("/auth/userinfo", { headers: { authorization: `Bearer ${accessToken}` } });
  // The first request to userinfo warms it up.
  await successJson(await userinfo());
  await successJson(await measure("Userinfo", userinfo));
  const machine = await putClient(operator, "machine", {
    redirect_uris: undefined, grant_types: ["client_credentials"], scope: "orders:read",
  });
  const parameters = { grant_type: "client_credentials", resource: RESOURCE };
  await successJson(await measure("Client credentials", () => requestToken(fetch, machine, parameters)));
}

/** Introspects and revokes the tokens of each client. */
async function takenBack({ fetch, clients, users }, measure, alice) {
  for (const [name, app] of Object.entries(clients)) {
    const tokens = await successJson(await redeem(fetch, app, await alice.codeFor(app, users.alice, { scope: OFFLINE })));
    for (const [kind, token] of [["access token", tokens.access_token], ["refresh token", tokens.refresh_token]]) {
      if (name === "client secret" || name === "private_key_jwt") {
        const introspected = await measure(`Introspection of ${kind}, ${name}`, () => introspect(fetch, app, token));
        assert.equal((await successJson(introspected)).active, true);
      }
      const revoked = await measure(`Revocation of ${kind}, ${name}`, () => revoke(fetch, app, token));
      assert.equal(revoked.status, 200, await revoked.text());
    }
  }
}

async function pushedRequests({ fetch, clients }, measure, alice) {
  let path;
  for (const name of ["client by document", "client secret", "public client"]) {
    const app = clients[name];
    const parameters = new URL(authorizePath(app, { scope: SCOPE }), ISSUER).searchParams;
    if (app.client_secret) parameters.set("client_secret", app.client_secret);
    const pushed = await measure(`PAR push, ${name}`, () => fetch("/auth/par", { method: "POST", body: parameters }));
    const { request_uri } = await pushed.json();
    assert.equal(pushed.status, 201);
    path = `/auth/authorize?${new URLSearchParams({ client_id: app.client_id, request_uri })}`;
  }
  const opened = await measure("PAR opening: redirect to the stored request", () => alice.get(path));
  const page = await measure("GET authorize with the stored request: code", () => alice.get(redirectTarget(opened)));
  assert.ok(responseParameters(page).code);
}

export const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";

/** A public client for devices, which polls with a code. */
export async function putDeviceClient({ fetch, operator }) {
  const app = await putClient(operator, "tv", {
    redirect_uris: undefined, grant_types: [DEVICE_CODE, "refresh_token"], token_endpoint_auth_method: "none",
  });
  return {
    start: () => fetch("/auth/device", { method: "POST", body: new URLSearchParams({ client_id: app.client_id, scope: OFFLINE }) }),
    poll: ({ device_code }) => requestToken(fetch, app, { grant_type: DEVICE_CODE, device_code }),
  };
}

async function devices(world, measure, alice) {
  const { start, poll } = await putDeviceClient(world);
  const waiting = await successJson(await start());
  const device = await successJson(await measure("Device authorization, public client", start));
  const page = await measure("GET device: page for the code", () => alice.get("/device"));
  const { action, fields } = formOf(page);
  const wrong = await measure("POST device, wrong code", () => alice.post(action, { ...fields, user_code: "BBBB-BBBB" }));
  assert.equal(wrong.status, 403, wrong.body);
  const typed = await measure("POST device: redirect to the request", () =>
    alice.post(action, { ...fields, user_code: device.user_code }));
  const consent = await measure("GET authorize with the request of a device: consent page", () => alice.get(redirectTarget(typed)));
  assert.ok(isConsent(consent), consent.body);
  const form = formOf(consent);
  const allowed = await measure("POST consent for a device", () => alice.post(form.action, { ...form.fields, decision: "allow" }));
  assert.equal(allowed.status, 200, allowed.body);
  await successJson(await measure("Poll, allowed, offline_access", () => poll(device)));
  assert.equal((await (await measure("Poll, pending", () => poll(waiting))).json()).error, "authorization_pending");
  assert.equal((await (await measure("Poll, too early", () => poll(waiting))).json()).error, "slow_down");
}

async function registration(world, measure) {
  const register = `${ISSUER}/auth/register`;
  const metadata = { client_name: "The App", redirect_uris: [CALLBACK] };
  await measure("Registration, open", () => send(world, "POST", register, undefined, metadata));
  const { body } = await world.operator("POST", "/admin/initial-access-tokens", { uses: 2, ttl: 60 });
  const app = await measure("Registration, initial access token", () =>
    send(world, "POST", register, body.initial_access_token, metadata));
  const { client_id, registration_client_uri: url, registration_access_token: own } = app;
  await measure("Registration, GET (RFC 7592)", () => send(world, "GET", url, own));
  await measure("Registration, PUT (RFC 7592)", () => send(world, "PUT", url, own, { ...metadata, client_id }));
  await measure("Registration, DELETE (RFC 7592)", () => send(world, "DELETE", url, own));
}

/** Ends other sessions of a user, and changes the password to the same one. Returns the page after that. */
async function otherSessions({ fetch, login }, browser, measure) {
  const pageWithOther = async () => {
    const other = new Browser(fetch);
    await other.signInOn(await other.get("/auth/account"), login);
    return browser.get("/auth/account");
  };
  const [one] = formsTo(await pageWithOther(), "/auth/account/sessions");
  await measure("Account page, end of another session", () => browser.post(one.action, one.fields));
  const others = formsTo(await pageWithOther(), "/auth/account/sessions").at(-1);
  assert.equal(others.fields.session, "others");
  await measure("Account page, end of all other sessions", () => browser.post(others.action, others.fields));
  const [form] = formsTo(await pageWithOther(), "/auth/account/password");
  const change = (current_password) =>
    browser.post(form.action, { ...form.fields, login, current_password, new_password: PASSWORD });
  await measure("Account page, wrong current password", () => change("not the password"));
  const changed = await measure("Account page, change of the password", () => change(PASSWORD));
  assert.equal(changed.status, 200, changed.body);
  assert.equal(formsTo(changed, "/auth/account/sessions").length, 0);
  return changed;
}

async function pages({ fetch, clients, users }, measure) {
  // A user with one application, so that the rows do not depend on the steps above.
  const carol = new Browser(fetch);
  await carol.codeFor(clients["client secret"], users.carol, { scope: OFFLINE });
  const account = await measure("Account page, one application", () => carol.get("/auth/account"));
  const [withdrawal] = formsTo(account, "/auth/account");
  await measure("Account page, withdrawal of access", () => carol.post(withdrawal.action, withdrawal.fields));
  const changed = await otherSessions({ fetch, login: users.carol }, carol, measure);
  const [signOut] = formsTo(changed, "/auth/signout");
  await measure("Sign-out", () => carol.post(signOut.action, signOut.fields));
  assert.ok(!carol.cookies.has("__Host-postern-session"));
  assert.equal((await measure("Page at the issuer's URL", () => fetch("/"))).status, 200);
  for (const [name, path] of [["Discovery", "/.well-known/openid-configuration"], ["JWK Set", "/auth/jwks.json"]]) {
    await successJson(await measure(name, () => fetch(path)));
  }
}

/** Each kind of logout ends a session with one client, which has both URIs of logout. */
async function logout({ fetch, operator, users }, measure) {
  const after = "https://app.example/signed-out";
  const app = await putClient(operator, "logout", {
    post_logout_redirect_uris: [after], frontchannel_logout_uri: "https://app.example/frontchannel",
  });
  const signedIn = async () => {
    const browser = new Browser(fetch);
    const code = await browser.codeFor(app, users.carol, { scope: SCOPE });
    const { id_token } = await successJson(await redeem(fetch, app, code));
    const hinted = new URLSearchParams({ id_token_hint: id_token, post_logout_redirect_uri: after });
    return { browser, hinted: `/auth/logout?${hinted}` };
  };
  const first = await signedIn();
  const left = await measure("Logout, hint of the session", () => first.browser.get(first.hinted));
  assert.match(left.body, /<iframe /);
  const again = await measure("Logout, nobody signed in", () => first.browser.get("/auth/logout"));
  assert.match(again.body, /signed out/);
  const second = await signedIn();
  const named = new URLSearchParams({ client_id: app.client_id, post_logout_redirect_uri: after });
  const page = await measure("Logout, no hint: confirmation page", () => second.browser.get(`/auth/logout?${named}`));
  const { action, fields } = formOf(page);
  const done = await measure("Logout, form of the page", () => second.browser.post(action, fields));
  assert.match(done.body, /<iframe /);
  const third = await signedIn();
  const response = await measure("Logout by a server, hint", () => fetch(third.hinted, { redirect: "manual" }));
  assert.equal(response.status, 303);
  assert.ok(isLogin(await third.browser.get("/auth/account")));
}
