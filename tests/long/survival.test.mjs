// The state survives a power cut. wrangler dev stores it in a folder, and workerd, which writes it, is killed by
// SIGKILL.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as jose from "jose";
import { until } from "../edge/harness.mjs";
import {
  Browser, assertError, authorizePath, putClient, putUser, redeem, refresh, responseParameters, successJson,
} from "../edge/browser.mjs";
import { startDev, wrangler } from "../edge/wrangler_dev.mjs";

const folder = mkdtempSync(join(tmpdir(), "postern-survival-"));
const config = fileURLToPath(new URL("../edge/wrangler.toml", import.meta.url));
const state = ["--local", "--config", config, "--persist-to", folder];
const machines = [];

before(() => wrangler(["d1", "migrations", "apply", "DB", ...state]));
after(async () => {
  for (const machine of machines) await machine.cutPower();
  rmSync(folder, { recursive: true });
});

async function boot() {
  const machine = await startDev(state);
  machines.push(machine);
  return machine;
}

/** The machine that an earlier test left on, or a new one. */
async function running() {
  const last = machines.at(-1);
  return last?.isOn() ? last : boot();
}

const skip = process.platform !== "linux" && "it finds workerd by /proc";

test("sessions, grants, refresh tokens and keys survive a SIGKILL of workerd", { skip }, async () => {
  const first = await boot();
  await putUser(first.operator, "alice", { name: "Alice Adams" });
  const app = await putClient(first.operator);
  const parameters = { scope: "openid profile offline_access" };
  const alice = new Browser(first.fetch);
  const code = await alice.codeFor(app, "alice", { ...parameters, prompt: "consent" });
  const tokens = await successJson(await redeem(first.fetch, app, code));
  const redeemed = await alice.codeFor(app, "alice");
  await successJson(await redeem(first.fetch, app, redeemed));
  const unredeemed = await alice.codeFor(app, "alice", parameters);
  const { keys } = await (await first.fetch("/auth/jwks.json")).json();

  assert.ok(first.ownProcesses().some(({ name }) => name === "workerd"));
  await first.cutPower();
  await assert.rejects(first.fetch("/auth/jwks.json"));

  const { fetch } = await boot();
  // The session.
  const restarted = new Browser(fetch);
  restarted.cookies = alice.cookies;
  const silent = responseParameters(await restarted.get(authorizePath(app, { ...parameters, prompt: "none" })));
  const again = await successJson(await redeem(fetch, app, silent.code));
  // The access token, and its grant.
  const response = await fetch("/auth/userinfo", { headers: { authorization: `Bearer ${tokens.access_token}` } });
  assert.deepEqual(await successJson(response), { sub: "alice", name: "Alice Adams" });
  // The refresh token.
  const refreshed = await successJson(await refresh(fetch, app, tokens.refresh_token));
  const ids = [tokens, again, refreshed].map(({ id_token: token }) => jose.decodeJwt(token));
  assert.deepEqual(new Set(ids.map(({ sid }) => sid)).size, 1, "the session is the same");
  assert.deepEqual(new Set(ids.map(({ auth_time: time }) => time)).size, 1);
  // The codes: the unredeemed one is good, the redeemed one is not.
  await successJson(await redeem(fetch, app, unredeemed));
  await assertError(await redeem(fetch, app, redeemed), "invalid_grant");
  // The keys.
  assert.deepEqual((await (await fetch("/auth/jwks.json")).json()).keys, keys);
});

/** `FLOWS=200` has more of them at once. */
const FLOWS = Number(process.env.FLOWS ?? 100);
/** The flows begin again and again, so that requests of every kind are in flight after this number of responses. */
const RESPONSES_BEFORE = 5 * FLOWS;
const LARGEST_SHARE_OF_CODES = 0.6;

/** Sends a request for each of these, some at once. Returns how many responses are no success. */
async function countFailures(items, send) {
  const left = [...items];
  let failures = 0;
  await Promise.all(Array.from({ length: 20 }, async () => {
    while (left.length > 0) {
      const response = await send(left.pop());
      await response.text();
      if (response.status !== 200) failures += 1;
    }
  }));
  return failures;
}

test(`a SIGKILL of workerd amid ${FLOWS} sign-ins loses no token that a client has received`, { skip }, async (t) => {
  const first = await running();
  const apps = [
    await putClient(first.operator, "wiki"),
    await putClient(first.operator, "spa", { token_endpoint_auth_method: "none" }),
  ];
  const scope = "openid offline_access";
  const browsers = await Promise.all(["carol", "dora", "emil", "fay"].map(async (user) => {
    await putUser(first.operator, user);
    const browser = new Browser(first.fetch);
    for (const app of apps) await browser.codeFor(app, user, { scope });
    return browser;
  }));

  const codesInFlight = new Map();
  const accessTokens = [];
  /** The newest refresh token of each code. */
  const refreshTokens = new Map();
  const flows = [];
  const failures = [];
  let responses = 0;
  /** Counts a response. Each of the first ones begins another flow, so that the flows do not move in step. */
  const counted = async (/** @type {Promise<any>} */ response) => {
    await response;
    responses += 1;
    if (flows.length < FLOWS) flows.push(signInRepeatedly(flows.length));
    return response;
  };
  async function signIn(browser, app) {
    const { code } = responseParameters(await counted(browser.get(authorizePath(app, { scope, prompt: "none" }))));
    codesInFlight.set(code, app);
    // A code is in flight for longer than its redemption, because the browser carries it to the client.
    await (await counted(first.fetch("/.well-known/openid-configuration"))).text();
    const tokens = await successJson(await counted(redeem(first.fetch, app, code)));
    codesInFlight.delete(code);
    accessTokens.push(tokens.access_token);
    refreshTokens.set(code, { app, token: tokens.refresh_token });
    const refreshed = await successJson(await counted(refresh(first.fetch, app, tokens.refresh_token)));
    accessTokens.push(refreshed.access_token);
    refreshTokens.set(code, { app, token: refreshed.refresh_token });
  }
  async function signInRepeatedly(index) {
    try {
      while (first.isOn()) await signIn(browsers[index % browsers.length], apps[index % apps.length]);
    } catch (error) {
      // Requests fail when workerd is gone.
      if (first.isOn()) failures.push(error);
    }
  }
  flows.push(signInRepeatedly(0));
  await until(() => responses >= RESPONSES_BEFORE || failures.length > 0, Boolean);
  await first.cutPower();
  await Promise.all(flows);
  assert.deepEqual([failures, flows.length], [[], FLOWS]);
  assert.ok(codesInFlight.size >= 10, `${codesInFlight.size} codes in flight`);

  const { fetch } = await boot();
  const spent = await countFailures(codesInFlight, ([code, app]) => redeem(fetch, app, code));
  const userinfo = (token) => fetch("/auth/userinfo", { headers: { authorization: `Bearer ${token}` } });
  const lost = {
    access: await countFailures(accessTokens, userinfo),
    refresh: await countFailures(refreshTokens.values(), ({ app, token }) => refresh(fetch, app, token)),
  };
  t.diagnostic(`${accessTokens.length} access tokens, ${refreshTokens.size} refresh tokens; ` +
    `of ${codesInFlight.size} codes in flight ${spent} were spent`);
  assert.deepEqual(lost, { access: 0, refresh: 0 });
  assert.ok(spent <= codesInFlight.size * LARGEST_SHARE_OF_CODES, `${spent} of ${codesInFlight.size} codes were spent`);

  for (const [index, { cookies }] of browsers.entries()) {
    const browser = new Browser(fetch);
    browser.cookies = cookies;
    assert.ok(responseParameters(await browser.get(authorizePath(apps[index % 2], { scope, prompt: "none" }))).code);
  }
});
