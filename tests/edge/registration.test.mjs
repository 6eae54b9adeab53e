// A relying party that we did not write registers itself, signs somebody in, and manages its registration.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as openid from "openid-client";
import { ISSUER, askRaw, start, vectors } from "./harness.mjs";
import { CALLBACKS, LIBRARIES } from "./parties.mjs";
import { makeKey } from "./party.mjs";
import { Visitor, authorizePath, destination, putUser, redeem, refused } from "./visitor.mjs";

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

/** The operator's leave to register so many clients. */
async function leave(uses = 1) {
  const { status, body } = await postern.operator("POST", "/admin/initial-access-tokens", { uses, ttl: 60 });
  assert.equal(status, 200, JSON.stringify(body));
  return body.initial_access_token;
}

/** openid-client's own registration; what the client knows of itself from then on. */
async function register(metadata, initialAccessToken) {
  const options = { initialAccessToken, [openid.customFetch]: postern.ask };
  const config = await openid.dynamicClientRegistration(new URL(ISSUER), metadata, undefined, options);
  return config.clientMetadata();
}

/** Posts a registration, with a token if there is one. */
function post(ask, metadata, token, headers = {}) {
  const authorization = token && { authorization: `Bearer ${token}` };
  return ask(REGISTER, {
    method: "POST", body: JSON.stringify(metadata),
    headers: { "content-type": "application/json", ...authorization, ...headers },
  });
}

/** Does something with a client's own registration. */
async function manage(app, method, metadata) {
  const response = await postern.ask(app.registration_client_uri, {
    method, body: metadata && JSON.stringify(metadata),
    headers: { authorization: `Bearer ${app.registration_access_token}`, "content-type": "application/json" },
  });
  return new Response((await response.text()) || null, response);
}

for (const method of ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"]) {
  test(`openid-client registers itself, signs in by ${method}, reads, replaces and deletes its registration`, async () => {
    const key = await makeKey("ES256", "key-1");
    const asked = {
      client_name: "Äpp", redirect_uris, grant_types, token_endpoint_auth_method: method,
      ...(method === "private_key_jwt" && { jwks: { keys: [key.jwk] } }),
    };
    const app = await register(asked, await leave());
    assert.equal(app.registration_client_uri, `${ISSUER}${REGISTER}/${app.client_id}`);
    assert.equal(app.client_secret === undefined, !method.startsWith("client_secret"));
    const stated = [app.client_name, app.id_token_signed_response_alg, app.token_endpoint_auth_method];
    assert.deepEqual(stated, ["Äpp", "RS256", method]);

    const party = await LIBRARIES["openid-client"](postern.ask, { ...app, key });
    const alice = new Visitor(postern.ask);
    const { url, redeem: take } = await party.begin({ scope: "openid profile offline_access", prompt: "consent" });
    const tokens = await take(destination(await alice.authorize(url, "alice")));
    assert.deepEqual([tokens.claims.sub, tokens.claims.aud], ["alice", app.client_id]);
    assert.equal((await party.userinfo(tokens.access_token, "alice")).name, "Alice Adams");
    const refreshed = await party.refresh(tokens.refresh_token);

    const { client_secret, client_secret_expires_at, ...known } = app;
    const read = await manage(app, "GET");
    assert.deepEqual([read.status, read.headers.get("cache-control")], [200, "no-store"]);
    assert.deepEqual(await read.json(), known, "all but the secret");

    const { client_id } = app;
    const replaced = await manage(app, "PUT", { ...asked, client_id, client_name: "New", "client_name#fr": "Neuf" });
    assert.deepEqual([replaced.status, await replaced.json()], [
      200, { ...known, client_name: "New", "client_name#fr": "Neuf" },
    ]);
    const again = await party.refresh(refreshed.refresh_token);
    assert.ok(again.access_token, "the secret is the same");

    const gone = await manage(app, "DELETE");
    assert.deepEqual([gone.status, await gone.text()], [204, ""]);
    assert.equal((await postern.userinfo(again.access_token)).status, 401);
    await refused(await manage(app, "GET"), "invalid_token", 401);
    await assert.rejects(party.refresh(again.refresh_token), { status: 401 });
  });
}

test("openid-client is told what is wrong with its registration, and that costs no use", async () => {
  const token = await leave();
  const wrong = { redirect_uris: ["http://app.example/cb"] };
  await assert.rejects(register(wrong, token), { error: "invalid_redirect_uri", status: 400 });
  await assert.rejects(register({ redirect_uris, id_token_signed_response_alg: "none" }, token), (error) => {
    assert.equal(error.error, "invalid_client_metadata");
    assert.match(error.error_description, /^id_token_signed_response_alg: must/);
    return true;
  });
  assert.ok((await register({ redirect_uris }, token)).client_id);
  await assert.rejects(register({ redirect_uris }, token), (error) => {
    assert.equal(error.cause[0].parameters.error, "invalid_token");
    return true;
  });
});

test("of thirty who come at once with three uses, three are registered", async () => {
  const token = await leave(3);
  const answers = await Promise.all(Array.from({ length: 30 }, () => post(postern.ask, { redirect_uris }, token)));
  const count = (status) => answers.filter((answer) => answer.status === status).length;
  assert.deepEqual([count(201), count(401)], [3, 27]);
});

const table = vectors("registration.json");
test(`the ${table.rows.length} hostile registrations get the answers they get natively`, async () => {
  const { DB } = postern.env;
  await DB.batch(table.seed.map((sql) => DB.prepare(sql)));
  for (const row of table.rows) {
    const headers = [["authorization", `Bearer ${table.token}`], ["content-type", row.content_type]];
    const url = new URL(REGISTER, postern.url);
    const answer = await askRaw(url, { method: "POST", headers, body: row.body });
    const told = JSON.parse(answer.body);
    const { kind, fields, error, begin } = row.answer;
    assert.equal(answer.status, kind === "registered" ? 201 : 400, `${row.name}: ${answer.body}`);
    if (kind === "registered") {
      for (const [member, value] of Object.entries(fields)) {
        const inForce = Object.hasOwn(told, member) ? told[member] : null;
        assert.deepEqual(inForce, value, `${row.name}: ${member}`);
      }
    } else {
      assert.equal(told.error, error, row.name);
      assert.ok(told.error_description.startsWith(begin), `${row.name}: ${told.error_description}`);
    }
  }
});

test("open registration asks for no token, and a client that nobody uses has an end", async () => {
  const open = await start({ vars: { REGISTRATION: "open" } });
  try {
    await putUser(open.operator, "alice");
    await open.keysMade();
    const ends = async () => {
      const { results } = await open.env.DB.prepare("SELECT expires_at FROM clients ORDER BY created_at").all();
      return results.map((row) => row.expires_at !== null);
    };
    const told = await post(open.ask, { redirect_uris }, undefined, { "cf-connecting-ip": "198.51.100.1" });
    const app = await told.json();
    assert.deepEqual([told.status, await ends()], [201, [true]]);
    assert.equal(told.headers.get("access-control-allow-origin"), "*");
    const code = await new Visitor(open.ask).codeFor(app, "alice");
    assert.equal((await redeem(open.ask, app, code)).status, 200);
    assert.deepEqual(await ends(), [false]);

    await post(open.ask, { redirect_uris });
    await open.env.DB.prepare("UPDATE clients SET expires_at = 1 WHERE expires_at IS NOT NULL").run();
    const { client_id: next } = await (await post(open.ask, { redirect_uris })).json();
    const { results } = await open.env.DB.prepare("SELECT client_id FROM clients").all();
    assert.deepEqual(results.map((row) => row.client_id).sort(), [app.client_id, next].sort());
    assert.equal((await new Visitor(open.ask).get(authorizePath(app))).status, 200);
  } finally {
    await open.close();
  }
});

test("closed, there is nothing to register at, and nothing says so", async () => {
  const closed = await start({ vars: { REGISTRATION: "closed" } });
  try {
    assert.equal((await post(closed.ask, { redirect_uris })).status, 404);
    const metadata = await (await closed.ask("/.well-known/openid-configuration")).json();
    assert.equal(metadata.registration_endpoint, undefined);
  } finally {
    await closed.close();
  }
});
