// The pages of a provider with a name, a logo, a color and links, in Chromium, with the checks of axe.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { calculateJwkThumbprint } from "jose";
import { listen, makeKey } from "../../edge/client_server.mjs";
import { start as startWorker } from "../../edge/harness.mjs";
import { logo } from "../logo.mjs";
import { checkPage } from "../page_checks.mjs";
import { press, signIn, start } from "../test_provider.mjs";

const pictures = await listen();
after(() => pictures.close());
pictures.serve("/logo.png", logo(), "image/png");
const { issuer, origin, worker, serve, client, newPage } = await start("https", {
  NAME: "Corner Login",
  LOGO_URL: pictures.url("/logo.png"),
  COLOR: "#0a7f5c",
  SUPPORT_URL: "mailto:help@example.com",
  PRIVACY_URL: "https://example.com/privacy",
  HELP_URL: "https://example.com/password",
});
serve((_request, response) => {
  response.writeHead(200, { "content-type": "text/html" });
  response.end("<!DOCTYPE html><title>The shop</title>");
});
await client("shop", { client_name: "The Corner Shop", redirect_uris: [`${origin}/callback`] });
await putKeys();

const authorize = (parameters = {}) => `${issuer}/auth/authorize?${new URLSearchParams({
  client_id: "shop", redirect_uri: `${origin}/callback`, response_type: "code", scope: "openid profile email", ...parameters,
})}`;

/** Stores keys of each algorithm in the middle of a rotation: one that retires, one that signs and one that will. */
async function putKeys() {
  const day = 86_400;
  const now = Math.floor(Date.now() / 1_000);
  for (const alg of ["ES256", "RS256"]) {
    for (const [from, sign, until, retire] of [
      [0, 0, now - 2 * day, now + day],
      [now - 5 * day, now - 2 * day, now + 28 * day, now + 31 * day],
      [now - day, now + 28 * day, null, null],
    ]) {
      const { jwk } = await makeKey(alg, "");
      jwk.kid = await calculateJwkThumbprint(jwk);
      await worker.env.DB.prepare(
        "INSERT INTO signing_keys (kid, alg, public_jwk, sealed_private, publish_from, sign_from, sign_until, retire_at) " +
        "VALUES (?, ?, ?, '', ?, ?, ?, ?)",
      ).bind(jwk.kid, alg, JSON.stringify(jwk), from, sign, until, retire).run();
    }
  }
}

/** Asserts that every link that does not run in a sentence is 24 pixels high (WCAG 2.2 section 2.5.8). */
async function checkLinks(page) {
  const low = await page.locator("a").evaluateAll((links) => links
    .filter((link) => getComputedStyle(link).display !== "inline" && link.getBoundingClientRect().height < 24)
    .map(({ textContent }) => textContent));
  assert.deepEqual(low, []);
}

test("the page at the issuer's URL shows whose login it is, and the keys", async () => {
  const page = await newPage();
  await page.goto(issuer);
  await page.getByRole("heading", { name: "Corner Login" }).waitFor();
  assert.equal(await page.locator(".keys li").count(), 6);
  assert.equal(await page.getByText(/^(ES|RS)256 signing, until /).count(), 2);
  await checkLinks(page);
  await checkPage(page, "branding-home");
  const german = await newPage({ locale: "de" });
  await german.goto(issuer);
  await checkPage(german, "branding-home-de");
});

test("the logo is served by the provider alone", async () => {
  const page = await newPage();
  const hosts = new Set();
  page.on("request", (request) => hosts.add(new URL(request.url()).host));
  await page.goto(authorize());
  const image = page.locator("header img");
  assert.equal(await image.evaluate((/** @type {HTMLImageElement} */ { complete, naturalWidth }) => complete && naturalWidth > 0), true);
  assert.deepEqual([...hosts], [new URL(issuer).host]);
  assert.deepEqual(pictures.takePaths(), ["/logo.png"]);
});

test("every page of a sign-in shows whose login it is", async () => {
  const page = await newPage();
  await page.goto(authorize());
  await checkLinks(page);
  await checkPage(page, "branding-login");
  await signIn(page, "alice", "not my password");
  await page.getByRole("alert").waitFor();
  assert.equal(await page.title(), "Error: Sign in – The Corner Shop");
  await checkPage(page, "branding-login-wrong");
  await page.getByRole("button", { name: "Show password" }).click();
  await page.getByRole("status").waitFor();
  await checkPage(page, "branding-login-visible");
  await signIn(page);
  await page.getByRole("button", { name: "Allow" }).waitFor();
  await checkPage(page, "branding-consent");
  await press(page, "Allow");
  await page.waitForURL(`${origin}/callback?**`);
  await page.goto(authorize({ prompt: "select_account" }));
  await checkPage(page, "branding-choose-account");
  await page.goto(`${issuer}/auth/account`);
  await checkLinks(page);
  await checkPage(page, "branding-account");
  await press(page, "Sign out");
  await page.getByRole("heading", { name: "You are signed out" }).waitFor();
  await checkPage(page, "branding-signed-out");
});

test("errors show whose login it is, and a way on", async () => {
  const page = await newPage();
  assert.equal((await page.goto(`${issuer}/nowhere`)).status(), 404);
  await checkLinks(page);
  await checkPage(page, "branding-not-found");
  await page.goto(authorize({ client_id: "nobody" }));
  await page.getByText("invalid_client").waitFor();
  await checkPage(page, "branding-error");
});

test("with forced colors the primary button has a wide edge", async () => {
  const page = await newPage();
  await page.goto(authorize());
  await page.emulateMedia({ forcedColors: "active" });
  const width = (name) => page.getByRole("button", { name }).evaluate((button) => getComputedStyle(button).borderTopWidth);
  assert.equal(await width("Sign in"), "3px");
  await page.emulateMedia({ forcedColors: null });
  assert.equal(await width("Sign in"), "1px");
});

test("a bright color has dark text and an edge", async () => {
  const other = await startWorker({ vars: { COLOR: "#ffcc00", NAME: "ÜBER Login", LOGIN_LABEL: "username_or_email", HELP_URL: "mailto:a@example.com" } });
  after(() => other.close());
  await showIn(await newPage({ bypassCSP: true }), other, "/auth/account", "branding-bright-login");
});

test("a wrong variable has a page", async () => {
  const other = await startWorker({ vars: { COLOR: "green" } });
  after(() => other.close());
  await showIn(await newPage({ bypassCSP: true }), other, "/", "misconfigured");
});

/** Checks the page of a worker that has no server for browsers. */
async function showIn(page, { fetch }, path, name) {
  const html = await (await fetch(path, { headers: { accept: "text/html" } })).text();
  await page.route("https://login.example.com/**", async (route) => {
    const url = new URL(route.request().url());
    if (url.pathname === path) return route.fulfill({ body: html, contentType: "text/html" });
    const response = await fetch(url.pathname);
    return route.fulfill({ body: await response.text(), contentType: response.headers.get("content-type") });
  });
  await page.goto(`https://login.example.com${path}`);
  await checkPage(page, name);
}
