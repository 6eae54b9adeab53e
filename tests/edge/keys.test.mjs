import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { start, startIsolates } from "./harness.mjs";

let close = () => {};
afterEach(() => close());

const countKeys = async (env) => (await env.DB.prepare("SELECT count(*) AS n FROM signing_keys").first()).n;

test("requests racing for the first key leave one key", async () => {
  const postern = await start();
  close = postern.close;
  await postern.putAlice();
  const [first, ...rest] = await Promise.all([
    ...Array.from({ length: 20 }, async () => (await postern.ask("/auth/jwks.json")).text()),
    ...Array.from({ length: 20 }, async () => {
      const { access_token: token } = await postern.mint();
      assert.equal((await postern.userinfo(token)).status, 200);
      return (await postern.ask("/auth/jwks.json")).text();
    }),
  ]);
  assert.equal(JSON.parse(first).keys.length, 1);
  assert.ok(rest.every((body) => body === first));
  assert.equal(await countKeys(postern.env), 1);
});

test("isolates racing for the first key leave one key", async () => {
  const isolates = await startIsolates(8);
  const fetchJwks = async (isolate) => (await isolate.ask("/auth/jwks.json")).text();
  const [first, ...rest] = await Promise.all(isolates.flatMap((isolate) => [fetchJwks(isolate), fetchJwks(isolate)]));
  assert.equal(JSON.parse(first).keys.length, 1);
  assert.ok(rest.every((body) => body === first));
  assert.equal(await countKeys(isolates[0].env), 1);
});

test("without KEY_ENCRYPTION_KEY the keys are served and the operator is told", async () => {
  const postern = await start({ secrets: { KEY_ENCRYPTION_KEY: "" } });
  close = postern.close;
  await postern.putAlice();
  const response = await postern.ask("/auth/jwks.json");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.deepEqual(await response.json(), { keys: [] });
  const { status, body } = await postern.operator("POST", "/admin/tokens", { sub: "alice", scope: "openid" });
  assert.equal(status, 500);
  assert.match(body.error_description, /^KEY_ENCRYPTION_KEY is not set/);
  assert.equal((await postern.env.KV.list()).keys.length, 0);
});

test("a wrong ISSUER answers every request by naming the variable", async () => {
  const postern = await start({ vars: { ISSUER: "http://example.com" } });
  close = postern.close;
  for (const path of ["/.well-known/openid-configuration", "/auth/jwks.json", "/auth/userinfo", "/x"]) {
    const response = await postern.ask(path);
    assert.equal(response.status, 500);
    assert.match((await response.json()).error_description, /^ISSUER must begin with https/);
  }
});
