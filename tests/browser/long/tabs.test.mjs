// Several tabs that one browser opens at once, and other sites that want to end the forms in them.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { until } from "../../edge/harness.mjs";
import { PASSWORD, press, signIn, start } from "../test_provider.mjs";

const { issuer, origin, serve, setLag, client, newPage, takeComplaints } = await start("https");
afterEach(() => setLag(0));

const CALLBACK = `${origin}/callback`;
await client("shop", { client_name: "The Corner Shop", redirect_uris: [CALLBACK] });

const authorize = (state) => `${issuer}/auth/authorize?${new URLSearchParams({
  client_id: "shop", redirect_uri: CALLBACK, response_type: "code", scope: "openid", state,
})}`;

/** The home page of another site. */
let content = "";
serve((request, response) => {
  response.writeHead(200, { "content-type": "text/html" });
  response.end(`<!DOCTYPE html><link rel="icon" href="data:,"><title>app</title>${request.url === "/" ? content : ""}`);
});

const cookiesOf = async (page) =>
  (await page.context().cookies(issuer)).map(({ name }) => name).filter((name) => name.includes("-browser")).sort();

/** Opens five tabs in an empty profile. All five requests are on their way before the first response arrives. */
async function openFive() {
  const context = (await newPage()).context();
  const tabs = await Promise.all(Array.from({ length: 5 }, () => context.newPage()));
  const waiting = [];
  await context.route("**/auth/authorize?**", (route) => {
    waiting.push(route);
    if (waiting.length >= tabs.length) for (const one of waiting.splice(0)) one.continue();
  });
  setLag(300);
  await Promise.all(tabs.map((tab, index) => tab.goto(authorize(`tab ${index}`))));
  await context.unroute("**/auth/authorize?**");
  setLag(0);
  assert.equal((await cookiesOf(tabs[0])).length, 5);
  return tabs;
}

/** Waits for the authorization response. Returns its state. */
async function stateOf(tab) {
  await tab.waitForURL(`${CALLBACK}?code=**`);
  return new URL(tab.url()).searchParams.get("state");
}

test("the forms in five tabs opened at once sign in, one after the other", async () => {
  const tabs = await openFive();
  for (const [index, tab] of tabs.entries()) {
    await signIn(tab);
    if (index === 0) await press(tab, "Allow");
    assert.equal(await stateOf(tab), `tab ${index}`);
  }
  // They are the browser's cookies from now on: another page adds none.
  const cookies = await cookiesOf(tabs[0]);
  await tabs[0].goto(`${issuer}/auth/account`);
  assert.deepEqual(await cookiesOf(tabs[0]), cookies);
});

// Not all in the same instant: a sign-in ends the session of the one before, which may not have got its next page.
test("the forms in five tabs opened at once sign in, the last tab first", async () => {
  const tabs = await openFive();
  for (const [index, tab] of [...tabs.entries()].reverse()) {
    await signIn(tab);
    if (index === tabs.length - 1) await press(tab, "Allow");
    assert.equal(await stateOf(tab), `tab ${index}`);
  }
});

test("a form that another site posts leaves the cookie and the open form alone", async () => {
  const page = await newPage();
  await page.goto(authorize("open"));
  const cookies = await page.context().cookies(issuer);
  const other = await page.context().newPage();
  for (const path of ["/auth/login", "/auth/authorize", "/auth/account"]) {
    content = `<form method="post" action="${issuer}${path}"><input name="request" value="">
      <input name="token" value="x"><input name="login" value="x"><input name="password" value="x"><button>Go</button></form>`;
    await other.goto(origin);
    const posted = other.waitForResponse((response) => response.request().method() === "POST");
    await press(other, "Go");
    assert.equal((await posted).headers()["set-cookie"], undefined, path);
    await other.waitForLoadState();
  }
  assert.deepEqual(await page.context().cookies(issuer), cookies);
  await signIn(page);
  await press(page, "Allow");
  assert.equal(await stateOf(page), "open");
});

test("another site's pictures, scripts and frames add no cookie to a browser", async () => {
  const targets = Array.from({ length: 20 }, (_, index) => authorize(String(index)));
  const pictures = targets.map((url) => `<img src="${url.replaceAll("&", "&amp;")}" alt="">`).join("");
  content = `${pictures}<iframe src="${issuer}/auth/account"></iframe>`;
  const page = await newPage();
  await page.goto(origin, { waitUntil: "load" });
  const frame = () => page.frames().find((one) => one !== page.mainFrame())?.url();
  const isRefused = (url) => url === "chrome-error://chromewebdata/";
  assert.ok(isRefused(await until(frame, isRefused)), frame());
  await page.evaluate((urls) => Promise.all(urls.map((url) => fetch(url, { mode: "no-cors", credentials: "include" }))), targets);
  assert.deepEqual(await cookiesOf(page), []);
  // The browser reports the frame that it refuses to show, now or later.
  await page.close();
  assert.ok(takeComplaints().every((text) => /frame/i.test(text)));
});

test("a form in a browser that lost its cookies says so, and works then", async () => {
  const page = await newPage();
  await page.goto(authorize("lost"));
  await page.context().clearCookies();
  await signIn(page);
  assert.match(await page.getByRole("alert").innerText(), /needs cookies/);
  await page.getByLabel("Password").fill(PASSWORD);
  await press(page, "Sign in");
  await press(page, "Allow");
  assert.equal(await stateOf(page), "lost");
});
