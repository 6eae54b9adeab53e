// Floods of rows by strangers: expired rows in every table that they can fill, and every slot taken. Everybody else goes on.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { makeKey } from "../edge/client_server.mjs";
import {
  CALLBACK, PASSWORD, Browser, authorizePath, formOf, isConsent, putClient, putUser, redeem, redirectTarget, refresh,
  responseParameters, successJson,
} from "../edge/browser.mjs";
import { start } from "../edge/harness.mjs";

/** Expired rows in each table: many times what a request deletes. `ROWS=1000000` fills more, which takes longer. */
const ROWS = Number(process.env.ROWS ?? 50_000);
/** How long a request may take, in milliseconds: far more than it does, and far less than D1 allows a batch. */
const PATIENCE = 10_000;
let postern;
let app;
let signing;
let spa;

/** The statement that inserts `count` rows, whose values depend on `n`. */
const insert = (table, columns, count, values) => postern.env.DB.prepare(`
  WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ${count})
  INSERT INTO ${table} (${columns}) SELECT ${values} FROM numbers`).run();

const EXPIRED = {
  authorization_requests: ["handle_hash, parameters, expires_at", "'old-' || n, 'x', 1"],
  client_assertions: ["client_id, jti_hash, expires_at", "'old', n || '', 1"],
  clients: [
    "client_id, metadata, trusted, created_at, updated_at, registration_token_hash, expires_at",
    "'old-' || n, '{}', 0, 1, 1, 'x', 1",
  ],
  initial_access_tokens: ["token_hash, uses_left, expires_at, created_at", "'old-' || n, 1, 1, 1"],
  sign_in_attempts: ["counter, failures, last_at, next_at", "'old-' || n, 1, 1, 1"],
};

before(async () => {
  postern = await start({ vars: { REGISTRATION: "open" } });
  await postern.keysMade();
  for (const sub of ["alice", "bob"]) await putUser(postern.operator, sub);
  app = await putClient(postern.operator);
  spa = await putClient(postern.operator, "spa", { token_endpoint_auth_method: "none" });
  const key = await makeKey("ES256", "key-1");
  const metadata = { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [key.jwk] } };
  signing = { ...(await putClient(postern.operator, "signing", metadata)), key };
});
after(() => postern.close());

/** The response of a request that must not take long. */
async function soon(what, send) {
  const begin = performance.now();
  const response = await send();
  assert.ok(performance.now() - begin < PATIENCE, `${what}: ${Math.round(performance.now() - begin)} ms`);
  return response;
}

const register = (token = undefined) => postern.fetch("/auth/register", {
  method: "POST", body: JSON.stringify({ redirect_uris: [CALLBACK] }),
  headers: { "content-type": "application/json", "cf-connecting-ip": "198.51.100.1", ...(token && { authorization: `Bearer ${token}` }) },
});

const push = (client) => {
  const parameters = new URLSearchParams(authorizePath(client).split("?")[1]);
  if (client.client_secret) parameters.set("client_secret", client.client_secret);
  return postern.fetch("/auth/par", { method: "POST", body: parameters });
};

/** A sign-in with a wrong password first, and what follows it. Each request answers soon. */
async function everybodyGoesOn(user) {
  for (const client of [app, signing]) {
    const browser = new Browser(postern.fetch);
    const path = authorizePath(client, { scope: "openid email offline_access" });
    const { action, fields } = formOf(await soon("authorize", () => browser.get(path)));
    const wrong = await soon("a wrong password", () => browser.post(action, { ...fields, login: user, password: "a guess" }));
    assert.equal(wrong.status, 403);
    const signedIn = await soon("login", () => browser.post(action, { ...fields, login: user, password: PASSWORD }));
    let page = await soon("authorize after the login", () => browser.get(redirectTarget(signedIn)));
    assert.ok(isConsent(page));
    const consent = formOf(page);
    page = await soon("consent", () => browser.post(consent.action, { ...consent.fields, decision: "allow" }));
    const { code } = responseParameters(page);
    const tokens = await successJson(await soon("redeem", () => redeem(postern.fetch, client, code)));
    await successJson(await soon("refresh", () => refresh(postern.fetch, client, tokens.refresh_token)));
    const pushed = await soon("push", () => push(client.client_secret ? client : app));
    assert.equal(pushed.status, 201, await pushed.text());
  }
}

/** The bytes of D1, without those of free pages. */
const size = async () => (await postern.env.DB.prepare("SELECT 1").all()).meta.size_after;
const left = async () => Object.fromEntries(await Promise.all(Object.keys(EXPIRED).map(async (table) =>
  [table, (await postern.env.DB.prepare(`SELECT count(*) AS rows FROM ${table}`).first()).rows])));

test(`with ${ROWS} expired rows in every table that strangers fill, every request answers soon and rows are deleted`, async () => {
  for (const [table, [columns, values]] of Object.entries(EXPIRED)) await insert(table, columns, ROWS, values);
  const begin = await left();
  await everybodyGoesOn("alice");
  assert.equal((await soon("registration", () => register())).status, 201);
  const order = { uses: 1, ttl: 60 };
  const { body } = await soon("an initial access token", () => postern.operator("POST", "/admin/initial-access-tokens", order));
  assert.equal((await soon("registration by token", () => register(body.initial_access_token))).status, 201);
  await postern.takeCounts();
  const end = await left();
  for (const table of Object.keys(EXPIRED)) assert.ok(end[table] < begin[table], `${table}: ${end[table]}`);
});

const UNTIL = Math.floor(Date.now() / 1000) + 3_600;
const text = (bytes) => `hex(zeroblob(${bytes / 2}))`;
const request = ["authorization_requests", "handle_hash, parameters, client_id, expires_at"];
const requestOf = (client) => (bytes) => `hex(randomblob(22)), ${text(bytes)}, '${client}', ${UNTIL}`;
const client = "client_id, metadata, secret_hash, trusted, created_at, updated_at, registration_token_hash, expires_at";
/**
 * The rows that take slots: the table, the columns, the group, the number of slots, the values with a text of some bytes,
 * and the largest size of that text and of a row, in bytes, as docs/data-model.md states it.
 * @type {any[][]}
 */
const SLOTS = [
  [...request, "spa", 10_000, requestOf("spa"), 8_192, 10_000],
  [...request, "", 20_000, requestOf("a-stranger"), 8_192, 10_000],
  ["clients", client, "registration", 10_000,
    (bytes) => `hex(randomblob(16)), ${text(bytes)}, hex(randomblob(22)), 0, 1, 1, hex(randomblob(22)), ${UNTIL}`, 32_768, 38_000],
  ["client_assertions", "client_id, jti_hash, expires_at, used_by", "", 100_000,
    () => `'a-stranger', hex(randomblob(22)), ${UNTIL}, hex(randomblob(11))`, 0, 500],
];

test("with every slot taken everybody else goes on, D1 grows no more, and a row is as large as its bound says", async () => {
  await postern.env.DB.batch(Object.keys(EXPIRED).map((table) =>
    postern.env.DB.prepare(`DELETE FROM ${table}${table === "clients" ? " WHERE expires_at IS NOT NULL" : ""}`)));
  // The first hundred rows are of the largest size. The others are small, because the test must be fast.
  for (const [table, columns, group, slots, values, largest, bound] of SLOTS) {
    const rows = (first, count, bytes) => postern.env.DB.prepare(`
      WITH RECURSIVE numbers (n) AS (SELECT ${first} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ${first + count})
      INSERT INTO ${table} (${columns}, slot) SELECT ${values(bytes)}, '${group}/' || n FROM numbers`).run();
    const before = await size();
    await rows(0, 100, largest);
    const each = ((await size()) - before) / 100;
    assert.ok(each > 100 && each < bound, `${table}: ${each} bytes a row`);
    await rows(100, slots - 100, 2);
  }
  await everybodyGoesOn("bob");
  const full = await size();
  for (let sent = 0; sent < 50; sent += 1) {
    for (const refused of [await soon("push", () => push(spa)), await soon("registration", () => register())]) {
      assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "10"]);
      assert.equal((await refused.json()).error, "temporarily_unavailable");
    }
  }
  const end = await size();
  // A sweep after a response may have made D1 smaller.
  assert.ok(end <= full, `refused requests store nothing: ${end - full} bytes`);
});
