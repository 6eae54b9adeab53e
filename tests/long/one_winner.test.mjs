// Concurrent requests of devices, assertions, stored requests, registrations and runs of the maintenance, of which one has
// an effect. The races of codes and tokens are in races.test.mjs.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { decodeJwt } from "jose";
import { MANY, MANY_PREPARED, WHERE, atOnce, counted } from "./at_once.mjs";
import {
  CALLBACK, Browser, authorizePath, credentialsOf, formOf, isConsent, putClient, putUser, redeem, redirectTarget, refresh,
  successJson, targetOf,
} from "../edge/browser.mjs";
import { makeKey } from "../edge/client_server.mjs";
import { ISSUER, startIsolates } from "../edge/harness.mjs";

const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";
const RESOURCE = "https://orders.example/api";

let isolates;
let server;
/** The logout tokens that the client's server got. */
const logoutTokens = [];

before(async () => {
  server = http.createServer(async (request, response) => {
    logoutTokens.push(new URLSearchParams(await text(request)).get("logout_token"));
    response.writeHead(200).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  isolates = await startIsolates(4, { vars: {
    ALLOW_LOOPBACK: "true", RESOURCES: JSON.stringify({ [RESOURCE]: ["orders:read"] }),
  } });
  await putUser(isolates[0].operator, "alice");
});
after(() => {
  server.closeAllConnections();
  server.close();
});

const first = async (sql, ...values) => isolates[0].env.DB.prepare(sql).bind(...values).first();

/**
 * Sends a form. Reads the response at once, because the harness loses it if garbage is collected before.
 * @returns {Promise<any>}
 */
async function post(fetch, path, fields) {
  const response = await fetch(path, { method: "POST", body: new URLSearchParams(fields) });
  return new Response(await response.text(), response);
}

/** A device whose request alice sees in `browser`, and the form in which she decides. */
async function deciding(app, browser) {
  const { client_id } = app;
  const started = await post(isolates[0].fetch, "/auth/device", { client_id, scope: "openid offline_access" });
  const device = await successJson(started);
  return { device, form: await typeCode(browser, device) };
}

/** Types the code of a device. Returns the form in which the user decides. */
async function typeCode(browser, { user_code }) {
  const page = await browser.submit(await browser.get("/device"), { user_code });
  assert.ok(isConsent(page), page.body);
  return formOf(page);
}

const poll = (fetch, { client_id }, { device_code }) =>
  post(fetch, "/auth/token", { client_id, grant_type: DEVICE_CODE, device_code });

/** A browser in which alice is signed in. */
async function signedIn() {
  const browser = new Browser(isolates[0].fetch);
  await browser.signInOn(await browser.get("/auth/account"), "alice");
  return browser;
}

const putTv = (id) => putClient(isolates[0].operator, id, {
  redirect_uris: undefined, grant_types: [DEVICE_CODE, "refresh_token"], token_endpoint_auth_method: "none",
});

for (const { where, count } of WHERE) {
  const all = () => isolates.slice(0, count);

  test(`of ${MANY} concurrent polls of a device in ${where} one gets tokens, and the others wait`, async () => {
    const [{ fetch }] = all();
    const app = await putTv(`polled-${count}`);
    const browser = await signedIn();
    const { device, form } = await deciding(app, browser);
    await browser.post(form.action, { ...form.fields, decision: "allow" });
    const responses = await atOnce(all(), ({ fetch }) => poll(fetch, app, device));
    const tokens = [];
    for (const response of responses) {
      const body = await response.json();
      if (response.status === 200) tokens.push(body);
      else assert.match(`${response.status} ${body.error}`, /^400 (slow_down|invalid_grant)$/);
    }
    // If the polls take longer than the interval, a later one gets the same refresh token again, for two minutes.
    assert.ok(tokens.length >= 1);
    assert.equal(new Set(tokens.map(({ refresh_token: token }) => token)).size, 1);
    const sql = "SELECT count(DISTINCT grants.id) AS grants, count(token_hash) AS tokens, count(revoked_at) AS revoked \
      FROM grants LEFT JOIN refresh_tokens ON grant_id = grants.id WHERE client_id = ?";
    assert.deepEqual(await first(sql, app.client_id), { grants: 1, tokens: 1, revoked: 0 });
    await successJson(await refresh(fetch, { ...app, client_secret: undefined }, tokens[0].refresh_token));
  });

  test(`of ${MANY} concurrent decisions for a device in ${where} one counts`, async () => {
    const app = await putTv(`decided-${count}`);
    const browser = await signedIn();
    const { device, form } = await deciding(app, browser);
    const decisions = ["allow", "deny"];
    const pages = await atOnce(all(), async ({ fetch }, index) => {
      const decider = new Browser(fetch);
      decider.cookies = new Map(browser.cookies);
      return decider.post(form.action, { ...form.fields, decision: decisions[index % 2] });
    });
    const shown = pages.map(({ status, body }) => [status, /<h1[^>]*>(.*?)<\/h1>/s.exec(body)?.[1]].join(" "));
    assert.equal(new Set(shown).size, 1, [...new Set(shown)].join());
    assert.match(shown[0], /^200 /);
    const polled = await poll(isolates[0].fetch, app, device);
    const { grants } = await first("SELECT count(*) AS grants FROM grants WHERE client_id = ?", app.client_id);
    assert.ok([[200, 1], [400, 0]].some((one) => one.join() === [polled.status, grants].join()), `${polled.status} ${grants}`);
    if (grants === 0) assert.equal((await polled.json()).error, "access_denied");
  });

  test(`of ${MANY_PREPARED} browsers that type a user code at once in ${where} one can decide`, async () => {
    const app = await putTv(`typed-${count}`);
    const session = await signedIn();
    const started = await post(isolates[0].fetch, "/auth/device", { client_id: app.client_id, scope: "openid" });
    const device = await successJson(started);
    /** Browsers of their own, in which the same session is signed in. */
    const browsers = await atOnce(all(), async ({ fetch }) => {
      const browser = new Browser(fetch);
      browser.cookies = new Map([...session.cookies].filter(([name]) => name === "__Host-postern-session"));
      return { browser, form: formOf(await browser.get("/device")) };
    }, MANY_PREPARED);
    const typed = await atOnce(browsers, async ({ browser, form }) =>
      browser.post(form.action, { ...form.fields, user_code: device.user_code }), MANY_PREPARED);
    const pages = await atOnce(browsers, async ({ browser }, index) =>
      (targetOf(typed[index]) ? browser.get(targetOf(typed[index])) : typed[index]), MANY_PREPARED);
    const deciders = pages.flatMap((page, index) => (isConsent(page) ? [index] : []));
    assert.equal(deciders.length, 1, JSON.stringify(counted(pages)));
    const [winner] = deciders;
    const form = formOf(pages[winner]);
    await browsers[winner].browser.post(form.action, { ...form.fields, decision: "allow" });
    await successJson(await poll(isolates[0].fetch, app, device));
  });

  test(`of ${MANY} concurrent requests with one assertion in ${where} one gets a token`, async () => {
    const key = await makeKey("ES256", "key-1");
    const app = { key, ...(await putClient(isolates[0].operator, `asserting-${count}`, {
      redirect_uris: undefined, grant_types: ["client_credentials"], scope: "orders:read", jwks: { keys: [key.jwk] },
      token_endpoint_auth_method: "private_key_jwt",
    })) };
    const form = { ...(await credentialsOf(app)), grant_type: "client_credentials" };
    const responses = await atOnce(all(), ({ fetch }) => post(fetch, "/auth/token", form));
    assert.deepEqual(counted(responses), { 200: 1, 401: MANY - 1 });
    for (const response of responses) {
      const { error, access_token: token } = await response.json();
      assert.ok(response.status === 200 ? token : error === "invalid_client");
    }
    const sql = "SELECT count(*) AS used FROM client_assertions WHERE client_id = ?";
    assert.deepEqual(await first(sql, app.client_id), { used: 1 });
  });

  test(`of ${MANY} browsers that open one request_uri in ${where} one gets the request`, async () => {
    const app = await putClient(isolates[0].operator, `pushing-${count}`);
    const parameters = Object.fromEntries(new URL(authorizePath(app), ISSUER).searchParams);
    const pushed = await post(isolates[0].fetch, "/auth/par", { ...parameters, ...(await credentialsOf(app)) });
    assert.equal(pushed.status, 201);
    const { request_uri: uri } = await pushed.json();
    const path = `/auth/authorize?${new URLSearchParams({ client_id: app.client_id, request_uri: uri })}`;
    const browsers = [];
    const pages = await atOnce(all(), ({ fetch }, index) => {
      browsers[index] = new Browser(fetch);
      return browsers[index].get(path);
    });
    assert.deepEqual(counted(pages), { 303: 1, 400: MANY - 1 });
    const winner = pages.findIndex(({ status }) => status === 303);
    const { code } = Object.fromEntries(redirectTarget(await browsers[winner].finish(pages[winner], "alice")).searchParams);
    await successJson(await redeem(isolates[0].fetch, app, code));
  });

  test(`of ${MANY} concurrent registrations with a token for one use in ${where} one client is registered`, async () => {
    const send = ({ fetch }, token, name) => fetch("/auth/register", {
      method: "POST", body: JSON.stringify({ client_name: name, redirect_uris: [CALLBACK] }),
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    });
    for (const [what, isSame] of [["other", false], ["same", true]]) {
      const { body } = await isolates[0].operator("POST", "/admin/initial-access-tokens", { uses: 1 });
      const before = await first("SELECT count(*) AS clients FROM clients");
      const responses = await atOnce(all(), async (isolate, index) => {
        const response = await send(isolate, body.initial_access_token, `${what} ${isSame ? "" : index} ${count}`);
        return { status: response.status, body: await response.json() };
      });
      // The same registration gets the same client again, because its response may have been lost.
      assert.deepEqual(counted(responses), isSame ? { 201: MANY } : { 201: 1, 401: MANY - 1 });
      const ids = responses.map((response) => response.body.client_id).filter(Boolean);
      assert.equal(new Set(ids).size, 1);
      assert.equal((await first("SELECT count(*) AS clients FROM clients")).clients, before.clients + 1);
    }
  });

  test(`of ${MANY_PREPARED} consents to a stored request in ${where} each gets a code, and one consent is kept`, async () => {
    const app = await putClient(isolates[0].operator, `consented-${count}`);
    const parameters = Object.fromEntries(new URL(authorizePath(app, { prompt: "consent" }), ISSUER).searchParams);
    const pushed = await post(isolates[0].fetch, "/auth/par", { ...parameters, ...(await credentialsOf(app)) });
    const { request_uri: uri } = await pushed.json();
    const browser = await signedIn();
    const path = `/auth/authorize?${new URLSearchParams({ client_id: app.client_id, request_uri: uri })}`;
    const { action, fields } = formOf(await browser.follow(await browser.get(path)));
    const pages = await atOnce(all(), ({ fetch }) => {
      const clicking = new Browser(fetch);
      clicking.cookies = new Map(browser.cookies);
      return clicking.post(action, { ...fields, decision: "allow" });
    }, MANY_PREPARED);
    // For half a minute the same browser gets a response again. There is a limit on the grants of a user and a client.
    const codes = pages.map((page) => targetOf(page) && redirectTarget(page).searchParams.get("code")).filter(Boolean);
    assert.ok(codes.length >= 1);
    assert.equal(new Set(codes).size, codes.length);
    assert.deepEqual(await first("SELECT count(*) AS kept FROM consents WHERE client_id = ?", app.client_id), { kept: 1 });
    // Another browser with the same form and session gets none.
    const thief = new Browser(isolates[0].fetch);
    thief.cookies = new Map([...browser.cookies].filter(([name]) => name === "__Host-postern-session"));
    const stolen = await thief.post(action, { ...fields, decision: "allow" });
    assert.ok(!(targetOf(stolen) ?? "").includes("code="), stolen.body);
  });
}

test("four runs of the maintenance at once deliver each logout token once", async () => {
  const [{ operator, env }] = isolates;
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  await putClient(operator, "told", { backchannel_logout_uri: `http://127.0.0.1:${port}/` });
  const now = Math.floor(Date.now() / 1_000);
  const count = Math.min(MANY, 1_000);
  const insert = env.DB.prepare(
    "INSERT INTO logout_deliveries (session_id, client_id, sid, subject, ended_at, next_try_at) VALUES (?, 'told', ?, 'alice', ?, ?)");
  await env.DB.batch(Array.from({ length: count }, (_, index) => insert.bind(`session-${index}`, `sid-${index}`, now, now)));
  const waiting = async () => (await first("SELECT count(*) AS waiting FROM logout_deliveries")).waiting;
  for (let runs = 0; runs < 40 && (await waiting()) > 0; runs++) {
    await Promise.all(isolates.map(({ maintain }) => maintain()));
  }
  assert.equal(await waiting(), 0);
  const sids = logoutTokens.map((token) => decodeJwt(token).sid);
  assert.equal(sids.length, count, "a token was sent twice");
  assert.equal(new Set(sids).size, count);
});
