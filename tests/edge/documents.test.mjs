import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ISSUER, fetchRaw, keysMade, start, startIsolates, until } from "./harness.mjs";

const DISCOVERY = "/.well-known/openid-configuration";
const RESOURCE = "/.well-known/oauth-protected-resource/auth/userinfo";
const DOCUMENTS = [DISCOVERY, "/.well-known/oauth-authorization-server", RESOURCE, "/auth/jwks.json"];
const CACHEABLE = "public, max-age=300, stale-while-revalidate=600, stale-if-error=86400";

let postern;
before(async () => {
  postern = await start();
  await postern.keysMade();
});
after(() => postern.close());

test("documents are cacheable JSON with a strong ETag, and 304 if it matches", async () => {
  for (const path of DOCUMENTS) {
    const response = await postern.fetch(path);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "application/json");
    assert.equal(response.headers.get("cache-control"), CACHEABLE);
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
    assert.equal(response.headers.get("access-control-expose-headers"), "ETag, Retry-After, WWW-Authenticate");
    assert.equal(response.headers.get("x-content-type-options"), "nosniff");
    const etag = response.headers.get("etag");
    assert.match(etag, /^"[\w-]{22}"$/);
    for (const condition of [etag, `W/${etag}`, `"a", ${etag}`, "*"]) {
      const again = await postern.fetch(path, { headers: { "if-none-match": condition } });
      assert.equal(again.status, 304, condition);
      assert.equal(again.headers.get("etag"), etag);
      assert.equal(again.headers.get("cache-control"), CACHEABLE);
      assert.equal(await again.text(), "");
    }
    assert.equal((await postern.fetch(path, { headers: { "if-none-match": '"other"' } })).status, 200);
  }
});

test("a warm document needs no promise, D1 or KV", async () => {
  for (const path of DOCUMENTS) await postern.fetch(path);
  await postern.takeCounts();
  for (const path of DOCUMENTS) {
    assert.equal((await postern.fetch(path)).status, 200);
    assert.equal((await postern.fetch(path, { headers: { "if-none-match": "*" } })).status, 304);
  }
  assert.deepEqual(await postern.takeCounts(), { DB: 0, KV: 0, instances: 0, promises: 0 });
});

test("HEAD returns the same as GET, without the body", async () => {
  for (const path of DOCUMENTS) {
    const response = await postern.fetch(path, { method: "HEAD" });
    assert.equal(response.status, 200);
    assert.ok(response.headers.get("etag"));
    assert.equal(await response.text(), "");
  }
});

test("another method returns 405 with Allow, and another path 404 as JSON", async () => {
  for (const [path, allow] of [[DISCOVERY, "GET, HEAD, OPTIONS"], ["/auth/userinfo", "GET, HEAD, POST, OPTIONS"]]) {
    const response = await postern.fetch(path, { method: "DELETE" });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get("allow"), allow);
    assert.equal(response.headers.get("cache-control"), "no-store");
  }
  for (const path of ["/home", "/auth/userinfo/", "/.well-known/openid-configuration/x", "/%2e%2e/etc", "/provoke-panic"]) {
    const response = await postern.fetch(path);
    assert.equal(response.status, 404, path);
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.equal((await response.json()).error, "not_found");
  }
});

test("a preflight response names the methods and headers", async () => {
  const headers = {
    origin: "https://app.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization",
  };
  const response = await postern.fetch("/auth/userinfo", { method: "OPTIONS", headers });
  assert.equal(response.status, 204);
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
  assert.equal(response.headers.get("access-control-allow-methods"), "GET, HEAD, POST");
  assert.equal(response.headers.get("access-control-allow-headers"), "*, Authorization");
  assert.equal(response.headers.get("access-control-max-age"), "86400");
});

test("the Host and forwarding headers do not change the issuer", async () => {
  /** @type {[string, string][]} */
  const headers = [["x-forwarded-host", "evil.example"], ["forwarded", "host=evil.example"]];
  const response = await fetchRaw(new URL(DISCOVERY, postern.url), { headers });
  assert.equal(JSON.parse(response.body).issuer, ISSUER);
});

test("KV is filled after the response, read by the next isolate, and can be emptied at any time", async () => {
  // Three cold isolates on one KV and one D1.
  const [first, second, third] = await startIsolates(3);
  const keys = async () => (await first.env.KV.list()).keys.map((key) => key.name);
  const fetchAll = (isolate) => Promise.all(DOCUMENTS.map(async (path) => (await isolate.fetch(path)).text()));

  await keysMade(first.fetch);
  const bodies = await fetchAll(first);
  const published = await until(keys, (names) => names.length === 3);
  assert.deepEqual(published.map((name) => name.split("/")[0]), ["discovery", "jwks", "protected-resource"]);

  // A body that is only in KV proves that the next isolate reads it there.
  const name = published[0];
  const stored = JSON.parse(await first.env.KV.get(name));
  await first.env.KV.put(name, JSON.stringify({ ...stored, body: '{"from":"KV"}' }));
  assert.equal(await (await second.fetch(DISCOVERY)).text(), '{"from":"KV"}');

  for (const name of published) await first.env.KV.delete(name);
  assert.deepEqual(await fetchAll(third), bodies);
  assert.deepEqual(await until(keys, (names) => names.length === 3), published);
  assert.deepEqual(await fetchAll(first), bodies);
});
