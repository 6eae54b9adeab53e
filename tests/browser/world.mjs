// A provider, an application and a browser. The built module runs in workerd behind a server of Node's, which is
// there because an issuer must be known before the worker starts.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer, request as httpRequest } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { after, afterEach, beforeEach } from "node:test";
import { chromium } from "playwright-core";
import { findChromium } from "../../scripts/chromium.mjs";
import { start as startWorker } from "../edge/harness.mjs";

export const PASSWORD = "correct horse battery";

const FLAGS = [
  "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/**
 * The provider and an application, which are sites of their own to the browser, as they are in life:
 *
 * - `https`: both by name and with TLS, so that cookies are Secure and have their __Host- prefix;
 * - `loopback`: as `npm start` has it, http on this machine.
 */
const PLACES = {
  https: { provider: () => "https://login.example.com", app: () => "https://app.example.net" },
  loopback: { provider: (port) => `http://localhost:${port}`, app: (port) => `http://127.0.0.1:${port}` },
};

/** Starts them for a file of tests, with the users alice and bob. */
export async function start(kind) {
  const executablePath = findChromium();
  assert.ok(executablePath, "there is no Chromium or Chrome; install one, or say in CHROMIUM where it is");
  const handlers = {};
  const servers = {};
  for (const name of ["provider", "app"]) {
    servers[name] = await listen(kind, (request, response) => handlers[name](request, response));
  }
  const port = (name) => servers[name].address().port;
  const issuer = PLACES[kind].provider(port("provider"));
  const origin = PLACES[kind].app(port("app"));

  const worker = await startWorker({ vars: { ISSUER: issuer, ALLOW_LOOPBACK: "true" } });
  handlers.provider = (request, response) => forward(worker.url, request, response);
  await people(worker);
  // What one person allowed is not remembered in the next test.
  beforeEach(() => worker.env.DB.exec("DELETE FROM consents"));

  const names = [[issuer, "provider"], [origin, "app"]].map(([url, name]) =>
    `MAP ${new URL(url).hostname}:443 127.0.0.1:${port(name)}`);
  const browser = await chromium.launch({
    executablePath,
    args: [...FLAGS, ...(kind === "https" ? [`--host-resolver-rules=${names.join(",")}`] : [])],
  });
  after(async () => {
    await browser.close();
    for (const server of Object.values(servers)) server.closeAllConnections() ?? server.close();
    await worker.close();
  });

  return {
    issuer,
    origin,
    worker,
    /** What answers to requests for the application. */
    serve(handler) { handlers.app = handler; },
    /** Stores a client and returns what is stored, with its secret. */
    async client(id, metadata) {
      const { status, body } = await worker.operator("PUT", `/admin/clients/${id}`, metadata);
      assert.equal(status, 200, JSON.stringify(body));
      return body;
    },
    ...visitors(browser),
  };
}

async function listen(kind, handler) {
  const read = (name) => readFileSync(new URL(name, import.meta.url));
  const server = kind === "https"
    ? createHttpsServer({ key: read("key.pem"), cert: read("certificate.pem") }, handler)
    : createHttpServer(handler);
  server.listen(0, kind === "https" ? "127.0.0.1" : undefined);
  await once(server, "listening");
  return server;
}

/** Passes a request on to the worker, and its answer back. */
function forward(url, request, response) {
  const { method, url: path } = request;
  // By its own name: by another one, wrangler's proxy would write URLs of that host anew, without their https.
  const headers = { ...request.headers, host: url.host };
  const onward = httpRequest(new URL(path, url), { method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(response);
  });
  onward.on("error", () => response.destroy());
  request.pipe(onward);
}

async function people({ operator }) {
  for (const [sub, name] of [["alice", "Alice Liddell"], ["bob", "Bob Cratchit"]]) {
    const claims = { name, email: `${sub}@example.com`, email_verified: true, groups: ["staff"] };
    const { status } = await operator("PUT", `/admin/users/${sub}`, { login: sub, password: PASSWORD, claims });
    assert.equal(status, 200);
  }
}

/** New visitors, each with a browser profile of their own; what their browsers complain of fails the test. */
function visitors(browser) {
  let complaints = [];
  const contexts = [];
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    const seen = complaints;
    complaints = [];
    assert.deepEqual(seen, []);
  });
  return {
    async visitor(options = {}) {
      const context = await browser.newContext({
        ignoreHTTPSErrors: true, locale: "en", viewport: { width: 1280, height: 800 }, ...options,
      });
      context.setDefaultTimeout(15_000);
      contexts.push(context);
      context.on("console", (message) => {
        // A policy's violation is one of these. An answer of 4xx is as well, and is what a test looks at.
        const isStatus = message.text().startsWith("Failed to load resource: the server responded with a status of 4");
        if (["error", "warning"].includes(message.type()) && !isStatus) complaints.push(message.text());
      });
      context.on("weberror", (error) => complaints.push(String(error.error())));
      return context.newPage();
    },
    /** What browsers complained of since the last time. */
    takeComplaints: () => complaints.splice(0),
  };
}

/** Fills in the login form and sends it. */
export async function signIn(page, login = "alice", password = PASSWORD) {
  await page.getByLabel("User name").fill(login);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

export const press = (page, name) => page.getByRole("button", { name, exact: true }).click();
