// Clients by document on workerd: what the platform decides about the fetch, and a whole sign-in on real D1 and KV.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, authorizePath, isConsent, isLogin, putUser, redeem, refresh, successJson } from "./browser.mjs";
import { listen } from "./client_server.mjs";
import { start } from "./harness.mjs";

let postern;
let server;
let names = 0;

before(async () => {
  server = await listen();
  postern = await start({ vars: { ALLOW_LOOPBACK: "true", CLIENT_DOCUMENTS: "127.0.0.1", REGISTRATION: "closed" } });
  await postern.keysMade();
  await putUser(postern.operator, "alice");
});
after(async () => {
  await postern.close();
  await server.close();
});

const newClient = (metadata = {}) => server.client(`/${++names}/client.json`, metadata);
const pathOf = ({ client_id }) => new URL(client_id).pathname;

/** Serves the client's document with other headers, another status or another body. */
function serveAs(client, { status = 200, headers = {}, body = JSON.stringify(client) }) {
  server.pages.set(pathOf(client), (response) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(body));
}

const firstPage = (client) => new Browser(postern.fetch).get(authorizePath(client));

test("a client by document signs a user in, refreshes and is listed", async () => {
  const metadata = await (await postern.fetch("/.well-known/openid-configuration")).json();
  assert.equal(metadata.client_id_metadata_document_supported, true);
  assert.equal(metadata.registration_endpoint, undefined);
  const client = newClient();
  server.takePaths();
  const alice = new Browser(postern.fetch);
  const consent = await alice.signInOn(await alice.get(authorizePath(client)), "alice");
  assert.ok(isConsent(consent) && consent.body.includes('<bdi class="name">127.0.0.1</bdi>'), consent.body);
  const code = await alice.codeFor(client, "alice", { scope: "openid offline_access" });
  const tokens = await successJson(await redeem(postern.fetch, client, code));
  const next = await successJson(await refresh(postern.fetch, client, tokens.refresh_token));
  assert.equal((await postern.userinfo(next.access_token)).status, 200);
  assert.deepEqual(server.takePaths(), [pathOf(client)]);
  const { body } = await postern.operator("GET", "/admin/clients");
  assert.deepEqual(body.clients.map(({ client_id }) => client_id), [client.client_id]);
});

test("media type, size and status are those that the platform delivers", async () => {
  const padded = (client, size) => JSON.stringify({ ...client, x: "" }).replace('"x":""', () =>
    `"x":"${"a".repeat(size - JSON.stringify({ ...client, x: "" }).length)}"`);
  const ofType = (type) => ({ headers: { "content-type": type } });
  const of = (client) => ({
    accepted: [ofType("application/json; charset=utf-8"), ofType("Application/Client+JSON"), { body: padded(client, 8_192) }],
    refused: [ofType("text/plain"), { body: padded(client, 8_193) }, { status: 201 }],
  });
  for (const outcome of ["accepted", "refused"]) {
    for (const index of [0, 1, 2]) {
      const client = newClient();
      const response = of(client)[outcome][index];
      serveAs(client, response);
      const page = await firstPage(client);
      assert.equal(isLogin(page), outcome === "accepted", `${JSON.stringify(response).slice(0, 80)}: ${page.body}`);
    }
  }
});

test("the headers for caches reach the module", async () => {
  /** @type {[Record<string, string>, number][]} */
  const cases = [
    [{ "cache-control": "max-age=4000" }, 4_000],
    [{ "cache-control": "max-age=4000", age: "1000" }, 3_000],
    [{ expires: new Date(Date.now() + 4_000_000).toUTCString() }, 4_000],
    [{ expires: "0" }, 300],
    [{ "cache-control": "no-store" }, 300],
    [{}, 300],
  ];
  for (const [headers, seconds] of cases) {
    const client = newClient();
    serveAs(client, { headers });
    await new Browser(postern.fetch).codeFor(client, "alice");
    const now = Date.now() / 1_000;
    const find = postern.env.DB.prepare("SELECT document_until AS until FROM clients WHERE client_id = ?");
    const { until } = await find.bind(client.client_id).first();
    assert.ok(Math.abs(until - now - seconds) < 30, `${JSON.stringify(headers)}: ${until - now} seconds`);
  }
});
