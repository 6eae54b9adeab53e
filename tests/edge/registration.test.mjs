// openid-client registers itself, signs a user in and manages its registration.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as openid from "openid-client";
import { ISSUER, fetchRaw, start, vectors } from "./harness.mjs";
import { CALLBACKS, LIBRARIES } from "./test_clients.mjs";
import { makeKey } from "./client_server.mjs";
import { Browser, authorizePath, redirectTarget, putUser, redeem, assertError } from "./browser.mjs";

const REGISTER = "/auth/register";
const redirect_uris = [CALLBACKS["openid-client"]];
const grant_types = ["authorization_code", "refresh_token"];

let postern;
before(async () => {
  postern = await start();
  await putUser(postern.operator, "alice", { name: "Alice Adams" });
  await postern.keysMade();
});
after(() => postern.close());

/** An initial access token for this number of registrations. */
async function initialAccessToken(uses = 1) {
  const { status, body } = await postern.operator("POST", "/admin/initial-access-tokens", { uses, ttl: 60 });
  assert.equal(status, 200, JSON.stringify(body));
  return body.initial_access_token;
}

/** Registers a client by openid-client. Returns its metadata. */
async function register(metadata, token) {
  const options = { initialAccessToken: token, [openid.customFetch]: postern.fetch };
  const config = await openid.dynamicClientRegistration(new URL(ISSUER), metadata, undefined, options);
  return config.clientMetadata();
}

/** Sends a registration request, with a token if there is one. */
function post(fetch, metadata, token, headers = {}) {
  const authorization = token && { authorization: `Bearer ${token}` };
  return fetch(REGISTER, {
    method: "POST", body: JSON.stringify(metadata),
    headers: { "content-type": "application/json", ...authorization, ...headers },
  });
}

/** Sends a request to the client configuration endpoint. */
async function manage(app, method, metadata = undefined) {
  const response = await postern.fetch(app.registration_client_uri, {
    method, body: metadata && JSON.stringify(metadata),
    headers: { authorization: `Bearer ${app.registration_access_token}`, "content-type": "application/json" },
  });
  return new Response((await response.text()) || null, response);
}

for (const method of ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"]) {
  test(`openid-client registers, signs in and manages its registration: ${method}`, async () => {
    const key = await makeKey("ES256", "key-1");
    const metadata = {
      client_name: "Äpp", redirect_uris, grant_types, token_endpoint_auth_method: method,
      ...(method === "private_key_jwt" && { jwks: { keys: [key.jwk] } }),
    };
    const app = await register(metadata, await initialAccessToken());
    assert.equal(app.registration_client_uri, `${ISSUER}${REGISTER}/${app.client_id}`);
    assert.equal(app.client_secret === undefined, !method.startsWith("client_secret"));
    const fields = [app.client_name, app.id_token_signed_response_alg, app.token_endpoint_auth_method];
    assert.deepEqual(fields, ["Äpp", "RS256", method]);

    const client = await LIBRARIES["openid-client"](postern.fetch, { ...app, key });
    const alice = new Browser(postern.fetch);
    const signIn = await client.begin({ scope: "openid profile offline_access", prompt: "consent" });
    const tokens = await signIn.redeem(redirectTarget(await alice.authorize(signIn.url, "alice")));
    assert.deepEqual([tokens.claims.sub, tokens.claims.aud], ["alice", app.client_id]);
    assert.equal((await client.userinfo(tokens.access_token, "alice")).name, "Alice Adams");
    const refreshed = await client.refresh(tokens.refresh_token);

    const { client_secret, ...known } = app;
    const read = await manage(app, "GET");
    assert.deepEqual([read.status, read.headers.get("cache-control")], [200, "no-store"]);
    assert.deepEqual(await read.json(), known, "everything but the secret");

    const { client_id } = app;
    const replaced = await manage(app, "PUT", { ...metadata, client_id, client_name: "New", "client_name#fr": "Neuf" });
    assert.deepEqual([replaced.status, await replaced.json()], [
      200, { ...known, client_name: "New", "client_name#fr": "Neuf" },
    ]);
    const again = await client.refresh(refreshed.refresh_token);
    assert.ok(again.access_token, "the secret is the same");

    const gone = await manage(app, "DELETE");
    assert.deepEqual([gone.status, await gone.text()], [204, ""]);
    assert.equal((await postern.userinfo(again.access_token)).status, 401);
    await assertError(await manage(app, "GET"), "invalid_token", 401);
    await assert.rejects(client.refresh(again.refresh_token), { status: 401 });
  });
}

test("a refused registration names the field, and does not use the token up", async () => {
  const token = await initialAccessToken();
  const wrong = { redirect_uris: ["http://app.example/cb"] };
  await assert.rejects(register(wrong, token), { error: "invalid_redirect_uri", status: 400 });
  await assert.rejects(register({ redirect_uris, id_token_signed_response_alg: "none" }, token), (/** @type {any} */ error) => {
    assert.equal(error.error, "invalid_client_metadata");
    assert.match(error.error_description, /^id_token_signed_response_alg: must/);
    return true;
  });
  assert.ok((await register({ redirect_uris }, token)).client_id);
  await assert.rejects(register({ redirect_uris, client_name: "Other" }, token), (/** @type {any} */ error) => {
    assert.equal(error.cause[0].parameters.error, "invalid_token");
    return true;
  });
});

test("of thirty concurrent registrations with a token for three uses, three succeed", async () => {
  const token = await initialAccessToken(3);
  const responses = await Promise.all(Array.from({ length: 30 }, (_, number) =>
    post(postern.fetch, { redirect_uris, client_name: `App ${number}` }, token)));
  const count = (status) => responses.filter((response) => response.status === status).length;
  assert.deepEqual([count(201), count(401)], [3, 27]);
});

test("concurrent registrations of one document with a token for one use all get the same client", async () => {
  const token = await initialAccessToken();
  const responses = await Promise.all(Array.from({ length: 30 }, () => post(postern.fetch, { redirect_uris }, token)));
  const apps = await Promise.all(responses.map((response) => response.json()));
  assert.deepEqual([...new Set(responses.map(({ status }) => status))], [201]);
  for (const app of apps) assert.deepEqual(app, apps[0]);
  assert.equal((await manage(apps[0], "GET")).status, 200);
});

test("the same update gets its new secret again, and another secret once that one was removed", async () => {
  const app = await register({ redirect_uris, token_endpoint_auth_method: "none" }, await initialAccessToken());
  const put = async (token_endpoint_auth_method) => {
    const response = await manage(app, "PUT", { client_id: app.client_id, redirect_uris, token_endpoint_auth_method });
    assert.equal(response.status, 200);
    return /** @type {any} */ (await response.json()).client_secret;
  };
  const first = await put("client_secret_basic");
  assert.match(first, /^[\w-]{43}$/);
  assert.equal(await put("client_secret_basic"), first);
  assert.equal(await put("none"), undefined);
  assert.notEqual(await put("client_secret_basic"), first);
});

/** Hosts of redirect URIs and links, as a stranger may register them. */
const HOSTS = [
  "app.example", "App.Example", "a_b.example", "-a.example", "xn--mnchen-3ya.example", "1.example", "0xg", "a.0xg", "a.1e3",
  "127.1", "0x7f.1", "2130706433", "017700000001", "0", "0x", "0x.0", "1.2", "255.255.255.255", "0.0.0.0x", "[::1]",
  "[::ffff:127.0.0.1]", "1.2.3.4.5", "256.1.1.1", "1.2.3.08", "a.0x", "a.09", "a.1", "a.00", "4294967296", "0x100000000",
  "a.b.0xffffffff", "1..2", "a..b", ".a", "", "[", "[::1", "[::1]x", "[evil]", "a b", "a%62", "a^b", "a|b", "a<b", "a@b",
  "www.bank.example@evil.example", "u:p@app.example", "app.example:", "app.example:0", "app.example:65536", "app.example:x",
  "a\\b", "b\u00fccher.example", "\uff11\uff12\uff17.1", `${"a".repeat(64)}.example`, `${"a.".repeat(127)}a`,
];

test("a host that is registered is the one that URL parsers find, and one that they refuse is refused", async () => {
  const token = await initialAccessToken(1_000);
  const parsed = (url) => URL.parse(url);
  let accepted = 0;
  for (const host of HOSTS) {
    const url = `https://${host}/cb`;
    const uri = await post(postern.fetch, { redirect_uris: [url] }, token);
    const link = await (await post(postern.fetch, { redirect_uris, client_uri: url }, token)).json();
    assert.equal(link.client_uri, uri.status === 201 ? url : undefined, host);
    if (uri.status !== 201) {
      assert.equal((await uri.json()).error, "invalid_redirect_uri", host);
      continue;
    }
    accepted += 1;
    const { hostname, username } = parsed(url) ?? assert.fail(`${host} is registered, and is no host`);
    assert.equal(username, "");
    const isAddress = /^[\d.]+$/.test(hostname) || hostname.startsWith("[");
    assert.ok(isAddress || hostname === host.toLowerCase(), `${host} is ${hostname}`);
  }
  assert.equal(accepted, 21);
});

const table = vectors("registration.json");
test(`the ${table.rows.length} hostile registrations get the same responses as in native tests`, async () => {
  const { DB } = postern.env;
  await DB.batch(table.seed.map((sql) => DB.prepare(sql)));
  for (const row of table.rows) {
    /** @type {[string, string][]} */
    const headers = [["authorization", `Bearer ${table.token}`], ["content-type", row.content_type]];
    const url = new URL(REGISTER, postern.url);
    const response = await fetchRaw(url, { method: "POST", headers, body: row.body });
    const body = JSON.parse(response.body);
    const { kind, fields, error, begin } = row.answer;
    assert.equal(response.status, kind === "registered" ? 201 : 400, `${row.name}: ${response.body}`);
    if (kind === "registered") {
      for (const [field, value] of Object.entries(fields)) {
        const registered = Object.hasOwn(body, field) ? body[field] : null;
        assert.deepEqual(registered, value, `${row.name}: ${field}`);
      }
    } else {
      assert.equal(body.error, error, row.name);
      assert.ok(body.error_description.startsWith(begin), `${row.name}: ${body.error_description}`);
    }
  }
});

test("open registration needs no token, and an unused client expires", async () => {
  const open = await start({ vars: { REGISTRATION: "open" } });
  try {
    await putUser(open.operator, "alice");
    await open.keysMade();
    const expires = async () => {
      const { results } = await open.env.DB.prepare("SELECT expires_at FROM clients ORDER BY created_at").all();
      return results.map((row) => row.expires_at !== null);
    };
    const response = await post(open.fetch, { redirect_uris }, undefined, { "cf-connecting-ip": "198.51.100.1" });
    const app = await response.json();
    assert.deepEqual([response.status, await expires()], [201, [true]]);
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
    const code = await new Browser(open.fetch).codeFor(app, "alice");
    assert.equal((await redeem(open.fetch, app, code)).status, 200);
    assert.deepEqual(await expires(), [false]);

    await post(open.fetch, { redirect_uris });
    await open.env.DB.prepare("UPDATE clients SET expires_at = 1 WHERE expires_at IS NOT NULL").run();
    const { client_id: next } = await (await post(open.fetch, { redirect_uris })).json();
    const { results } = await open.env.DB.prepare("SELECT client_id FROM clients").all();
    assert.deepEqual(new Set(results.map((row) => row.client_id)), new Set([app.client_id, next]));
    assert.equal((await new Browser(open.fetch).get(authorizePath(app))).status, 200);
  } finally {
    await open.close();
  }
});

test("closed registration returns 404 and is not in the provider metadata", async () => {
  const closed = await start({ vars: { REGISTRATION: "closed" } });
  try {
    assert.equal((await post(closed.fetch, { redirect_uris })).status, 404);
    const metadata = await (await closed.fetch("/.well-known/openid-configuration")).json();
    assert.equal(metadata.registration_endpoint, undefined);
  } finally {
    await closed.close();
  }
});
