// The D1 requests, rows and KV operations of each step in a warm isolate, as docs/d1-requests.md states them. BLESS=1
// writes the measured counts into that document.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { ISSUER, start } from "./harness.mjs";
import { makeKey } from "./client_server.mjs";
import {
  CALLBACK, PASSWORD, Browser, authorizePath, formOf, isConsent, isLogin, putClient, putUser, redeem, redirectTarget,
  refresh, requestToken, responseParameters, successJson,
} from "./browser.mjs";
import { costTable } from "../../scripts/cost.mjs";
import { differences, statedCounts, stepsWithReason, withCounts } from "../../scripts/request_table.mjs";

const DOCUMENT = new URL("../../docs/d1-requests.md", import.meta.url);
const RESOURCE = "https://orders.example/api";
const SCOPE = "openid email";
const OFFLINE = `${SCOPE} offline_access`;

const measured = new Map();
let postern;
/** The clients, by what authenticates them. */
let clients;

before(async () => {
  postern = await start({
    config: "wrangler.counting.toml",
    vars: { REGISTRATION: "open", RESOURCES: JSON.stringify({ [RESOURCE]: ["orders:read"] }) },
  });
  await postern.keysMade();
  for (const sub of ["alice", "bob", "carol"]) await putUser(postern.operator, sub);
  const key = await makeKey("ES256", "key-1");
  const method = (token_endpoint_auth_method, metadata = {}) => ({ token_endpoint_auth_method, ...metadata });
  clients = {
    "client secret": await putClient(postern.operator, "with-secret"),
    "public client": await putClient(postern.operator, "public", method("none")),
    private_key_jwt: {
      ...(await putClient(postern.operator, "with-key", method("private_key_jwt", { jwks: { keys: [key.jwk] } }))), key,
    },
  };
  // Warms the isolate up: decrypts the keys, and renders the documents.
  const app = clients["client secret"];
  await successJson(await redeem(postern.fetch, app, await new Browser(postern.fetch).codeFor(app, "bob", { scope: OFFLINE })));
  for (const path of ["/.well-known/openid-configuration", "/auth/jwks.json"]) await (await postern.fetch(path)).text();
});
after(() => postern.close());

const takeCounts = async () => (await postern.fetch("/test/counts")).json();

/** Measures what one step costs. Returns the step's result. */
async function measure(step, work) {
  await takeCounts();
  const result = await work();
  assert.ok(!measured.has(step), step);
  measured.set(step, await takeCounts());
  return result;
}

/** Sends JSON to the registration endpoints. */
async function send(method, url, accessToken, metadata) {
  const authorization = accessToken && { authorization: `Bearer ${accessToken}` };
  const response = await postern.fetch(url, {
    method, body: metadata && JSON.stringify(metadata),
    headers: { "content-type": "application/json", "cf-connecting-ip": "198.51.100.1", ...authorization },
  });
  const text = await response.text();
  assert.ok(response.ok, text);
  return text && JSON.parse(text);
}

async function signIn() {
  const alice = new Browser(postern.fetch);
  const path = authorizePath(clients["client secret"], { scope: SCOPE });
  const login = await measure("GET authorize without a session: sign-in page", () => alice.get(path));
  assert.ok(isLogin(login));
  const form = formOf(login);
  const mallory = new Browser(postern.fetch, { address: "203.0.113.5" });
  const guess = formOf(await mallory.get(path));
  const wrong = await measure("POST login, wrong password: sign-in page", () =>
    mallory.post(guess.action, { ...guess.fields, login: "alice", password: "a guess" }));
  assert.equal(wrong.status, 403);
  const signedIn = await measure("POST login", () =>
    alice.post(form.action, { ...form.fields, login: "alice", password: PASSWORD }));
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
async function tokens(alice) {
  let accessToken;
  for (const [name, app] of Object.entries(clients)) {
    const plain = await alice.codeFor(app, "alice", { scope: SCOPE });
    await successJson(await measure(`Redeem, ${name}`, () => redeem(postern.fetch, app, plain)));
    const offline = await alice.codeFor(app, "alice", { scope: OFFLINE });
    const first = await successJson(await measure(`Redeem, ${name}, offline_access`, () => redeem(postern.fetch, app, offline)));
    const second = await successJson(await measure(`Refresh, ${name}`, () => refresh(postern.fetch, app, first.refresh_token)));
    accessToken = second.access_token;
  }
  return accessToken;
}

async function accessTokens(accessToken) {
  // The first request to userinfo warms it up.
  await successJson(await postern.userinfo(accessToken));
  await successJson(await measure("Userinfo", () => postern.userinfo(accessToken)));
  const machine = await putClient(postern.operator, "machine", {
    redirect_uris: undefined, grant_types: ["client_credentials"], scope: "orders:read",
  });
  const parameters = { grant_type: "client_credentials", resource: RESOURCE };
  await successJson(await measure("Client credentials", () => requestToken(postern.fetch, machine, parameters)));
}

async function pushedRequests(alice) {
  let path;
  for (const name of ["client secret", "public client"]) {
    const app = clients[name];
    const parameters = new URL(authorizePath(app, { scope: SCOPE }), ISSUER).searchParams;
    if (app.client_secret) parameters.set("client_secret", app.client_secret);
    const pushed = await measure(`PAR push, ${name}`, () =>
      postern.fetch("/auth/par", { method: "POST", body: parameters }));
    const { request_uri } = /** @type {any} */ (await pushed.json());
    assert.equal(pushed.status, 201);
    path = `/auth/authorize?${new URLSearchParams({ client_id: app.client_id, request_uri })}`;
  }
  const opened = await measure("PAR opening: redirect to the stored request", () => alice.get(path));
  const page = await measure("GET authorize with the stored request: code", () => alice.get(redirectTarget(opened)));
  assert.ok(responseParameters(page).code);
}

async function registration() {
  const register = `${ISSUER}/auth/register`;
  const metadata = { client_name: "The App", redirect_uris: [CALLBACK] };
  await measure("Registration, open", () => send("POST", register, undefined, metadata));
  const { body } = await postern.operator("POST", "/admin/initial-access-tokens", { uses: 2, ttl: 60 });
  const app = await measure("Registration, initial access token", () =>
    send("POST", register, body.initial_access_token, metadata));
  const { client_id, registration_client_uri: url, registration_access_token: own } = app;
  await measure("Registration, GET (RFC 7592)", () => send("GET", url, own));
  await measure("Registration, PUT (RFC 7592)", () => send("PUT", url, own, { ...metadata, client_id }));
  await measure("Registration, DELETE (RFC 7592)", () => send("DELETE", url, own));
}

async function pages() {
  // A user with one application, so that the rows do not depend on the steps above.
  const carol = new Browser(postern.fetch);
  await carol.codeFor(clients["client secret"], "carol", { scope: OFFLINE });
  const account = await measure("Account page, one application", () => carol.get("/auth/account"));
  // The first form signs out. The list has one for each application.
  const signOut = formOf(account);
  const withdrawal = formOf({ body: account.body.slice(account.body.indexOf("<ul")) });
  assert.deepEqual([signOut, withdrawal].map(({ action }) => new URL(action, ISSUER).pathname), ["/auth/signout", "/auth/account"]);
  await measure("Account page, withdrawal of access", () => carol.post(withdrawal.action, withdrawal.fields));
  await measure("Sign-out", () => carol.post(signOut.action, signOut.fields));
  assert.ok(!carol.cookies.has("__Host-postern-session"));
  for (const [name, path] of [["Discovery", "/.well-known/openid-configuration"], ["JWK Set", "/auth/jwks.json"]]) {
    await successJson(await measure(name, () => postern.fetch(path)));
  }
}

test("each step costs the D1 requests, rows and KV operations that docs/d1-requests.md states", async () => {
  const alice = await signIn();
  await accessTokens(await tokens(alice));
  await pushedRequests(alice);
  await registration();
  await pages();

  let text = readFileSync(DOCUMENT, "utf8");
  if (process.env.BLESS) {
    text = withCounts(text, measured).replace(/^\| a million .*\n(?:\|.*\n)*/m, () => `${costTable(measured)}\n`);
    writeFileSync(DOCUMENT, text);
  }
  const found = differences(statedCounts(text), measured);
  assert.deepEqual(found, [], `${found.join("\n")}\nBLESS=1 writes these counts into docs/d1-requests.md.`);

  assert.ok(text.includes(costTable(measured)), "docs/d1-requests.md has the table of node scripts/cost.mjs");

  const several = [...measured].filter(([, { requests }]) => requests > 1).map(([step]) => step);
  const reasons = stepsWithReason(text);
  const missing = several.filter((step) => !reasons.some((reason) => step.startsWith(reason)));
  assert.deepEqual(missing, [], "docs/d1-requests.md says why a step needs more than one request");
  const outdated = reasons.filter((reason) => !several.some((step) => step.startsWith(reason)));
  assert.deepEqual(outdated, [], "docs/d1-requests.md gives a reason for steps with more than one request only");
});

test("a count that grows or shrinks, and a step that appears or disappears, differ from the table", () => {
  const counts = { requests: 1, rowsRead: 4, rowsWritten: 2, kv: 0 };
  const stated = new Map([["step", counts]]);
  assert.deepEqual(differences(stated, new Map([["step", { ...counts }]])), []);
  assert.deepEqual(differences(stated, new Map([["step", { ...counts, requests: 2, rowsRead: 3 }]])), [
    "step: D1 requests: 2, and the table allows 1", "step: rows read: 3, fewer than the table's 4: update the table",
  ]);
  assert.deepEqual(differences(stated, new Map([["other", counts]])), [
    "other: is not in the table", "step: is in the table, but was not measured",
  ]);
});
