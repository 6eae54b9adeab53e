// An application whose callback redirects on: from https to http, or to a desktop application by its own scheme.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { checkPage, takeScreenshots } from "../page_checks.mjs";
import { PASSWORD, press, signIn, start } from "../test_provider.mjs";

const { issuer, origin, serve, client, newPage } = await start("https");

const CALLBACK = `${origin}/callback`;
const html = (response, title) => {
  response.writeHead(200, { "content-type": "text/html" });
  response.end(`<!DOCTYPE html><link rel="icon" href="data:,"><title>${title}</title><h1>${title}</h1>`);
};

/** The server of a program on the user's device, which has http only. */
const program = createServer((_request, response) => html(response, "The program"));
program.listen(0, "127.0.0.1");
await once(program, "listening");
after(() => { program.closeAllConnections(); program.close(); });
const PROGRAM = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (program.address()).port}/`;

/** The application. Its callback redirects to `next`, or shows a page. */
let next;
const calls = [];
serve((request, response) => {
  const url = new URL(request.url, origin);
  if (url.pathname !== "/callback") return html(response, "The home page");
  calls.push({ ...Object.fromEntries(url.searchParams), referer: request.headers.referer });
  if (next) return response.writeHead(302, { location: next }).end();
  html(response, "The callback");
});
await client("desk", { client_name: "Desk", redirect_uris: [CALLBACK] });
await client("trusted", { client_name: "Desk", redirect_uris: [CALLBACK], trusted: true });

const authorize = (parameters) => `${issuer}/auth/authorize?${new URLSearchParams({
  client_id: "desk", redirect_uri: CALLBACK, response_type: "code", scope: "openid", state: "s", ...parameters,
})}`;

/** Opens a page in a new profile, and collects the navigations that the browser begins by itself or follows. */
async function open(options) {
  calls.length = 0;
  const page = await newPage(options);
  const navigations = [];
  const session = await page.context().newCDPSession(page);
  await session.send("Page.enable");
  await session.send("Network.enable");
  session.on("Page.frameRequestedNavigation", ({ reason, url }) => navigations.push(`${reason} ${url}`));
  session.on("Network.requestWillBeSent", ({ redirectResponse, request }) => {
    if (redirectResponse) navigations.push(`redirect ${request.url}`);
  });
  return { page, navigations, session };
}

const hasCode = ({ code, state }) => code.length === 43 && state === "s";

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with JavaScript" : "without JavaScript";

  test(`${how} a callback that redirects from https to http is followed after consent`, async () => {
    next = PROGRAM;
    const { page } = await open({ javaScriptEnabled });
    await page.goto(authorize({}));
    await signIn(page);
    await press(page, "Allow");
    await page.waitForURL(PROGRAM);
    assert.ok(calls.length === 1 && hasCode(calls[0]));
    assert.equal(calls[0].referer, undefined);
  });

  test(`${how} it is followed after a sign-in that needs no consent`, async () => {
    next = PROGRAM;
    const { page } = await open({ javaScriptEnabled });
    await page.goto(authorize({ client_id: "trusted" }));
    await signIn(page);
    await page.waitForURL(PROGRAM);
    // With the session, the response is a redirect.
    await page.goto(authorize({ client_id: "trusted" }));
    await page.waitForURL(PROGRAM);
    assert.ok(calls.length === 2 && calls.every(hasCode));
  });
}

test("it is followed after a choice of the account, and after a denial", async () => {
  next = PROGRAM;
  const { page } = await open();
  await page.goto(authorize({ client_id: "trusted" }));
  await signIn(page);
  await page.waitForURL(PROGRAM);
  await page.goto(authorize({ client_id: "trusted", prompt: "select_account" }));
  await press(page, "Continue as Alice Liddell alice");
  await page.waitForURL(PROGRAM);
  await page.goto(authorize({}));
  await press(page, "Deny");
  // The browser gives the fragment of an error to a redirect that has none.
  await page.waitForURL(`${PROGRAM}#_`);
  assert.deepEqual(calls.map(({ error }) => error), [undefined, undefined, "access_denied"]);
});

for (const scheme of ["vendor.desk-app", "cursor"]) {
  test(`a callback that redirects to ${scheme}: is followed, without a violation of the policy`, async () => {
    next = `${scheme}://signed-in?window=1`;
    const { page, navigations } = await open();
    await page.goto(authorize({}));
    await signIn(page);
    // The browser stays on the page that leaves, because no program is registered for the scheme.
    const left = new Promise((resolve) => { page.on("requestfailed", resolve); });
    await press(page, "Allow");
    await left;
    assert.ok(calls.length === 1 && hasCode(calls[0]));
    const [leaving, followed] = navigations.slice(-2);
    assert.ok(leaving.startsWith(`httpHeaderRefresh ${CALLBACK}?code=`), leaving);
    assert.equal(followed, `redirect ${next}`);
  });
}

test("the page that left is not in the history", async () => {
  next = undefined;
  const { page } = await open();
  await page.goto(`${origin}/`);
  await page.goto(authorize({ prompt: "consent" }));
  await signIn(page);
  await press(page, "Allow");
  await page.waitForURL(`${CALLBACK}?**`);
  await page.goBack();
  await page.getByRole("button", { name: "Allow" }).waitFor();
  assert.equal(calls.length, 1);
});

const LANGUAGES = [
  ["en", "Back to the application", "Allow", "You can close this window now."],
  ["de", "Zurück zur Anwendung", "Erlauben", "Sie können dieses Fenster jetzt schließen."],
  ["fr", "Retour à l’application", "Autoriser", "Vous pouvez maintenant fermer cette fenêtre."],
];
for (const [locale, name, allow, close] of LANGUAGES) {
  test(`a browser that does not leave shows a link in the language ${locale}`, async () => {
    next = undefined;
    const { page, session } = await open({ locale });
    // As if the user had switched off that pages leave by themselves.
    await session.send("Fetch.enable", { patterns: [{ urlPattern: "*/auth/consent", requestStage: "Response" }] });
    session.on("Fetch.requestPaused", ({ requestId, responseHeaders, responseStatusCode }) => {
      const kept = responseHeaders.filter((header) => header.name.toLowerCase() !== "refresh");
      assert.equal(kept.length, responseHeaders.length - 1);
      session.send("Fetch.continueResponse", { requestId, responseCode: responseStatusCode, responseHeaders: kept });
    });
    await page.goto(authorize({}));
    await page.locator("input[name=login]").fill("alice");
    await page.locator("input[name=password]").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await press(page, allow);
    const link = page.getByRole("link", { name });
    await page.waitForURL("**/auth/consent");
    assert.deepEqual([await page.title(), await page.locator("a").isVisible()], [name, false]);
    const age = (milliseconds) => page.evaluate((to) => {
      for (const animation of document.getAnimations()) animation.currentTime = to;
    }, milliseconds);
    await age(3_100);
    await link.waitFor();
    await checkPage(page, `leaving-${locale}`);
    await age(61_000);
    assert.deepEqual([await link.count(), await page.getByText(close).isVisible()], [0, true], "the code has expired");
    await takeScreenshots(page, `left-${locale}`);
    await age(10_000);
    await link.click();
    await page.waitForURL(`${CALLBACK}?**`);
    assert.ok(calls.length === 1 && hasCode(calls[0]));
  });
}
