import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fetchRaw, start, vectors } from "./harness.mjs";

const table = vectors("userinfo.json");
let postern;

before(async () => {
  postern = await start();
  await postern.env.DB.batch(table.seed.map((sql) => postern.env.DB.prepare(sql)));
});
after(() => postern.close());

test(`the ${table.rows.length} hostile requests get the same responses as in native tests`, async () => {
  assert.ok(table.rows.length >= 60);
  for (const row of table.rows) {
    const response = await fetchRaw(new URL(row.target, postern.url), row);
    const body = response.body === "" ? {} : JSON.parse(response.body);
    assert.equal(response.status, row.status, `${row.name}: ${response.body}`);
    assert.equal(body.error ?? null, row.error, row.name);
    assert.ok((body.error_description ?? "").includes(row.words), `${row.name}: ${response.body}`);
    assert.equal(response.headers["cache-control"], "no-store");
    const challenge = response.headers["www-authenticate"] ?? "";
    assert.equal(challenge.split("Bearer ").length - 1, row.status === 200 ? 0 : 1, `${row.name}: ${challenge}`);
    // RFC 6750 section 3.1: no code in the challenge of a request without a token.
    const isNamed = row.error !== null && !row.words.endsWith("is needed");
    assert.equal(challenge.includes(`error="${row.error}"`), isNamed, row.name);
  }
});

test("a warm request costs one D1 statement and no KV read", async () => {
  const good = table.rows.find((row) => row.name === "a good token");
  const headers = Object.fromEntries(good.headers);
  const send = () => postern.fetch("/auth/userinfo", { headers });
  assert.equal((await send()).status, 200);
  await postern.takeCounts();
  assert.deepEqual(await (await send()).json(), { sub: "alice", email: "alice@example.com" });
  assert.deepEqual(await postern.takeCounts(), { DB: 1, KV: 0, instances: 0, promises: 1 });
});

test("many requests with an unknown kid cause at most one search in ten seconds", async () => {
  const row = table.rows.find(({ name }) => name === 'kid "unknown"');
  const send = () => fetchRaw(new URL(row.target, postern.url), row);
  await postern.takeCounts();
  const begin = Date.now();
  const responses = await Promise.all(Array.from({ length: 200 }, send));
  // During a search other requests can get 503 with Retry-After, because the kid may turn out to be known.
  assert.ok(responses.every(({ status, headers }) => status === 401 || (status === 503 && headers["retry-after"])));
  assert.equal((await send()).status, 401);
  const counts = await postern.takeCounts();
  const searches = 1 + Math.floor((Date.now() - begin) / 10_000);
  assert.ok(counts.KV <= searches && counts.DB <= searches, JSON.stringify(counts));
});
