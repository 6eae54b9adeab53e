// The contenders: the entry, bindings, data and routes of each.
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { request } from "./load.mjs";
import { redemption } from "./routes.mjs";
import {
  CLIENT, ISSUER, KEYS, KEY_ENCRYPTION_KEY, SCOPE, claimsOf, codeOf, grantOf, hash, refreshTokenOf, subOf,
} from "./fixtures.mjs";

const ALL = [
  "discovery", "discovery-304", "jwks", "jwks-304", "userinfo-new", "userinfo-seen", "userinfo-forged", "redeem",
  "refresh",
];

/** Postern, whose documents the others serve. */
export const POSTERN = {
  name: "postern", entry: "src/cloudflare/entry.mjs", routes: ALL,
  settings: { texts: { ISSUER, KEY_ENCRYPTION_KEY, ADMIN_TOKEN: "" } },
};

const isSample = ({ email }) => email === claimsOf(0).email;

export const BARE = {
  name: "bare", entry: "bench/contenders/bare.mjs", routes: ALL.filter((route) => route !== "userinfo-forged"),
  settings: { texts: {} },
  // It computes no digests, so requests contain them.
  given: {
    codes: (number) => hash(codeOf(number)), refreshTokens: (number) => hash(refreshTokenOf(number)),
  },
  // It returns the claims of one user for every token.
  answers: { "userinfo-new": isSample, "userinfo-seen": isSample },
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
  name: "OpenAuth", entry: "bench/contenders/openauth.mjs", routes: ["discovery", "jwks", "redeem", "refresh"],
  settings: { texts: {}, flags: ["nodejs_compat"] },
  given: {
    // It has no client secrets.
    client: { id: CLIENT.id },
    paths: { discovery: "/.well-known/oauth-authorization-server", jwks: "/.well-known/jwks.json", token: "/token" },
    refreshTokens: (number) => `${openAuthSubject(number)}:refresh-${number}`,
  },
  answers: {
    discovery: ({ issuer, jwks_uri: uri }) => issuer === ISSUER && uri.startsWith(ISSUER),
    jwks: ({ keys }) => keys.some(({ kid }) => kid === KEYS.ES256.kid),
    redeem: hasTokens, refresh: hasTokens,
  },
  // Stores entries in its own format: the parts of a key are separated by a control character.
  async seed(store, documents, { redeemable = 0 }) {
    const key = (...parts) => parts.join("\x1f");
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
  given: {
    paths: { discovery: "/.well-known/oauth-authorization-server", userinfo: "/auth/userinfo", token: "/oauth/token" },
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

/** A provider on Node, for orientation only: no goal compares with it. */
const OIDC_PROVIDER = {
  name: "oidc-provider on Node", entry: "bench/contenders/oidc-provider.mjs", isOnNode: true,
  routes: ALL.filter((route) => !route.endsWith("304")),
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

export const CONTENDERS = [BARE, HONO, OPENAUTH, WORKERS_OAUTH, OIDC_PROVIDER, POSTERN];
