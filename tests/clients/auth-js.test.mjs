// Auth.js: an application with a provider of `type: "oidc"`, as its documentation has it. It reads the ID token.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { install } from "./install.mjs";
import { ALICE, listen, startProvider } from "./provider.mjs";

const { load } = await install("auth-js");
const { Auth } = await load("@auth/core");
const provider = await startProvider();

/** Starts an application. Returns its URL. */
async function startApp({ client_id: clientId, client_secret: clientSecret }, settings = {}) {
  const { port, close } = await listen(async (incoming, response) => {
    const body = incoming.method === "POST" ? Buffer.concat(await incoming.toArray()) : undefined;
    const request = new Request(`http://localhost:${port}${incoming.url}`, {
      method: incoming.method, headers: /** @type {any} */ (incoming.headers), body,
    });
    const answer = await Auth(request, {
      secret: "a secret of the application, for its cookies", trustHost: true, basePath: "/auth",
      providers: [{
        id: "postern", name: "Postern", type: "oidc", issuer: provider.issuer, clientId, clientSecret, ...settings,
      }],
    });
    response.writeHead(answer.status, [...answer.headers].flat());
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  after(close);
  return `http://localhost:${port}/auth`;
}

/** Signs alice in and returns the session that the application's pages see. */
async function session(app) {
  const browser = provider.browser();
  const json = async (path) => JSON.parse((await browser.visit(`${app}${path}`)).body);
  const { csrfToken } = await json("/csrf");
  await browser.visit(`${app}/signin/postern`, { form: { csrfToken, callbackUrl: `${app}/session` } });
  return json("/session");
}

const register = async (id, metadata = {}) => {
  const app = { redirect_uris: ["http://localhost/auth/callback/postern"], application_type: "native" };
  return provider.putClient(id, { client_name: "Portal", ...app, ...metadata });
};

test("Auth.js shows name and e-mail of a client with scope claims in the ID token", async () => {
  const app = await startApp(await register("portal", { id_token_scope_claims: true }));
  const { user } = await session(app);
  assert.deepEqual([user?.name, user?.email], [ALICE.name, ALICE.email]);
});

test("Auth.js shows name and e-mail with idToken: false, by userinfo", async () => {
  const app = await startApp(await register("by-userinfo"), { idToken: false });
  const { user } = await session(app);
  assert.deepEqual([user?.name, user?.email], [ALICE.name, ALICE.email]);
});
