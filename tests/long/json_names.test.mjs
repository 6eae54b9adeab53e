// Some features of serde_json give two property names a special meaning. A text under such a name is then parsed as JSON,
// and so is a text within that text, until the module's stack overflows. These tests check that both are ordinary names
// at every endpoint that reads JSON.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SignJWT, decodeJwt } from "jose";
import { ISSUER, operatorApi, isFault, start, until } from "../edge/harness.mjs";
import { listen, makeKey } from "../edge/client_server.mjs";
import {
  CALLBACK, Browser, authorizePath, redirectTarget, successJson, isLogin, putClient, putUser, responseParameters, redeem,
  refresh, assertError,
} from "../edge/browser.mjs";

const [RAW, NUMBER] = ["$serde_json::private::RawValue", "$serde_json::private::Number"];
const DEPTHS = [1, 3, 20, 45];

/** Objects within objects, each with one property of this name. */
function objects(name, depth, value) {
  for (let level = 0; level < depth; level++) value = { [name]: value };
  return value;
}

/** An object whose one property is a text. The text contains such an object within many brackets, and so on. */
function texts(name, depth, text) {
  for (let level = 1; level < depth; level++) {
    // With these escapes a quotation mark grows by five bytes at each level. With \" it would double.
    const inner = text.replaceAll("\\", "\\u005c").replaceAll('"', "\\u0022");
    text = `${"[".repeat(120)}{"${name}":"${inner}"}${"]".repeat(120)}`;
  }
  return { [name]: text };
}

const DOCUMENTS = [
  objects(NUMBER, 3, 1), ...DEPTHS.flatMap((depth) => [objects(RAW, depth, "[["), texts(RAW, depth, "[1]")]),
];

/** The largest documents in bytes for which there is room in a JWT of 16 KiB, and in stored parameters of 8 KiB. */
const [IN_A_JWT, IN_PARAMETERS] = [9_000, 1_000];

const bytes = (value) => JSON.stringify(value).length;
const brief = (value) => `${JSON.stringify(value).slice(0, 100)} (${bytes(value)} bytes)`;

/** Whether a user's claim may have this value: each text has at most 2048 bytes. */
const isClaim = (value) =>
  typeof value === "string" ? value.length <= 2_048 : typeof value !== "object" || Object.values(value).every(isClaim);

let postern;
let clientServer;
let operator;
let key;
let alice;
let trusted;
let rogue;

/** Sends a request. Asserts that the provider does not fail, by status or by an error in a redirect. */
async function send(target, init = {}) {
  const what = `${init.method ?? "GET"} ${new URL(target, ISSUER).pathname}`;
  const response = await postern.fetch(target, init).catch((error) => assert.fail(`${what}: ${error.message}`));
  const text = await response.text();
  assert.ok(response.status < 500, `${what}: ${response.status} ${text.slice(0, 200)}`);
  const destination = response.headers.get("location") ?? response.headers.get("refresh") ?? "";
  assert.doesNotMatch(destination, /error=(server_error|temporarily_unavailable)/, what);
  return /** @type {import("../edge/harness.mjs").TestResponse} */ (new Response(text || null, response));
}

/** Asserts that the module has the same instance, because a new one would read the keys from KV. */
async function keepsInstance() {
  await postern.takeCounts();
  assert.equal((await send("/auth/jwks.json")).status, 200);
  assert.deepEqual(await postern.takeCounts(), { DB: 0, KV: 0, instances: 0, promises: 0 }, "the module lost its instance");
}

before(async () => {
  clientServer = await listen();
  postern = await start({ vars: { ALLOW_LOOPBACK: "true", REGISTRATION: "open" } });
  operator = operatorApi(send);
  await postern.keysMade();
  await putUser(operator, "alice", { name: "Alice Adams" });
  await putUser(operator, "bob", { name: "Bob Brown" });
  key = await makeKey("ES256", "key-1");
  trusted = await putClient(operator, "trusted", { trusted: true });
  await putClient(operator, "signing", {
    token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [key.jwk] },
    request_uris: DOCUMENTS.map((_, index) => clientServer.url(`/request-${index}.jwt`)),
  });
  alice = new Browser(send);
  const grant_types = ["authorization_code", "refresh_token"];
  rogue = await (await register({ ...document, client_name: "Rogue", grant_types })).json();
  const code = await alice.codeFor(rogue, "alice", { scope: "openid profile offline_access", prompt: "consent" });
  rogue.tokens = await successJson(await redeem(send, rogue, code));
  await keepsInstance();
});
after(async () => {
  await postern.close();
  await clientServer.close();
});

// Registrations.

const json = { "content-type": "application/json" };
const document = { redirect_uris: [CALLBACK] };
const withKeys = (jwks) => ({ ...document, jwks });

const register = (metadata) =>
  send("/auth/register", { method: "POST", headers: json, body: JSON.stringify(metadata) });

/** Reads or replaces a client's own registration. */
const manage = (app, method, metadata = undefined) => send(app.registration_client_uri, {
  method, body: metadata && JSON.stringify(metadata),
  headers: { ...json, authorization: `Bearer ${app.registration_access_token}` },
});

/** A registration as its client reads it: without the secret. */
const read = ({ client_secret, ...known }) => known;
/** A client as the operator reads it. */
const shown = ({ client_secret, client_secret_expires_at, ...known }) => known;

/** Asserts that a client reads the same registration as in this response, and the operator the same keys. */
async function readsBack(app) {
  const own = await manage(app, "GET");
  assert.deepEqual([own.status, await own.json()], [200, read(app)]);
  const { status, body } = await operator("GET", `/admin/clients/${app.client_id}`);
  assert.deepEqual([status, body.jwks], [200, app.jwks]);
}

async function registers(metadata) {
  const response = await register(metadata);
  const app = await response.json();
  assert.equal(response.status, 201, app.error_description);
  await readsBack(app);
}

/** Asserts that the operator can store this, reads the same as in the response, and can store that again. */
async function stores(method, path, metadata) {
  const stored = await operator(method, path, metadata);
  assert.equal(stored.status, 200, stored.body.error_description);
  const own = `/admin/clients/${stored.body.client_id}`;
  assert.deepEqual(await operator("GET", own), { status: 200, body: shown(stored.body) });
  const again = await operator("PUT", own, shown(stored.body));
  // A new secret is shown again for some minutes.
  assert.deepEqual([again.status, shown(again.body)], [200, shown(stored.body)]);
}

/** Asserts that a document fails with an unknown property, and with each of its properties replaced. */
async function refuses(method, path, good, hostile) {
  const replaced = Object.keys(good).map((name) => ({ ...good, [name]: hostile }));
  for (const wrong of [hostile, { ...good, ...hostile }, { ...good, note: hostile }, ...replaced]) {
    const { status, body } = await operator(method, path, wrong);
    assert.deepEqual([status, body.error], [400, "invalid_request"], body.error_description);
  }
}

// JWTs.

const sign = (claims, header = {}, { privateKey, alg, kid } = key) =>
  new SignJWT(claims).setProtectedHeader({ alg, kid, ...header }).sign(privateKey);

let made = 0;
const seconds = () => Math.floor(Date.now() / 1_000);
const about = (id) =>
  ({ iss: id, sub: id, aud: ISSUER, jti: `assertion-${made++}`, iat: seconds(), exp: seconds() + 60 });
const proven = (text) => ({
  client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", client_assertion: text,
});

/** Sends an assertion with an unknown code: after a successful authentication the error is invalid_grant. */
const present = (text) => {
  const grant = { grant_type: "authorization_code", code: "none", redirect_uri: CALLBACK };
  return send("/auth/token", { method: "POST", body: new URLSearchParams({ ...proven(text), ...grant }) });
};

const request = () => ({
  iss: "signing", aud: ISSUER, client_id: "signing", redirect_uri: CALLBACK, response_type: "code",
  scope: "openid groups", iat: seconds(),
});

/** Asserts that an authorization request leads to the login form. */
async function leadsToLogin(parameters, method = "post") {
  const browser = new Browser(send);
  const all = { client_id: "signing", ...parameters };
  const page = method === "post"
    ? await browser.follow(await browser.post("/auth/authorize", all))
    : await browser.follow(await browser.get(`/auth/authorize?${new URLSearchParams(all)}`));
  assert.ok(isLogin(page), `${page.status} ${page.headers.get("location")}`);
}

/** Pushes an authorization request. */
const push = async (parameters) => send("/auth/par", {
  method: "POST", body: new URLSearchParams({ ...proven(await sign(about("signing"))), ...parameters }),
});

/** Sends an authorization request of the trusted client as alice, who is signed in. Returns the response. */
async function authorizeAsAlice(parameters) {
  const { searchParams } = new URL(authorizePath(trusted, parameters), ISSUER);
  return responseParameters(await alice.follow(await alice.post("/auth/authorize", Object.fromEntries(searchParams))));
}

const putGroups = (sub, groups) => operator("PUT", `/admin/users/${sub}`, { claims: { name: "Alice Adams", groups } });

/** Asserts that a user's claims are shown, listed and released as they were stored. */
async function releases(sub, groups) {
  const { status, body } = await operator("GET", `/admin/users/${sub}`);
  assert.deepEqual([status, body.claims.groups], [200, groups]);
  const { users } = (await operator("GET", `/admin/users?limit=500`)).body;
  assert.deepEqual(users.find((user) => user.sub === sub), body);
  const { access_token: token } = (await operator("POST", "/admin/tokens", { sub, scope: "openid groups" })).body;
  const response = await send("/auth/userinfo", { headers: { authorization: `Bearer ${token}` } });
  assert.deepEqual(await successJson(response), { sub, groups });
}

/** Every place where the provider reads JSON, with a function that sends `hostile` there and checks the response. */
const PLACES = {
  // Unknown metadata is ignored (RFC 7591 section 2).
  "POST /auth/register, as metadata": async (hostile) => {
    await registers({ ...document, ...hostile });
    await registers({ ...document, note: hostile });
  },
  // Unknown fields of JWK Sets and keys, and keys that cannot be used, are ignored (RFC 7517 sections 4 and 5).
  "POST /auth/register, in a JWK Set": (hostile) => registers(withKeys({ keys: [key.jwk], note: hostile })),
  "POST /auth/register, in a key": (hostile) => registers(withKeys({ keys: [{ ...key.jwk, ...hostile }] })),
  "POST /auth/register, as a key": (hostile) => registers(withKeys({ keys: [hostile, key.jwk] })),
  async "POST /auth/register, as a field of a key that has another type"(hostile) {
    for (const odd of [{ kid: hostile }, { use: hostile }, { alg: hostile }, { key_ops: ["verify", hostile] }]) {
      const response = await register(withKeys({ keys: [{ ...key.jwk, ...odd }] }));
      if (response.status === 201) await readsBack(await response.json());
      else await assertError(response, "invalid_client_metadata");
    }
  },
  async "POST /auth/register, as a metadata field"(hostile) {
    for (const field of ["client_name", "client_name#fr", "contacts", "default_max_age", "jwks", "jwks_uri", "scope"]) {
      await assertError(await register({ ...document, [field]: hostile }), "invalid_client_metadata");
    }
    await assertError(await register({ redirect_uris: [hostile] }), "invalid_redirect_uri");
  },
  async "PUT /auth/register/{id}, of a client that alice uses"(hostile) {
    const { client_id, client_name, grant_types } = rogue;
    const own = { client_id, client_name, grant_types };
    const jwks = { keys: [key.jwk], note: hostile };
    const response = await manage(rogue, "PUT", { ...document, jwks, ...own });
    const app = await response.json();
    assert.equal(response.status, 200, app.error_description);
    await readsBack(app);
    const account = await alice.get("/auth/account");
    assert.ok(account.status === 200 && account.body.includes("Rogue"), account.body);
    const headers = { authorization: `Bearer ${rogue.tokens.access_token}` };
    assert.equal((await successJson(await send("/auth/userinfo", { headers }))).name, "Alice Adams");
    rogue.tokens = await successJson(await refresh(send, rogue, rogue.tokens.refresh_token));
  },
  "POST /admin/clients, in a JWK Set": (hostile) =>
    stores("POST", "/admin/clients", withKeys({ keys: [key.jwk], note: hostile })),
  "PUT /admin/clients/{id}, in a key": (hostile) =>
    stores("PUT", "/admin/clients/app", withKeys({ keys: [{ ...key.jwk, note: hostile }] })),
  "PUT /admin/clients/{id}, as a key": (hostile) =>
    stores("PUT", "/admin/clients/app", withKeys({ keys: [hostile, key.jwk] })),
  "PUT /admin/clients/{id}, as metadata": (hostile) =>
    refuses("PUT", "/admin/clients/app", { ...document, trusted: true, client_id: "app" }, hostile),

  async "PUT /admin/users/{sub}, as a claim"(hostile) {
    const { status, body } = await putGroups("carol", hostile);
    if (isClaim(hostile)) {
      assert.deepEqual([status, body.claims?.groups], [200, hostile]);
      await releases("carol", hostile);
    } else {
      assert.deepEqual([status, body.error], [400, "invalid_request"]);
    }
  },
  async "POST /admin/users, as a claim"(hostile) {
    const line = JSON.stringify({ sub: "dave", claims: { groups: hostile } });
    const { status, body } = await operator("POST", "/admin/users", line);
    assert.deepEqual([status, body.stored, body.refused.length], isClaim(hostile) ? [200, 1, 0] : [200, 0, 1]);
    if (isClaim(hostile)) await releases("dave", hostile);
  },
  async "POST /admin/users, as a field"(hostile) {
    const lines = [{ sub: "x", ...hostile }, { sub: hostile }, { sub: "x", claims: hostile }, hostile, { sub: "erin" }];
    const { status, body } = await operator("POST", "/admin/users", lines.map((line) => JSON.stringify(line)).join("\n"));
    assert.deepEqual([status, body.stored, body.refused.map(({ line }) => line)], [200, 1, [1, 2, 3, 4]]);
  },
  "PUT /admin/users/{sub}, as a field": (hostile) =>
    refuses("PUT", "/admin/users/bob", { login: "bob", claims: {}, password_hash: "x" }, hostile),
  "PUT /admin/users/{sub}/password": (hostile) =>
    refuses("PUT", "/admin/users/bob/password", { password: "correct horse" }, hostile),
  "POST /admin/tokens": (hostile) =>
    refuses("POST", "/admin/tokens", { sub: "alice", scope: "openid", ttl: 60 }, hostile),
  "POST /admin/initial-access-tokens": (hostile) =>
    refuses("POST", "/admin/initial-access-tokens", { uses: 1, ttl: 60 }, hostile),

  "request, in the claims": async (hostile) =>
    leadsToLogin({ request: await sign({ ...request(), ...hostile }) }),
  "request, in the header": async (hostile) =>
    leadsToLogin({ request: await sign(request(), { note: [hostile] }) }),
  async "request, as its claims parameter"(hostile) {
    const claims = { userinfo: { groups: hostile }, note: 1 };
    await leadsToLogin({ request: await sign({ ...request(), claims }) });
  },
  async "request_uri"(hostile) {
    // A request object is remembered for some seconds.
    const path = `/request-${DOCUMENTS.indexOf(hostile)}.jwt`;
    clientServer.serve(path, await sign({ ...request(), note: hostile }), "application/jwt");
    await leadsToLogin({ request_uri: clientServer.url(path) }, "get");
  },
  async "POST /auth/par, in a signed request"(hostile) {
    const pushed = await push({ request: await sign({ ...request(), ...hostile }) });
    assert.equal(pushed.status, 201);
    await leadsToLogin({ request_uri: (await pushed.json()).request_uri }, "get");
  },
  async "POST /auth/par, in the claims parameter"(hostile) {
    const claims = JSON.stringify({ id_token: { groups: hostile }, ...hostile });
    const pushed = await push({ ...request(), claims });
    assert.equal(pushed.status, 201);
    await leadsToLogin({ request_uri: (await pushed.json()).request_uri }, "get");
  },
  async "claims, of a claim"(hostile) {
    const claims = JSON.stringify({ userinfo: { name: null }, id_token: { name: hostile } });
    const { code } = await authorizeAsAlice({ scope: "openid", claims });
    const tokens = await successJson(await redeem(send, trusted, code));
    assert.equal(decodeJwt(tokens.id_token).name, "Alice Adams");
    const headers = { authorization: `Bearer ${tokens.access_token}` };
    assert.deepEqual(await successJson(await send("/auth/userinfo", { headers })), { sub: "alice", name: "Alice Adams" });
  },
  async "claims, for what must be another type"(hostile) {
    for (const claims of [{ id_token: { sub: { value: hostile } } }, { userinfo: [hostile] }, [hostile]]) {
      assert.equal((await authorizeAsAlice({ claims: JSON.stringify(claims) })).error, "invalid_request");
    }
  },
  async "state and nonce"(hostile) {
    // A nonce has at most 2,048 bytes in JSON, where quotation marks and backslashes are two.
    const text = JSON.stringify(hostile).slice(0, 1_024);
    const { code, state } = await authorizeAsAlice({ state: text, nonce: text });
    assert.equal(state, text);
    assert.equal(decodeJwt((await successJson(await redeem(send, trusted, code))).id_token).nonce, text);
  },

  async "client_assertion, in the claims"(hostile) {
    const text = await sign({ ...about("signing"), ...hostile });
    await assertError(await present(text), "invalid_grant");
  },
  async "client_assertion, in the header"(hostile) {
    const text = await sign(about("signing"), { note: hostile });
    await assertError(await present(text), "invalid_grant");
  },
  async "client_assertion, as a claim"(hostile) {
    for (const claim of ["iss", "sub", "aud", "jti", "exp", "iat"]) {
      await assertError(await present(await sign({ ...about("signing"), [claim]: hostile })), "invalid_client", 401);
    }
  },
  async "id_token_hint, of ours"(hostile) {
    if (!isClaim(hostile)) return;
    assert.equal((await putGroups("alice", hostile)).status, 200);
    const { code } = await authorizeAsAlice({ claims: JSON.stringify({ id_token: { groups: null } }) });
    const { id_token: hint } = await successJson(await redeem(send, trusted, code));
    assert.deepEqual(decodeJwt(hint).groups, hostile);
    assert.ok((await authorizeAsAlice({ id_token_hint: hint, prompt: "none" })).code);
  },
  async "id_token_hint, forged"(hostile) {
    const claims = { iss: ISSUER, aud: "trusted", sub: "alice", auth_time: 1 };
    for (const hint of [await sign({ ...claims, ...hostile }), await sign(claims, { typ: "JWT", note: hostile })]) {
      assert.equal((await authorizeAsAlice({ id_token_hint: hint, prompt: "none" })).error, "login_required");
    }
  },
  async "access token, forged"(hostile) {
    const { kid } = (await (await send("/auth/jwks.json")).json()).keys.find(({ alg }) => alg === "ES256");
    const header = { typ: "at+jwt", kid };
    const claims = { ...about("alice"), aud: `${ISSUER}/auth/userinfo` };
    for (const token of await Promise.all([
      sign({ ...claims, ...hostile }, header), sign(claims, { ...header, note: hostile }),
    ])) {
      const headers = { authorization: `Bearer ${token}` };
      await assertError(await send("/auth/userinfo", { headers }), "invalid_token", 401);
    }
  },

  async "the document of a jwks_uri"(hostile) {
    for (const set of [
      { keys: [key.jwk], ...hostile }, { keys: [{ ...key.jwk, note: hostile }] }, { keys: [hostile, key.jwk] },
    ]) {
      const path = `/jwks-${made++}.json`;
      clientServer.json(path, set);
      const jwks_uri = clientServer.url(path);
      // The fetches for a client are limited.
      const id = `fetching-${made % 3}`;
      await putClient(operator, id, { token_endpoint_auth_method: "private_key_jwt", jwks_uri });
      await assertError(await present(await sign(about(id))), "invalid_grant");
    }
  },
  async "the document of a sector_identifier_uri"(hostile) {
    const hidden = { [RAW]: JSON.stringify([CALLBACK]) };
    for (const sector of [hostile, [hostile], [CALLBACK, hostile], hidden, [{ [RAW]: JSON.stringify(CALLBACK) }]]) {
      clientServer.json("/sector.json", sector);
      const response = await register({ ...document, sector_identifier_uri: clientServer.url("/sector.json") });
      await assertError(response, "invalid_client_metadata");
    }
  },
};

/** The largest document in bytes at places with less room than a request's body. */
const ROOM = {
  "request, in the claims": IN_A_JWT, "request, in the header": IN_A_JWT, request_uri: IN_A_JWT,
  "POST /auth/par, in a signed request": IN_A_JWT, "client_assertion, in the claims": IN_A_JWT,
  "client_assertion, in the header": IN_A_JWT, "client_assertion, as a claim": IN_A_JWT,
  "id_token_hint, forged": IN_PARAMETERS, "request, as its claims parameter": IN_PARAMETERS,
  "POST /auth/par, in the claims parameter": IN_PARAMETERS, "claims, of a claim": IN_PARAMETERS,
  "claims, for what must be another type": IN_PARAMETERS, "state and nonce": IN_PARAMETERS,
};

test("there are at least 25 places", () => assert.ok(Object.keys(PLACES).length >= 25));

test("texts within texts, forty-five deep, do not overflow the module's stack", async () => {
  const deep = texts(RAW, 45, "[1]");
  assert.ok(bytes(deep) < 60_000);
  await registers(withKeys({ keys: [key.jwk], note: deep }));
  clientServer.json("/sector.json", [deep]);
  const response = await register({ ...document, sector_identifier_uri: clientServer.url("/sector.json") });
  await assertError(response, "invalid_client_metadata");
  await keepsInstance();
});

test("a text under such a name stays a text", async () => {
  for (const name of [RAW, NUMBER, "__proto__", "toJSON"]) {
    for (const text of ["[1]", "1", '{"kty":"oct","k":"AAAA"}', "[["]) {
      const groups = JSON.parse(`[{${JSON.stringify(name)}:${JSON.stringify(text)}}]`);
      const { status, body } = await putGroups("carol", groups);
      assert.deepEqual([status, body.claims?.groups], [200, groups]);
      await releases("carol", groups);
    }
  }
});

test("numbers are released as they were stored, to the last digit", async () => {
  // The smallest number, the largest subnormal one, the largest one, and numbers with many digits.
  const floats = [5e-324, 2.225073858507201e-308, 1.7976931348623157e308, 0.1, 1 / 3, 123456789.12345679];
  // Random bit patterns from a fixed seed (xorshift).
  let state = 0x2545f4914f6cdd1dn;
  while (floats.length < 300) {
    for (const shift of [13n, -7n, 17n]) state ^= BigInt.asUintN(64, shift > 0n ? state << shift : state >> -shift);
    const [float] = new Float64Array(new BigUint64Array([state]).buffer);
    if (Number.isFinite(float)) floats.push(float);
  }
  assert.equal((await putGroups("carol", floats)).status, 200);
  await releases("carol", floats);
  const whole = "18446744073709551615,-9223372036854775808,9007199254740993";
  await operator("PUT", "/admin/users/carol", `{"claims":{"groups":[${whole}]}}`);
  const order = { sub: "carol", scope: "openid groups" };
  const { access_token: token } = (await operator("POST", "/admin/tokens", order)).body;
  const response = await send("/auth/userinfo", { headers: { authorization: `Bearer ${token}` } });
  assert.equal(await response.text(), `{"sub":"carol","groups":[${whole}]}`);
});

for (const [place, check] of Object.entries(PLACES)) {
  test(`such a name is an ordinary name: ${place}`, async () => {
    // Reads the keys again, in case an earlier test lost an instance.
    await send("/auth/jwks.json");
    for (const hostile of DOCUMENTS.filter((document) => bytes(document) <= (ROOM[place] ?? 60_000))) {
      await check(hostile).catch((cause) => {
        throw new Error(`${brief(hostile)}: ${cause.message}`, { cause });
      });
    }
    await keepsInstance();
  });
}

test("afterwards the operator lists every client and every user", async () => {
  const { status, body } = await operator("GET", "/admin/clients?limit=500");
  assert.equal(status, 200);
  assert.ok(body.clients.length > 60, `${body.clients.length} clients`);
  for (const client of body.clients) {
    assert.deepEqual(await operator("GET", `/admin/clients/${client.client_id}`), { status: 200, body: client });
  }
  const users = await operator("GET", "/admin/users?limit=500");
  assert.deepEqual([users.status, users.body.users.map(({ sub }) => sub)], [
    200, ["alice", "bob", "carol", "dave", "erin"],
  ]);
});

test("afterwards another user signs in, alice sees her account, and a new client registers", async () => {
  const bob = new Browser(send);
  const tokens = await successJson(await redeem(send, trusted, await bob.codeFor(trusted, "bob")));
  assert.equal(decodeJwt(tokens.id_token).sub, "bob");
  const page = await bob.authorize(authorizePath(rogue, { scope: "openid" }), "bob");
  await successJson(await redeem(send, rogue, redirectTarget(page).searchParams.get("code")));
  const account = await alice.get("/auth/account");
  assert.ok(account.status === 200 && account.body.includes("Rogue"), account.body);
  await registers(document);
  await keepsInstance();
});

test("the log reports no fault", async () => {
  await send("/the-last-line");
  const lines = () => postern.server.getLogs().map(({ message }) => message);
  const isLast = (all) => all.findLastIndex((line) => line.includes('"endpoint":"none"')) > 0;
  const all = await until(lines, isLast);
  assert.ok(isLast(all) && all.length > 500, `${all.length} lines`);
  assert.deepEqual(all.filter(isFault).slice(0, 5), []);
});
