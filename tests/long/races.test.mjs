// Many concurrent requests for changes that must happen once.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { MANY, MANY_PREPARED, WHERE, atOnce, counted } from "./at_once.mjs";
import { startIsolates } from "../edge/harness.mjs";
import {
  Browser, authorizePath, formOf, successJson, isLogin, putClient, introspect, putUser, redeem, refresh, revoke, assertError,
} from "../edge/browser.mjs";

const SCOPE = { scope: "openid offline_access", prompt: "consent" };

const tokenRows = async (env) =>
  (await env.DB.prepare("SELECT grant_id, spent_at FROM refresh_tokens ORDER BY spent_at IS NULL").all()).results;

const userinfo = (fetch, token) => fetch("/auth/userinfo", { headers: { authorization: `Bearer ${token}` } });

let isolates;
before(async () => {
  isolates = await startIsolates(4);
  await putUser(isolates[0].operator, "alice");
});

for (const { where, count } of WHERE) {
  const all = () => isolates.slice(0, count);

  test(`of ${MANY} concurrent redemptions in ${where} one succeeds, and its grant is revoked`, async () => {
    const [{ fetch, operator, env }] = all();
    const app = await putClient(operator, `code-${count}`);
    const code = await new Browser(fetch).codeFor(app, "alice", SCOPE);
    const responses = await atOnce(all(), ({ fetch }) => redeem(fetch, app, code));
    assert.deepEqual(counted(responses), { 200: 1, 400: MANY - 1 });
    const winner = await successJson(responses.find(({ status }) => status === 200));
    for (const loser of responses.filter(({ status }) => status === 400)) await assertError(loser, "invalid_grant");

    const sql = "SELECT count(*) AS grants, count(revoked_at) AS revoked FROM grants WHERE client_id = ?";
    assert.deepEqual(await env.DB.prepare(sql).bind(app.client_id).first(), { grants: 1, revoked: 1 });
    assert.equal((await userinfo(fetch, winner.access_token)).status, 401);
    await assertError(await refresh(fetch, app, winner.refresh_token), "invalid_grant");
  });

  test(`${MANY_PREPARED} redemptions in ${where} beside the logout leave no token that lives without offline_access`, async () => {
    const [{ fetch, operator }] = all();
    const app = await putClient(operator, `logout-${count}`);
    const browser = new Browser(fetch);
    const online = { scope: "openid" };
    const hintOf = async (code) => (await successJson(await redeem(fetch, app, code))).id_token;
    const hint = await hintOf(await browser.codeFor(app, "alice", online));
    const codes = [];
    for (let number = 0; number < MANY_PREPARED; number++) codes.push(await browser.codeFor(app, "alice", online));
    // The logout begins when the first redemptions are answered, while the others are on their way.
    let answered = 0;
    let loggedOut;
    const responses = await atOnce(all(), async ({ fetch: send }) => {
      const response = await redeem(send, app, codes.pop());
      answered += 1;
      if (answered === 3) loggedOut = send(`/auth/logout?${new URLSearchParams({ id_token_hint: hint })}`);
      return response;
    }, MANY_PREPARED);
    assert.equal((await loggedOut).status, 200);
    const redeemed = responses.filter(({ status }) => status === 200);
    assert.ok(redeemed.length > 0);
    for (const response of responses.filter((one) => !redeemed.includes(one))) await assertError(response, "invalid_grant");
    for (const response of redeemed) {
      const { access_token: token } = await successJson(response);
      assert.equal((await userinfo(fetch, token)).status, 401);
    }
    assert.ok(isLogin(await browser.get("/auth/account")));
  });

  for (const by of ["user", "client"]) {
    test(`of ${MANY} concurrent refreshes in ${where} no token is left after the grants of the ${by} are revoked`, async () => {
      const [{ fetch, operator }] = all();
      const app = await putClient(operator, `revoked-${by}-${count}`);
      const first = await successJson(await redeem(fetch, app, await new Browser(fetch).codeFor(app, "alice", SCOPE)));
      const [responses] = await Promise.all([
        atOnce(all(), ({ fetch }) => refresh(fetch, app, first.refresh_token)),
        operator("POST", "/admin/grants/revoke", { [by]: by === "user" ? "alice" : app.client_id }),
      ]);
      const counts = counted(responses);
      assert.equal((counts[200] ?? 0) + (counts[400] ?? 0), MANY);
      for (const response of responses.filter(({ status }) => status === 200)) {
        const tokens = await response.json();
        assert.equal((await userinfo(fetch, tokens.access_token)).status, 401);
        await assertError(await refresh(fetch, app, tokens.refresh_token), "invalid_grant");
      }
      await assertError(await refresh(fetch, app, first.refresh_token), "invalid_grant");
    });
  }

  test(`${MANY} concurrent refreshes in ${where} get the same successor`, async () => {
    const [{ fetch, operator, env }] = all();
    const app = await putClient(operator, `refresh-${count}`);
    await env.DB.prepare("DELETE FROM refresh_tokens").run();
    const first = await successJson(await redeem(fetch, app, await new Browser(fetch).codeFor(app, "alice", SCOPE)));
    assert.equal((await tokenRows(env)).length, 1);

    const responses = await atOnce(all(), ({ fetch }) => refresh(fetch, app, first.refresh_token));
    assert.deepEqual(counted(responses), { 200: MANY });
    const tokens = await Promise.all(responses.map(successJson));
    const successors = new Set(tokens.map(({ refresh_token: token }) => token));
    assert.equal(successors.size, 1);
    assert.equal(new Set(tokens.map(({ access_token: token }) => token)).size, MANY);
    const rows = await tokenRows(env);
    assert.deepEqual(rows.map(({ spent_at: spentAt }) => spentAt !== null), [true, false], "one old token, one new one");

    const [successor] = successors;
    assert.ok(!successors.has(first.refresh_token));
    const second = await successJson(await refresh(fetch, app, successor));
    assert.equal((await userinfo(fetch, second.access_token)).status, 200);

    await assertError(await refresh(fetch, app, first.refresh_token), "invalid_grant");
    assert.equal((await userinfo(fetch, second.access_token)).status, 401, "theft revokes the grant");
    await assertError(await refresh(fetch, app, second.refresh_token), "invalid_grant");
  });
}

for (const { where, count } of WHERE) {
  test(`no token of a grant survives its revocation amid ${MANY} refreshes in ${where}`, async () => {
    const all = isolates.slice(0, count);
    const [{ fetch, operator, env }] = all;
    const app = await putClient(operator, `revoked-${count}`);
    const first = await successJson(await redeem(fetch, app, await new Browser(fetch).codeFor(app, "alice", SCOPE)));
    // A client that refreshes again and again, and revokes what it has in the middle.
    const refreshed = [first];
    const chain = async ({ fetch }, index) => {
      let token = first.refresh_token;
      for (let length = 0; length < 4; length += 1) {
        if (index === Math.min(MANY / 2, 200) && length === 1) {
          const response = await revoke(fetch, app, token);
          assert.equal(response.status, 200, await response.text());
          return;
        }
        const response = await refresh(fetch, app, token);
        if (response.status !== 200) return;
        const tokens = await successJson(response);
        refreshed.push(tokens);
        token = tokens.refresh_token;
      }
    };
    await atOnce(all, chain);
    assert.ok(refreshed.length > 1, "no refresh came before the revocation");
    const sql = "SELECT count(*) AS grants, count(revoked_at) AS revoked FROM grants WHERE client_id = ?";
    assert.deepEqual(await env.DB.prepare(sql).bind(app.client_id).first(), { grants: 1, revoked: 1 });
    for (const { access_token: access, refresh_token: token } of refreshed.slice(-20)) {
      assert.equal((await userinfo(fetch, access)).status, 401);
      await assertError(await refresh(fetch, app, token), "invalid_grant");
      for (const one of [access, token]) assert.deepEqual(await successJson(await introspect(fetch, app, one)), { active: false });
    }
  });

  test(`of ${MANY} concurrent revocations of an access token in ${where} each succeeds, and one row is left`, async () => {
    const all = isolates.slice(0, count);
    const [{ fetch, operator, env }] = all;
    const app = await putClient(operator, `revoking-${count}`);
    const tokens = await successJson(await redeem(fetch, app, await new Browser(fetch).codeFor(app, "alice", SCOPE)));
    const { jti } = JSON.parse(Buffer.from(tokens.access_token.split(".")[1], "base64url").toString());
    const responses = await atOnce(all, ({ fetch }) => revoke(fetch, app, tokens.access_token));
    assert.deepEqual(counted(responses), { 200: MANY });
    const sql = "SELECT count(*) AS rows FROM revoked_tokens WHERE jti = ?";
    assert.deepEqual(await env.DB.prepare(sql).bind(jti).first(), { rows: 1 });
    assert.equal((await userinfo(fetch, tokens.access_token)).status, 401);
    assert.equal((await refresh(fetch, app, tokens.refresh_token)).status, 200);
  });
}

for (const what of ["user", "client"]) {
  test(`no token survives the deletion of its ${what} amid ${MANY_PREPARED} requests`, async () => {
    const [{ fetch, operator, env }] = isolates;
    const [user, app] = [`${what}-user`, await putClient(operator, `${what}-client`)];
    await putUser(operator, user);
    const browser = new Browser(fetch);
    const code = () => browser.codeFor(app, user, { scope: "openid offline_access" });
    const [codes, tokens] = [[], []];
    for (let number = 0; number < MANY_PREPARED / 4; number += 1) {
      codes.push(await code());
      tokens.push(await successJson(await redeem(fetch, app, await code())));
    }

    const requests = codes.flatMap((code, index) => [
      ({ fetch }) => redeem(fetch, app, code),
      ({ fetch }) => refresh(fetch, app, tokens[index].refresh_token),
      ({ fetch }) => userinfo(fetch, tokens[index].access_token),
      ({ operator }) => operator("DELETE", `/admin/${what}s/${what === "user" ? user : app.client_id}`),
    ]);
    const responses = await Promise.all(requests.map((send, index) => send(isolates[index % isolates.length])));
    const deletions = counted(responses.filter((_, index) => index % 4 === 3));
    // The deletion of a user returns its time each time; a client is gone after the first.
    assert.equal(what === "user" ? deletions[200] : deletions[200] + deletions[404], MANY_PREPARED / 4, JSON.stringify(deletions));
    for (const response of responses.filter(({ status }, index) => index % 4 < 2 && status === 200)) {
      tokens.push(await successJson(response));
    }
    for (const { access_token: token, refresh_token: refreshToken } of tokens) {
      assert.equal((await userinfo(fetch, token)).status, 401);
      const [error, status] = what === "user" ? ["invalid_grant", 400] : ["invalid_client", 401];
      await assertError(await refresh(fetch, app, refreshToken), error, status);
    }
    const left = "SELECT count(*) AS left FROM grants WHERE client_id = ? AND revoked_at IS NULL";
    assert.deepEqual(await env.DB.prepare(left).bind(app.client_id).first(), { left: 0 });
  });
}

test(`of ${MANY} concurrent wrong passwords, only the free attempts are checked`, async () => {
  const [{ fetch, operator }] = isolates;
  const mallory = new Browser(fetch, { address: "203.0.113.5" });
  const path = authorizePath(await putClient(operator, "guessed"));
  const page = await mallory.get(path);
  const { action, fields } = formOf(page);
  const begin = Date.now();
  const pages = await atOnce([fetch], (_, index) =>
    mallory.post(action, { ...fields, login: "alice", password: `guess ${index}` }));
  // After five free attempts the next is checked a second later, the one after it two seconds later, and so on.
  const seconds = Math.ceil((Date.now() - begin) / 1_000) + 1;
  const free = 5 + Math.floor(Math.log2(seconds + 1));
  const { 403: checked, 429: refused, ...others } = counted(pages);
  assert.deepEqual([others, checked + refused], [{}, MANY]);
  assert.ok(checked >= 5 && checked <= free, `${checked} were checked in ${seconds} s`);
  for (const page of pages.filter(({ status }) => status === 429)) {
    assert.ok(Number(page.headers.get("retry-after")) >= 1);
    assert.ok(isLogin(page));
  }
  assert.match([...mallory.cookies.keys()].join(), /^__Host-postern-browser\.[\w-]{8}$/);

  // The user, who has another address, is not locked out.
  const alice = new Browser(fetch, { address: "192.0.2.1" });
  await alice.signInOn(await alice.get(path), "alice");
  assert.ok(alice.cookies.has("__Host-postern-session"));
});
