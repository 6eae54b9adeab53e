// The operator's command line against the module in workerd. command_line.test.mjs tests its arguments.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { commandsAt } from "./command_line.mjs";
import { ADMIN_TOKEN, start } from "./harness.mjs";
import { Browser, PASSWORD, isLogin, putClient, putUser, redeem, refresh, successJson } from "./browser.mjs";

let postern;
let admin;
before(async () => {
  postern = await start();
  admin = commandsAt(postern.url.origin, ADMIN_TOKEN);
});
after(() => postern.close());

/** Runs a command that must succeed and print JSON. */
async function json(args, input) {
  const { out, err, code } = await admin(args, input);
  assert.equal(code, 0, err);
  return JSON.parse(out);
}

test("a user is put, given a password, shown and deleted", async () => {
  const put = await json(["user", "put", "dora", "--login", "Dora", "--password", "correct horse"], '{"name":"Dora"}');
  assert.deepEqual([put.sub, put.login, put.claims, put.has_password], ["dora", "dora", { name: "Dora" }, true]);
  assert.equal((await json(["user", "password", "dora", "--none", "--yes"])).has_password, false);
  assert.equal((await json(["user", "password", "dora"], "battery staple\n")).has_password, true);
  assert.equal((await json(["user", "get", "dora"])).login, "dora");
  assert.equal((await json(["user", "delete", "dora", "--yes"])).sub, "dora");
  const gone = await admin(["user", "get", "dora"]);
  assert.deepEqual([gone.code, gone.out, gone.err.split(":")[0]], [1, "", "not_found"]);
});

test("a login changes and the claims stay", async () => {
  await json(["user", "put", "erin", "--login", "erin@example.com"], '{"name":"Erin","groups":["staff"]}');
  const { login, claims } = await json(["user", "login", "erin", "Erin.New"]);
  assert.deepEqual([login, claims], ["erin.new", { name: "Erin", groups: ["staff"] }]);
  const put = await json(["user", "put", "erin", "--login", "erin"], "");
  assert.deepEqual([put.login, put.claims], ["erin", { name: "Erin", groups: ["staff"] }]);
  const { password } = await json(["user", "password", "erin", "--generate"]);
  assert.match(password, /^[\w-]{20}$/);
});

test("put stores what get prints", async () => {
  await json(["user", "put", "fay", "--login", "f"], '{"name":"Fay","name#ja":"F"}');
  const { out: user } = await admin(["user", "get", "fay"]);
  const stored = await json(["user", "put", "fay"], user);
  assert.deepEqual({ ...stored, updated_at: 0 }, { ...JSON.parse(user), updated_at: 0 });

  const { client_id: id } = await json(["client", "create"], '{"redirect_uris":["https://app.example/cb"]}');
  const { out: client } = await admin(["client", "get", id]);
  // The secret is new, so it is printed again.
  const { client_secret: _, client_secret_expires_at: __, ...put } = await json(["client", "put", id], client);
  assert.deepEqual(put, JSON.parse(client));
  await json(["client", "delete", id, "--yes"]);
});

test("a warning names stored claims that no scope releases, and scopes that nothing serves", async () => {
  await json(["user", "put", "gil"], '{"name":"Gil"}');
  await postern.env.DB.exec(`UPDATE users SET claims = '{"team":"red","name":"Gil"}' WHERE sub = 'gil'`);
  assert.match((await admin(["user", "get", "gil"])).err, /^warning: no scope releases the claim "team", which gil has:/);
  assert.match((await admin(["user", "list"])).err, /^warning: no scope releases the claim "team", which 1 user has:/);
  await json(["user", "delete", "gil", "--yes"]);
  const metadata = '{"redirect_uris":["https://app.example/cb"],"scope":"openid orders:read"}';
  const { out, err } = await admin(["client", "create"], metadata);
  assert.match(err, /^warning: the provider has no scope "orders:read":/);
  await json(["client", "delete", JSON.parse(out).client_id, "--yes"]);
});

test("a warning names each value of a client that is left out, and hosts without encryption", async () => {
  const metadata = {
    redirect_uris: ["desk:/cb", "http://nas.lan:8080/cb"], insecure_redirect_hosts: ["nas.lan"],
    grant_types: ["authorization_code", "password"],
  };
  const { code, out, err } = await admin(["client", "create"], JSON.stringify(metadata));
  const { client_id: id, redirect_uris, grant_types, warnings } = JSON.parse(out);
  assert.deepEqual([code, redirect_uris, grant_types], [0, ["http://nas.lan:8080/cb"], ["authorization_code"]]);
  assert.equal(warnings, undefined);
  assert.match(err, /^warning: grant_types\[1\]: password is left out, because it is not served$/m);
  assert.match(err, /^warning: redirect_uris\[0\]: desk is left out, because a custom scheme must be/m);
  assert.match(err, /^warning: insecure_redirect_hosts\[0\]: anybody in the network of nas\.lan can read/m);
  const { out: client } = await admin(["client", "get", id]);
  assert.match((await admin(["client", "put", id], client)).err, /^warning: insecure_redirect_hosts\[0\]: [^\n]+\n$/);
  await json(["client", "delete", id, "--yes"]);
});

test("a bulk load reports the refused lines, and a listing loads again", async () => {
  const lines = Array.from({ length: 3_000 }, (_, n) => JSON.stringify({ sub: `u${n}`, claims: { name: `U ${n}` } }));
  lines[2_500] = "nonsense";
  const load = await admin(["user", "import"], lines.join("\n"));
  assert.deepEqual([load.code, JSON.parse(load.out)], [1, { stored: 2_999, refused: 1 }]);
  assert.match(load.err, /^line 2501: the document is not a JSON object/m);
  const list = await admin(["user", "list"]);
  assert.equal(list.err, "");
  const users = list.out.trim().split("\n");
  assert.ok(users.length >= 2_999);
  const again = await admin(["user", "import"], list.out);
  assert.deepEqual([again.code, JSON.parse(again.out)], [0, { stored: users.length, refused: 0 }]);
});

test("a token is printed alone, works at userinfo, and ends with its grant", async () => {
  await json(["user", "put", "alice"], "{}");
  const { out } = await admin(["token", "--sub", "alice", "--scope", "openid", "--ttl", "60"]);
  const token = out.trim();
  assert.equal((await postern.userinfo(token)).status, 200);
  const { grant_id: grant } = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
  assert.equal((await json(["grant", "revoke", grant, "--yes"])).grant_id, grant);
  assert.equal((await postern.userinfo(token)).status, 401);
});

test("a client is created, listed and deleted", async () => {
  const created = await json(["client", "create"], '{"redirect_uris":["https://app.example/cb"]}');
  assert.match(created.client_secret, /^[\w-]{43}$/);
  assert.equal((await json(["client", "list"])).client_id, created.client_id);
  assert.equal((await json(["client", "delete", created.client_id, "--yes"])).client_id, created.client_id);
});

test("an initial access token is printed alone, and registers as many clients as --uses says", async () => {
  const { out, code } = await admin(["registration", "token", "--uses", "2", "--ttl", "60"]);
  assert.equal(code, 0);
  const headers = { authorization: `Bearer ${out.trim()}`, "content-type": "application/json" };
  const register = async (client_name) => {
    const body = JSON.stringify({ client_name, redirect_uris: ["https://app.example/cb"] });
    return (await postern.fetch("/auth/register", { method: "POST", headers, body })).status;
  };
  assert.deepEqual([await register("A"), await register("B"), await register("C")], [201, 201, 401]);
  assert.match((await admin(["registration", "token"])).out, /^[\w-]{43}\n$/);
});

/** Runs a command that lists, and returns its lines. */
async function lines(args) {
  const { out, err, code } = await admin(args);
  assert.equal(code, 0, err);
  return out.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

test("what a user has is listed and taken back", async () => {
  await putUser(postern.operator, "hal");
  const app = await putClient(postern.operator, "hals-app");
  const browser = new Browser(postern.fetch);
  const signIn = async () => {
    const code = await browser.codeFor(app, "hal", { scope: "openid offline_access" });
    return successJson(await redeem(postern.fetch, app, code));
  };
  const first = await signIn();
  const [session, ...noOther] = await lines(["session", "list", "--user", "hal"]);
  assert.deepEqual([session.sub, session.clients.map(({ client_id: id }) => id), noOther], ["hal", ["hals-app"], []]);
  assert.deepEqual(await lines(["session", "list", "--client", "hals-app"]), [session]);
  const [grant] = await lines(["grant", "list", "--user", "hal"]);
  assert.deepEqual([grant.client_id, grant.state, grant.session], ["hals-app", "active", session.session]);

  await json(["session", "end", session.session, "--yes"]);
  assert.deepEqual(await lines(["session", "list", "--user", "hal"]), []);
  assert.ok(isLogin(await browser.get("/auth/account")));
  assert.equal((await postern.userinfo(first.access_token)).status, 200, "the grant has offline_access");

  assert.deepEqual((await json(["user", "disable", "hal", "--yes"])).disabled, true);
  assert.equal((await postern.userinfo(first.access_token)).status, 401);
  assert.equal((await json(["user", "enable", "hal"])).disabled, false);
  assert.equal((await postern.userinfo(first.access_token)).status, 200);

  for (const args of [
    ["grant", "revoke", "--user", "hal", "--client", "hals-app", "--yes"], ["grant", "revoke", "--user", "hal", "--yes"],
    ["grant", "revoke", "--client", "hals-app", "--yes"], ["user", "signout", "hal", "--grants", "--yes"],
    ["user", "password", "hal", "--password", PASSWORD, "--grants"],
  ]) {
    const tokens = await signIn();
    await json(args);
    assert.equal((await postern.userinfo(tokens.access_token)).status, 401, args.join(" "));
    assert.equal((await refresh(postern.fetch, app, tokens.refresh_token)).status, 400, args.join(" "));
  }
  const kinds = (await lines(["audit", "--user", "hal"])).map(({ kind }) => kind);
  for (const kind of ["user.disabled", "user.enabled", "session.ended", "grant.revoked"]) assert.ok(kinds.includes(kind), kind);
});

test("a client gets a new secret, and the old one works until its end", async () => {
  const old = await putClient(postern.operator, "renewed");
  await putUser(postern.operator, "ivy");
  const works = async (client) => {
    const code = await new Browser(postern.fetch).codeFor(client, "ivy", { scope: "openid" });
    return (await redeem(postern.fetch, client, code)).status === 200;
  };
  const answer = await json(["client", "secret", "renewed", "--overlap", "1h"]);
  const renewed = { ...old, client_secret: answer.client_secret };
  assert.deepEqual([await works(old), await works(renewed)], [true, true]);
  assert.equal((await json(["client", "get", "renewed"])).previous_secret_ends_at, answer.previous_secret_ends_at);
  const [made] = await lines(["audit", "--kind", "client_secret.made"]);
  assert.deepEqual([made.client_id, made.detail], ["renewed", { overlap: 3_600 }]);
  await json(["client", "secret", "renewed", "--end", "--yes"]);
  assert.deepEqual([await works(old), await works(renewed)], [false, true]);
});

test("an initial access token is listed and revoked, and so is a registration access token", async () => {
  const { out } = await admin(["registration", "token", "--uses", "2"]);
  const send = (method, path, token, body) => postern.fetch(path, {
    method, headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify(body),
  });
  const register = () => send("POST", "/auth/register", out.trim(), { redirect_uris: ["https://app.example/cb"] });
  const client = await (await register()).json();
  const listed = (await lines(["registration", "token", "list"])).find(({ uses_left: left, uses }) => left === 1 && uses === 2);
  await json(["registration", "token", "revoke", listed.initial_access_token, "--yes"]);
  assert.equal((await register()).status, 401);
  const manage = async () => (await send("GET", `/auth/register/${client.client_id}`, client.registration_access_token)).status;
  assert.equal(await manage(), 200);
  await json(["registration", "token", "revoke", "--client", client.client_id, "--yes"]);
  assert.equal(await manage(), 401);
});

test("an error is one line with a non-zero exit", async () => {
  for (const [args, input, complaint, env] of /** @type {[string[], string, RegExp, object?][]} */ ([
    [["user", "put", "x"], "not JSON", /^the claims must be JSON: /],
    [["user", "put", "x"], '{"emial":"x@y"}', /^invalid_request: claims\.emial: /],
    [["user", "put"], "{}", /^user put takes SUB/],
    [["user", "frobnicate"], "", /^there is no command user frobnicate: the commands of user are put, /],
    [["token", "--sub", "x"], "", /^token needs --sub and --scope/],
    [["registration", "token", "--uses", "many"], "", /^--uses must be a whole number$/m],
    [["registration", "token", "--ttl", "0"], "", /^invalid_request: ttl: must be a whole number of seconds from 1/],
    [["client", "create"], "{}", /^invalid_request: redirect_uris: must be/],
    [["user", "list"], "", /does not accept this ADMIN_TOKEN/, { ADMIN_TOKEN: "x".repeat(40) }],
    [["user", "list"], "", /^POSTERN_URL must be an https URL/, { POSTERN_URL: "http://login.example.com" }],
    [["user", "list"], "", /\/tenant has no \/admin: is that the issuer's URL/, { POSTERN_URL: `${postern.url.origin}/tenant` }],
    [["user", "get", "nobody"], "", /^not_found: /],
    [["user", "login", "nobody", "x"], "", /^not_found: /],
    [["user", "list"], "", /^no answer from http:\/\/127\.0\.0\.1:1 /, { POSTERN_URL: "http://127.0.0.1:1" }],
  ])) {
    const { code, out, err } = await admin(args, input, env);
    assert.deepEqual([code, out], [1, ""], args.join(" "));
    assert.match(err, complaint);
    assert.equal(err.trimEnd().split("\n").length, 1, err);
  }
});
