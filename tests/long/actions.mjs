// The actions of the traffic. Each is that of one user, client, operator or stranger.
import assert from "node:assert/strict";
import {
  CALLBACK, PASSWORD, Browser, assertError, authorizePath, credentialsOf, formOf, formsTo, introspect, isLogin, redeem,
  redirectTarget, refresh, requestToken, responseParameters, revoke, signedRequest, successJson,
} from "../edge/browser.mjs";
import { ISSUER, operatorApi } from "../edge/harness.mjs";
import { DEVICE_CODE, RESOURCE } from "../edge/steps.mjs";

/** @typedef {import("./traffic.mjs").Traffic} Traffic */

/** Withdraws access and changes the password, so nobody else uses this login. */
export const WANDA = "wanda";
/** The account whose password strangers guess. */
export const VICTIM = "victim";
export const SIGNED_OUT = "https://app.example/signed-out";
/** More requests than any action sends. */
export const LONGEST_ACTION = 16;

const scopeOf = (isOffline) => ({ scope: isOffline ? "openid email offline_access" : "openid email" });
const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });

async function worksAtUserinfo({ fetch }, token) {
  const { email } = await successJson(await fetch("/auth/userinfo", bearer(token)));
  assert.match(email, /@example\.com$/);
}

async function push({ fetch }, app, parameters) {
  const body = new URLSearchParams({
    ...Object.fromEntries(new URL(authorizePath(app, parameters), ISSUER).searchParams), ...(await credentialsOf(app)),
  });
  const response = await fetch("/auth/par", { method: "POST", body });
  assert.equal(response.status, 201);
  const { request_uri: uri } = await response.json();
  return `/auth/authorize?${new URLSearchParams({ client_id: app.client_id, request_uri: uri })}`;
}

const sign = async (app, parameters) => `/auth/authorize?${new URLSearchParams(await signedRequest(app, parameters))}`;

/** Signs a user in with this browser, at this path, and uses the tokens. */
async function signInAt(traffic, one, app, path) {
  const { code } = responseParameters(await one.browser.authorize(path, one.user));
  const tokens = await successJson(await redeem(traffic.fetch, app, code));
  await worksAtUserinfo(traffic, tokens.access_token);
  traffic.keepTokens(app, tokens);
  traffic.keepBrowser(one);
}

/** Registers a client as a stranger, changes it, and deletes it or leaves it to the sweep. */
async function register({ fetch }, isDeleted, address) {
  const send = (method, url, token, metadata) => fetch(url, {
    method, body: metadata && JSON.stringify(metadata),
    headers: { "content-type": "application/json", "cf-connecting-ip": address, ...(token && bearer(token).headers) },
  });
  const metadata = { client_name: "The Tool", redirect_uris: [CALLBACK] };
  const response = await send("POST", "/auth/register", undefined, metadata);
  assert.equal(response.status, 201);
  const { client_id: id, registration_client_uri: url, registration_access_token: token } = await response.json();
  await successJson(await send("PUT", url, token, { ...metadata, client_id: id, client_name: "The Other Tool" }));
  await successJson(await send("GET", url, token));
  if (isDeleted) assert.equal((await send("DELETE", url, token)).status, 204);
}

async function guess({ fetch, clients }, login, address) {
  const browser = new Browser(fetch, { address });
  const { action, fields } = formOf(await browser.get(authorizePath(clients.secret)));
  const { status } = await browser.post(action, { ...fields, login, password: "a guess" });
  assert.ok(status === 403 || (login === VICTIM && status === 429), `status ${status}`);
}

/** Signs in to the client that gets logout tokens, and out: by its request, or by the button of the account page. */
async function signInAndOut(traffic, { browser, user }, isByClient) {
  const { fetch, clients: { logout } } = traffic;
  const code = await browser.codeFor(logout, user, scopeOf(false));
  const { id_token: hint } = await successJson(await redeem(fetch, logout, code));
  if (isByClient) {
    const query = new URLSearchParams({ id_token_hint: hint, post_logout_redirect_uri: SIGNED_OUT });
    assert.equal(redirectTarget(await browser.get(`/auth/logout?${query}`)).href, SIGNED_OUT);
  } else {
    const [form] = formsTo(await browser.get("/auth/account"), "/auth/signout");
    assert.equal((await browser.post(form.action, form.fields)).status, 200);
  }
  traffic.expectLogoutToken();
  assert.ok(isLogin(await browser.get("/auth/account")));
}

async function connectDevice(traffic, one, isPolledEarly) {
  const { fetch, clients: { tv } } = traffic;
  const start = async () => successJson(await fetch("/auth/device", {
    method: "POST", body: new URLSearchParams({ client_id: tv.client_id, ...scopeOf(true) }),
  }));
  const poll = ({ device_code: code }) => requestToken(fetch, tv, { grant_type: DEVICE_CODE, device_code: code });
  const device = await start();
  if (isPolledEarly) {
    const waiting = await start();
    await assertError(await poll(waiting), "authorization_pending");
    await assertError(await poll(waiting), "slow_down");
  }
  const typed = await one.browser.submit(await one.browser.get("/device"), { user_code: device.user_code });
  const done = await one.browser.finish(typed, one.user);
  assert.equal(done.status, 200, done.body);
  const tokens = await successJson(await poll(device));
  await worksAtUserinfo(traffic, tokens.access_token);
  traffic.keepTokens(tv, tokens);
  traffic.keepBrowser(one);
}

/** Withdraws a client's access on the account page, and changes the password to the same one. */
async function withdraw({ fetch, clients }, address) {
  const browser = new Browser(fetch, { address });
  await browser.codeFor(clients.secret, WANDA, scopeOf(true));
  const [withdrawal] = formsTo(await browser.get("/auth/account"), "/auth/account");
  await browser.post(withdrawal.action, withdrawal.fields);
  const [{ action, fields }] = formsTo(await browser.get("/auth/account"), "/auth/account/password");
  const passwords = { current_password: PASSWORD, new_password: PASSWORD };
  assert.equal((await browser.post(action, { ...fields, login: WANDA, ...passwords })).status, 200);
}

const codeClients = ({ secret, public: app, key, fetchedKey, rsa, document }) => [secret, app, key, fetchedKey, rsa, document];
const keyClients = ({ key, fetchedKey }) => [key, fetchedKey];

/**
 * Each draws its random numbers, and returns what sends its requests; or undefined if there is nothing to do it with.
 * @type {Record<string, (traffic: Traffic) => (() => Promise<void>) | undefined>}
 */
export const ACTIONS = {
  signIn(traffic) {
    const [one, app] = [traffic.newBrowser(), traffic.pick(codeClients(traffic.clients))];
    const scope = scopeOf(traffic.isChosen(0.4));
    return () => signInAt(traffic, one, app, authorizePath(app, scope));
  },
  signInPushed(traffic) {
    const [one, app] = [traffic.newBrowser(), traffic.pick(codeClients(traffic.clients))];
    const scope = scopeOf(traffic.isChosen(0.4));
    return async () => signInAt(traffic, one, app, await push(traffic, app, scope));
  },
  signInSigned(traffic) {
    const [one, app] = [traffic.newBrowser(), traffic.pick(keyClients(traffic.clients))];
    const scope = scopeOf(traffic.isChosen(0.4));
    return async () => signInAt(traffic, one, app, await sign(app, scope));
  },
  returning(traffic) {
    const [one, app] = [traffic.takeBrowser(), traffic.pick(codeClients(traffic.clients))];
    const scope = scopeOf(traffic.isChosen(0.2));
    return () => signInAt(traffic, one, app, authorizePath(app, scope));
  },
  implicit(traffic) {
    const one = traffic.takeBrowser();
    const parameters = { response_type: "id_token token", code_challenge: undefined, code_challenge_method: undefined };
    return async () => {
      const page = await one.browser.authorize(authorizePath(traffic.clients.implicit, parameters), one.user);
      await worksAtUserinfo(traffic, new URLSearchParams(redirectTarget(page).hash.slice(1)).get("access_token"));
      traffic.keepBrowser(one);
    };
  },
  device(traffic) {
    const [one, isPolledEarly] = [traffic.takeBrowser(), traffic.isChosen(0.5)];
    return () => connectDevice(traffic, one, isPolledEarly);
  },
  refreshing(traffic) {
    const chain = traffic.takeChain();
    return chain && (async () => {
      traffic.keepTokens(chain.app, await successJson(await refresh(traffic.fetch, chain.app, chain.token)));
    });
  },
  userinfo(traffic) {
    const token = traffic.accessToken();
    return token && (() => worksAtUserinfo(traffic, token));
  },
  introspection(traffic) {
    const [app, token] = [traffic.pick([traffic.clients.secret, traffic.clients.key]), traffic.accessToken()];
    return token && (async () => {
      assert.equal(typeof (await successJson(await introspect(traffic.fetch, app, token))).active, "boolean");
    });
  },
  revocation(traffic) {
    const { fetch, clients } = traffic;
    const [one, app] = [traffic.takeBrowser(), traffic.pick([clients.secret, ...keyClients(clients)])];
    const scope = scopeOf(traffic.isChosen(0.5));
    return async () => {
      const tokens = await successJson(await redeem(fetch, app, await one.browser.codeFor(app, one.user, scope)));
      const token = tokens.refresh_token ?? tokens.access_token;
      const isActive = async () => (await successJson(await introspect(fetch, app, token))).active;
      assert.equal(await isActive(), true);
      assert.equal((await revoke(fetch, app, token)).status, 200);
      assert.equal(await isActive(), false);
      traffic.keepBrowser(one);
    };
  },
  machine: ({ fetch, clients }) => async () => {
    await successJson(await requestToken(fetch, clients.machine, { grant_type: "client_credentials", resource: RESOURCE }));
  },
  registration(traffic) {
    const [isDeleted, address] = [traffic.isChosen(0.5), traffic.newAddress()];
    return () => register(traffic, isDeleted, address);
  },
  failedSignIn(traffic) {
    const [login, address] = [traffic.isChosen(0.2) ? VICTIM : traffic.unknownLogin(), traffic.newAddress()];
    return () => guess(traffic, login, address);
  },
  wrongCode(traffic) {
    const app = traffic.pick(codeClients(traffic.clients));
    return async () => assertError(await redeem(traffic.fetch, app, "c".repeat(43)), "invalid_grant");
  },
  replayedCode(traffic) {
    const { fetch } = traffic;
    const [one, app] = [traffic.takeBrowser(), traffic.pick(codeClients(traffic.clients))];
    return async () => {
      const code = await one.browser.codeFor(app, one.user, scopeOf(true));
      const { access_token: token } = await successJson(await redeem(fetch, app, code));
      await assertError(await redeem(fetch, app, code), "invalid_grant");
      assert.equal((await fetch("/auth/userinfo", bearer(token))).status, 401);
      traffic.keepBrowser(one);
    };
  },
  wrongUserCode(traffic) {
    const { browser } = traffic.newBrowser();
    return async () => {
      const { status } = await browser.submit(await browser.get("/device"), { user_code: "BBBB-BBBB" });
      assert.ok([403, 429].includes(status), `status ${status}`);
    };
  },
  hostile(traffic) {
    const row = traffic.pick(traffic.hostileRows);
    return () => traffic.sendHostile(row);
  },
  documents(traffic) {
    const path = traffic.pick(["/.well-known/openid-configuration", "/auth/jwks.json", "/healthz", "/"]);
    return async () => assert.equal((await traffic.fetch(path)).status, 200);
  },
  account(traffic) {
    const one = traffic.takeBrowser();
    return async () => {
      assert.equal((await one.browser.get("/auth/account")).status, 200);
      traffic.keepBrowser(one);
    };
  },
  withdrawal(traffic) {
    const address = traffic.newAddress();
    return () => withdraw(traffic, address);
  },
  signOut(traffic) {
    const one = traffic.newBrowser();
    return () => signInAndOut(traffic, one, false);
  },
  logout(traffic) {
    const one = traffic.newBrowser();
    return () => signInAndOut(traffic, one, true);
  },
  operator(traffic) {
    const [method, path, body] = traffic.pick([
      ["GET", "/admin/users"], ["GET", "/admin/clients"], ["POST", "/admin/tokens", { sub: VICTIM, scope: "openid email" }],
      ["POST", "/admin/initial-access-tokens", { uses: 2, ttl: 600 }],
    ]);
    return async () => {
      const { status } = await operatorApi(traffic.fetch)(method, path, body);
      assert.ok(status === 200 || status === 201, `${path}: status ${status}`);
    };
  },
};
