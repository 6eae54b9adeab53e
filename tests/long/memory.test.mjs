// The memory of an isolate while many hostile requests wait: it must have room for other requests.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ISSUER, start, until } from "../edge/harness.mjs";
import { makeKey } from "../edge/client_server.mjs";

// Fifty take a second, and as much memory per request as four hundred, which AT_ONCE=400 sends.
const AT_ONCE = Number(process.env.AT_ONCE ?? 50);
const MIB = 2 ** 20;
// 2.25 MiB for the module, which begins with 1.25, and 30 MiB for four hundred requests.
const LIMIT = (2.25 + 30 * (AT_ONCE / 400)) * MIB;

const CALLBACK = "https://app.example/cb";
const FORM = { "content-type": "application/x-www-form-urlencoded" };
const JSON_BODY = { "content-type": "application/json" };

/** JSON that takes sixteen times its size once it is parsed. */
const zeros = (bytes) => `[${"0,".repeat(bytes / 2)}0]`;
const base64url = (text) => Buffer.from(text).toString("base64url");
const unsigned = (header, payload) => `${base64url(JSON.stringify(header))}.${base64url(payload)}.${"A".repeat(86)}`;

let postern;
let kid;
let jwk;
before(async () => {
  postern = await start({ vars: { REGISTRATION: "open" } });
  [{ kid }] = (await postern.keysMade()).filter(({ alg }) => alg === "ES256");
  ({ jwk } = await makeKey("ES256", "key"));
  const put = (id, metadata) => postern.operator("PUT", `/admin/clients/${id}`, { redirect_uris: [CALLBACK], ...metadata });
  await put("public", { token_endpoint_auth_method: "none" });
  const jwks = { keys: [jwk], x: JSON.parse(zeros(20_000)) };
  await put("signing", { token_endpoint_auth_method: "private_key_jwt", jwks });
});
after(() => postern.close());

let sent = 0;
/**
 * Fetches from a network of its own. One network has a tenth of the slots for registrations, 1,000: while its 400 of one test
 * are taken, about one of 400 more would find none, which is 503.
 */
const fetchFrom = (/** @type {string} */ path, /** @type {any} */ init = {}) => {
  sent += 1;
  return postern.fetch(path, { ...init, headers: { ...init.headers, "cf-connecting-ip": `10.${sent >> 8}.${sent % 256}.1` } });
};

const post = (path, body, headers = FORM) => fetchFrom(path, { method: "POST", headers, body });
const query = (parameters) => new URLSearchParams({
  client_id: "public", redirect_uri: CALLBACK, response_type: "code", scope: "openid", code_challenge_method: "S256",
  code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", ...parameters,
});

const basic = (secret) => `Basic ${Buffer.from(`public:${secret}`).toString("base64")}`;
const form = (fields) => new URLSearchParams({ token: "x", ...fields });

const claims = () => {
  const now = Math.floor(Date.now() / 1_000);
  return `"iss":"signing","sub":"signing","client_id":"signing","aud":"${ISSUER}","iat":${now},"exp":${now + 60},"jti":"x"`;
};
const REQUESTS = {
  "a token request of 12,000 parameters": () => post("/auth/token", "a&".repeat(12_000)),
  "a token request with a code of 23 kB": () =>
    post("/auth/token", `client_id=public&grant_type=authorization_code&redirect_uri=x&code=${"c".repeat(23_000)}`),
  "a pushed request that is not UTF-8": () => post("/auth/par", `${query({})}&state=${"%FF".repeat(7_000)}`),
  "a pushed request with a state of 23 kB": () => post("/auth/par", query({ state: "s".repeat(23_000) })),
  "a pushed request with a login_hint of 7 kB": () => post("/auth/par", query({ login_hint: "s".repeat(7_000) })),
  "a posted request of 12,000 parameters": () => post("/auth/authorize", "a&".repeat(12_000)),
  "a posted request with a state of 23 kB": () => post("/auth/authorize", query({ state: "s".repeat(23_000) })),
  "a registration with a list of 20,000 numbers": () =>
    post("/auth/register", `{"redirect_uris":["${CALLBACK}"],"x":${zeros(40_000)}}`, JSON_BODY),
  "a registration with such a list in its keys": () =>
    post("/auth/register", `{"redirect_uris":["${CALLBACK}"],"jwks":{"keys":[${JSON.stringify(jwk)}],"x":${zeros(20_000)}}}`, JSON_BODY),
  "a client assertion with a list of 5,000 numbers": () => post("/auth/token", new URLSearchParams({
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: unsigned({ alg: "ES256" }, `{${claims()},"x":${zeros(10_000)}}`),
  })),
  "a request object with a list of 5,000 numbers": () => {
    const request = unsigned({ alg: "ES256" }, `{${claims().replace('"sub":"signing",', "")},"x":${zeros(10_000)}}`);
    return post("/auth/authorize", new URLSearchParams({ client_id: "signing", redirect_uri: CALLBACK, request }));
  },
  "an access token with a list of 2,500 numbers": () =>
    postern.userinfo(unsigned({ alg: "ES256", typ: "at+jwt", kid }, `{"x":${zeros(5_000)}}`)),
  "an id_token_hint with a list of 5,000 numbers": () => {
    const hint = unsigned({ alg: "ES256", typ: "JWT", kid }, `{"x":${zeros(10_000)}}`);
    return fetchFrom(`/auth/authorize?${query({ id_token_hint: hint })}`);
  },
  "a posted request with a hint of 50 kB": () => {
    const hint = unsigned({ alg: "ES256", typ: "JWT", kid }, `{"x":${zeros(37_000)}}`);
    return post("/auth/authorize", query({ id_token_hint: hint }));
  },
  "a pushed request with a hint of 50 kB": () => {
    const hint = unsigned({ alg: "ES256", typ: "JWT", kid }, `{"x":${zeros(37_000)}}`);
    return post("/auth/par", query({ id_token_hint: hint }));
  },
  "a pushed request of 65 kB": () => post("/auth/par", query({ login_hint: "s".repeat(65_000) })),
  "a request of a client with such a list in its registration": () =>
    fetchFrom(`/auth/authorize?${query({ client_id: "signing", prompt: "none" })}`),
  "a token request with 100 kB of credentials": () =>
    post("/auth/token", "grant_type=refresh_token&refresh_token=x", { ...FORM, authorization: basic("s".repeat(75_000)) }),
  "a token request with a long URL, header and body": () => post(
    `/auth/token?${"q".repeat(14_000)}`, `grant_type=refresh_token&refresh_token=${"r".repeat(23_000)}`,
    { ...FORM, authorization: basic("s".repeat(1_400)) },
  ),
  "a registration access token of 100 kB": () =>
    fetchFrom(`/auth/register/x?${"q".repeat(14_000)}`, { headers: { authorization: `Bearer ${"a".repeat(100_000)}` } }),
  "a request with a state of 15 kB": () => fetchFrom(`/auth/authorize?${query({ state: "s".repeat(15_000) })}`),
  "a login form with a request of 15 kB": () =>
    post("/auth/login", form({ login: "l".repeat(1_000), password: "p".repeat(1_000), request: query({ state: "s".repeat(15_000) }) })),
  "a login form of 60 kB": () => post("/auth/login", form({ login: "l".repeat(60_000) })),
  "a consent form with a request of 15 kB": () => post("/auth/consent", form({
    decision: "deny", shown: "s".repeat(8_000), request: query({ state: "s".repeat(15_000) }),
  })),
};

for (const [name, send] of Object.entries(REQUESTS)) {
  test(`${AT_ONCE} times ${name} takes less than ${LIMIT / MIB} MiB`, async () => {
    await postern.holdBindings("DB");
    let finished = 0;
    let waiting = 0;
    const responses = Array.from({ length: AT_ONCE }, () => send().finally(() => { finished += 1; }));
    await until(
      async () => (waiting += (await postern.holdBindings("DB")).DB),
      () => finished + waiting >= AT_ONCE,
    );
    const { instances } = await postern.takeCounts();
    const memory = postern.memoryBytes();
    const statuses = (await Promise.all(responses)).map(({ status }) => status);
    assert.deepEqual(statuses.filter((status) => status >= 500), []);
    assert.equal(instances, 0, "the module lost an instance");
    assert.ok(memory < LIMIT, `${(memory / MIB).toFixed(1)} MiB of ${LIMIT / MIB}`);
  });
}
