// KEY_ENCRYPTION_KEY changes by the steps of docs/operations.md, and is lost, in workerd. The isolates of all steps share
// one D1 and one KV.
import assert from "node:assert/strict";
import { createCipheriv, createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as jose from "jose";
import { ISSUER, KEY_ENCRYPTION_KEY, keysMade, startIsolates, until } from "../edge/harness.mjs";
import {
  Browser, PASSWORD, authorizePath, putClient, putUser, redeem, refresh, responseParameters, successJson,
} from "../edge/browser.mjs";

const NEW_KEY = Buffer.alloc(32, 8).toString("base64url");
/** The secrets after each step: nothing has changed; the new value is readable; it is the current one; the old one is gone. */
const STEPS = [
  {},
  { KEY_ENCRYPTION_KEY_PREVIOUS: NEW_KEY },
  { KEY_ENCRYPTION_KEY: NEW_KEY, KEY_ENCRYPTION_KEY_PREVIOUS: KEY_ENCRYPTION_KEY },
  { KEY_ENCRYPTION_KEY: NEW_KEY },
];

/** The row of a key that signs no longer and is still published, sealed under the old secret. */
function oldKey() {
  const jwk = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
  const { kty, crv, x, y } = jwk;
  const kid = createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", Buffer.from(KEY_ENCRYPTION_KEY, "base64url"), nonce).setAAD(Buffer.from(kid));
  const sealed = Buffer.concat([nonce, cipher.update(JSON.stringify(jwk)), cipher.final(), cipher.getAuthTag()]);
  return [kid, JSON.stringify({ kty, use: "sig", alg: "ES256", kid, crv, x, y }), sealed.toString("base64url")];
}

const lastRun = async ({ env }) =>
  JSON.parse(await env.DB.prepare("SELECT report FROM maintenance_runs ORDER BY started_at DESC LIMIT 1").first("report"));

const userinfo = (fetch, token) => fetch("/auth/userinfo", { headers: { authorization: `Bearer ${token}` } });

const verifies = async ({ fetch }, token) => {
  const keys = jose.createLocalJWKSet(await (await fetch("/auth/jwks.json")).json());
  await jose.jwtVerify(token, keys, { issuer: ISSUER });
};

test("KEY_ENCRYPTION_KEY changes while users sign in and tokens are refreshed, and the re-sealing is interrupted", async () => {
  const isolates = await startIsolates(4, { secretsOf: (index) => STEPS[index] });
  const [first, readable, exchanged, last] = isolates;
  const { env } = first;
  await keysMade(first.fetch);
  await putUser(first.operator, "alice", { name: "Alice Adams" });
  const app = await putClient(first.operator);
  const insert = env.DB.prepare("INSERT INTO signing_keys (kid, public_jwk, sealed_private, alg, publish_from, sign_from, " +
    "sign_until, retire_at) VALUES (?, ?, ?, 'ES256', 1, 1, 2, unixepoch() + 1000000)");
  await env.DB.batch(Array.from({ length: 23 }, () => insert.bind(...oldKey())));

  // Each page and each token comes from the isolate of one step, and is used at that of the next one.
  const cookies = new Map();
  const at = ({ fetch }) => Object.assign(new Browser(fetch), { cookies });
  const scope = "openid profile offline_access";
  const login = await at(first).get(authorizePath(app, { scope }));
  const consent = await at(readable).submit(login, { login: "alice", password: PASSWORD });
  const { code } = responseParameters(await at(exchanged).submit(consent, { decision: "allow" }));
  const tokens = await successJson(await redeem(readable.fetch, app, code));
  const refreshed = await successJson(await refresh(readable.fetch, app, tokens.refresh_token));
  const again = await successJson(await refresh(exchanged.fetch, app, tokens.refresh_token));
  assert.equal(again.refresh_token, refreshed.refresh_token, "the response to the refresh was lost");

  const report = async (isolate) => {
    await isolate.maintain();
    return (await lastRun(isolate)).steps.reseal;
  };
  assert.deepEqual(await report(readable), { resealed: 0, remaining: 0, unreadable: 0 });
  assert.deepEqual(await report(exchanged), { resealed: 10, remaining: 15, unreadable: 0 });
  // The next run fails after its first key, and changes nothing.
  const half = "CREATE TRIGGER half BEFORE UPDATE ON signing_keys WHEN (SELECT count(*) FROM marks) > 0 " +
    "BEGIN SELECT raise(ABORT, 'interrupted'); END";
  await env.DB.batch([
    "CREATE TABLE marks (kid TEXT) STRICT", half,
    "CREATE TRIGGER mark AFTER UPDATE ON signing_keys BEGIN INSERT INTO marks VALUES (new.kid); END",
  ].map((sql) => env.DB.prepare(sql)));
  const sealed = async () => (await env.DB.prepare("SELECT kid, sealed_private FROM signing_keys ORDER BY kid").all()).results;
  const before = await sealed();
  assert.equal(await report(exchanged), undefined);
  assert.match((await lastRun(exchanged)).notes.join(), /interrupted/);
  assert.deepEqual(await sealed(), before);
  await env.DB.batch(["DROP TRIGGER half", "DROP TRIGGER mark", "DROP TABLE marks"].map((sql) => env.DB.prepare(sql)));
  // Runs at the same time, one of them doubled, and one of an isolate that does not know yet.
  await Promise.all([exchanged.maintain(), exchanged.maintain(), readable.maintain()]);
  let left;
  for (let runs = 0; left !== 0 && runs < 10; runs++) left = (await report(exchanged)).remaining;
  assert.deepEqual(await report(exchanged), { resealed: 0, remaining: 0, unreadable: 0 });

  // The old value is gone, in an isolate that has seen nothing of this.
  assert.deepEqual(await report(last), { resealed: 0, remaining: 0, unreadable: 0 });
  assert.equal((await sealed()).length, 25);
  await successJson(await userinfo(last.fetch, tokens.access_token));
  const end = await successJson(await refresh(last.fetch, app, again.refresh_token));
  const silent = responseParameters(await at(last).get(authorizePath(app, { scope, prompt: "none" })));
  const signedIn = await successJson(await redeem(last.fetch, app, silent.code));
  const ids = [tokens, end, signedIn].map(({ id_token: token }) => token);
  for (const id of ids) await verifies(last, id);
  assert.equal(new Set(ids.map((id) => jose.decodeJwt(id).sid)).size, 1, "the session has one sid");
});

test("with a lost KEY_ENCRYPTION_KEY issued tokens work, the operator reads why, and new keys end it", async () => {
  const other = { KEY_ENCRYPTION_KEY: NEW_KEY };
  const secrets = [{}, other, { KEY_ENCRYPTION_KEY: "" }, other];
  const [first, lost, absent, later] = await startIsolates(4, { secretsOf: (index) => secrets[index] });
  const published = await keysMade(first.fetch);
  await putUser(first.operator, "alice", { name: "Alice Adams" });
  const app = await putClient(first.operator);
  const alice = new Browser(first.fetch);
  const scope = "openid profile offline_access";
  const tokens = await successJson(await redeem(first.fetch, app, await alice.codeFor(app, "alice", { scope })));

  for (const [isolate, words] of /** @type {const} */ ([[lost, /does not decrypt the signing key/], [absent, /not set/]])) {
    await isolate.maintain();
    assert.match((await lastRun(isolate)).notes.join(), words);
    assert.deepEqual((await (await isolate.fetch("/auth/jwks.json")).json()).keys, published);
    await successJson(await userinfo(isolate.fetch, tokens.access_token));
    assert.equal((await refresh(isolate.fetch, app, tokens.refresh_token)).status, 500);
    const { status, body } = await isolate.operator("POST", "/admin/tokens", { sub: "alice", scope: "openid" });
    assert.equal(status, 500);
    assert.match(body.error_description, words);
  }

  // The documented command, and an isolate that remembers no key.
  const [, sql] = /--command "(UPDATE signing_keys[^"]*)"/.exec(readFileSync("docs/operations.md", "utf8"));
  await lost.env.DB.prepare(sql).run();
  // The isolate that made the first keys claimed that for a minute, which is over by then.
  await lost.env.DB.prepare("DELETE FROM key_claims").run();
  const refreshed = await until(() => refresh(later.fetch, app, tokens.refresh_token), ({ status }) => status === 200);
  const signers = await keysMade(later.fetch);
  for (const { kid } of signers) assert.ok(published.every((key) => key.kid !== kid));
  await later.maintain();
  assert.equal((await lastRun(later)).notes, undefined);
  // The session and the refresh token have lived on.
  await verifies(later, (await successJson(refreshed)).id_token);
  const restarted = Object.assign(new Browser(later.fetch), { cookies: alice.cookies });
  const silent = responseParameters(await restarted.get(authorizePath(app, { scope, prompt: "none" })));
  await verifies(later, (await successJson(await redeem(later.fetch, app, silent.code))).id_token);
});
