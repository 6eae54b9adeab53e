// Logout in Chromium: out and back, the confirmation page, and the frames of other applications.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { beforeEach, test } from "node:test";
import * as oidc from "openid-client";
import { checkPage, takeNarrowScreenshots, takeScreenshots } from "./page_checks.mjs";
import { press, signIn, start } from "./test_provider.mjs";

const { issuer, origin, serve, client, newPage, takeComplaints, worker } = await start("https");

const CALLBACK = `${origin}/callback`;
const AFTER = `${origin}/signed-out`;
const STATE = "a state & more";

const shop = await client("shop", {
  client_name: "The Corner Shop", redirect_uris: [CALLBACK], post_logout_redirect_uris: [AFTER], trusted: true,
});
const wiki = await client("wiki", {
  client_name: "Wiki", redirect_uris: [CALLBACK], frontchannel_logout_uri: `${origin}/frontchannel?of=wiki`, trusted: true,
});

/** The paths and queries of the requests to the application. */
let seen = [];
/** The page of the front-channel logout URL; without one there is no response. */
let frame;
beforeEach(() => { [seen, frame] = [[], "<title>signed out</title>"]; });

const field = ([name, value]) => `<input type="hidden" name="${name}" value="${value.replaceAll("&", "&amp;")}">`;

serve((request, response) => {
  const url = new URL(request.url, origin);
  if (url.pathname === "/favicon.ico") return response.writeHead(204).end();
  seen.push({ path: url.pathname, ...Object.fromEntries(url.searchParams), referer: request.headers.referer });
  if (url.pathname === "/frontchannel" && frame === undefined) return undefined;
  const body = {
    "/frontchannel": frame,
    "/form": `<form method="post" action="${issuer}/auth/logout">${[...url.searchParams].map(field).join("")}<button>Go</button></form>`,
  }[url.pathname] ?? "<title>app</title>";
  return response.writeHead(200, { "content-type": "text/html" }).end(`<!DOCTYPE html>${body}`);
});

/** Signs alice in to a client. Returns the ID token. */
async function tokenOf(page, { client_id, client_secret }) {
  const code_verifier = randomBytes(32).toString("base64url");
  await page.goto(`${issuer}/auth/authorize?${new URLSearchParams({
    client_id, redirect_uri: CALLBACK, response_type: "code", scope: "openid", code_challenge_method: "S256",
    code_challenge: await oidc.calculatePKCECodeChallenge(code_verifier),
  })}`);
  if (new URL(page.url()).origin === issuer) await signIn(page);
  await page.waitForURL(`${CALLBACK}**`);
  const code = new URL(page.url()).searchParams.get("code");
  const parameters = { grant_type: "authorization_code", code, redirect_uri: CALLBACK, code_verifier, client_id, client_secret };
  const response = await worker.fetch("/auth/token", { method: "POST", body: new URLSearchParams(parameters) });
  const { id_token, error_description } = await response.json();
  seen = [];
  return id_token ?? assert.fail(error_description);
}

const logoutUrl = (parameters) => `${issuer}/auth/logout?${new URLSearchParams(parameters)}`;

async function isSignedIn(page) {
  await page.goto(`${issuer}/auth/account`);
  return (await page.getByLabel("Password").count()) === 0;
}

/** The browser is at the application, with the state. */
async function isBack(page) {
  await page.waitForURL(`${AFTER}**`);
  assert.deepEqual([...new URL(page.url()).searchParams], [["state", STATE]]);
}

for (const way of ["a link", "a form of the application"]) {
  test(`with a hint, ${way} signs the user out and leads back without a page`, async () => {
    const page = await newPage();
    const parameters = { id_token_hint: await tokenOf(page, shop), post_logout_redirect_uri: AFTER, state: STATE };
    if (way === "a link") {
      await page.goto(logoutUrl(parameters));
    } else {
      await page.goto(`${origin}/form?${new URLSearchParams(parameters)}`);
      await press(page, "Go");
    }
    await isBack(page);
    assert.ok(!(await isSignedIn(page)));
  });
}

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with JavaScript" : "without JavaScript";

  test(`${how}, the confirmation loads the frame of the wiki, and leads back`, async () => {
    const page = await newPage({ javaScriptEnabled });
    await tokenOf(page, wiki);
    await tokenOf(page, shop);
    await page.goto(logoutUrl({ client_id: "shop", post_logout_redirect_uri: AFTER, state: STATE }));
    if (javaScriptEnabled) {
      await checkPage(page, "sign-out");
      await takeNarrowScreenshots(page, "sign-out");
    }
    await press(page, "Sign out");
    await isBack(page);
    const [first, ...others] = seen;
    assert.deepEqual([first.path, first.of, first.iss, first.referer], ["/frontchannel", "wiki", issuer, undefined]);
    assert.ok(first.sid);
    assert.deepEqual(others.map(({ path, referer }) => [path, referer]), [["/signed-out", undefined]]);
    assert.ok(!(await isSignedIn(page)));
  });
}

test("the sign-out button of the account page loads the frame, and the user stays on the page", async () => {
  const page = await newPage();
  await tokenOf(page, wiki);
  await page.goto(`${issuer}/auth/account`);
  await press(page, "Sign out");
  await page.getByRole("heading", { name: "You are signed out" }).waitFor();
  await page.waitForLoadState();
  assert.deepEqual(seen.map(({ path }) => path), ["/frontchannel"]);
  await checkPage(page, "signed-out");
});

test("a frame that does not answer delays the way back for some seconds only", async () => {
  const page = await newPage();
  await tokenOf(page, wiki);
  const hint = await tokenOf(page, shop);
  frame = undefined;
  await page.goto(logoutUrl({ id_token_hint: hint, post_logout_redirect_uri: AFTER, state: STATE }), { waitUntil: "commit" });
  await page.getByRole("link", { name: "Back to the application" }).waitFor();
  await takeScreenshots(page, "signed-out-leaving");
  await isBack(page);
});

test("a frame cannot navigate the page, open a window or show a dialog", async () => {
  const { page, evil } = { page: await newPage(), evil: `${origin}/evil` };
  const opened = [];
  page.context().on("page", (other) => opened.push(other.url()));
  page.on("dialog", (dialog) => { opened.push(dialog.message()); dialog.dismiss(); });
  await tokenOf(page, wiki);
  frame = `<script>
    const tries = [() => { top.location = "${evil}"; }, () => open("${evil}"), () => alert("evil"),
      () => { const form = document.createElement("form"); form.action = "${evil}"; document.body.append(form); form.submit(); }];
    let failed = 0;
    for (const one of tries) { try { one(); } catch { failed += 1; } }
    fetch("/done?failed=" + failed);
  </script>`;
  await page.goto(`${issuer}/auth/account`);
  await press(page, "Sign out");
  while (!seen.some(({ path }) => path === "/done")) await page.waitForTimeout(50);
  await page.waitForTimeout(200);
  assert.equal(page.url(), `${issuer}/auth/signout`);
  assert.deepEqual([opened, seen.filter(({ path }) => path === "/evil")], [[], []]);
  // The browser reports what it has blocked.
  assert.ok(takeComplaints().some((text) => text.includes("sandboxed")));
});
