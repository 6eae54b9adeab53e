// Tests the load and the bundles of the bench.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Browser } from "../../bench/browser.mjs";
import { openMiniflare } from "../../bench/d1.mjs";
import { Failures } from "../../bench/failures.mjs";
import { Load, send, request } from "../../bench/load.mjs";
import { Target, measure } from "../../bench/rounds.mjs";
import { startStores } from "../../bench/stores.mjs";
import { bundle } from "../../bench/workerd.mjs";

const GET = request("GET", "/");
const ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
// A connection without a response would otherwise block the test for ever.
const LIMIT = { timeout: 10_000 };

test("the load opens connections when it sends, and opens closed ones again", LIMIT, async (t) => {
  const sockets = [];
  const port = await serve(t, (socket) => {
    sockets.push(socket);
    socket.on("data", () => socket.write(ANSWER));
  });
  const load = new Load(port, 2);
  await send(port, GET);
  assert.equal(sockets.length, 1, "the connection of send()");

  await load.run([GET, GET, GET], 200);
  assert.equal(sockets.length, 3);
  await Promise.all(sockets.slice(1).map((socket) => once(socket.end(), "close")));
  await load.run([GET, GET, GET], 200);
  assert.equal(sockets.length, 5);
  load.close();
});

test("the load fails if the worker closes a connection without a response", LIMIT, async (t) => {
  const port = await serve(t, (socket) => socket.on("data", () => socket.end()));
  const load = new Load(port, 1);
  await assert.rejects(load.run([GET], 200), /the worker closed the connection/);
  load.close();
});

test("the load repeats a request whose idle connection closes at that moment", LIMIT, async (t) => {
  const sockets = [];
  const port = await serve(t, (socket) => {
    const isFirst = sockets.push(socket) === 1;
    let requests = 0;
    socket.on("data", () => {
      requests += 1;
      if (isFirst && requests === 2) socket.resetAndDestroy();
      else socket.write(ANSWER);
    });
  });
  const load = new Load(port, 1);
  await load.run([GET, GET, GET], 200);
  assert.equal(sockets.length, 2);
  load.close();
});

test("the load fails if the worker pauses", LIMIT, async (t) => {
  const port = await serve(t, (socket) => {
    let requests = 0;
    socket.on("data", () => {
      requests += 1;
      if (requests < 2) socket.write(ANSWER);
    });
  });
  const load = new Load(port, 2, 100);
  await assert.rejects(load.run([GET, GET, GET], 200), /no response for 0.1 s/);
  load.close();
});

test("the load fails if the worker pauses after it was idle", LIMIT, async (t) => {
  let isPaused = false;
  const port = await serve(t, (socket) => socket.on("data", () => { if (!isPaused) socket.write(ANSWER); }));
  const load = new Load(port, 2, 100);
  await load.run([GET, GET, GET], 200);
  await sleep(300);
  isPaused = true;
  await assert.rejects(load.run([GET, GET, GET], 200), /no response for 0.1 s/);
  load.close();
});

test("a contender that pauses takes no further part, and the others go on", LIMIT, async (t) => {
  const killed = [];
  /** A contender that sends this number of responses. */
  const target = async (name, responses) => {
    let left = responses;
    const port = await serve(t, (socket) => socket.on("data", () => { if (left-- > 0) socket.write(ANSWER); }));
    const worker = { port, cpu: () => 0, errors: () => "", kill: () => killed.push(name) };
    const store = { take: async () => ({ d1: 0, statements: 0, reads: 0, writes: 0, texts: [] }) };
    return new Target({ name }, worker, store, {});
  };
  const targets = [await target("pausing", 7), await target("other", Infinity)];
  const route = { name: "any", title: "any route", status: 200, isStatic: true, make: () => GET };
  const failures = new Failures(0.3);
  const cells = await measure(targets, route, { rounds: 4, count: 3, warmUp: 1, connections: 2 }, failures);

  assert.deepEqual(Object.keys(cells), ["other"]);
  assert.equal(cells.other.cpu.rounds.length, 4);
  assert.deepEqual(killed, ["pausing"]);
  assert.deepEqual(failures.list, [
    { name: "pausing", where: "any route", message: "did not finish within 0.3 s" },
  ]);
});

test("the store delays each response of D1", LIMIT, async (t) => {
  const stores = startStores();
  t.after(() => stores.close());
  const store = await stores.open("delayed");
  await store.delay(60, 0);
  const begin = performance.now();
  const body = JSON.stringify({ sql: "SELECT 1", params: [] });
  await (await fetch(`http://127.0.0.1:${store.ports.d1}/query`, { method: "POST", body })).text();
  assert.ok(performance.now() - begin > 55);
  assert.equal((await store.take()).d1, 1);
});

test("the browser keeps cookies, submits forms and returns the code", LIMIT, async (t) => {
  const received = [];
  const pages = [
    "HTTP/1.1 302 Found\r\nset-cookie: a=1; Path=/\r\nlocation: /login?x=1\r\ncontent-length: 0\r\n\r\n",
    page('<form method="post" action="/done"><input type="hidden" name="h" value="&amp;"><input name="login"></form>'),
    "HTTP/1.1 303 See Other\r\nlocation: https://app.example/cb?code=the-code\r\ncontent-length: 0\r\n\r\n",
  ];
  const port = await serve(t, (socket) => socket.on("data", (bytes) => {
    received.push(String(bytes));
    socket.write(pages.shift());
  }));
  const browser = new Browser(port);
  assert.equal(await browser.authorize("/authorize", (names) => ({ login: names.join() })), "the-code");
  browser.close();
  assert.equal(browser.requests, 3);
  assert.match(received[1], /^GET \/login\?x=1 [^]*\r\ncookie: a=1\r\n/);
  assert.match(received[2], /^POST \/done [^]*\r\n\r\nh=%26&login=h%2Clogin$/);
});

test("a script in the browser submits a form with data-json as JSON, with the query of its page", LIMIT, async (t) => {
  const received = [];
  const pages = [
    page('<form data-json method="post" action="/done"><input name="login"></form>'),
    page('{"redirect":true,"url":"https://app.example/cb?code=the-code"}'),
  ];
  const port = await serve(t, (socket) => socket.on("data", (bytes) => {
    received.push(String(bytes));
    socket.write(pages.shift());
  }));
  const browser = new Browser(port);
  assert.equal(await browser.authorize("/login?sig=1", () => ({ login: "user" })), "the-code");
  browser.close();
  assert.match(received[1], /^POST \/done [^]*\r\n\r\n\{"login":"user","oauth_query":"sig=1"\}$/);
});

test("a contender with a share gets fewer requests, and its figures are those of a request", LIMIT, async (t) => {
  const received = { whole: 0, shared: 0 };
  const target = async (name, share) => {
    const port = await serve(t, (socket) => socket.on("data", () => { received[name] += 1; socket.write(ANSWER); }));
    const worker = { port, cpu: () => 100 * received[name], errors: () => "", kill: () => {} };
    const store = { take: async () => ({ d1: 2 * received[name], statements: 0, reads: 0, writes: 0, texts: [] }) };
    return new Target({ name, share }, worker, store, {});
  };
  const targets = [await target("whole", undefined), await target("shared", 0.1)];
  const route = { name: "any", title: "any route", status: 200, isStatic: true, make: () => GET };
  const cells = await measure(targets, route, { rounds: 2, count: 100, warmUp: 0, connections: 2 });
  assert.deepEqual(received, { whole: 200, shared: 20 });
  for (const { cpu, d1 } of Object.values(cells)) assert.deepEqual([cpu.median, d1], [100, 2]);
});

test("the store counts lists of KV among the reads, and copies tables", LIMIT, async (t) => {
  const stores = startStores();
  t.after(() => stores.close());
  const [one, other] = [await stores.open("one"), await stores.open("other")];
  for (const path of ["key", "?prefix=a"]) await (await fetch(`http://127.0.0.1:${one.ports.kv}/${path}`)).text();
  const { reads, lists } = await one.take();
  assert.deepEqual({ reads, lists }, { reads: 2, lists: 1 });

  await one.execute("CREATE TABLE notes (text TEXT)");
  await other.execute("CREATE TABLE notes (text TEXT)");
  await one.insert("INSERT INTO notes VALUES (?)", 2, (number) => [`note ${number}`]);
  await other.copy("one", ["notes"]);
  const body = JSON.stringify({ sql: "SELECT text FROM notes", params: [] });
  const response = await fetch(`http://127.0.0.1:${other.ports.d1}/query`, { method: "POST", body });
  const [{ results }] = /** @type {any} */ (await response.json());
  assert.deepEqual(results, [{ text: "note 0" }, { text: "note 1" }]);
});

test("workerd's own D1 counts the rows of a statement", { timeout: 30_000 }, async (t) => {
  const { instance, store } = await openMiniflare({ modules: true, script: "export default {}" });
  t.after(() => instance.dispose());
  await store.execute("CREATE TABLE notes (text TEXT); CREATE INDEX notes_by_text ON notes (text);");
  await store.insert("INSERT INTO notes VALUES (?)", 3, (number) => [`note ${number}`]);
  const read = await store.database.prepare("SELECT * FROM notes").all();
  const written = await store.database.prepare("INSERT INTO notes VALUES ('another')").all();
  assert.deepEqual([read.meta.rows_read, read.meta.rows_written, written.meta.rows_written], [3, 0, 2]);
});

test("contenders whose names differ in one digit have separate bundles", async (t) => {
  const bundles = [];
  for (const version of ["1", "2"]) {
    const bundled = await bundle(`bench test ${version}`, "bench/contenders/bare.mjs", { version });
    t.after(() => rmSync(bundled.folder, { recursive: true }));
    bundles.push(bundled);
  }
  const texts = bundles.map(({ folder }) => readFileSync(join(folder, "index.js"), "utf8"));
  assert.match(texts[0], /version: "1"/);
  assert.match(texts[1], /version: "2"/);
});

const page = (body) => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

/** Starts a server that stops after the test. Returns its port. */
async function serve(t, connected) {
  const sockets = [];
  const server = createServer((socket) => { sockets.push(socket); connected(socket); }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return /** @type {import("node:net").AddressInfo} */ (server.address()).port;
}
