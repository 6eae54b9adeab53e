// Signing keys rotate while users sign in, and unmodified relying parties verify every token: at two locations, whose KV
// lags behind and fails. The scheduled event comes by wrangler's test route: not at all, once, or several times at once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as jose from "jose";
import { CALLBACK, Browser, putClient, putUser, redeem, refresh, successJson } from "../edge/browser.mjs";
import { ISSUER, keysMade, startIsolates } from "../edge/harness.mjs";

const MINUTE = 60;
const DAY = 86_400;
const USERINFO = `${ISSUER}/auth/userinfo`;

// The smallest times for these caches, so that the keys rotate daily (docs/configuration.md).
const CACHES = { CACHE_MAX_AGE: 300, CACHE_STALE_WHILE_REVALIDATE: 600, CACHE_STALE_IF_ERROR: 600 };
const AHEAD = 1_140 + 2 * 300 + 600;
const SIGNING = AHEAD + 86_760 + 5;
const VARIABLES = Object.entries({ ...CACHES, KEY_AHEAD_SECONDS: AHEAD, KEY_SIGNING_SECONDS: SIGNING })
  .map(([name, value]) => [name, String(value)]);
const ROTATIONS = 3;
/** KV shows a write everywhere after a minute. */
const LAG = 60;

// Times that SECURITY.md states for a withdrawn key.
const WITHDRAWN_EVERYWHERE = 16 * MINUTE;
/** jose keeps the keys for ten minutes, and a cache on the way serves them for fifteen. */
const WITHDRAWN_AT_RELYING_PARTIES = WITHDRAWN_EVERYWHERE + 25 * MINUTE;

/** How many seconds the clocks of all are ahead: of the locations, of the relying parties and of the cache. */
let ahead = 0;
const { now } = Date;
const time = () => Math.floor(Date.now() / 1_000);

/** Numbers from 0 to 1 that are the same in each run. */
let state = 18;
const random = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;

/** jose's remote key set as it is. Only the real time for a response is longer, because the machine may be busy. */
function relyingParty(fetch) {
  const keys = jose.createRemoteJWKSet(new URL(`${ISSUER}/auth/jwks.json`), {
    [jose.customFetch]: fetch, timeoutDuration: 60_000,
  });
  return (token, audience) =>
    jose.jwtVerify(token, keys, { issuer: ISSUER, audience, currentDate: new Date(Date.now()) });
}

/** A cache on the way, which serves a response for as long as the headers allow it. */
function behindCache(fetch) {
  let stored;
  return async (url, init) => {
    if (stored && Date.now() < stored.until) return new Response(stored.body);
    const response = await fetch(url, init);
    const body = await response.text();
    const seconds = (name) => Number(new RegExp(`${name}=(\\d+)`).exec(response.headers.get("cache-control"))?.[1] ?? 0);
    const until = Date.now() + (seconds("max-age") + seconds("stale-while-revalidate")) * 1_000;
    if (response.ok) stored = { body, until };
    return new Response(body, { status: response.status });
  };
}

/** Sets all clocks, and what fails at both locations. */
async function setClocks(seconds, failing = []) {
  ahead = seconds;
  await Promise.all(locations.map(({ inject }) => inject({ ahead, failing, lag: LAG })));
}

/** The scheduled event, by wrangler's own test route. It reaches the first location. */
async function runCron() {
  const response = await fetch(new URL("/cdn-cgi/local/scheduled", first.url));
  assert.deepEqual([response.status, await response.text()], [200, "ok"]);
}

/** The last token of each kind that each key signed, which is the one that expires last. */
const held = new Map();
const kidsSeen = { ES256: new Set(), RS256: new Set() };
const failures = [];
let verified = 0;

const kidOf = ({ token }) => jose.decodeProtectedHeader(token).kid;

function hold(kind, token, audience) {
  const { alg, kid } = jose.decodeProtectedHeader(token);
  kidsSeen[alg].add(kid);
  const { iat: issued, exp: expires } = jose.decodeJwt(token);
  const one = { token, audience, issued, expires };
  held.set(`${kind} of ${kid}`, one).set(`newest ${kind}`, one);
  return one;
}

function forgetExpired() {
  for (const [name, { expires }] of held) if (expires <= time() + 5) held.delete(name);
}

/** The status of userinfo at each location. */
const statusesAtUserinfo = (token) => Promise.all(locations.map(async ({ fetch }) =>
  (await fetch("/auth/userinfo", { headers: { authorization: `Bearer ${token}` } })).status));

/** Verifies a token at every relying party, and an access token at userinfo of every location. */
async function verify({ token, audience }) {
  const fail = (reason) => failures.push(`${kidOf({ token })} after ${ahead} s: ${reason}`);
  await Promise.all(parties.map((party) => party(token, audience).then(() => { verified += 1; }, fail)));
  if (audience !== USERINFO) return;
  for (const status of await statusesAtUserinfo(token)) {
    if (status === 200) verified += 1;
    else fail(`userinfo: ${status}`);
  }
}

/** Signs alice in to a client at one location, and redeems and refreshes at the other one. Returns all tokens. */
async function signIn(app, [here, there]) {
  here.browser ??= new Browser(here.fetch);
  const code = await here.browser.codeFor(app, "alice", { scope: "openid email offline_access", prompt: "consent" });
  const tokens = await successJson(await redeem(there.fetch, app, code));
  const refreshed = await successJson(await refresh(here.fetch, app, tokens.refresh_token));
  return [tokens, refreshed].flatMap(({ id_token: idToken, access_token: accessToken }) =>
    [hold(`ID token of ${app.client_id}`, idToken, app.client_id), hold("access token", accessToken, USERINFO)]);
}

/** The longest token that there is. */
async function mint() {
  const order = { sub: "alice", scope: "openid email", ttl: DAY };
  const { status, body } = await first.operator("POST", "/admin/tokens", order);
  assert.equal(status, 200, JSON.stringify(body));
  return [hold("operator's token", body.access_token, USERINFO)];
}

/** Sign-ins, token requests and userinfo at both locations, and the verification of everything that has not expired. */
async function load() {
  const both = [locations, [...locations].reverse()];
  const issued = await Promise.all([mint(), ...apps.flatMap((app) => both.map((order) => signIn(app, order)))]);
  forgetExpired();
  await Promise.all([...new Set([...held.values(), ...issued.flat()])].map(verify));
}

let locations, first, database;
/** A client for each algorithm of ID tokens. */
let apps;
let parties;
before(async () => {
  locations = await startIsolates(2, { vars: Object.fromEntries(VARIABLES), hasFaults: true });
  [first] = locations;
  database = first.env.DB;
  Date.now = () => now() + ahead * 1_000;
  await keysMade(first.fetch);
  await putUser(first.operator, "alice", { email: "alice@example.com" });
  apps = await Promise.all(["ES256", "RS256"].map((alg) =>
    putClient(first.operator, alg.toLowerCase(), { id_token_signed_response_alg: alg, redirect_uris: [CALLBACK] })));
  parties = locations.flatMap(({ fetch }) => [relyingParty(fetch), relyingParty(behindCache(fetch))]);
});
after(() => { Date.now = now; });

const keys = async () =>
  (await database.prepare("SELECT * FROM signing_keys ORDER BY sign_from").all()).results;

/** The next time, from now on, at which a key is due, signs or retires. */
async function nextEvent() {
  const rows = await keys();
  const signing = rows.filter(({ sign_until: until }) => until === null);
  const due = signing.map(({ created_at: made, sign_from: from }) => Math.max(made, from) + SIGNING - AHEAD);
  const times = [...due, ...rows.flatMap(({ sign_from: from, retire_at: end }) => [from, end ?? 0])];
  return Math.min(...times.filter((event) => event > time()));
}

test(`while the keys rotate ${ROTATIONS} times under load, no token fails to verify`, async (t) => {
  const hasRotated = () => Object.values(kidsSeen).every(({ size }) => size > ROTATIONS);
  let most = 0;
  for (let events = 0; !hasRotated(); events += 1) {
    assert.ok(events < 40, `the keys do not rotate: ${JSON.stringify(await keys())}`);
    // KV fails around every second event: the publication of a key, its first signature, the retirement of the last one.
    const failing = events % 2 === 1 ? ["KV"] : [];
    const begin = (await nextEvent()) - Math.floor(now() / 1_000) - 4 * MINUTE;
    for (let step = 0; step < 6; step += 1) {
      await setClocks(Math.max(ahead, begin + 2 * MINUTE * step), failing);
      const runs = [0, 1, 1, 3][Math.floor(4 * random())];
      await Promise.all([load(), ...Array.from({ length: runs }, runCron)]);
      const { keys: published } = await (await first.fetch("/auth/jwks.json")).json();
      most = Math.max(most, published.length);
    }
    assert.deepEqual(failures, []);
  }
  t.diagnostic(`${verified} verifications in ${(ahead / DAY).toFixed(1)} days; ${most} keys published at most`);
  assert.ok(verified > 1_500 && ahead > ROTATIONS * DAY, `${verified} verifications in ${ahead} s`);
  assert.ok(most <= 6, `${most} keys are published`);
});

test("a compromised key verifies nothing after the stated times, and every other token verifies", async () => {
  await setClocks(ahead + 20 * MINUTE);
  await load();
  const compromised = kidOf(held.get("newest access token"));
  const stolen = [...held.values()].filter((one) => kidOf(one) === compromised);
  assert.ok(stolen.length >= 3, `${stolen.length} tokens`);

  const { status, body } = await first.operator("POST", "/admin/keys/rotate", { compromised });
  assert.equal(status, 200, JSON.stringify(body));
  const [begin, withdrawnAt] = [ahead, time()];
  for (const passed of [1, 2 * MINUTE, 6 * MINUTE, WITHDRAWN_EVERYWHERE, WITHDRAWN_AT_RELYING_PARTIES]) {
    await setClocks(begin + passed);
    await Promise.all(apps.map((app) => signIn(app, locations)));
    forgetExpired();
    for (const one of held.values()) {
      // The other isolate may sign with the withdrawn key for five minutes. Both know the new key when they need it.
      if (kidOf(one) === compromised) assert.ok(one.issued < withdrawnAt + 6 * MINUTE, "a new token of the key");
      else if (one.audience === USERINFO) assert.deepEqual(await statusesAtUserinfo(one.token), [200, 200]);
      else if (jose.decodeProtectedHeader(one.token).alg === "RS256") await verify(one);
    }
    const valid = stolen.filter(({ expires }) => expires > time() + 5);
    if (passed >= WITHDRAWN_EVERYWHERE) {
      for (const { token } of valid.filter(({ audience }) => audience === USERINFO)) {
        assert.deepEqual(await statusesAtUserinfo(token), [401, 401]);
      }
    }
    if (passed === WITHDRAWN_AT_RELYING_PARTIES) {
      assert.ok(valid.length >= 2, `${valid.length} tokens`);
      for (const { token, audience } of valid) {
        for (const party of parties) await assert.rejects(party(token, audience), jose.errors.JWKSNoMatchingKey);
      }
    }
  }
  for (const [name, one] of held) if (kidOf(one) === compromised) held.delete(name);
  await load();
  assert.deepEqual(failures, []);
});
