import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { askRaw, start, vectors } from "./harness.mjs";

const table = vectors("userinfo.json");
let postern;

before(async () => {
  postern = await start();
  await postern.env.DB.batch(table.seed.map((sql) => postern.env.DB.prepare(sql)));
});
after(() => postern.close());

test(`the ${table.rows.length} hostile tokens and requests get the answers they get natively`, async () => {
  assert.ok(table.rows.length >= 60);
  for (const row of table.rows) {
    const answer = await askRaw(new URL(row.target, postern.url), row);
    const body = answer.body === "" ? {} : JSON.parse(answer.body);
    assert.equal(answer.status, row.status, `${row.name}: ${answer.body}`);
    assert.equal(body.error ?? null, row.error, row.name);
    assert.ok((body.error_description ?? "").includes(row.words), `${row.name}: ${answer.body}`);
    assert.equal(answer.headers["cache-control"], "no-store");
    const challenge = answer.headers["www-authenticate"] ?? "";
    assert.equal(challenge.split("Bearer ").length - 1, row.status === 200 ? 0 : 1, `${row.name}: ${challenge}`);
    if (row.error !== null) assert.ok(challenge.includes(`error="${row.error}"`), row.name);
  }
});

test("a warm request costs one D1 statement and no KV read", async () => {
  const good = table.rows.find((row) => row.name === "a good token");
  const headers = Object.fromEntries(good.headers);
  const ask = () => postern.ask("/auth/userinfo", { headers });
  assert.equal((await ask()).status, 200);
  await postern.watch();
  assert.deepEqual(await (await ask()).json(), { sub: "alice", email: "alice@example.com" });
  assert.deepEqual(await postern.watch(), { DB: 1, KV: 0, instances: 0, promises: 1 });
});

test("a flood of unknown kids causes at most one search in ten seconds", async () => {
  const row = table.rows.find((row) => row.name === 'kid "unknown"');
  const ask = () => askRaw(new URL(row.target, postern.url), row);
  await postern.watch();
  const begin = Date.now();
  const answers = await Promise.all(Array.from({ length: 200 }, ask));
  // While one is searched for, the others may be told to come back: there is no verdict yet.
  assert.ok(answers.every(({ status, headers }) => status === 401 || (status === 503 && headers["retry-after"])));
  assert.equal((await ask()).status, 401);
  const counts = await postern.watch();
  const searches = 1 + Math.floor((Date.now() - begin) / 10_000);
  assert.ok(counts.KV <= searches && counts.DB <= searches, JSON.stringify(counts));
});
