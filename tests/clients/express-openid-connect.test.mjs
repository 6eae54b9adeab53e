// express-openid-connect with idpLogout: an Express application, as its documentation has it.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { install } from "./install.mjs";
import { listen, startProvider } from "./provider.mjs";

const { load } = await install("express-openid-connect");
const { default: express } = await load("express");
const { default: openid } = await load("express-openid-connect");
const provider = await startProvider();

const { port, close } = await listen((request, response) => app(request, response));
after(close);
const baseURL = `http://localhost:${port}`;
const client = await provider.putClient("express", {
  client_name: "Express", redirect_uris: [`${baseURL}/callback`], post_logout_redirect_uris: [baseURL],
});

const app = express();
app.use(openid.auth({
  issuerBaseURL: provider.issuer,
  baseURL,
  clientID: client.client_id,
  clientSecret: client.client_secret,
  secret: "a secret of the application that is long",
  authRequired: false,
  idpLogout: true,
  authorizationParams: { response_type: "code", scope: "openid profile email" },
}));
app.get("/", (request, response) => response.json({ user: request.oidc.user?.sub ?? null }));

/** @param {{ status?: number, body?: string }} page */
const shown = ({ status, body }) => {
  assert.equal(status, 200, body);
  return JSON.parse(body).user;
};

test("its logout signs the user out of Postern, and leads back", async () => {
  const browser = provider.browser();
  assert.equal(shown(await browser.visit(`${baseURL}/login`)), "alice");
  assert.equal(shown(await browser.visit(baseURL)), "alice");
  const page = await browser.visit(`${baseURL}/logout`);
  assert.deepEqual([page.url.origin, shown(page)], [baseURL, null]);
  const account = await browser.visit(`${provider.issuer}/auth/account`, { login: "nobody" });
  assert.match(account.body, /name="password"/);
});
