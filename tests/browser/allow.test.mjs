// The button "Allow" takes a press that its user means, and not the second half of a double click on a window of another
// site that was above the page (DoubleClickjacking).
import assert from "node:assert/strict";
import { test } from "node:test";
import { signIn, start } from "./test_provider.mjs";

const { issuer, origin, serve, client, newPage } = await start("loopback");

const CALLBACK = `${origin}/callback`;
await client("shop", { client_name: "The Corner Shop", redirect_uris: [CALLBACK] });
const AUTHORIZE = `${issuer}/auth/authorize?${new URLSearchParams({
  client_id: "shop", redirect_uri: CALLBACK, response_type: "code", scope: "openid profile", state: "s",
})}`;

/** The attacker's pages: a window above the consent page, which closes when it is pressed. */
const PAGES = {
  "/attack": `<button onclick="open('/above', '', 'popup,width=640,height=480'); location = '${AUTHORIZE}'">Play</button>`,
  "/above": "<title>above</title><script>document.onmousedown = () => close()</script>Click twice!",
};
serve((request, response) => {
  const { pathname } = new URL(request.url, origin);
  response.writeHead(200, { "content-type": "text/html" });
  response.end(`<!DOCTYPE html><link rel="icon" href="data:,">${PAGES[pathname] ?? "<title>app</title>"}`);
});

/** A page with the consent form, whose decisions are counted. No pointer has been over it. */
async function consentPage(options) {
  const signedIn = await newPage(options);
  await signedIn.goto(`${issuer}/auth/account`);
  await signIn(signedIn);
  await signedIn.getByRole("button", { name: "Sign out", exact: true }).waitFor();
  const page = await signedIn.context().newPage();
  await page.goto(AUTHORIZE);
  return { page, ...await allowOn(page) };
}

/** The middle of the button, and the decisions that are sent from now on. */
async function allowOn(page) {
  const decisions = [];
  page.on("request", (request) => {
    if (request.method() === "POST") decisions.push(new URLSearchParams(request.postData()).get("decision"));
  });
  const { x, y, width, height } = await page.getByRole("button", { name: "Allow" }).boundingBox();
  return { decisions, middle: /** @type {[number, number]} */ ([x + width / 2, y + height / 2]) };
}

const arrived = (page) => page.waitForURL(`${CALLBACK}?code=**`);

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "" : " without JavaScript";

  test(`a click where the pointer has just arrived does not allow, and one a second later does${how}`, async () => {
    const { page, middle, decisions } = await consentPage({ javaScriptEnabled });
    await page.mouse.click(...middle);
    await page.waitForTimeout(1_000);
    assert.deepEqual(decisions, []);
    assert.equal(page.url(), AUTHORIZE);
    await page.mouse.click(...middle);
    await arrived(page);
    assert.deepEqual(decisions, ["allow"]);
  });
}

test("a double click whose first click closes a window above the page does not allow", async () => {
  const { page: attacked } = await consentPage();
  await attacked.goto(`${origin}/attack`);
  const [above] = await Promise.all([attacked.waitForEvent("popup"), attacked.getByRole("button").click()]);
  await attacked.getByRole("button", { name: "Allow" }).waitFor();
  const { middle, decisions } = await allowOn(attacked);
  await above.waitForLoadState();
  await above.mouse.move(...middle);
  // The page loaded long ago, under the window.
  await attacked.waitForTimeout(1_000);
  await Promise.all([above.waitForEvent("close"), above.mouse.down().catch(() => {})]);
  await attacked.mouse.click(...middle, { clickCount: 2 });
  await attacked.waitForTimeout(1_000);
  assert.deepEqual(decisions, []);
  assert.equal(attacked.url(), AUTHORIZE);
  // It is the place of the button, which the user can press now.
  await attacked.mouse.click(...middle);
  await arrived(attacked);
});

test("clicks in quick succession do not allow, however many there are", async () => {
  const { page, middle, decisions } = await consentPage();
  for (let clicks = 0; clicks < 12; clicks += 1) {
    await page.mouse.click(...middle);
    await page.waitForTimeout(150);
  }
  assert.deepEqual(decisions, []);
  await page.waitForTimeout(1_000);
  await page.mouse.click(...middle);
  await arrived(page);
});

test("the time begins again when the pointer comes back from another window", async () => {
  const { page, middle, decisions } = await consentPage();
  await page.mouse.move(...middle);
  await page.waitForTimeout(1_000);
  await page.mouse.move(0, 0);
  await page.mouse.click(...middle);
  await page.waitForTimeout(100);
  assert.deepEqual(decisions, []);
});

test("a key press allows at once", async () => {
  const { page } = await consentPage();
  await page.getByRole("button", { name: "Allow" }).press("Enter");
  await arrived(page);
});

test("a tap allows at once", async () => {
  const { page, middle } = await consentPage({ hasTouch: true, isMobile: true, viewport: { width: 390, height: 844 } });
  await page.touchscreen.tap(...middle);
  await arrived(page);
});

test("a tap allows at once, too, on a computer that also has a mouse", async () => {
  const { page, middle: [x, y] } = await consentPage();
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x, y }] });
  await devtools.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await arrived(page);
});

test("a screen reader's press allows at once", async () => {
  const { page } = await consentPage();
  // As assistive technology does it, by the element instead of a point on the screen.
  await page.getByRole("button", { name: "Allow" }).dispatchEvent("click");
  await arrived(page);
});

test("Deny needs no such wait", async () => {
  const { page, decisions } = await consentPage();
  const { x, y } = await page.getByRole("button", { name: "Deny" }).boundingBox();
  await page.mouse.click(x + 10, y + 10);
  await page.waitForURL(`${CALLBACK}?error=access_denied**`);
  assert.deepEqual(decisions, ["deny"]);
});
