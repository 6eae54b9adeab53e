// The pages on which a user connects a device (RFC 8628), in Chromium, with the checks of axe.
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkPage, takeNarrowScreenshots, takeScreenshots } from "./page_checks.mjs";
import { press, signIn, start } from "./test_provider.mjs";

const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code";
const { issuer, worker, client, newPage } = await start("https");
await client("tv", {
  client_name: "Living room TV", redirect_uris: [], grant_types: [GRANT_TYPE, "refresh_token"], token_endpoint_auth_method: "none",
});

/** Sends a request as the device does. */
async function send(path, parameters, headers = {}) {
  const response = await worker.fetch(path, {
    method: "POST",
    body: new URLSearchParams({ client_id: "tv", ...parameters }),
    headers: { "cf-connecting-ip": "127.0.0.1", ...headers },
  });
  return { status: response.status, body: await response.json() };
}

async function startDevice(headers) {
  const { status, body } = await send("/auth/device", { scope: "openid profile offline_access" }, headers);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

const poll = ({ device_code }) => send("/auth/token", { grant_type: GRANT_TYPE, device_code });

/** Checks a page on the usual screens, and takes screenshots of the narrowest one. */
async function check(page, name) {
  await checkPage(page, name);
  await takeNarrowScreenshots(page, name);
}

test("a user types the code of a device, signs in, compares and allows", async () => {
  const device = await startDevice({ "user-agent": "tv-app/3.1 (Linux; Tizen 6.0)" });
  const page = await newPage();
  await page.goto(device.verification_uri);
  await check(page, "device");
  // The field has the focus.
  await page.keyboard.type(` ${device.user_code.replace("-", "").toLowerCase()} `);
  await page.keyboard.press("Enter");
  await page.getByText("Living room TV").first().waitFor();
  await check(page, "device-login");
  await signIn(page);
  await page.getByText("Your device must show this code").waitFor();
  await page.getByText(device.user_code, { exact: true }).waitFor();
  await page.getByText("tv-app/3.1, Tizen").waitFor();
  await check(page, "device-consent");
  assert.equal((await poll(device)).body.error, "authorization_pending");
  await press(page, "Allow");
  await page.getByRole("heading", { name: "Your device is connected" }).waitFor();
  await check(page, "device-allowed");
  await page.reload();
  await page.getByRole("heading", { name: "Your device is connected" }).waitFor();
  // The next poll comes after the interval.
  await worker.env.DB.exec("UPDATE authorization_requests SET polled_at = polled_at - 5");
  const { status, body } = await poll(device);
  assert.equal(status, 200, JSON.stringify(body));
  assert.ok(body.id_token && body.refresh_token);
});

test("the link of a QR code fills in the code, and the user still compares and decides", async () => {
  const device = await startDevice();
  const page = await newPage();
  await page.goto(`${issuer}/auth/account`);
  await signIn(page);
  await page.getByRole("button", { name: "Sign out", exact: true }).waitFor();
  await page.goto(device.verification_uri_complete);
  assert.equal(await page.getByLabel("Code").inputValue(), device.user_code);
  await check(page, "device-linked");
  await press(page, "Continue");
  await page.getByText(device.user_code, { exact: true }).waitFor();
  await press(page, "Deny");
  await page.getByRole("heading", { name: "Access denied" }).waitFor();
  await check(page, "device-denied");
  assert.equal((await poll(device)).body.error, "access_denied");
});

test("a wrong code shows an alert, and too many of them a pause", async () => {
  const page = await newPage();
  await page.goto(`${issuer}/device`);
  await page.getByLabel("Code").fill("BBBB-BBBB");
  await press(page, "Continue");
  await page.getByRole("alert").waitFor();
  assert.match(await page.getByRole("alert").innerText(), /^This code is not right/);
  await check(page, "device-wrong");
  for (let attempts = 0; attempts < 10; attempts += 1) {
    await page.getByLabel("Code").fill("BBBB-BBBB");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
  }
  assert.match(await page.getByRole("alert").innerText(), /^Too many attempts/);
  await check(page, "device-too-many");
  await worker.env.DB.exec("DELETE FROM user_code_attempts");
});

test("the pages work without a script", async () => {
  const device = await startDevice();
  const page = await newPage({ javaScriptEnabled: false });
  await page.goto(device.verification_uri_complete);
  await page.getByRole("button", { name: "Continue" }).click();
  await signIn(page);
  await press(page, "Allow");
  await page.getByRole("heading", { name: "Your device is connected" }).waitFor();
  assert.equal((await poll(device)).status, 200);
});

for (const locale of ["de", "es", "fr", "nl"]) {
  test(`the pages of a device are in the browser's language: ${locale}`, async () => {
    const device = await startDevice({ "user-agent": "tv-app/3.1", "cf-connecting-ip": "203.0.113.9" });
    const page = await newPage({ locale });
    await page.goto(device.verification_uri_complete);
    assert.equal(await page.locator("html").getAttribute("lang"), locale);
    await takeScreenshots(page, `device-linked-${locale}`);
    await page.locator("button").first().click();
    await page.locator("input[name=login]").fill("alice");
    await page.locator("input[name=password]").fill("correct horse battery");
    await page.locator("button").first().click();
    await page.getByText(device.user_code, { exact: true }).waitFor();
    await check(page, `device-consent-${locale}`);
  });
}
