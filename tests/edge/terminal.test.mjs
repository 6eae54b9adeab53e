// The operator's command line at a terminal: prompts, passwords, confirmations and tables.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { WITHOUT_SCRIPT, commandsAt, startStandIn, terminalAt } from "./command_line.mjs";

const PASSWORD = "correct horse battery";
const ENTER = "\r";
const CTRL_C = "\x03";

describe("at a terminal", { skip: WITHOUT_SCRIPT }, () => {
  let provider;
  let postern;

  before(async () => {
    provider = await startStandIn();
    postern = terminalAt(provider.url);
  });
  after(() => provider.close());
  beforeEach(() => {
    provider.users.clear();
    provider.users.set("alice", {
      sub: "alice", login: "al", claims: { name: "Alice", email: "a@example.com" }, has_password: true, created_at: 60,
    });
    provider.clients.set("wiki", { client_id: "wiki", client_name: "Wiki\x9b31m\u202e", trusted: true });
    provider.requests();
  });

  test("a password is typed twice and never shown", async () => {
    const { code, screen } = await postern(["user", "password", "alice"],
      [["New password: ", PASSWORD + ENTER], ["Again: ", PASSWORD + ENTER]]);
    assert.equal(code, 0, screen);
    assert.deepEqual(provider.requests().map(({ body }) => JSON.parse(body)), [{ password: PASSWORD }]);
    assert.doesNotMatch(screen, /horse/);
  });

  test("two different passwords change nothing, and Ctrl-C ends the command", async () => {
    const { code, screen } = await postern(["user", "password", "alice"],
      [["New password: ", PASSWORD + ENTER], ["Again: ", `other${ENTER}`]]);
    assert.equal(code, 1);
    assert.match(screen, /\nthe passwords differ: nothing was changed\n$/);
    assert.equal((await postern(["user", "password", "alice"], [["New password: ", CTRL_C]])).code, 130);
    assert.deepEqual(provider.requests(), []);
  });

  test("--generate prints the password", async () => {
    const { screen } = await postern(["user", "password", "alice", "--generate"]);
    assert.equal(/^password +(\S+)$/m.exec(screen)?.[1], JSON.parse(provider.requests()[0].body).password);
  });

  test("destructive commands are confirmed first", async () => {
    for (const [args, question, path] of [
      [["user", "delete", "alice"], "Delete the user alice at ", "/admin/users/alice"],
      [["user", "password", "alice", "--none"], "Remove the password of alice at ", "/admin/users/alice/password"],
      [["client", "delete", "wiki"], "Delete the client wiki at ", "/admin/clients/wiki"],
      [["grant", "revoke", "g1"], "Revoke the grant g1 at ", "/admin/grants/g1"],
    ]) {
      for (const keys of [ENTER, `n${ENTER}`, `yesterday${ENTER}`]) {
        const { code, screen } = await postern(args, [["[y/N] ", keys]]);
        assert.equal(code, 1);
        assert.ok(screen.includes(question + provider.url), screen);
        assert.match(screen, /not confirmed: nothing was changed\n$/);
      }
      assert.deepEqual(provider.requests(), []);
      provider.users.set("alice", { sub: "alice", claims: {} });
      const confirmed = await postern(args, [["[y/N] ", `y${ENTER}`]]);
      assert.equal(confirmed.code, 0, confirmed.screen);
      assert.deepEqual(provider.requests(), [{ method: "DELETE", path, body: "" }]);
    }
    const { screen } = await postern(["grant", "revoke", "g1", "--yes"]);
    assert.doesNotMatch(screen, /y\/N/);
  });

  test("user put with --login does not wait for a document", async () => {
    for (const redirect of ["", "< /dev/null"]) {
      const { code, screen } = await postern(["user", "put", "alice", "--login", "liddell"], [], redirect);
      assert.equal(code, 0, screen);
      assert.deepEqual(JSON.parse(provider.requests()[0].body), { login: "liddell" });
    }
    const typed = await postern(["user", "put", "alice"], [["end with Ctrl-D\x1b[K\r\n", `{"name":"A"}\r\x04`]]);
    assert.equal(typed.code, 0, typed.screen);
    assert.deepEqual(JSON.parse(provider.requests()[0].body), { claims: { name: "A" } });
  });

  test("a table is shown, and JSON with --json or in a pipe", async () => {
    provider.users.set("b", { sub: "b", login: "b", claims: {}, has_password: false });
    assert.equal((await postern(["user", "list"])).screen, [
      "SUB    LOGIN  NAME   EMAIL          PASSWORD  DISABLED",
      "alice  al     Alice  a@example.com  yes       no",
      "b      b                            no        no",
      "",
    ].join("\n"));
    assert.equal((await postern(["user", "get", "alice"])).screen, [
      "sub           alice",
      "login         al",
      "claims.name   Alice",
      "claims.email  a@example.com",
      "has_password  true",
      "created_at    1970-01-01T00:01:00Z",
      "",
    ].join("\n"));
    provider.pages.push({ events: [
      { id: "60.x", at: 60, kind: "grant.revoked", actor: "provider", sub: "alice", client_id: "wiki",
        network: "192.0.2.0/24", detail: { reason: "code_replayed", grant_id: "g" } },
      { id: "0.y", at: 0, kind: "key.created", actor: "provider" },
    ] });
    assert.equal((await postern(["audit"])).screen, [
      "TIME                  KIND           ACTOR     USER   CLIENT  NETWORK       DETAIL",
      "1970-01-01T00:01:00Z  grant.revoked  provider  alice  wiki    192.0.2.0/24  reason=code_replayed grant_id=g",
      "1970-01-01T00:00:00Z  key.created    provider",
      "",
    ].join("\n"));
    provider.pages.push({ sessions: [
      { session: "s1", sub: "alice", signed_in_at: 60, used_at: 120, clients: [{ client_id: "wiki" }, { client_id: "app" }] },
    ] });
    assert.equal((await postern(["session", "list"])).screen, [
      "SESSION  USER   SIGNED_IN             USED                  CLIENTS",
      "s1       alice  1970-01-01T00:01:00Z  1970-01-01T00:02:00Z  wiki app",
      "",
    ].join("\n"));
    provider.pages.push({ grants: [
      { grant_id: "g1", sub: "alice", client_id: "wiki", state: "active", created_at: 60, used_at: 120, scope: "openid" },
    ] });
    assert.equal((await postern(["grant", "list", "--user", "alice"])).screen, [
      "GRANT  USER   CLIENT  STATE   MADE                  USED                  SESSION  SCOPE",
      "g1     alice  wiki    active  1970-01-01T00:01:00Z  1970-01-01T00:02:00Z           openid",
      "",
    ].join("\n"));
    provider.pages.push({ initial_access_tokens: [
      { initial_access_token: "abc", uses: 3, uses_left: 2, resources: [], created_at: 60, expires_at: 120 },
    ] });
    assert.equal((await postern(["registration", "token", "list"])).screen, [
      "TOKEN  USES_LEFT  USES  MADE                  EXPIRES               RESOURCES",
      "abc    2          3     1970-01-01T00:01:00Z  1970-01-01T00:02:00Z",
      "",
    ].join("\n"));
    const line = '{"sub":"b","login":"b","claims":{},"has_password":false}\n';
    assert.equal((await postern(["user", "get", "b", "--json"])).screen, line);
    assert.equal((await postern(["user", "get", "b"], [], "| cat")).screen, line);
  });

  test("a stranger's text cannot control the terminal, in any command", async () => {
    const controls = "\n\r\x1b]0;x\x07\x7f\x9b31m\u061c\u200b\u202e\u2028\u2066\ufeff\u{e0041}";
    const escapes = String.raw`\u000a\u000d\u001b]0;x\u0007\u007f\u009b31m\u061c\u200b\u202e\u2028\u2066\ufeff\udb40\udc41`;
    const inJson = escapes.replace("\\u000a\\u000d", "\\n\\r");
    const client = { client_id: "wiki", client_name: `W${controls}ki`, redirect_uris: [`https://${controls}`], scope: controls };
    provider.clients.set("wiki", client);
    provider.users.set("alice", { sub: "alice", login: `a${controls}`, claims: { name: controls, [`x${controls}`]: 1 } });
    const event = { id: "60.x", at: 60, kind: "consent.given", client_id: `https://${controls}`, detail: { scope: controls } };
    provider.damaged.push(`damaged ${controls}`);
    for (const [args, isJson = false] of /** @type {[string[], boolean?][]} */ ([
      [["client", "list"]], [["client", "list", "--json"], true], [["client", "get", "wiki"]],
      [["client", "get", "wiki", "--json"], true], [["user", "list"]], [["user", "list", "--json"], true],
      [["user", "get", "alice"]], [["user", "get", "alice", "--json"], true],
      [["audit"]], [["audit", "--json"], true],
      [["client", "get", `gone ${controls}`]], [["client", "delete", "wiki", "--yes"]],
    ])) {
      provider.pages.push({ events: [event] });
      const { screen } = await postern(args);
      assert.ok(screen.includes(isJson ? inJson : escapes), `${args}: ${screen}`);
      // What note() itself prints around its line.
      const shown = screen.replaceAll("\r", "").replaceAll("\x1b[K", "");
      assert.doesNotMatch(shown, /(?!\n)[\p{Cc}\p{Cf}\p{Zl}]/u, `${args}`);
      assert.ok(!/\r(?!damaged|warning)/.test(screen), `${args}: ${JSON.stringify(screen)}`);
    }
    provider.damaged.length = 0;
    provider.pages.length = 0;
    const question = await postern(["client", "delete", `x${controls}`], [["[y/N] ", ENTER]]);
    assert.ok(question.screen.includes(`Delete the client x${escapes} at `), question.screen);
  });

  test("names in other scripts and emoji are shown as they are", async () => {
    for (const name of ["Zoë Ångström", "علی\u200cرضا", "👩\u200d👩\u200d👧 ❤\ufe0f", "株式会社"]) {
      provider.clients.set("wiki", { client_id: "wiki", client_name: name, trusted: true });
      assert.ok((await postern(["client", "list"])).screen.includes(name), name);
    }
  });

  test("JSON for a pipe has the same values, in printable characters", async () => {
    const client = { client_id: "wiki", client_name: "W\x1b\x9b31m\u202e\u{e0041}\ud800é\n" };
    provider.clients.set("wiki", client);
    const { out } = await commandsAt(provider.url)(["client", "get", "wiki"]);
    assert.deepEqual(JSON.parse(out), client);
    assert.match(out, /^[\x20-\x7eé]+\n$/);
  });
});
