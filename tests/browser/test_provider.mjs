// Starts the provider, an application and a browser. The built module runs in workerd behind a server of Node, because
// the issuer's port must be known before the worker starts.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { after, afterEach, beforeEach } from "node:test";
import { chromium } from "playwright-core";
import { findChromium } from "../../scripts/chromium.mjs";
import { forward, start as startWorker } from "../edge/harness.mjs";

export const PASSWORD = "correct horse battery";

const FLAGS = [
  "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/**
 * The origins of the provider and the application, which are different sites to the browser, as in production:
 *
 * - `https`: names and TLS, so that cookies are Secure and have their __Host- prefix
 * - `loopback`: http on this machine, as `npm start` has it
 */
const ORIGINS = {
  https: { provider: () => "https://login.example.com", app: () => "https://app.example.net" },
  loopback: { provider: (port) => `http://localhost:${port}`, app: (port) => `http://127.0.0.1:${port}` },
};

/** Starts them for a file of tests, with the users alice and bob, and more variables. They stop after its tests. */
export async function start(kind, vars = {}) {
  const executablePath = findChromium();
  assert.ok(executablePath, "there is no Chromium or Chrome; install one, or set CHROMIUM to its path");
  const handlers = {};
  const servers = {};
  for (const name of ["provider", "app"]) {
    servers[name] = await listen(kind, (request, response) => handlers[name](request, response));
  }
  const port = (name) => servers[name].address().port;
  const issuer = ORIGINS[kind].provider(port("provider"));
  const origin = ORIGINS[kind].app(port("app"));

  const worker = await startWorker({ vars: { ISSUER: issuer, ALLOW_LOOPBACK: "true", ...vars } });
  let lag = 0;
  handlers.provider = (request, response) => forward(worker.url, request, response, lag);
  await putUsers(worker);
  // The next test starts without consent.
  beforeEach(() => worker.env.DB.exec("DELETE FROM consents"));

  const names = [[issuer, "provider"], [origin, "app"]].map(([url, name]) =>
    `MAP ${new URL(url).hostname}:443 127.0.0.1:${port(name)}`);
  const browser = await chromium.launch({
    executablePath,
    args: [...FLAGS, ...(kind === "https" ? [`--host-resolver-rules=${names.join(",")}`] : [])],
  });
  after(async () => {
    await browser.close();
    for (const server of Object.values(servers)) {
      server.closeAllConnections();
      server.close();
    }
    await worker.close();
  });

  return {
    issuer,
    origin,
    worker,
    /** Sets the handler of requests to the application. */
    serve(handler) { handlers.app = handler; },
    /** Sets how many milliseconds the provider's responses take on their way. */
    setLag(milliseconds) { lag = milliseconds; },
    /** Stores a client. Returns it with its secret. */
    async client(id, metadata) {
      const { status, body } = await worker.operator("PUT", `/admin/clients/${id}`, metadata);
      assert.equal(status, 200, JSON.stringify(body));
      return body;
    },
    ...pagesOf(browser),
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

async function putUsers({ operator }) {
  for (const [sub, name] of [["alice", "Alice Liddell"], ["bob", "Bob Cratchit"]]) {
    const claims = { name, email: `${sub}@example.com`, email_verified: true, groups: ["staff"] };
    const { status } = await operator("PUT", `/admin/users/${sub}`, { login: sub, password: PASSWORD, claims });
    assert.equal(status, 200);
  }
}

/** Opens pages, each in its own browser profile. Errors and warnings of the browser's console fail the test. */
function pagesOf(browser) {
  let complaints = [];
  const contexts = [];
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    const seen = complaints;
    complaints = [];
    assert.deepEqual(seen, []);
  });
  return {
    async newPage(options = {}) {
      const context = await browser.newContext({
        ignoreHTTPSErrors: true, locale: "en", viewport: { width: 1280, height: 800 }, ...options,
      });
      context.setDefaultTimeout(15_000);
      contexts.push(context);
      context.on("console", (message) => {
        // Policy violations are console errors. Responses with 4xx are too, but tests expect those.
        const isStatus = message.text().startsWith("Failed to load resource: the server responded with a status of 4");
        if (["error", "warning"].includes(message.type()) && !isStatus) complaints.push(message.text());
      });
      context.on("weberror", (error) => complaints.push(String(error.error())));
      return context.newPage();
    },
    /** The errors and warnings since the last call. They do not fail the test. */
    takeComplaints: () => complaints.splice(0),
  };
}

/** Submits the login form. */
export async function signIn(page, login = "alice", password = PASSWORD) {
  await page.getByLabel("User name").fill(login);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Presses a button by mouse. The pointer is over the page before, because Allow takes no press of one that just came. */
export async function press(page, name) {
  const button = page.getByRole("button", { name, exact: true });
  await button.waitFor();
  const { width, height } = page.viewportSize();
  await page.mouse.move(width / 2, height / 2);
  await button.click();
}
