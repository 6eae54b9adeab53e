// Users who click twice, reload a page or open a second tab, for each way in which an application sends its request.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import * as jose from "jose";
import * as oidc from "openid-client";
import { press, signIn, start } from "../test_provider.mjs";

const { issuer, origin, serve, setLag, client, newPage } = await start("loopback");
afterEach(() => setLag(0));

const CALLBACK = `${origin}/callback`;
const { publicKey, privateKey } = await jose.generateKeyPair("ES256");
const jwk = { ...await jose.exportJWK(publicKey), kid: "of the shop", alg: "ES256" };
const { client_secret: secret } = await client("shop", {
  client_name: "The Corner Shop", redirect_uris: [CALLBACK], jwks: { keys: [jwk] },
});
const config = await oidc.discovery(new URL(issuer), "shop", secret, undefined, {
  execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
});

/** How the application sends its parameters. Each function returns what the browser loads: a URL, or a form. */
const TRANSPORTS = {
  plain: (parameters) => oidc.buildAuthorizationUrl(config, parameters).href,
  pushed: async (parameters) => (await oidc.buildAuthorizationUrlWithPAR(config, parameters)).href,
  signed: async (parameters) =>
    (await oidc.buildAuthorizationUrlWithJAR(config, parameters, { key: privateKey, kid: jwk.kid })).href,
  posted: (parameters) => Object.entries({ client_id: "shop", response_type: "code", ...parameters }),
};

/** The application. Its memory of a sign-in lasts until tokens arrive, as that of most applications. */
const flows = new Map();
serve(async (request, response) => {
  const url = new URL(request.url, origin);
  const html = (body) => response.writeHead(200, { "content-type": "text/html" }).end(`<!DOCTYPE html>${body}`);
  if (url.pathname.startsWith("/by/")) {
    const flow = { pkceCodeVerifier: oidc.randomPKCECodeVerifier(), expectedState: oidc.randomState() };
    flows.set(flow.expectedState, flow);
    const target = await TRANSPORTS[url.pathname.slice("/by/".length)]({
      redirect_uri: CALLBACK, scope: "openid profile", prompt: "consent", state: flow.expectedState,
      code_challenge: await oidc.calculatePKCECodeChallenge(flow.pkceCodeVerifier), code_challenge_method: "S256",
    });
    if (typeof target === "string") return response.writeHead(303, { location: target }).end();
    const fields = target.map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`).join("");
    return html(`<form method="post" action="${issuer}/auth/authorize">${fields}<button>Go</button></form>`);
  }
  const { error, state } = Object.fromEntries(url.searchParams);
  const result = error ?? await oidc.authorizationCodeGrant(config, url, flows.get(state))
    .then(async ({ access_token: token, claims }) => (await oidc.fetchUserInfo(config, token, claims().sub)).sub)
    .catch(({ error: code, message }) => `${code ?? message}`);
  return html(`<title>app</title><h1 id="result">${result}</h1>`);
});

/** A page of a signed-in user with the consent form. */
async function consentPage(transport) {
  const page = await newPage();
  await begin(page, transport);
  await signIn(page);
  await page.getByRole("button", { name: "Allow" }).waitFor();
  return page;
}

async function begin(page, transport) {
  await page.goto(`${origin}/by/${transport}`);
  if (transport === "posted") await press(page, "Go");
  await page.getByRole("heading", { level: 1 }).waitFor();
}

/** Waits for the application's page. The first of two clicks begins a navigation that the second one ends. */
const result = (page) => page.locator("#result").innerText();

async function twice(page, name) {
  await page.locator("main").hover({ position: { x: 5, y: 5 } });
  await page.getByRole("button", { name, exact: true }).dblclick({ delay: 20 });
}

for (const transport of Object.keys(TRANSPORTS)) {
  for (const lag of [0, 150]) {
    const where = lag > 0 ? "on a slow network" : "on a fast network";

    test(`a double click on Sign in and on Allow ${where} signs the user in (${transport})`, async () => {
      const page = await newPage();
      await begin(page, transport);
      setLag(lag);
      await page.getByLabel("User name").fill("alice");
      await page.getByLabel("Password").fill("correct horse battery");
      await twice(page, "Sign in");
      await page.getByRole("button", { name: "Allow" }).waitFor();
      await twice(page, "Allow");
      assert.equal(await result(page), "alice");
    });
  }

  test(`a double click on Deny denies (${transport})`, async () => {
    const page = await consentPage(transport);
    setLag(150);
    await twice(page, "Deny");
    assert.equal(await result(page), "access_denied");
  });

  test(`a user who reloads each page is signed in (${transport})`, async () => {
    const page = await newPage();
    await begin(page, transport);
    await page.reload();
    await signIn(page);
    await page.getByRole("button", { name: "Allow" }).waitFor();
    await page.reload();
    await press(page, "Allow");
    assert.equal(await result(page), "alice");
  });

  test(`a user who goes back and allows again is signed in (${transport})`, async () => {
    const page = await consentPage(transport);
    await press(page, "Allow");
    assert.equal(await result(page), "alice");
    await page.goBack();
    await press(page, "Allow");
    assert.equal(await result(page), "alice");
  });
}

test("a user with the same pushed request in two tabs is signed in in both", async () => {
  const page = await consentPage("plain");
  await press(page, "Allow");
  const first = await page.context().newPage();
  await begin(first, "pushed");
  const second = await page.context().newPage();
  await second.goto(first.url());
  for (const tab of [first, second]) {
    await press(tab, "Allow");
    assert.equal(await result(tab), "alice");
  }
});
