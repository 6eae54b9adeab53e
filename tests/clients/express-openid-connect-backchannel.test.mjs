// express-openid-connect with backchannelLogout: it verifies the logout token, and ends its session.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { install } from "./install.mjs";
import { listen, startProvider } from "./provider.mjs";

const { load } = await install("express-openid-connect");
const { default: express } = await load("express");
const { default: openid } = await load("express-openid-connect");
const provider = await startProvider();

/** A session store of the interface that its documentation names. */
class Store {
  #sessions = new Map();
  get = (id, done) => done(null, this.#sessions.get(id));
  set = (id, session, done) => done(null, void this.#sessions.set(id, session));
  destroy = (id, done) => done(null, void this.#sessions.delete(id));
}

/** Starts an application. Returns its URL, and the requests of the provider with the status of each response. */
async function startApp(id, metadata = {}) {
  const requests = [];
  const { port, close } = await listen((request, response) => {
    response.on("finish", () => request.method === "POST" && requests.push(`${request.url} ${response.statusCode}`));
    app(request, response);
  });
  after(close);
  const baseURL = `http://localhost:${port}`;
  const client = await provider.putClient(id, {
    client_name: "Express", redirect_uris: [`${baseURL}/callback`], backchannel_logout_uri: `${baseURL}/backchannel-logout`,
    ...metadata,
  });
  const app = express();
  app.use(openid.auth({
    issuerBaseURL: provider.issuer, baseURL, clientID: client.client_id, clientSecret: client.client_secret,
    secret: "a secret of the application that is long", authRequired: false, session: { store: new Store() },
    backchannelLogout: true, idTokenSigningAlg: metadata.id_token_signed_response_alg ?? "RS256",
    authorizationParams: { response_type: "code", scope: "openid profile email" },
  }));
  app.get("/", (request, response) => response.json({ user: request.oidc.user?.sub ?? null }));
  return { baseURL, requests };
}

const userOf = async (browser, url) => JSON.parse((await browser.visit(url)).body).user;

test("it ends its session when the user signs out of Postern", async () => {
  const { baseURL, requests } = await startApp("rs256");
  const browser = provider.browser();
  await browser.visit(`${baseURL}/login`);
  assert.equal(await userOf(browser, baseURL), "alice");
  requests.length = 0;
  await provider.signOut(browser);
  await provider.logoutsDelivered("rs256");
  assert.deepEqual(requests, ["/backchannel-logout 204"]);
  assert.equal(await userOf(browser, baseURL), null);
});

test("it verifies a logout token with ES256, after a new password", async () => {
  const { baseURL, requests } = await startApp("es256", { id_token_signed_response_alg: "ES256" });
  const browser = provider.browser();
  await browser.visit(`${baseURL}/login`);
  assert.equal(await userOf(browser, baseURL), "alice");
  requests.length = 0;
  const { status } = await provider.operator("PUT", "/admin/users/alice/password", { password: "another horse battery" });
  assert.equal(status, 200);
  await provider.logoutsDelivered("es256");
  assert.deepEqual(requests, ["/backchannel-logout 204"]);
  assert.equal(await userOf(browser, baseURL), null);
});
