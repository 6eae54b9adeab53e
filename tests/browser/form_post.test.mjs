// An application with a server that is answered by form post, with and without JavaScript; and the provider's
// pages without it.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as oidc from "openid-client";
import { keep, look } from "./look.mjs";
import { press, signIn, start } from "./world.mjs";

const { issuer, origin, serve, client, visitor } = await start("loopback");

const CALLBACK = `${origin}/callback`;
const { client_secret: secret } = await client("server", { client_name: "A server", redirect_uris: [CALLBACK] });
const config = await oidc.discovery(new URL(issuer), "server", secret, undefined, {
  execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
});

/** The application: /?… begins a sign-in with these parameters besides, and /callback shows who it is. */
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
  const answer = new URLSearchParams(method === "POST" ? body : url.search);
  const flow = flows.get(answer.get("state"));
  const message = method === "POST" ? new Request(url, { method, body: answer }) : url;
  const outcome = await oidc.authorizationCodeGrant(config, message, flow)
    .then((tokens) => ({ by: method, origin: request.headers.origin, sub: tokens.claims().sub }))
    .catch(({ error, message }) => ({ by: method, error, message }));
  response.writeHead(200, { "content-type": "text/html" });
  response.end(`<!DOCTYPE html><title>app</title><pre>${JSON.stringify(outcome)}</pre>`);
});

const outcome = async (page) => {
  await page.waitForURL(`${CALLBACK}**`);
  return JSON.parse(await page.locator("pre").innerText());
};

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with JavaScript" : "without JavaScript";

  test(`${how} a person signs in and allows, and the answer comes by redirect`, async () => {
    const page = await visitor({ javaScriptEnabled });
    await page.goto(origin);
    await signIn(page);
    await press(page, "Allow");
    assert.deepEqual(await outcome(page), { by: "GET", sub: "alice" });
  });

  test(`${how} the answer comes by form post`, async () => {
    const page = await visitor({ javaScriptEnabled });
    await page.goto(`${origin}/?response_mode=form_post`);
    await signIn(page);
    await press(page, "Allow");
    if (!javaScriptEnabled) {
      await page.getByRole("button", { name: "Back to the application" }).waitFor();
      await keep(page, "form-post-without-javascript");
      await press(page, "Back to the application");
    }
    const { by, sub } = await outcome(page);
    assert.deepEqual({ by, sub }, { by: "POST", sub: "alice" });
  });

  test(`${how} who denies is posted to the application too`, async () => {
    const page = await visitor({ javaScriptEnabled });
    await page.goto(`${origin}/?response_mode=form_post`);
    await signIn(page);
    await press(page, "Deny");
    if (!javaScriptEnabled) await press(page, "Back to the application");
    const { by, error } = await outcome(page);
    assert.deepEqual({ by, error }, { by: "POST", error: "access_denied" });
  });

  test(`${how} a person mistypes, switches accounts, withdraws and signs out`, async () => {
    const page = await visitor({ javaScriptEnabled });
    await page.goto(origin);
    await signIn(page, "alice", "not my password");
    await page.getByRole("alert").waitFor();
    await signIn(page);
    await press(page, "Allow");
    assert.equal((await outcome(page)).sub, "alice");

    await page.goto(`${origin}/?prompt=select_account`);
    await press(page, "Use another account");
    await signIn(page, "bob");
    await page.getByText("Bob Cratchit").waitFor();
    await press(page, "Allow");
    assert.equal((await outcome(page)).sub, "bob");

    await page.goto(`${issuer}/auth/account`);
    await page.getByRole("button", { name: /Withdraw access/ }).click();
    await page.getByText("No application has access to your account.").waitFor();
    await press(page, "Sign out");
    await page.getByRole("heading", { name: "You are signed out" }).waitFor();
  });
}

test("an application that posts its request finds who is signed in", async () => {
  const page = await visitor();
  await page.goto(`${issuer}/auth/account`);
  await signIn(page);
  await page.getByText("No application has access to your account.").waitFor();
  // From another site: the session's cookie does not come along with the post.
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
  await look(page, "consent-on-this-device");
  await press(page, "Deny");
  await page.waitForURL(`${CALLBACK}?**access_denied**`);
});
