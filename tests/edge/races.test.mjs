// What must happen once, asked for two hundred times at once.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { startIsolates } from "./harness.mjs";
import {
  Visitor, authorizePath, formOf, granted, isLogin, putApp, putUser, redeem, refresh, refused,
} from "./visitor.mjs";

const MANY = 200;
const SCOPE = { scope: "openid offline_access", prompt: "consent" };

/** Asks many times at once, in turn by each of `asks`. */
const atOnce = (asks, send) => Promise.all(Array.from({ length: MANY }, (_, index) => send(asks[index % asks.length])));

const counted = (responses) => {
  const counts = {};
  for (const { status } of responses) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

const tokenRows = async (env) =>
  (await env.DB.prepare("SELECT grant_id, spent_at FROM refresh_tokens ORDER BY spent_at IS NULL").all()).results;

const userinfo = (ask, token) => ask("/auth/userinfo", { headers: { authorization: `Bearer ${token}` } });

let isolates;
before(async () => {
  isolates = await startIsolates(4);
  await putUser(isolates[0].operator, "alice");
});

for (const [where, count] of [["one isolate", 1], ["four isolates", 4]]) {
  const all = () => isolates.slice(0, count);

  test(`of ${MANY} redemptions of a code at once in ${where}, one succeeds, and its grant is revoked`, async () => {
    const [{ ask, operator, env }] = all();
    const app = await putApp(operator, `code-${count}`);
    const code = await new Visitor(ask).codeFor(app, "alice", SCOPE);
    const responses = await atOnce(all(), ({ ask }) => redeem(ask, app, code));
    assert.deepEqual(counted(responses), { 200: 1, 400: MANY - 1 });
    const winner = await granted(responses.find(({ status }) => status === 200));
    for (const loser of responses.filter(({ status }) => status === 400)) await refused(loser, "invalid_grant");

    const sql = "SELECT count(*) AS grants, count(revoked_at) AS revoked FROM grants WHERE client_id = ?";
    assert.deepEqual(await env.DB.prepare(sql).bind(app.client_id).first(), { grants: 1, revoked: 1 });
    assert.equal((await userinfo(ask, winner.access_token)).status, 401);
    await refused(await refresh(ask, app, winner.refresh_token), "invalid_grant");
  });

  test(`${MANY} uses of a refresh token at once in ${where} rotate it once, and all get its one successor`, async () => {
    const [{ ask, operator, env }] = all();
    const app = await putApp(operator, `refresh-${count}`);
    await env.DB.prepare("DELETE FROM refresh_tokens").run();
    const first = await granted(await redeem(ask, app, await new Visitor(ask).codeFor(app, "alice", SCOPE)));
    assert.equal((await tokenRows(env)).length, 1);

    const responses = await atOnce(all(), ({ ask }) => refresh(ask, app, first.refresh_token));
    assert.deepEqual(counted(responses), { 200: MANY });
    const answers = await Promise.all(responses.map(granted));
    const successors = new Set(answers.map(({ refresh_token: token }) => token));
    assert.equal(successors.size, 1);
    assert.equal(new Set(answers.map(({ access_token: token }) => token)).size, MANY);
    const rows = await tokenRows(env);
    assert.deepEqual(rows.map(({ spent_at: spentAt }) => spentAt !== null), [true, false], "one was spent, one made");

    const [successor] = successors;
    assert.ok(!successors.has(first.refresh_token));
    const second = await granted(await refresh(ask, app, successor));
    assert.equal((await userinfo(ask, second.access_token)).status, 200);

    await refused(await refresh(ask, app, first.refresh_token), "invalid_grant");
    assert.equal((await userinfo(ask, second.access_token)).status, 401, "a theft ends what came of either");
    await refused(await refresh(ask, app, second.refresh_token), "invalid_grant");
  });
}

test(`of ${MANY} wrong passwords at once, no more are looked at than are free`, async () => {
  const [{ ask, operator }] = isolates;
  const mallory = new Visitor(ask, { address: "203.0.113.5" });
  const path = authorizePath(await putApp(operator, "guessed"));
  const page = await mallory.get(path);
  const { action, fields } = formOf(page);
  const begin = Date.now();
  const pages = await Promise.all(Array.from({ length: MANY }, (_, index) => {
    return mallory.post(action, { ...fields, login: "alice", password: `guess ${index}` });
  }));
  // After five, the next is looked at a second later, the one after that two seconds later, and so on.
  const seconds = Math.ceil((Date.now() - begin) / 1_000) + 1;
  const free = 5 + Math.floor(Math.log2(seconds + 1));
  const { 403: looked, 429: turned, ...others } = counted(pages);
  assert.deepEqual([others, looked + turned], [{}, MANY]);
  assert.ok(looked >= 5 && looked <= free, `${looked} were looked at in ${seconds} s`);
  for (const page of pages.filter(({ status }) => status === 429)) {
    assert.ok(Number(page.headers.get("retry-after")) >= 1);
    assert.ok(isLogin(page));
  }
  assert.deepEqual([...mallory.cookies.keys()], ["__Host-postern-browser"]);

  // The account's owner, who comes from elsewhere, is not locked out.
  const alice = new Visitor(ask, { address: "192.0.2.1" });
  await alice.signInOn(await alice.get(path), "alice");
  assert.ok(alice.cookies.has("__Host-postern-session"));
});
