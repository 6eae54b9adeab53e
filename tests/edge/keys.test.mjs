import assert from "node:assert/strict";
import { createDecipheriv } from "node:crypto";
import { afterEach, test } from "node:test";
import * as jose from "jose";
import { commandsAt } from "./command_line.mjs";
import { ADMIN_TOKEN, ISSUER, KEY_ENCRYPTION_KEY, keysMade, start, startIsolates, until } from "./harness.mjs";

let close = async () => {};
afterEach(() => close());

const stored = async (env) => (await env.DB.prepare("SELECT * FROM signing_keys ORDER BY alg").all()).results;
const algorithms = async (env) => (await stored(env)).map(({ alg }) => alg);
const BOTH = ["ES256", "RS256"];

test("requests racing for the first keys leave one of each algorithm", async () => {
  const postern = await start();
  close = postern.close;
  await postern.putAlice();
  const sets = await Promise.all([
    ...Array.from({ length: 20 }, async () => (await postern.fetch("/auth/jwks.json")).json()),
    ...Array.from({ length: 20 }, async () => {
      const { access_token: token } = await postern.mint();
      assert.equal((await postern.userinfo(token)).status, 200);
      return (await postern.fetch("/auth/jwks.json")).json();
    }),
  ]);
  await postern.keysMade();
  assert.deepEqual(await algorithms(postern.env), BOTH);
  const kids = new Set((await stored(postern.env)).map(({ kid }) => kid));
  for (const { keys } of sets) assert.ok(keys.length > 0 && keys.every(({ kid }) => kids.has(kid)));
});

test("isolates racing for the first keys leave one of each algorithm", async () => {
  const isolates = await startIsolates(8);
  const { env } = isolates[0];
  const fetchJwks = async (isolate) => (await isolate.fetch("/auth/jwks.json")).json();
  const sets = await Promise.all(isolates.flatMap((isolate) => [fetchJwks(isolate), fetchJwks(isolate)]));
  await until(() => algorithms(env), ({ length }) => length === 2);
  assert.deepEqual(await algorithms(env), BOTH);
  const kids = new Set((await stored(env)).map(({ kid }) => kid));
  for (const { keys } of sets) assert.ok(keys.length > 0 && keys.every(({ kid }) => kids.has(kid)));
  // An isolate serves an incomplete set for seconds only.
  const [first, ...rest] = await Promise.all(isolates.map(({ fetch }) => keysMade(fetch)));
  for (const keys of rest) assert.deepEqual(keys, first);
  assert.deepEqual(await algorithms(env), BOTH);
});

test("a key set without its RSA key is not cached, and the key follows at once", async () => {
  const postern = await start();
  close = postern.close;
  const response = await postern.fetch("/auth/jwks.json");
  assert.deepEqual((await response.json()).keys.map(({ alg }) => alg), ["ES256"]);
  const ends = "public, max-age=5, stale-while-revalidate=0, stale-if-error=0";
  assert.equal(response.headers.get("cache-control"), ends);
  await postern.keysMade();
  assert.match((await postern.fetch("/auth/jwks.json")).headers.get("cache-control"), /^public, max-age=300, /);
  const published = async () => (await postern.env.KV.list()).keys;
  const [{ name }] = await until(published, ({ length }) => length === 1);
  assert.equal(JSON.parse(JSON.parse(await postern.env.KV.get(name)).body).keys.length, 2);
});

test("an RSA key made at the edge is sealed, and its signatures verify", async () => {
  const postern = await start();
  close = postern.close;
  await postern.keysMade();
  const [, row] = await stored(postern.env);
  const [kv] = await until(async () => (await postern.env.KV.list()).keys, ({ length }) => length === 1);
  for (const text of [JSON.stringify(row), await postern.env.KV.get(kv.name)]) {
    assert.doesNotMatch(text.replaceAll("\\", ""), /"(d|p|q|dp|dq|qi)":/);
  }
  // AES-256-GCM: the nonce, the ciphertext, the tag. The kid is the additional data.
  const sealed = Buffer.from(row.sealed_private, "base64url");
  const decipher = createDecipheriv("aes-256-gcm", Buffer.from(KEY_ENCRYPTION_KEY, "base64url"), sealed.subarray(0, 12));
  decipher.setAAD(Buffer.from(row.kid)).setAuthTag(sealed.subarray(-16));
  const jwk = JSON.parse(String(Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])));
  assert.deepEqual([jwk.kty, jwk.e, typeof jwk.d], ["RSA", "AQAB", "string"]);

  const key = await jose.importJWK(jwk, "RS256");
  const sign = (typ, claims) =>
    new jose.SignJWT(claims).setProtectedHeader({ typ, alg: "RS256", kid: row.kid }).sign(key);
  const set = jose.createRemoteJWKSet(new URL(`${ISSUER}/auth/jwks.json`), { [jose.customFetch]: postern.fetch });
  const { payload } = await jose.jwtVerify(await sign("JWT", { sub: "alice" }), set, { algorithms: ["RS256"] });
  assert.equal(payload.sub, "alice");

  const claims = { iss: ISSUER, aud: `${ISSUER}/auth/userinfo`, sub: "alice", iat: 1, exp: 4e9, jti: "1", scope: "openid" };
  const response = await postern.userinfo(await sign("at+jwt", { ...claims, client_id: "c", grant_id: "g" }));
  assert.equal(response.status, 401, "RS256 signs no access token");
  assert.match((await response.json()).error_description, /alg must be ES256/);
});

test("without KEY_ENCRYPTION_KEY the key set is empty, and minting names the variable", async () => {
  const postern = await start({ secrets: { KEY_ENCRYPTION_KEY: "" } });
  close = postern.close;
  await postern.putAlice();
  const response = await postern.fetch("/auth/jwks.json");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.deepEqual(await response.json(), { keys: [] });
  const { status, body } = await postern.operator("POST", "/admin/tokens", { sub: "alice", scope: "openid" });
  assert.equal(status, 500);
  assert.match(body.error_description, /^KEY_ENCRYPTION_KEY: not set/);
  assert.equal((await postern.env.KV.list()).keys.length, 0);
});

test("with a wrong ISSUER every response names the variable", async () => {
  const postern = await start({ vars: { ISSUER: "http://example.com" } });
  close = postern.close;
  for (const path of ["/.well-known/openid-configuration", "/auth/jwks.json", "/auth/userinfo", "/x"]) {
    const response = await postern.fetch(path);
    assert.equal(response.status, 500);
    assert.match((await response.json()).error_description, /^ISSUER: must begin with https/);
  }
});

test("key rotate publishes new keys at once, and key rotate --compromised withdraws one", async () => {
  const postern = await start();
  close = postern.close;
  await postern.putAlice();
  const before = (await postern.keysMade()).map(({ kid }) => kid);
  const { access_token: token } = await postern.mint();
  const run = commandsAt(postern.url, ADMIN_TOKEN);
  const command = async (...args) => {
    const { code, out, err } = await run(args);
    assert.equal(code, 0, err);
    return out.trimEnd().split("\n").map((line) => JSON.parse(line));
  };
  const published = async () => (await (await postern.fetch("/auth/jwks.json")).json()).keys.map(({ kid }) => kid);
  const states = (keys) => keys.map(({ alg, state }) => `${alg} ${state}`).toSorted();

  const rotated = await command("key", "rotate");
  assert.deepEqual(states(rotated), ["ES256 published", "ES256 signing", "RS256 published", "RS256 signing"]);
  assert.deepEqual(new Set(await published()), new Set(rotated.map(({ kid }) => kid)));
  const old = rotated.filter(({ state }) => state === "signing").map(({ kid }) => kid);
  assert.deepEqual(new Set(old), new Set(before));
  const [kv] = await until(async () => (await postern.env.KV.list()).keys, ({ length }) => length === 1);
  assert.equal(JSON.parse(JSON.parse(await postern.env.KV.get(kv.name)).body).keys.length, 4);

  const compromised = rotated.find(({ alg, state }) => alg === "ES256" && state === "signing").kid;
  const unconfirmed = await run(["key", "rotate", "--compromised", compromised]);
  assert.equal(unconfirmed.code, 1);
  assert.match(unconfirmed.err, /needs --yes/);
  const next = rotated.find(({ alg, state }) => alg === "ES256" && state === "published").kid;
  const after = await command("key", "rotate", "--compromised", compromised, "--yes");
  assert.deepEqual(states(after), ["ES256 signing", "ES256 withdrawn", "RS256 published", "RS256 signing"]);
  assert.equal(after.find(({ alg, state }) => alg === "ES256" && state === "signing").kid, next);
  assert.equal((await postern.userinfo(token)).status, 401);
  assert.equal((await postern.userinfo((await postern.mint()).access_token)).status, 200);
  assert.ok(!(await published()).includes(compromised));
  assert.deepEqual(await command("key", "list"), after);
  const unknown = await run(["key", "rotate", "--compromised", "nobody", "--yes"]);
  assert.match(unknown.err, /not_found: compromised: no signing key has this kid/);
});

test("the scheduled event makes the successors of keys of unknown age, once", async () => {
  const postern = await start();
  close = postern.close;
  await postern.keysMade();
  await postern.env.DB.prepare("UPDATE signing_keys SET created_at = NULL").run();
  await Promise.all([postern.maintain(), postern.maintain(), postern.maintain()]);
  await postern.maintain();
  const rows = await stored(postern.env);
  assert.deepEqual(rows.map(({ alg }) => alg), ["ES256", "ES256", "RS256", "RS256"]);
  for (const alg of BOTH) {
    const [old, next] = rows.filter((row) => row.alg === alg).sort((a, b) => a.sign_from - b.sign_from);
    assert.equal(old.sign_until, next.sign_from);
    assert.ok(next.sign_from - next.publish_from === 259_200 && old.retire_at > old.sign_until);
  }
  const keys = await (await postern.fetch("/auth/jwks.json")).json();
  assert.equal(keys.keys.length, 4);
});
