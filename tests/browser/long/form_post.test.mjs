// An application with a server that gets responses by form post, and all pages with and without JavaScript.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as oidc from "openid-client";
import { checkPage, takeScreenshots } from "../page_checks.mjs";
import { press, signIn, start } from "../test_provider.mjs";

const { issuer, origin, serve, client, newPage } = await start("loopback");

const CALLBACK = `${origin}/callback`;
const { client_secret: secret } = await client("server", { client_name: "A server", redirect_uris: [CALLBACK] });
const config = await oidc.discovery(new URL(issuer), "server", secret, undefined, {
  execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
});

/** The application: /?… starts a sign-in with these additional parameters, and /callback shows the result. */
const flows = new Map();
serve(async (request, response) => {
  const url = new URL(request.url, origin);
  if (url.pathname === "/") {
    const flow = {
      pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
      expectedState: oidc.randomState(),
      expectedNonce: oidc.randomNonce(),
    };
    flows.set(flow.expectedState, flow);
    const location = oidc.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK, scope: "openid profile", state: flow.expectedState, nonce: flow.expectedNonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(flow.pkceCodeVerifier),
      code_challenge_method: "S256",
      ...Object.fromEntries(url.searchParams),
    });
    return response.writeHead(303, { location: location.href }).end();
  }
  const body = Buffer.concat(await request.toArray()).toString();
  const method = request.method;
  const parameters = new URLSearchParams(method === "POST" ? body : url.search);
  const flow = flows.get(parameters.get("state"));
  const authorization = method === "POST" ? new Request(url, { method, body: parameters }) : url;
  const result = await oidc.authorizationCodeGrant(config, authorization, flow)
    .then((tokens) => ({ by: method, origin: request.headers.origin, sub: tokens.claims().sub }))
    .catch(({ error, message }) => ({ by: method, error, message }));
  response.writeHead(200, { "content-type": "text/html" });
  response.end(`<!DOCTYPE html><title>app</title><pre>${JSON.stringify(result)}</pre>`);
});

const result = async (page) => {
  await page.waitForURL(`${CALLBACK}**`);
  return JSON.parse(await page.locator("pre").innerText());
};

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with JavaScript" : "without JavaScript";

  test(`${how} a user signs in and allows, and the response is a redirect`, async () => {
    const page = await newPage({ javaScriptEnabled });
    await page.goto(origin);
    await signIn(page);
    await press(page, "Allow");
    assert.deepEqual(await result(page), { by: "GET", sub: "alice" });
  });

  test(`${how} the response is a form post`, async () => {
    const page = await newPage({ javaScriptEnabled });
    await page.goto(`${origin}/?response_mode=form_post`);
    await signIn(page);
    await press(page, "Allow");
    if (!javaScriptEnabled) {
      await page.getByRole("button", { name: "Back to the application" }).waitFor();
      await takeScreenshots(page, "form-post-without-javascript");
      await press(page, "Back to the application");
    }
    const { by, sub } = await result(page);
    assert.deepEqual({ by, sub }, { by: "POST", sub: "alice" });
  });

  test(`${how} a denial is a form post too`, async () => {
    const page = await newPage({ javaScriptEnabled });
    await page.goto(`${origin}/?response_mode=form_post`);
    await signIn(page);
    await press(page, "Deny");
    if (!javaScriptEnabled) await press(page, "Back to the application");
    const { by, error } = await result(page);
    assert.deepEqual({ by, error }, { by: "POST", error: "access_denied" });
  });

  test(`${how} a user mistypes, switches accounts, withdraws access and signs out`, async () => {
    const page = await newPage({ javaScriptEnabled });
    await page.goto(origin);
    await signIn(page, "alice", "not my password");
    await page.getByRole("alert").waitFor();
    await signIn(page);
    await press(page, "Allow");
    assert.equal((await result(page)).sub, "alice");

    await page.goto(`${origin}/?prompt=select_account`);
    await press(page, "Use another account");
    await signIn(page, "bob");
    await page.getByText("Bob Cratchit").waitFor();
    await press(page, "Allow");
    assert.equal((await result(page)).sub, "bob");

    await page.goto(`${issuer}/auth/account`);
    await page.locator(".applications summary").first().click();
    await page.getByRole("button", { name: /Withdraw access/ }).click();
    await page.getByText("No application has access to your account.").waitFor();
    await press(page, "Sign out");
    await page.getByRole("heading", { name: "You are signed out" }).waitFor();
  });
}

test("an authorization request by POST uses the existing session", async () => {
  const page = await newPage();
  await page.goto(`${issuer}/auth/account`);
  await signIn(page);
  await page.getByRole("button", { name: "Sign out", exact: true }).waitFor();
  // The browser sends no session cookie with a POST from another site.
  await page.goto(`${CALLBACK}?state=none`);
  const parameters = { client_id: "server", redirect_uri: CALLBACK, response_type: "code", scope: "openid" };
  await page.evaluate(({ action, parameters }) => {
    const form = Object.assign(document.createElement("form"), { method: "post", action });
    for (const [name, value] of Object.entries(parameters)) {
      form.append(Object.assign(document.createElement("input"), { name, value }));
    }
    document.body.append(form);
    form.submit();
  }, { action: `${issuer}/auth/authorize`, parameters });
  await page.getByRole("button", { name: "Allow" }).waitFor();
  await checkPage(page, "consent-on-this-device");
  await press(page, "Deny");
  await page.waitForURL(`${CALLBACK}?**access_denied**`);
});
