// Starts the built module for unmodified clients: in workerd, on real KV and D1, behind a server of Node on loopback,
// because the issuer's port must be known before the worker starts.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { PASSWORD } from "../edge/browser.mjs";
import { commandsAt } from "../edge/command_line.mjs";
import { ADMIN_TOKEN, forward, start as startWorker, until } from "../edge/harness.mjs";
import { Browser } from "./browser.mjs";

export { PASSWORD };

const tlsFile = (name) => fileURLToPath(new URL(`tls/${name}`, import.meta.url));

/** The certificate of the authority that signed the servers' certificate: for clients with TLS. */
export const AUTHORITY = tlsFile("authority.pem");

/**
 * Starts a provider, which stops after the file's tests. It has the user alice with the password PASSWORD. Start every
 * provider of a file before its first test, because Node ends a file when no test is left.
 *
 * `tls` serves https: to https://localhost, or with `hostname` to one of the names in the certificate.
 *
 * @param {{ vars?: Record<string, any>, tls?: boolean, hostname?: string, secrets?: Record<string, string> }} options
 */
export async function startProvider({ vars = {}, tls = false, hostname = "localhost", secrets } = {}) {
  /** The requests of the last minutes: method, path, and status. For the message of a failed test. */
  const log = [];
  const { port, close } = await listen((request, response) => {
    // Not "finish": a program that reads the status alone closes the connection before the end of a page.
    response.on("close", () => log.push(`${request.method} ${request.url} ${response.statusCode}`));
    forward(worker.url, request, response);
  }, { tls });
  const issuer = `${tls ? "https" : "http"}://${hostname}:${port}`;
  const texts = Object.fromEntries(Object.entries(vars).map(([name, value]) =>
    [name, typeof value === "string" ? value : JSON.stringify(value)]));
  const worker = await startWorker({ vars: { ISSUER: issuer, ALLOW_LOOPBACK: "true", ...texts }, secrets });
  after(async () => {
    await close();
    await worker.close();
  });

  const provider = {
    issuer,
    port,
    worker,
    log,
    discovery: `${issuer}/.well-known/openid-configuration`,
    /** Sends a request of the operator: `operator("GET", "/admin/clients")`. */
    operator: worker.operator,
    /** Runs a command of the operator: `command(["client", "list"])`. Returns its output and exit code. */
    command: commandsAt(worker.url.origin, ADMIN_TOKEN),
    /** Stores a user with the password PASSWORD. */
    async putUser(sub, claims) {
      const user = { login: sub, password: PASSWORD, claims };
      const { status, body } = await worker.operator("PUT", `/admin/users/${sub}`, user);
      assert.equal(status, 200, JSON.stringify(body));
    },
    /** Stores the operator's client. Returns it with its secret. */
    async putClient(id, metadata) {
      const { status, body } = await worker.operator("PUT", `/admin/clients/${id}`, metadata);
      assert.equal(status, 200, JSON.stringify(body));
      return { client_id: id, ...body };
    },
    /** Waits until the keys of both algorithms are published. */
    keysMade: worker.keysMade,
    /** A user's browser, with cookies of its own. */
    browser: () => new Browser(issuer),
    /** Signs alice in with a new browser. Returns the URL of the callback, which is not requested. */
    signIn: (authorizationUrl, options = {}) => new Browser(issuer).signIn(authorizationUrl, options),
    /** Signs the user of a browser out, on the account page. */
    async signOut(browser) {
      const { body } = await browser.visit(`${issuer}/auth/account`);
      const form = body.split("<form").find((part) => part.includes("/auth/signout"));
      const [, token] = /name="token" value="([^"]*)"/.exec(form) ?? assert.fail(body);
      const { status } = await browser.visit(`${issuer}/auth/signout`, { form: { token } });
      assert.equal(status, 200);
    },
    /** Waits until a client has accepted all of its logout tokens. */
    async logoutsDelivered(id) {
      const list = async () =>
        (await worker.operator("GET", "/admin/logouts")).body.logouts.filter(({ client_id: client }) => client === id);
      assert.deepEqual(await until(list, ({ length }) => length === 0), []);
    },
    programThatOpens: (options) => startBrowserProgram(new Browser(issuer), options),
  };
  await provider.putUser("alice", ALICE);
  await provider.keysMade();
  return provider;
}

export const ALICE = {
  name: "Alice Adams", given_name: "Alice", family_name: "Adams", preferred_username: "alice",
  email: "alice@example.com", email_verified: true, groups: ["staff"],
};

/**
 * Listens on a free port of this machine. Returns the port, and `close`.
 *
 * @param {http.RequestListener} handler
 * @param {{ tls?: boolean, host?: string }} options
 */
export async function listen(handler, { tls = false, host = undefined } = {}) {
  const keys = () => ({ key: readFileSync(tlsFile("key.pem")), cert: readFileSync(tlsFile("certificate.pem")) });
  const server = tls ? https.createServer(keys(), handler) : http.createServer(handler);
  // Both addresses of localhost, because clients try either first.
  await once(server.listen(0, host), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { port, close };
}

/** The names under which programs open a browser. */
const BROWSER_NAMES = ["xdg-open", "sensible-browser", "x-www-browser", "www-browser", "firefox", "open", "wslview"];

/**
 * Stands in for the browser that a program of the command line opens. It walks from the URL to the end of all redirects,
 * so that the program gets its callback. Returns the environment for the program and the pages that were opened.
 */
async function startBrowserProgram(browser, options = {}) {
  const pages = [];
  const errors = [];
  const { port, close } = await listen(async (request, response) => {
    const target = await text(request);
    response.end();
    // Programs may open the browser before they listen for the callback.
    await new Promise((resolve) => setTimeout(resolve, 200));
    await browser.visit(target, options).then(
      (page) => pages.push({ opened: target, ...page }), (error) => errors.push(error),
    );
  });
  const folder = mkdtempSync(join(tmpdir(), "postern-browser-"));
  const open = `await fetch("http://127.0.0.1:${port}", { method: "POST", body: process.argv.at(-1) });`;
  const programs = BROWSER_NAMES.map((name) => join(folder, name));
  for (const program of programs) {
    // Node reads a program without an extension as an ES module because of its top-level await.
    writeFileSync(program, `#!${process.execPath}\n${open}\n`);
    chmodSync(program, 0o755);
  }
  after(async () => {
    await close();
    rmSync(folder, { recursive: true, force: true });
  });
  // Without a display xdg-open starts the BROWSER, and not the desktop's.
  const env = { PATH: `${folder}${delimiter}${process.env.PATH}`, BROWSER: programs[0], DISPLAY: "" };
  return { env, pages, errors };
}

/** Listens for the callback of a native application on loopback. `next` returns the URL of the next request. */
export async function listenForCallback(path = "/callback") {
  const waiting = [];
  const seen = [];
  const { port, close } = await listen((request, response) => {
    const url = new URL(request.url, `http://127.0.0.1:${port}`);
    response.writeHead(200, { "content-type": "text/plain" }).end("You can close this window.");
    if (waiting.length > 0) waiting.shift()(url);
    else seen.push(url);
  });
  after(close);
  const next = async () => seen.shift() ?? new Promise((resolve) => { waiting.push(resolve); });
  return { port, url: `http://127.0.0.1:${port}${path}`, next };
}
