// The demo application of npm start, on loopback addresses.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { serveDemo } from "../../scripts/demo/app.mjs";
import { checkPage } from "./page_checks.mjs";
import { press, signIn, start } from "./test_provider.mjs";

const { issuer, worker, newPage } = await start("loopback");

/** The operator's API, with the interface that the demo gets from the scripts. */
const admin = async (method, path, body = undefined) => {
  const { status, body: json } = await worker.operator(method, `/admin${path}`, body);
  if (status !== 200) throw Object.assign(new Error(json.error_description), { code: json.error });
  return json;
};

const serve = async (port = 0) => {
  const scopes = ["openid", "profile", "email", "groups"];
  const demo = await serveDemo({ issuer, worker: issuer, admin, port, scopes });
  after(() => demo.close());
  return demo;
};
const { origin } = await serve();

/** The value of a claim on the page. */
const claim = (page, section, name) => page
  .getByRole("region", { name: section })
  .locator("div").filter({ has: page.getByText(name, { exact: true }) })
  .locator("dd").first().innerText();

async function signedIn(options = {}) {
  const page = await newPage(options);
  await page.goto(origin);
  await page.getByRole("link", { name: "Sign in" }).click();
  await signIn(page);
  await press(page, "Allow");
  await page.getByRole("heading", { name: "Hello, Alice Liddell" }).waitFor();
  return page;
}

test("the demo shows the ID token and userinfo of the user", async () => {
  const page = await newPage();
  await page.goto(origin);
  await checkPage(page, "demo");
  const after = await signedIn();
  assert.equal(await claim(after, "ID token", "iss"), issuer);
  assert.equal(await claim(after, "ID token", "sub"), "alice");
  assert.equal(await claim(after, "ID token", "aud"), "postern-demo");
  assert.equal(await claim(after, "Userinfo", "email"), "alice@example.com");
  const summary = await after.locator(".summary").innerText();
  assert.match(summary, /^E-mail address\s+alice@example.com\s+Groups\s+staff\s+Signed in since\s+\d{4}-/);
  await checkPage(after, "demo-signed-in");
});

test("the demo shows the code of a device, which another browser allows", async () => {
  const device = await newPage();
  await device.goto(origin);
  await device.getByRole("button", { name: "Sign in on a device without a browser" }).click();
  await device.getByRole("img", { name: "QR code with the link" }).waitFor();
  await checkPage(device, "demo-device");
  const code = await device.locator("p.code").innerText();
  const phone = await newPage();
  await phone.goto(await device.getByRole("link", { name: "The link of the QR code" }).getAttribute("href"));
  assert.equal(await phone.getByLabel("Code").inputValue(), code);
  await press(phone, "Continue");
  await signIn(phone);
  await phone.getByText(code, { exact: true }).waitFor();
  await press(phone, "Allow");
  await phone.getByRole("heading", { name: "Your device is connected" }).waitFor();
  // The device polls, and its page is loaded again.
  await device.getByRole("heading", { name: "The device is signed in" }).waitFor();
  assert.equal(await claim(device, "ID token", "aud"), "postern-demo-device");
  assert.equal(await claim(device, "Userinfo", "email"), "alice@example.com");
  await checkPage(device, "demo-device-signed-in");
});

test("the demo needs no JavaScript", async () => {
  const page = await signedIn({ javaScriptEnabled: false });
  assert.equal(await claim(page, "ID token", "sub"), "alice");
});

test("the demo refreshes its tokens, and signs in again without a page", async () => {
  const page = await signedIn();
  assert.match(await claim(page, "ID token", "nonce"), /./);
  await press(page, "Refresh tokens");
  // A refreshed ID token has no nonce (Core section 12.2).
  await page.getByText("nonce", { exact: true }).waitFor({ state: "detached" });
  await page.getByRole("link", { name: "Sign in again" }).click();
  await page.getByText("nonce", { exact: true }).waitFor();
  assert.equal(page.url(), `${origin}/`);
});

test("the demo switches to another account", async () => {
  const page = await signedIn();
  await page.getByRole("link", { name: "Use another account" }).click();
  await press(page, "Use another account");
  await signIn(page, "bob");
  await press(page, "Allow");
  await page.getByRole("heading", { name: "Hello, Bob Cratchit" }).waitFor();
});

test("after access is withdrawn on the account page, the demo's tokens fail", async () => {
  const page = await signedIn();
  await page.getByRole("link", { name: "Your account" }).click();
  const application = page.locator("details").filter({ hasText: /^\s*Postern demo\s/ }).first();
  await application.locator("summary").first().click();
  await application.getByRole("button", { name: /Withdraw access/ }).click();
  await page.getByText("Postern demo no longer has access to your account.").waitFor();
  await page.goto(origin);
  await page.getByRole("region", { name: "Userinfo" }).getByText("invalid_token").waitFor();
  await checkPage(page, "demo-withdrawn");
  await press(page, "Refresh tokens");
  await page.getByText("invalid_grant").waitFor();
  await page.getByRole("link", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Allow" }).waitFor();
});

test("a user who signs out of the demo is signed out of the provider, too", async () => {
  const page = await signedIn();
  await press(page, "Sign out");
  await page.getByRole("heading", { name: "You are signed out" }).waitFor();
  assert.equal(new URL(page.url()).pathname, "/signed-out");
  await checkPage(page, "demo-left");
  await page.getByRole("link", { name: "Sign in again" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
});

test("a user who signs out of the provider is signed out of the demo, too", async () => {
  const page = await signedIn();
  await page.getByRole("link", { name: "Your account" }).click();
  await press(page, "Sign out");
  const start = page.getByRole("link", { name: "Sign in", exact: true });
  for (let tries = 0; tries < 100 && !await start.isVisible(); tries += 1) await page.goto(origin);
  await start.waitFor();
});

test("after the demo has revoked its tokens, userinfo and a refresh refuse them", async () => {
  const page = await signedIn();
  await press(page, "Revoke tokens");
  await page.getByRole("region", { name: "Userinfo" }).getByText("invalid_token").waitFor();
  await press(page, "Refresh tokens");
  await page.getByText("invalid_grant").waitFor();
});

test("the demo refuses a logout token of somebody else", async () => {
  const page = await signedIn();
  const body = new URLSearchParams({ logout_token: "a.b.c" });
  const refused = await fetch(`${origin}/backchannel-logout`, { method: "POST", body });
  assert.equal(refused.status, 400);
  await page.reload();
  await page.getByRole("heading", { name: "Hello, Alice Liddell" }).waitFor();
});

test("after the user denies consent, the demo says so", async () => {
  const page = await newPage();
  await page.goto(`${origin}/sign-in`);
  await signIn(page);
  await press(page, "Deny");
  await page.getByRole("heading", { name: "You chose not to allow it" }).waitFor();
  await page.getByText("access_denied").waitFor();
  await checkPage(page, "demo-denied");
});

test("the demo refuses the response to a sign-in of another browser", async () => {
  const [mine, theirs] = [await newPage(), await newPage()];
  await mine.goto(`${origin}/sign-in`);
  await signIn(mine);
  const response = mine.waitForRequest(`${origin}/callback**`);
  await press(mine, "Allow");
  await theirs.goto((await response).url());
  await theirs.getByText("This sign-in was started in another browser, or has ended.").waitFor();
});

test("a second demo gets another secret, and another port if its own is in use", async () => {
  const again = await serve(Number(new URL(origin).port));
  assert.notEqual(again.origin, origin);
  const page = await newPage();
  await page.goto(`${again.origin}/sign-in`);
  await signIn(page, "bob");
  await press(page, "Allow");
  await page.getByRole("heading", { name: "Hello, Bob Cratchit" }).waitFor();
});
