// The audit trail in workerd: the events of concurrent acts, and the command that lists them.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import {
  Browser, authorizePath, formOf, putClient, putUser, redeem, refresh, successJson,
} from "./browser.mjs";
import { commandsAt } from "./command_line.mjs";
import { ADMIN_TOKEN, start } from "./harness.mjs";

const MANY = 200;

let worker;
let admin;
let app;
before(async () => {
  worker = await start();
  await worker.keysMade();
  admin = commandsAt(worker.url.origin, ADMIN_TOKEN);
  await putUser(worker.operator, "alice");
  app = await putClient(worker.operator, "app");
});
after(() => worker.close());
beforeEach(() => worker.env.DB.prepare("DELETE FROM audit_events").run());

/** Returns the events that the command prints. */
async function events(...options) {
  const { out, err, code } = await admin(["audit", ...options]);
  assert.equal(code, 0, err);
  return out.trimEnd().split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

const kinds = async (...options) => (await events(...options)).map(({ kind }) => kind);

const offline = { scope: "openid offline_access", prompt: "consent" };

test("a sign-in, a failure and a consent are listed with user, client and network", async () => {
  const alice = new Browser(worker.fetch, { address: "198.51.100.7" });
  const { action, fields } = formOf(await alice.get(authorizePath(app)));
  await alice.post(action, { ...fields, login: "alice", password: "a guess" });
  await alice.codeFor(app, "alice", offline);
  const found = await events();
  assert.deepEqual(found.map(({ kind, actor, sub, client_id: id, network }) => [kind, actor, sub, id, network].join(" ")).sort(), [
    "consent.given user alice app 198.51.100.0/24",
    "sign_in.failed user alice app 198.51.100.0/24",
    "sign_in.succeeded user alice app 198.51.100.0/24",
  ]);
  const { detail } = found.find(({ kind }) => kind === "consent.given");
  assert.equal(detail.scope, "openid offline_access");
  assert.deepEqual(await kinds("--kind", "sign_in.failed", "--user", "alice", "--client", "app", "--since", "1h"), ["sign_in.failed"]);
  assert.deepEqual(await kinds("--user", "bob"), []);
  assert.deepEqual(await kinds("--until", "2020-01-01"), []);
});

test(`of ${MANY} concurrent redemptions and refreshes, one event has the reason of the revocation`, async () => {
  const browser = new Browser(worker.fetch);
  const code = await browser.codeFor(app, "alice", offline);
  await Promise.all(Array.from({ length: MANY }, () => redeem(worker.fetch, app, code)));
  const [{ detail }, ...others] = await events("--kind", "grant.revoked");
  assert.deepEqual([detail.reason, others], ["code_replayed", []]);

  const first = await successJson(await redeem(worker.fetch, app, await browser.codeFor(app, "alice", offline)));
  const second = await successJson(await refresh(worker.fetch, app, first.refresh_token));
  await successJson(await refresh(worker.fetch, app, second.refresh_token));
  await Promise.all(Array.from({ length: MANY }, () => refresh(worker.fetch, app, first.refresh_token)));
  const reasons = (await events("--kind", "grant.revoked")).map(({ detail: { reason } }) => reason);
  assert.deepEqual(reasons.sort(), ["code_replayed", "refresh_token_reused"]);
});

test(`of ${MANY} concurrent deletions and sign-ins, each act has its event`, async () => {
  await putUser(worker.operator, "carol");
  await putClient(worker.operator, "short-lived");
  const carol = new Browser(worker.fetch);
  const { action, fields } = formOf(await carol.get(authorizePath(app)));
  const delayed = Array.from({ length: MANY }, (_, index) => index % 40 === 0
    ? carol.post(action, { ...fields, login: "carol", password: "a guess" })
    : worker.operator("DELETE", index % 2 ? "/admin/users/carol" : "/admin/clients/short-lived"));
  const statuses = (await Promise.all(delayed)).map(({ status }) => status);
  const counted = statuses.filter((_, index) => index % 40 === 0).filter((status) => status === 403).length;
  const found = await kinds();
  const count = (kind) => found.filter((known) => known === kind).length;
  assert.deepEqual([count("user.deleted"), count("client.deleted")], [1, 1]);
  assert.equal(count("sign_in.failed"), counted, String(statuses));
});

test("an import has an event for each user who is new or has changed", async () => {
  const lines = Array.from({ length: MANY }, (_, index) => JSON.stringify({ sub: `user-${index}`, claims: { name: `N ${index}` } }));
  const load = (text) => admin(["user", "import"], text);
  assert.equal((await load(lines.join("\n"))).code, 0);
  assert.deepEqual([...new Set(await kinds("--limit", "1000"))], ["user.created"]);
  assert.equal((await events("--limit", "1000")).length, MANY);
  assert.equal((await load(`${lines.join("\n")}\n{"sub":"user-7","claims":{"name":"Other"}}`)).code, 0);
  const [event, ...others] = await events("--kind", "user.updated");
  assert.deepEqual([event.sub, event.detail, others], ["user-7", { changed: ["claims"] }, []]);
});

test("a wrong kind is refused with the names of all kinds", async () => {
  const { code, err } = await admin(["audit", "--kind", "sign_in"]);
  assert.equal(code, 1);
  assert.match(err, /^invalid_request: kind: must be one of client\.created /);
});
