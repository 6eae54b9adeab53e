// The operator's command line without a worker: help, arguments, what it sends, and what it prints.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { COMMANDS } from "../../scripts/cli/commands.mjs";
import { requestedHelp } from "../../scripts/cli/help.mjs";
import { TOKEN, commandsAt, startStandIn } from "./command_line.mjs";

let provider;
let postern;

before(async () => {
  provider = await startStandIn();
  postern = commandsAt(provider.url);
});
after(() => provider.close());
beforeEach(() => {
  provider.users.clear();
  provider.clients.clear();
  provider.users.set("alice", { sub: "alice", login: "alice", claims: { name: "Alice" }, has_password: true });
  provider.clients.set("wiki", { client_id: "wiki", client_name: "Wiki", trusted: false, redirect_uris: [] });
  provider.requests();
});

/** Runs a command that must fail, and returns its message. */
async function failure(args, input, env) {
  const { code, out, err } = await postern(args, input, env);
  assert.deepEqual([code, out], [1, ""], `${args.join(" ")}\n${err}`);
  assert.equal(err.trimEnd().split("\n").length, 1, err);
  return err.trimEnd();
}

test("help is printed for all commands, a family and a command, with exit code 0", async () => {
  const inFamily = COMMANDS.map(({ name }) => name.split(" ")).filter(({ length }) => length > 1);
  const families = [...new Set(inFamily.map(([family]) => family))];
  /** @type {[string[], string, typeof COMMANDS][]} */
  const requests = /** @type {any} */ ([
    ...[[], ["--help"], ["-h"], ["help"]].map((args) => [args, "COMMAND", COMMANDS]),
    ...families.flatMap((family) => [[family], [family, "--help"], ["help", family]].map((args) =>
      [args, `${family} COMMAND`, COMMANDS.filter(({ name }) => name.startsWith(`${family} `))])),
    ...COMMANDS.flatMap((command) => [[...command.name.split(" "), "--help"], ["help", ...command.name.split(" ")]]
      .map((args) => [args, command.name, [command]])),
  ]);
  for (const [args, head, commands] of requests) {
    const help = requestedHelp(args);
    assert.ok(help?.startsWith(`npx postern ${head}`), `${args.join(" ")}: ${help}`);
    for (const { name } of commands) assert.ok(help.includes(name), `${args.join(" ")} lacks ${name}`);
  }
  for (const args of [[], ["-h"], ["user"], ["help", "key"], ["key", "rotate", "--help"]]) {
    assert.deepEqual(await postern(args), { out: `${requestedHelp(args)}\n`, err: "", code: 0 });
  }
  assert.deepEqual(provider.requests(), []);
});

test("the help of a command names each of its options, and what user put replaces", () => {
  for (const { name, options = {} } of COMMANDS) {
    const help = requestedHelp(["help", ...name.split(" ")]) ?? "";
    for (const option of [...Object.keys(options), "json", "help"]) assert.match(help, new RegExp(`^  --${option} `, "m"));
  }
  const help = requestedHelp(["user", "put", "--help"]) ?? "";
  assert.match(help, /REPLACES all claims/);
  assert.match(help, /--password P +the password; the process list of this machine shows it/);
});

test("an unknown command lists those of its family, and a near miss suggests one", async () => {
  const family = "the commands of user are put, get, list, login, password, signout, disable, enable, delete, import";
  assert.equal(await failure(["user", "frobnicate"]), `there is no command user frobnicate: ${family}`);
  assert.equal(await failure(["user", "frobnicate", "--help"]), `there is no command user frobnicate: ${family}`);
  assert.equal(await failure(["user", "lst"]), `there is no command user lst (did you mean user list?): ${family}`);
  const all = "npx postern --help lists the commands";
  assert.equal(await failure(["usr", "list"]), `there is no command usr (did you mean user list?): ${all}`);
  assert.equal(await failure(["clients"]), `there is no command clients (did you mean client?): ${all}`);
  assert.equal(await failure(["frobnicate"]), `there is no command frobnicate: ${all}`);
  assert.equal(await failure(["user", "put", "x", "--logn", "y"]),
    "Unknown option '--logn' (did you mean --login?): npx postern user put --help shows how");
  assert.equal(await failure(["user", "put"]), "user put takes SUB: npx postern user put --help shows how");
});

test("ids and the values of options may begin with a hyphen", async () => {
  const id = "-pXo1rVb0Qy_8fJ-s7hG2w";
  const other = `-${id}`;
  provider.users.set(id, { sub: id, login: "hal", claims: {}, has_password: true });
  for (const [args, method, path, body] of /** @type {[string[], string, string, any?][]} */ ([
    [["session", "end", id, "--yes"], "DELETE", `/admin/sessions/${id}`],
    [["session", "end", "--yes", other], "DELETE", `/admin/sessions/${other}`],
    [["registration", "token", "revoke", "-pXo1rVb0Qy_", "--yes"], "DELETE", "/admin/initial-access-tokens/-pXo1rVb0Qy_"],
    [["grant", "revoke", "--client", "-wiki", "--user", "--al", "--yes"], "POST", "/admin/grants/revoke",
      { user: "--al", client: "-wiki" }],
    [["user", "login", id, other], "PUT", `/admin/users/${id}`, { login: other }],
    [["user", "password", id, "--password", "-long and secret"], "PUT", `/admin/users/${id}/password`,
      { password: "-long and secret" }],
    [["user", "password", id, "--password", "--correct-horse"], "PUT", `/admin/users/${id}/password`,
      { password: "--correct-horse" }],
    [["key", "rotate", "--compromised", id, "--yes"], "POST", "/admin/keys/rotate", { compromised: id }],
    [["user", "disable", "--yes", "--", "-x"], "PUT", "/admin/users/-x/disabled"],
  ])) {
    const { err } = await postern(args);
    const [request] = provider.requests().filter((sent) => sent.method === method);
    const sent = request?.body ? JSON.parse(request.body) : undefined;
    assert.deepEqual([request?.path, sent], [path, body], `${args.join(" ")}: ${err}`);
  }
});

test("an option that is mistyped is no operand", async () => {
  for (const [args, message] of /** @type {[string[], string][]} */ ([
    [["user", "put", "-help"], "Unknown option '-h'"],
    [["user", "put", "--Login=alice"], "Unknown option '--Login' (did you mean --login?)"],
    [["user", "login", "alice", "-Yes"], "Unknown option '-Y'"],
    [["user", "password", "--Generate"], "Unknown option '--Generate' (did you mean --generate?)"],
    [["session", "end", "s1", "-y"], "Unknown option '-y'"],
    [["session", "list", "-"], "session list takes no operand"],
    [["session", "list", "--user"], "--user needs a value"],
    [["session", "list", "--user", "--json"], "--user needs a value"],
    [["session", "list", "--user", "--", "alice"], "--user needs a value"],
  ])) {
    assert.equal((await failure(args)).split(": npx")[0], message, args.join(" "));
  }
  assert.deepEqual(provider.requests(), []);
});

test("an option without a document changes the login or the password, and keeps the claims", async () => {
  for (const [args, sent] of [
    [["user", "put", "alice", "--login", "al"], { login: "al" }],
    [["user", "put", "alice", "--password", "correct horse"], { password: "correct horse" }],
  ]) {
    const { code, err } = await postern(args, "");
    assert.equal(code, 0, err);
    assert.deepEqual(provider.requests().map(({ body }) => JSON.parse(body)), [sent]);
  }
  assert.deepEqual(provider.users.get("alice").claims, { name: "Alice" });
  assert.equal(await failure(["user", "put", "alice"]),
    "standard input is empty: the claims must be there as a JSON object");
  assert.deepEqual(provider.requests(), []);
});

test("the longest name of a command counts", async () => {
  assert.match((await postern(["registration", "token", "list", "--help"])).out, /^npx postern registration token list /);
  assert.match((await postern(["registration", "token", "--help"])).out, /^npx postern registration token \[OPTIONS\]/);
  await postern(["registration", "token", "list"]);
  await postern(["registration", "token", "--uses", "2"]);
  assert.deepEqual(provider.requests().map(({ method, path }) => `${method} ${path}`),
    ["GET /admin/initial-access-tokens?limit=500&after=", "POST /admin/initial-access-tokens"]);
  assert.match(await failure(["registration", "token", "lst"]), /^registration token takes no operand/);
});

test("what was given is taken back by the requests of its command", async () => {
  for (const [args, method, path, body] of /** @type {[string[], string, string, any?][]} */ ([
    [["session", "end", "s1", "--yes"], "DELETE", "/admin/sessions/s1"],
    [["grant", "revoke", "g1", "--yes"], "DELETE", "/admin/grants/g1"],
    [["grant", "revoke", "--user", "a b", "--yes"], "POST", "/admin/grants/revoke", { user: "a b" }],
    [["grant", "revoke", "--client", "wiki", "--yes"], "POST", "/admin/grants/revoke", { client: "wiki" }],
    [["grant", "revoke", "--client", "wiki", "--user", "alice", "--yes"], "POST", "/admin/grants/revoke",
      { user: "alice", client: "wiki" }],
    [["grant", "revoke", "--user", "alice", "--client", "", "--yes"], "POST", "/admin/grants/revoke",
      { user: "alice", client: "" }],
    [["user", "signout", "alice", "--yes"], "POST", "/admin/users/alice/signout", { grants: false }],
    [["user", "signout", "alice", "--grants", "--yes"], "POST", "/admin/users/alice/signout", { grants: true }],
    [["user", "disable", "alice", "--yes"], "PUT", "/admin/users/alice/disabled"],
    [["user", "enable", "alice"], "DELETE", "/admin/users/alice/disabled"],
    [["user", "password", "alice", "--password", "correct horse", "--grants"], "PUT", "/admin/users/alice/password",
      { password: "correct horse", grants: true }],
    [["client", "secret", "wiki"], "POST", "/admin/clients/wiki/secret", {}],
    [["client", "secret", "wiki", "--overlap", "30m"], "POST", "/admin/clients/wiki/secret", { overlap: 1_800 }],
    [["client", "secret", "wiki", "--overlap", "0", "--yes"], "POST", "/admin/clients/wiki/secret", { overlap: 0 }],
    [["client", "secret", "wiki", "--end", "--yes"], "DELETE", "/admin/clients/wiki/previous-secrets"],
    [["registration", "token", "revoke", "abc", "--yes"], "DELETE", "/admin/initial-access-tokens/abc"],
    [["registration", "token", "revoke", "--client", "wiki", "--yes"], "DELETE", "/admin/clients/wiki/registration-token"],
  ])) {
    const { code, err } = await postern(args);
    assert.equal(code, 0, err);
    const [request, ...others] = provider.requests();
    assert.deepEqual([request.method, request.path, request.body && JSON.parse(request.body), others],
      [method, path, body ?? "", []], args.join(" "));
  }
});

test("a command that takes back sends nothing if its arguments are wrong", async () => {
  for (const [args, message] of /** @type {[string[], RegExp][]} */ ([
    [["grant", "revoke", "--yes"], /^grant revoke takes a GRANT_ID, or --user and --client/],
    [["grant", "revoke", "g1", "--user", "alice", "--yes"], /^grant revoke takes a GRANT_ID, or --user and --client/],
    [["grant", "list"], /^grant list needs --user or --client/],
    [["registration", "token", "revoke", "--yes"], /^registration token revoke takes a TOKEN, or --client/],
    [["registration", "token", "revoke", "abc", "--client", "wiki", "--yes"], /^registration token revoke takes a TOKEN/],
    [["client", "secret", "wiki", "--overlap", "1"], /^--overlap must be 0, or a duration such as 30m, 12h, 7d or 2w/],
    [["client", "secret", "wiki", "--overlap=-1d"], /^--overlap must be 0/],
    [["client", "secret", "wiki", "--end", "--overlap", "1d"], /^--end makes no new secret/],
    [["user", "password", "alice", "--none", "--grants", "--yes"], /^--none revokes no grants/],
  ])) {
    assert.match(await failure(args), message, args.join(" "));
  }
  assert.deepEqual(provider.requests(), []);
});

test("claims are sent as they were written", async () => {
  await postern(["user", "put", "alice", "--login", "al"], '{"n":12345678901234567890,"n":1.0}\n');
  assert.equal(provider.requests()[0].body, '{"login":"al","claims":{"n":12345678901234567890,"n":1.0}\n}');
});

test("put accepts the output of get, and refuses a document with another id", async () => {
  for (const [kind, id, field] of [["user", "alice", "sub"], ["client", "wiki", "client_id"]]) {
    const shown = await postern([kind, "get", id]);
    const put = await postern([kind, "put", id], shown.out);
    assert.deepEqual(put, { code: 0, err: "", out: shown.out });
    provider.requests();
    assert.equal(await failure([kind, "put", "other"], shown.out),
      `the ${field} of the document is ${id}, and the operand is other`);
    assert.deepEqual(provider.requests(), []);
  }
  const { out } = await postern(["client", "get", "wiki"]);
  assert.equal(await failure(["client", "create"], out),
    "client create makes a new client_id: remove client_id from the document, or use client put");
});

test("user login changes the login of an existing user only", async () => {
  const { out } = await postern(["user", "login", "alice", "al"]);
  assert.deepEqual(JSON.parse(out), { sub: "alice", login: "al", claims: { name: "Alice" }, has_password: true });
  assert.match(await failure(["user", "login", "bob", "b"]), /^not_found: /);
  assert.equal(provider.users.has("bob"), false);
});

test("a password is generated once, or read from standard input, or removed", async () => {
  const generated = JSON.parse((await postern(["user", "password", "alice", "--generate"])).out).password;
  assert.match(generated, /^[\w-]{20}$/);
  assert.deepEqual(JSON.parse(provider.requests()[0].body), { password: generated });
  assert.doesNotMatch((await postern(["user", "get", "alice"])).out, /"password"/);
  provider.requests();
  await postern(["user", "password", "alice"], "battery staple\r\n");
  assert.deepEqual(JSON.parse(provider.requests()[0].body), { password: "battery staple" });
  assert.match(await failure(["user", "password", "alice"]), /^standard input is empty: .* or use --generate$/);
  assert.equal(await failure(["user", "password", "alice", "--generate", "--password", "x"]),
    "--generate and --password exclude each other");
  assert.equal(await failure(["user", "password", "alice", "--none", "--password", "x", "--yes"]),
    "--none removes the password: give no other option for it");
  assert.deepEqual(provider.requests(), []);
});

test("the input is UTF-8, with or without a byte order mark", async () => {
  const password = "ein längeres Kennwort";
  const document = JSON.stringify({ name: "Zoë" });
  const users = '{"sub":"alice","claims":{"name":"Zoë"}}\n';
  for (const mark of ["", "\ufeff"]) {
    await postern(["user", "password", "alice"], `${mark}${password}\n`);
    assert.deepEqual(JSON.parse(provider.requests()[0].body), { password });
    await postern(["user", "put", "alice"], `${mark}${document}`);
    assert.deepEqual(JSON.parse(provider.requests()[0].body).claims, { name: "Zoë" });
    await postern(["user", "import"], `${mark}${users}`);
    assert.equal(provider.requests()[0].body, users);
  }
});

test("input in another encoding is refused, and nothing is sent", async () => {
  const commands = [["user", "password", "alice"], ["user", "put", "alice"], ["client", "create"], ["user", "import"]];
  const text = '{"sub":"alice"}\n';
  const littleEndian = Buffer.from(text, "utf16le");
  for (const bytes of [
    Buffer.concat([Buffer.from([0xff, 0xfe]), littleEndian]), littleEndian,
    Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(littleEndian).swap16()]), Buffer.from(littleEndian).swap16(),
  ]) {
    for (const args of commands) {
      assert.equal(await failure(args, bytes), "the input is UTF-16: save it as UTF-8", args.join(" "));
    }
  }
  for (const args of commands.slice(0, 3)) {
    assert.equal(await failure(args, Buffer.from('{"a":"Zo\xeb"}', "latin1")), "the input is not UTF-8: save it as UTF-8");
  }
  assert.deepEqual(provider.requests(), []);
});

test("destructive commands need --yes without a terminal", async () => {
  for (const [args, path, name = args.slice(0, 2).join(" ")] of /** @type {[string[], string, string?][]} */ ([
    [["user", "delete", "alice"], "/admin/users/alice"],
    [["user", "password", "alice", "--none"], "/admin/users/alice/password", "user password --none"],
    [["client", "delete", "wiki"], "/admin/clients/wiki"],
    [["grant", "revoke", "g1"], "/admin/grants/g1"],
    [["session", "end", "s1"], "/admin/sessions/s1"],
    [["client", "secret", "wiki", "--end"], "/admin/clients/wiki/previous-secrets", "client secret --end"],
    [["registration", "token", "revoke", "t1"], "/admin/initial-access-tokens/t1", "registration token revoke"],
  ])) {
    assert.equal(await failure(args, "y\n"), `${name} needs --yes, because there is no terminal to confirm it`);
    assert.deepEqual(provider.requests(), []);
    provider.users.set("alice", { sub: "alice", claims: {} });
    const { code, err } = await postern([...args, "--yes"]);
    assert.equal(code, 0, err);
    assert.deepEqual(provider.requests(), [{ method: "DELETE", path, body: "" }]);
  }
});

test("what ends the access of many needs --yes without a terminal", async () => {
  for (const [args, name] of /** @type {[string[], string][]} */ ([
    [["user", "signout", "alice"], "user signout"],
    [["user", "disable", "alice"], "user disable"],
    [["grant", "revoke", "--client", "wiki"], "grant revoke"],
    [["client", "secret", "wiki", "--overlap", "0"], "client secret --overlap 0"],
    [["registration", "token", "revoke", "--client", "wiki"], "registration token revoke"],
  ])) {
    assert.equal(await failure(args, "y\n"), `${name} needs --yes, because there is no terminal to confirm it`);
  }
  assert.deepEqual(provider.requests(), []);
});

test("a list of users in a pipe says who is disabled", async () => {
  provider.users.set("bob", { sub: "bob", login: "bob", claims: {}, has_password: true, disabled: true });
  const { out } = await postern(["user", "list"]);
  assert.deepEqual(out.trimEnd().split("\n").map((line) => JSON.parse(line)), [
    { sub: "alice", login: "alice", claims: { name: "Alice" } },
    { sub: "bob", login: "bob", claims: {}, disabled: true },
  ]);
});

test("a warning names a claim that no scope releases, and a scope that nothing serves", async () => {
  const claims = { name: "Alice", "name#ja": "A", groups: ["staff"] };
  provider.users.set("alice", { sub: "alice", login: "alice", claims, has_password: true });
  provider.users.set("bob", { sub: "bob", login: "bob", claims: { groups: [] }, has_password: true });
  const warning = (owner) => `warning: no scope releases the claim "groups", which ${owner}: no client gets it, and ` +
    "user put and user import refuse it. Add it to a scope in SCOPES, or leave it out\n";
  for (const args of [["user", "get", "alice"], ["user", "login", "alice", "al"]]) {
    assert.equal((await postern(args)).err, warning("alice has"));
  }
  assert.equal((await postern(["user", "list"])).err, warning("2 users have"));

  const client = JSON.stringify({ scope: "openid orders:read" });
  for (const args of [["client", "create"], ["client", "put", "wiki"]]) {
    assert.equal((await postern(args, client)).err, 'warning: the provider has no scope "orders:read": add it to ' +
      "SCOPES or RESOURCES, or leave it out\n");
  }
});

test("a message quotes neither a secret nor the input", async () => {
  for (const [args, input, env] of [
    [["user", "put", "alice"], "hunter2hunter2"],
    [["client", "create"], '{"client_name": hunter2hunter2 }'],
    [["user", "put", "alice", "--passwrd=hunter2hunter2"]],
    [["user", "password", "alice", "hunter2hunter2"]],
    [["user", "list"], "", { ADMIN_TOKEN: `${TOKEN} hunter2hunter2` }],
  ]) {
    const message = await failure(args, input, env);
    assert.doesNotMatch(message, /hunter2|operators-own/);
  }
});

test("audit sends its filter, and fetches pages until it has as many events as its limit", async () => {
  provider.pages.push({ events: [{ id: "9.a", at: 9 }], next: "9.a" }, { events: [], next: "8.b" }, { events: [{ id: "7.c", at: 7 }] });
  const all = ["--user", "al ice", "--client", "wiki", "--kind", "grant.revoked", "--since", "1970-01-02", "--until", "1970-01-02T00:00:01Z"];
  const { out } = await postern(["audit", ...all, "--limit", "700"]);
  assert.deepEqual(out.trimEnd().split("\n").map((line) => JSON.parse(line).id), ["9.a", "7.c"]);
  const filter = "/admin/audit?user=al+ice&client=wiki&kind=grant.revoked&since=86400&until=86401&limit=500";
  assert.deepEqual(provider.requests().map(({ path }) => path), [filter, `${filter}&after=9.a`, `${filter}&after=8.b`]);

  provider.pages.push({ events: [{ id: "9.a", at: 9 }], next: "9.a" });
  await postern(["audit", "--limit", "1"]);
  assert.deepEqual(provider.requests().map(({ path }) => path), ["/admin/audit?limit=1"]);

  const begin = Math.floor(Date.now() / 1_000);
  for (const wrong of ["7", "12", "last 7", "2026-11-26T08:00", "2026-13-01", "yesterday"]) {
    assert.match(await failure(["audit", "--since", wrong]), /--since must be a date such as/, wrong);
  }
  await postern(["audit", "--since", "2d"]);
  const [, since] = /since=(\d+)/.exec(provider.requests()[0].path);
  assert.ok(Number(since) >= begin - 2 * 86_400 && Number(since) <= begin - 2 * 86_400 + 60, since);
  for (const time of ["yesterday", "2x", "-1d", "1900-01-01"]) {
    assert.match(await failure(["audit", `--until=${time}`]), /^--until must be a date/);
  }
  for (const limit of ["0", "x", "1.5"]) assert.equal(await failure(["audit", "--limit", limit]), "--limit must be a whole number from 1");
  assert.deepEqual(provider.requests(), []);
});
