// The contenders: the entry, bindings, data and routes of each.
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { request } from "./load.mjs";
import { SEEN, accessTokenOf, rowsOf, schema } from "./contenders/better-auth-rows.mjs";
import { DEFAULTS, redemption } from "./routes.mjs";
import {
  CLIENT, ISSUER, KEYS, KEY_ENCRYPTION_KEY, PASSWORD, SCOPE, claimsOf, codeOf, grantOf, hash, refreshTokenOf, subOf,
} from "./fixtures.mjs";

const ALL = [
  "discovery", "discovery-304", "jwks", "jwks-304", "userinfo-new", "userinfo-seen", "userinfo-forged", "redeem",
  "refresh",
];
const hasPassword = (names) => names.includes("password");

/** Postern, whose documents the others serve. */
export const POSTERN = {
  name: "postern", entry: "src/cloudflare/entry.mjs", routes: [...ALL, "authorize", "login"],
  settings: { texts: { ISSUER, KEY_ENCRYPTION_KEY, ADMIN_TOKEN: "" } },
  signIn: {
    fill: (names, user) => (hasPassword(names) ? { login: subOf(user), password: PASSWORD } : { decision: "allow" }),
  },
};

const isSample = ({ email }) => email === claimsOf(0).email;

export const BARE = {
  name: "bare", entry: "bench/contenders/bare.mjs",
  routes: [...ALL.filter((route) => route !== "userinfo-forged"), "authorize"],
  settings: { texts: {} },
  // It computes no digests, so requests contain them.
  given: {
    codes: (number) => hash(codeOf(number)), refreshTokens: (number) => hash(refreshTokenOf(number)),
  },
  // It returns the claims of one user for every token.
  answers: { "userinfo-new": isSample, "userinfo-seen": isSample },
  // The session that Postern's requests were recorded with.
  prepare: ({ store }) => store.copy("documents", ["sessions", "consents"]),
};

export const HONO = {
  name: "hono + jose", entry: "bench/contenders/hono-jose.mjs", routes: ALL,
  settings: {
    texts: { ISSUER, SIGNING_KEY: JSON.stringify(KEYS.ES256.jwk), SIGNING_KID: KEYS.ES256.kid },
  },
  seed: (store, { jwks }) => store.put("jwks", jwks.body),
};

const hasTokens = ({ access_token: access, refresh_token: refresh }) => Boolean(access && refresh);

const OPENAUTH = {
  name: "OpenAuth", entry: "bench/contenders/openauth.mjs", routes: ["discovery", "jwks", "redeem", "refresh", "login"],
  statuses: { login: 302 },
  settings: { texts: {}, flags: ["nodejs_compat"] },
  signIn: { fill: (names, user) => ({ email: claimsOf(user).email, password: PASSWORD }) },
  given: {
    // It has no client secrets.
    client: { id: CLIENT.id },
    paths: {
      discovery: "/.well-known/oauth-authorization-server", jwks: "/.well-known/jwks.json", authorize: "/authorize",
      token: "/token",
    },
    refreshTokens: (number) => `${openAuthSubject(number)}:refresh-${number}`,
  },
  answers: {
    discovery: ({ issuer, jwks_uri: uri }) => issuer === ISSUER && uri.startsWith(ISSUER),
    jwks: ({ keys }) => keys.some(({ kid }) => kid === KEYS.ES256.kid),
    redeem: hasTokens, refresh: hasTokens,
  },
  // Stores entries in its own format: the parts of a key are separated by a control character.
  async seed(store, documents, { users = 0, redeemable = 0 }) {
    const key = (...parts) => parts.join("\x1f");
    const { ScryptHasher } = await import("@openauthjs/openauth/provider/password");
    const password = JSON.stringify(await ScryptHasher().hash(PASSWORD));
    for (let user = 0; user < users; user++) await store.put(key("email", claimsOf(user).email, "password"), password);
    const { kid, privateKey, publicKey } = KEYS.ES256;
    const pem = (key, type) => key.export({ format: "pem", type });
    await store.put(key("signing:key", kid), JSON.stringify({
      id: kid, alg: "ES256", created: Date.now(), publicKey: pem(publicKey, "spki"), privateKey: pem(privateKey, "pkcs8"),
    }));
    for (let number = 0; number < redeemable; number++) {
      const subject = openAuthSubject(number);
      const payload = {
        type: "user", properties: { email: claimsOf(number).email }, subject, clientID: CLIENT.id,
        ttl: { access: 600, refresh: 86_400 },
      };
      await store.put(key("oauth:code", this.code(number)), JSON.stringify({
        ...payload, redirectURI: CLIENT.redirectUri, pkce: { challenge: CLIENT.challenge, method: "S256" },
      }));
      await store.put(key("oauth:refresh", subject, `refresh-${number}`), JSON.stringify({
        ...payload, nextToken: randomUUID(),
      }));
    }
  },
  code: (number) => `code-${number}`,
};
OPENAUTH.given.codes = OPENAUTH.code;

const openAuthSubject = (number) => `user:${number}`;

const WORKERS_OAUTH = {
  name: "workers-oauth-provider", entry: "bench/contenders/workers-oauth-provider.mjs",
  routes: ["discovery", "userinfo-new", "userinfo-seen", "userinfo-forged", "redeem", "refresh"],
  settings: { texts: {}, kv: "OAUTH_KV" },
  signIn: { fill: (names, user) => ({ login: subOf(user), password: PASSWORD }) },
  given: {
    paths: {
      discovery: "/.well-known/oauth-authorization-server", authorize: "/authorize", userinfo: "/auth/userinfo",
      token: "/oauth/token",
    },
  },
  answers: {
    discovery: ({ issuer, token_endpoint: uri }) => issuer === ISSUER && uri.startsWith(ISSUER),
    redeem: hasTokens, refresh: hasTokens,
  },
  // Only its own code can create its client, codes and tokens.
  async prepare(target, { users, redeemable = 0 }) {
    const { redirectUri, challenge } = CLIENT;
    const create = async (fields) => {
      const body = JSON.stringify({ redirectUri, challenge, scope: SCOPE.split(" "), ...fields });
      const response = await target.send(request("POST", "/bench", { "content-type": "application/json" }, body));
      assert.equal(response.status, 200, response.body);
      return JSON.parse(response.body);
    };
    const { clientId, clientSecret } = await create({});
    target.client = { id: clientId, secret: clientSecret };
    const codes = [];
    const used = 64;
    while (codes.length < redeemable + used) {
      const props = Array.from({ length: 100 }, (_, index) => (codes.length + index) % users)
        .map((user) => ({ grantId: grantOf(user), sub: subOf(user), clientId: CLIENT.id }));
      codes.push(...(await create({ client: clientId, users: props })));
    }
    target.codes = (number) => codes[number + used];
    const tokens = [];
    for (const code of codes.slice(0, used)) {
      const response = await target.send(redemption(target, code));
      assert.equal(response.status, 200, response.body);
      tokens.push(JSON.parse(response.body));
    }
    const access = tokens.map((token) => token.access_token);
    const forged = access.map((token) => token.replace(/:[^:]*$/, () => `:${randomUUID()}`));
    target.tokens = { fresh: access, seen: access, forged };
    // A refreshed token stays good until its successor is used.
    target.refreshTokens = (number) => tokens[number % used].refresh_token;
  },
};

const isOwnEmail = ({ sub, email }) => email === claimsOf(sub.replace(/^user-/, "")).email;

const BETTER_AUTH = {
  name: "better-auth", entry: "bench/contenders/better-auth.mjs",
  routes: ["discovery", "jwks", "userinfo-new", "userinfo-seen", "userinfo-forged", "redeem", "refresh", "authorize", "login"],
  // It needs several times the CPU of the others, and the run has a time limit.
  share: 0.1,
  // A script in its page sends the login and gets the next address as JSON.
  statuses: { authorize: 302, login: 200 },
  settings: { texts: { ISSUER, SECRET: randomBytes(32).toString("base64url") }, flags: ["nodejs_compat"] },
  signIn: {
    fill: (names, user) => (hasPassword(names) ? { email: claimsOf(user).email, password: PASSWORD } : { accept: true }),
  },
  given: {
    paths: {
      discovery: "/api/auth/.well-known/openid-configuration", jwks: "/api/auth/jwks", authorize: "/api/auth/oauth2/authorize",
      userinfo: "/api/auth/oauth2/userinfo", token: "/api/auth/oauth2/token",
    },
  },
  answers: {
    discovery: ({ issuer, token_endpoint: uri }) => issuer === `${ISSUER}/api/auth` && uri.startsWith(ISSUER),
    // It makes its own key.
    jwks: ({ keys: [{ alg, x }] }) => alg === "ES256" && Boolean(x),
    // It has fewer claims.
    "userinfo-new": isOwnEmail, "userinfo-seen": isOwnEmail,
    redeem: hasTokens, refresh: hasTokens,
  },
  async seed(store, documents, contents) {
    await store.execute(await schema());
    for (const [sql, count, row] of await rowsOf(contents)) await store.insert(sql, count, row);
  },
  // Its tokens are opaque, unless a client names an API.
  prepare(target) {
    const { fresh, forged } = target.tokens;
    target.tokens = {
      fresh: fresh.map((_, number) => accessTokenOf(SEEN + number)),
      seen: Array.from({ length: SEEN }, (_, number) => accessTokenOf(number)),
      forged: forged.map(() => randomBytes(24).toString("base64url")),
    };
  },
};

/** A provider on Node, for orientation only: no goal compares with it. */
const OIDC_PROVIDER = {
  name: "oidc-provider on Node", entry: "bench/contenders/oidc-provider.mjs", isOnNode: true,
  routes: [...ALL.filter((route) => !route.endsWith("304")), "authorize"],
  given: { paths: { ...DEFAULTS.paths, authorize: "/auth" } },
  signIn: {
    fill: (names, user) => (hasPassword(names) ? { login: subOf(user), password: PASSWORD } : {}),
  },
  settings: {
    issuer: ISSUER, scope: SCOPE, redirectUri: CLIENT.redirectUri, codeChallenge: CLIENT.challenge,
    keys: Object.values(KEYS).map(({ alg, kid, jwk }) => ({ ...jwk, alg, kid, use: "sig" })),
    client: {
      client_id: CLIENT.id, client_secret: CLIENT.secret, redirect_uris: [CLIENT.redirectUri],
      grant_types: ["authorization_code", "refresh_token"], id_token_signed_response_alg: "ES256",
    },
  },
  answers: {
    discovery: ({ issuer, token_endpoint: uri }) => issuer === ISSUER && uri.startsWith(ISSUER),
    // The same keys in another order.
    jwks: ({ keys }) => Object.values(KEYS).every(({ publicJwk }) =>
      keys.some((key) => isDeepStrictEqual(key, publicJwk))),
  },
  // Its tokens are opaque, and only its own process can issue them.
  async prepare(target, { users, redeemable = 0 }) {
    const { fresh, seen, forged } = target.tokens;
    const accounts = Array.from({ length: users }, (_, user) =>
      ({ accountId: subOf(user), grantId: grantOf(user), claims: claimsOf(user) }));
    const issued = await target.worker.send({
      accounts, tokens: {
        fresh: ["AccessToken", fresh.length], seen: ["AccessToken", seen.length],
        codes: ["AuthorizationCode", redeemable], refreshTokens: ["RefreshToken", redeemable],
      },
    });
    target.tokens = {
      fresh: issued.fresh, seen: issued.seen, forged: forged.map(() => randomBytes(32).toString("base64url")),
    };
    target.codes = (number) => issued.codes[number];
    target.refreshTokens = (number) => issued.refreshTokens[number];
  },
};

export const CONTENDERS = [BARE, HONO, BETTER_AUTH, OPENAUTH, WORKERS_OAUTH, OIDC_PROVIDER, POSTERN];
