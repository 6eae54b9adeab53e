// The pages for clients that nobody vouches for, as their victims see them.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { listen } from "../../edge/client_server.mjs";
import { checkPage, takeScreenshots } from "../page_checks.mjs";
import { PASSWORD, press, start } from "../test_provider.mjs";

const { issuer, origin, worker, serve, newPage } = await start("https", { REGISTRATION: "open", CLIENT_DOCUMENTS: "127.0.0.1" });

const HOST = new URL(origin).hostname;
const CALLBACK = `${origin}/callback`;
/** Answers with 204, so that the browser does not leave the page before it. */
const SILENT = `${origin}/silent`;
serve((request, response) => {
  response.writeHead(request.url.startsWith("/silent") ? 204 : 200, { "content-type": "text/html" });
  response.end(request.url.startsWith("/silent") ? undefined : "<!DOCTYPE html><title>The application</title>");
});
/** RFC 7636 appendix B. */
const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/** One white pixel. */
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==";
const files = await listen();
after(() => files.close());
files.serve("/logo.png", Buffer.from(PIXEL, "base64"), "image/png");

/** Texts and links that imitate the provider, and the name that users see. */
const HOSTILE = [
  ["reset", "Reset your password here", "Reset your password here"],
  ["long", `${"\u202eevil ".repeat(30)}\u2066${"\u200bPostern\u200b ".repeat(30)}`, /^(evil ){19}evil…$/],
  ["zalgo", `Z${"\u0336\u035c\u0489\u20dd\u0301".repeat(30)}algo`, /^Z[\u0300-\u20ff]{3}algo$/u],
  ["quotes", "Postern” is verified and safe. Sign in to “Postern", "Postern' is verified and safe. Sign in to 'Postern"],
  ["rtl", "תוכנה \u202a(Postern ✓)", "תוכנה (Postern ✓)"],
];

async function register(name) {
  const response = await fetch(new URL("/auth/register", worker.url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      client_name: name, redirect_uris: [CALLBACK, SILENT], token_endpoint_auth_method: "none",
      logo_uri: files.url("/logo.png"), client_uri: "https://login.example.com.evil.example/auth/reset",
      policy_uri: `${issuer}/auth/account`, tos_uri: "https://support-login-example-com.evil.example/password",
    }),
  });
  const body = await response.json();
  assert.equal(response.status, 201, JSON.stringify(body));
  return body.client_id;
}

const authorize = (parameters) => `${issuer}/auth/authorize?${new URLSearchParams({
  redirect_uri: CALLBACK, response_type: "code", scope: "openid profile email", state: "s",
  code_challenge: CHALLENGE, code_challenge_method: "S256", ...parameters,
})}`;

/** Checks a page on the usual screens, and that it is no wider than the narrowest one. */
async function check(page, name) {
  await checkPage(page, name);
  await page.setViewportSize({ width: 320, height: 640 });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 320, `${name} is wider than 320 px`);
}

async function signIn(page) {
  await page.locator("input[name=login]").fill("alice");
  await page.locator("input[name=password]").fill(PASSWORD);
  await page.locator("button.primary").click();
  await page.locator("button[value=allow]").waitFor();
}

const shown = (page) => page.locator("main").innerText();
const links = (page) => page.locator("a").evaluateAll((all) => all.map((link) => link.querySelector("bdi").textContent));

for (const [kind, name, expected] of HOSTILE) {
  test(`the words of a stranger do not pass for the provider's: ${kind}`, async () => {
    const client_id = await register(name);
    const page = await newPage();
    await page.goto(authorize({ client_id }));
    assert.match(await shown(page), new RegExp(`to continue to ${HOST}\\s`));
    assert.match(await shown(page), /calls itself “.*” \(not verified\)/s);
    assert.deepEqual(await page.locator("a, img").count(), 0);
    const title = await page.locator("bdi.name").last().textContent();
    if (typeof expected === "string") assert.equal(title, expected);
    else assert.match(title, expected);
    assert.equal(await page.title(), `Sign in – ${HOST}`);
    await check(page, `stranger-${kind}-login`);

    await signIn(page);
    assert.match(await shown(page), new RegExp(`^Allow ${HOST} to access your account\\?\\s+The application calls itself “`));
    assert.match(await shown(page), /” \(not verified\)\s/);
    assert.match(await shown(page), new RegExp(`You will then go to ${HOST}\\s`));
    assert.match(await shown(page), new RegExp(`\\s${HOST} will be able to see\\s`));
    assert.deepEqual((await links(page)).slice(1), [
      "login.example.com.evil.example", "support-login-example-com.evil.example",
    ]);
    assert.equal(await page.locator("img").count(), 1);
    await check(page, `stranger-${kind}-consent`);

    await press(page, "Allow");
    await page.waitForURL(`${CALLBACK}?**`);
    await page.goto(`${issuer}/auth/account`);
    assert.match(await shown(page), /“.*”\s+Not verified\./s);
    assert.deepEqual(await links(page), []);
    await check(page, `stranger-${kind}-account`);
  });
}

test("a client by document has the host of its document on each page, and its name is not verified", async () => {
  const client_id = files.url("/client.json");
  for (const [kind, redirect_uri] of [["web", CALLBACK], ["device", "http://127.0.0.1/callback"]]) {
    files.serve("/client.json", JSON.stringify({
      client_id, client_name: "Editor \u202e", redirect_uris: [CALLBACK, "http://127.0.0.1/callback"],
      logo_uri: files.url("/logo.png"), client_uri: "https://evil.example/",
    }), "application/json");
    const page = await newPage();
    await page.goto(authorize({ client_id, redirect_uri }));
    const destination = kind === "web" ? HOST : "an application on your device";
    assert.match(await shown(page), new RegExp(`to continue to ${destination}\\s`));
    assert.match(await shown(page), /calls itself “Editor” \(not verified\)/);
    assert.match(await shown(page), /published by 127\.0\.0\.1/);
    assert.equal(await page.locator("a, img").count(), 0);
    await check(page, `document-${kind}-login`);
    await signIn(page);
    assert.ok((await shown(page)).startsWith(`Allow ${destination} to access your account?`), await shown(page));
    assert.match(await shown(page), /calls itself “Editor” \(not verified\)/);
    assert.match(await shown(page), /published by 127\.0\.0\.1/);
    await check(page, `document-${kind}-consent`);
  }
});

test("the page that leaves names the host of its link", async () => {
  const client_id = await register("Reset your password here");
  const page = await newPage();
  await page.goto(authorize({ client_id, redirect_uri: SILENT }));
  await signIn(page);
  await press(page, "Allow");
  await page.locator("a.primary").waitFor();
  assert.equal(await page.locator("p.small").innerText(), HOST);
  await takeScreenshots(page, "stranger-leaving");
});
