// `npm start` itself: scripts/start.mjs, unchanged, in a copy of the checkout. The copy has its own port, .dev.vars
// and .wrangler/state, so that those of a developer are neither read nor written.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { holdPort } from "../../scripts/ports.mjs";
import { configure, copyCheckout } from "../edge/checkout.mjs";
import { until } from "../edge/harness.mjs";
import { Browser, isConsent } from "../edge/browser.mjs";

/** Many times what it takes, because the machine may be busy. */
const START_TIMEOUT_MS = 300_000;

const RESOURCES = `RESOURCES = '{"https://api.example.com": ["orders:read"]}'`;
const TABLES = `
[vars.RESOURCES]
"https://api.example.com" = ["orders:read"]
[vars.SCOPES]
team = ["team"]`;

const OWN_CLIENT = { client_name: "The developer's own", redirect_uris: ["https://app.example/cb"] };

let folder;
let port;
let running;
/** The processes of all starts, to be killed where a test failed. */
const started = [];

before(async () => {
  folder = copyCheckout();
  port = await freePort();
  configure(folder, RESOURCES);
  running = await start();
});

after(() => {
  // Wrangler may have started another workerd since.
  for (const { pid } of remaining(started).flatMap(({ pid }) => descendants(pid))) kill(pid);
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test("npm start with an API in RESOURCES prints a token that userinfo answers with alice's claims", async () => {
  const { status, claims } = await callAsPrinted(running);
  assert.equal(status, 200, JSON.stringify(claims));
  assert.deepEqual(
    [claims.sub, claims.name, claims.email, claims.groups],
    ["alice", "Alice Liddell", "alice@example.com", ["staff", "admins"]],
  );
});

test("the demo requests no scope of an API, and alice signs in to it with the printed password", async () => {
  const { home, scope } = await signInToDemo(running);
  assert.equal(scope, "openid profile email address phone groups offline_access");
  assert.match(home, /Hello, <bdi class="name">Alice Liddell<\/bdi>/);
});

test("npm start --help prints the usage, and an argument that it does not take is refused", async () => {
  const help = await runScript({ args: ["--help"] });
  assert.equal(help.code, 0);
  assert.match(help.said, /^npm start\n[^·]*PORT=9000 npm start/);
  assert.deepEqual(await runScript({ args: ["--port=9000"] }), {
    code: 1, said: "Unknown option '--port'; --help lists the options\n",
  });
});

test("the secrets that npm start makes are for their owner alone, also in a file that exists", async () => {
  const copy = mkdtempSync(join(tmpdir(), "postern-scripts-"));
  cpSync(join(folder, "scripts"), join(copy, "scripts"), { recursive: true });
  const file = join(copy, ".dev.vars");
  for (const before of [undefined, "REGISTRATION=open\n"]) {
    if (before !== undefined) writeFileSync(file, before, { mode: 0o644 });
    const code = 'import("./scripts/local.mjs").then(({ createSecrets }) => createSecrets())';
    execFileSync(process.execPath, ["--eval", code], { cwd: copy });
    assert.match(readFileSync(file, "utf8"), /^ADMIN_TOKEN=[\w-]{43}$/m);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    rmSync(file);
  }
  rmSync(copy, { recursive: true });
});

test("a second npm start on the same port fails at once and says that the port is in use", async () => {
  const { code, said } = await runScript();
  assert.equal(code, 1);
  assert.equal(said, `port ${port} is in use: stop the program there, or choose another port with PORT=…\n`);
});

test("npm start holds its port at both loopback addresses while it builds", async () => {
  const free = await freePort();
  const release = await holdPort(free);
  await assert.rejects(holdPort(free), /is in use/);
  await release();
  await (await holdPort(free))();
  for (const host of ["127.0.0.1", "::1"]) {
    const server = createServer().listen({ port: free, host });
    // A machine without IPv6 cannot listen there.
    if (!await once(server, "listening").then(() => true, () => false)) continue;
    await assert.rejects(holdPort(free), /is in use/, host);
    await new Promise((closed) => server.close(closed));
  }
});

test("two npm start in one checkout on two ports leave each other's users, demo and tokens alone", async () => {
  const other = await start({ port: await freePort() });
  assert.notEqual(other.issuer, running.issuer);
  for (const one of [running, other]) {
    assert.match((await signInToDemo(one)).home, /Alice Liddell/);
    assert.equal((await callAsPrinted(one)).status, 200);
  }
  await other.stop();
});

test("npm start says that a change to wrangler.toml needs a restart", () => {
  assert.match(running.said, /^Start it again after a change to wrangler\.toml or \.dev\.vars,/m);
});

test("npm start names an invalid variable", async () => {
  await running.stop();
  configure(folder, 'REGISTRATION = "Open"');
  const { code, said } = await runScript();
  assert.equal(code, 1);
  assert.match(said, /\nthe worker does not start: REGISTRATION: must be closed, token or open, in lower case\n/);
});

test("npm start works with APIs and scopes in tables, and under an issuer's path", async () => {
  configure(folder, TABLES);
  writeFileSync(join(folder, ".dev.vars"), "ISSUER=https://login.example.com/tenant\n", { flag: "a" });

  running = await start();
  assert.equal(running.issuer, "https://login.example.com/tenant");
  const { status, claims } = await callAsPrinted(running);
  assert.deepEqual([status, claims.sub, claims.name, claims.groups], [200, "alice", "Alice Liddell", ["staff", "admins"]]);
  const request = await fetch(`${running.demo}/sign-in`, { redirect: "manual" });
  assert.equal(requestedScope(request), "openid profile email address phone team groups offline_access");
});

test("npm start goes on where its demo users were deleted, and says that there are none", async () => {
  await running.admin("PUT", "/clients/demo", OWN_CLIENT);
  for (const sub of ["alice", "bob"]) await running.admin("DELETE", `/users/${sub}`);
  await running.stop();
  running = await start();
  assert.match(running.said, /alice is not stored: sub: belonged to a deleted user/);
  assert.ok(running.said.includes(`Users: none (PORT=${port} npx postern manages them)`), running.said);
  assert.deepEqual([running.signIn, running.curl], [undefined, undefined]);
  assert.equal((await fetch(running.demo)).status, 200);
});

test("npm start keeps a client of the developer's whose client_id is demo", async () => {
  // It was stored before the last start.
  const { client_name: name } = await running.admin("GET", "/clients/demo");
  assert.equal(name, OWN_CLIENT.client_name);
});

test("SIGTERM ends npm start and all that it started", async () => {
  const { code, processes } = await running.stop();
  assert.equal(code, 0);
  assert.ok(processes.some(({ name }) => name.includes("workerd")), JSON.stringify(processes));
  assert.deepEqual(await until(() => remaining(processes), ({ length }) => length === 0), []);
});

function kill(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** Returns a free port whose successor, for the demo, is free, too. Both are outside the range that systems choose from. */
async function freePort() {
  for (;;) {
    const candidate = 20_000 + Math.floor(Math.random() * 10_000);
    if (await isFree(candidate) && await isFree(candidate + 1)) return candidate;
  }
}

async function isFree(port) {
  const server = createServer().listen(port);
  const isListening = await once(server, "listening").then(() => true, () => false);
  await new Promise((closed) => server.close(closed));
  return isListening;
}

function spawnScript(args, port) {
  const { POSTERN_NODE, npm_lifecycle_event, ...inherited } = process.env;
  return spawn(process.execPath, ["scripts/start.mjs", ...args], {
    cwd: folder, env: { ...inherited, PORT: String(port) }, stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Runs the script until it ends by itself. Returns its exit code, and all that it printed. */
async function runScript({ args = [] } = {}) {
  const child = spawnScript(args, port);
  const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code, said: out + error };
}

/** Runs the script, and returns once it has printed its welcome. */
async function start({ port: chosen = port } = {}) {
  const child = spawnScript([], chosen);
  const closed = once(child, "close");
  const said = await welcome(child, closed).finally(() => started.push(...descendants(child.pid)));
  const find = (pattern) => pattern.exec(said)?.slice(1);
  const [issuer] = find(/^Postern serves the issuer (\S+)$/m);
  const [discovery] = find(/^ {2}discovery +(\S+)$/m);
  const [token] = /(?<=^ADMIN_TOKEN=).+$/m.exec(readFileSync(join(folder, ".dev.vars"), "utf8"));
  return {
    said,
    issuer,
    /** The demo's origin. */
    demo: find(/^Sign in: open (\S+) in a browser$/m)[0],
    /** Two logins and the password. */
    signIn: find(/^ {2}as (\w+) or (\w+), with the password (\S+) /m),
    /** A header field's name and value, and the URL. */
    curl: find(/^curl -H '([\w-]+): ([^']+)' (\S+)$/m),
    /** Sends a request as the operator. */
    async admin(method, path, body) {
      const url = discovery.replace("/.well-known/openid-configuration", `/admin${path}`);
      const headers = { authorization: `Bearer ${token}` };
      const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
      const answer = await response.json();
      assert.equal(response.status, 200, JSON.stringify(answer));
      return answer;
    },
    /** Ends the script by SIGTERM. Returns its exit code, and the processes that there were before. */
    async stop() {
      const processes = descendants(child.pid);
      child.kill("SIGTERM");
      const [code] = await closed;
      return { code, processes };
    },
  };
}

/** All that the script prints, up to the end of its welcome. */
function welcome({ stdout, stderr }, closed) {
  let said = "";
  return new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`${why}\n${said}`));
    const timer = setTimeout(fail, START_TIMEOUT_MS, `no welcome within ${START_TIMEOUT_MS} ms`);
    closed.then(([code]) => fail(`npm start ended with ${code}`)).finally(() => clearTimeout(timer));
    for (const stream of [stdout, stderr]) {
      stream.setEncoding("utf8").on("data", (data) => {
        said += data;
        if (/· (?:compiling|installing)/.test(said)) fail("run npm run build first: something is outdated");
        if (said.includes("Ctrl-C ends it.")) {
          clearTimeout(timer);
          resolve(said);
        }
      });
    }
  });
}

/** Signs alice in to the demo. Returns the demo's page after that, and the scope that it requested. */
async function signInToDemo({ demo: origin, issuer, signIn: [login, , password] }) {
  const demo = new Browser((url, init) => fetch(url, init), { issuer: origin });
  const home = await demo.get("/");
  assert.equal(home.status, 200);
  assert.match(home.body, /<a [^>]*href="\/sign-in">Sign in<\/a>/);
  const request = await demo.get("/sign-in");
  const provider = new Browser((url, init) => fetch(url, init), { issuer });
  const answer = await provider.signInOn(await provider.follow(request), login, password);
  // A later sign-in shows no consent page.
  await demo.follow(isConsent(answer) ? await provider.submit(answer, { decision: "allow" }) : answer);
  return { home: (await demo.get("/")).body, scope: requestedScope(request) };
}

/** Calls userinfo as the printed command does. */
async function callAsPrinted({ curl: [name, value, url] }) {
  const response = await fetch(url, { headers: { [name]: value } });
  return { status: response.status, claims: /** @type {any} */ (await response.json()) };
}

/** The scope of the authorization request to which a response redirects. */
function requestedScope({ headers }) {
  return new URL(headers.get("location")).searchParams.get("scope");
}

/** A process with its children and their descendants. */
function descendants(pid) {
  const all = runningProcesses();
  const found = all.filter((one) => one.pid === pid);
  // The loop visits the pushed processes, too.
  for (const one of found) found.push(...all.filter(({ parent }) => parent === one.pid));
  return found;
}

/** Returns the processes that have not ended. */
function remaining(processes) {
  const pids = new Set(runningProcesses().map(({ pid }) => pid));
  return processes.filter(({ pid }) => pids.has(pid));
}

/** The processes of this machine, without zombies. Not every Linux has ps, and nothing else has Linux's /proc. */
function runningProcesses() {
  const rows = existsSync("/proc/self/stat")
    ? readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(statOf)
    : execFileSync("ps", ["-A", "-o", "pid=,ucomm=,state=,ppid="], { encoding: "utf8" }).split("\n");
  return rows
    .map((row) => /^ *(\d+) +\(?(.*?)\)? +(\S)\S* +(\d+)\b/s.exec(row))
    .filter((found) => found && found[3] !== "Z")
    .map(([, pid, name, , parent]) => ({ pid: Number(pid), name, parent: Number(parent) }));
}

function statOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return ""; // It has ended.
  }
}
