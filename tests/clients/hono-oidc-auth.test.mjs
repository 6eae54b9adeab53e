// @hono/oidc-auth: a Hono application, as its documentation has it. It requests every scope that the provider lists,
// reads the e-mail from the ID token, and refreshes.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { install } from "./install.mjs";
import { ALICE, listen, startProvider } from "./provider.mjs";

const { load } = await install("hono-oidc-auth");
const { Hono } = await load("hono");
const { getRequestListener } = await load("@hono/node-server");
const { getAuth, initOidcAuthMiddleware, oidcAuthMiddleware, processOAuthCallback } = await load("@hono/oidc-auth");
const provider = await startProvider({
  tls: true, vars: { RESOURCES: { "https://api.example.com": ["orders:read"] } },
});

const { port, close } = await listen((request, response) => listener(request, response), { tls: true });
after(close);
const origin = `https://localhost:${port}`;
const client = await provider.putClient("hono", {
  client_name: "Hono", redirect_uris: [`${origin}/callback`], grant_types: ["authorization_code", "refresh_token"],
  id_token_scope_claims: true,
});

const app = new Hono();
app.use("*", initOidcAuthMiddleware({
  OIDC_AUTH_SECRET: "a secret of the application with at least 32 characters",
  OIDC_AUTH_REFRESH_INTERVAL: "1",
  OIDC_ISSUER: provider.issuer,
  OIDC_CLIENT_ID: client.client_id,
  OIDC_CLIENT_SECRET: client.client_secret,
}));
app.get("/callback", (c) => processOAuthCallback(c));
app.use("*", oidcAuthMiddleware());
app.get("/", async (c) => {
  const auth = await getAuth(c);
  return c.text(`Hello <${auth?.email}>!`);
});
const listener = getRequestListener(app.fetch);

test("@hono/oidc-auth shows the e-mail of the ID token and refreshes", async () => {
  const browser = provider.browser();
  const hello = async () => (await browser.visit(`${origin}/`)).body;
  assert.equal(await hello(), `Hello <${ALICE.email}>!`);
  // The middleware compares whole seconds of the clock, which nothing can set.
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  const before = provider.log.length;
  assert.equal(await hello(), `Hello <${ALICE.email}>!`);
  const requests = provider.log.slice(before).filter((line) => !line.includes("/.well-known/"));
  assert.deepEqual(requests, ["POST /auth/token 200"]);
});
