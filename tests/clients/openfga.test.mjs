// OpenFGA, an API that knows RS256 only, with the configuration of docs/clients.md.
import assert from "node:assert/strict";
import { test } from "node:test";
import { requestToken, successJson } from "../edge/browser.mjs";
import { documentedResources, documentedSettings } from "./documented.mjs";
import { install } from "./install.mjs";
import { freePort, startServer } from "./programs.mjs";
import { startProvider } from "./provider.mjs";

const SECTION = "OpenFGA";
/** The API of the document, and another one whose access tokens are as Postern issues them by default. */
const API = "https://openfga.example.com";
const DEFAULT_API = "https://orders.example.com";
const CALLBACK = "https://app.example/callback";

const { bin } = await install("openfga");
const entry = documentedResources(SECTION);
const provider = await startProvider({ vars: { RESOURCES: { ...entry, [DEFAULT_API]: ["orders:read"] } } });
const [apiScope] = entry[API].scopes;
const machine = await provider.putClient("machine", {
  ...JSON.parse(documentedSettings(SECTION, "json")), scope: `${apiScope} orders:read`,
});

/** Starts OpenFGA for an audience with the documented options, these, and ports of this test. Returns its URL. */
async function startOpenFga(audience, options = []) {
  const line = documentedSettings(SECTION, "console", { "https://login.example.com": provider.issuer, [API]: audience });
  const [program, ...args] = line.replaceAll("\\\n", "").split(/ +/);
  const port = await freePort();
  const ports = [
    `--http-addr=127.0.0.1:${port}`, `--grpc-addr=127.0.0.1:${await freePort()}`, "--playground-enabled=false",
    "--metrics-enabled=false",
  ];
  await startServer(port, bin(program), [...args, ...options, ...ports]);
  return `http://127.0.0.1:${port}`;
}

/** The status of a request to OpenFGA with this token. */
async function statusOf(url, token) {
  const response = await fetch(`${url}/stores`, { headers: { authorization: `Bearer ${token}` } });
  await response.text();
  return response.status;
}

const tokenOfMachine = async (resource) =>
  (await successJson(await requestToken(provider.worker.fetch, machine, { grant_type: "client_credentials", resource }))).access_token;

/** Signs alice in. Returns the response of the token endpoint, with an access token for OpenFGA. */
async function tokensOfAlice() {
  const scope = `openid ${apiScope}`;
  const app = await provider.putClient("app", { client_name: "App", redirect_uris: [CALLBACK], scope });
  const { searchParams } = await provider.signIn(`${provider.issuer}/auth/authorize?${new URLSearchParams({
    response_type: "code", client_id: "app", redirect_uri: CALLBACK, scope, resource: API,
  })}`);
  return successJson(await requestToken(provider.worker.fetch, app, {
    grant_type: "authorization_code", code: searchParams.get("code"), redirect_uri: CALLBACK, resource: API,
  }));
}

test("OpenFGA accepts the tokens of a machine and of a user, with RS256", async () => {
  const url = await startOpenFga(API);
  const { access_token: token, id_token: idToken } = await tokensOfAlice();
  assert.equal(await statusOf(url, await tokenOfMachine(API)), 200);
  assert.equal(await statusOf(url, token), 200);
  assert.equal(await statusOf(url, idToken), 401, "an ID token has RS256 too, and another audience");
  assert.equal(await statusOf(url, await tokenOfMachine(DEFAULT_API)), 401, "a token for another API");
});

test("OpenFGA accepts the named callers only", async () => {
  const url = await startOpenFga(API, [documentedSettings(SECTION, "console", { CLIENT_ID: "machine" }, 2)]);
  assert.equal(await statusOf(url, await tokenOfMachine(API)), 200);
  assert.equal(await statusOf(url, (await tokensOfAlice()).access_token), 401);
});

test("OpenFGA refuses the tokens of an API with the default algorithm", async () => {
  assert.equal(await statusOf(await startOpenFga(DEFAULT_API), await tokenOfMachine(DEFAULT_API)), 401);
});
