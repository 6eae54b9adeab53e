// Who runs: what is bundled, how it is bound, what it is given, and the routes that it has.
import { claimsOf, CLIENT, ISSUER, KEYS, KEY_ENCRYPTION_KEY, grantOf, subOf } from "./world.mjs";

const ALL = [
  "discovery", "discovery-304", "jwks", "jwks-304", "userinfo-new", "userinfo-seen", "userinfo-forged", "redeem",
  "refresh",
];

/** Postern, which the others' documents come from. */
export const POSTERN = {
  name: "postern", entry: "src/cloudflare/entry.mjs", routes: ALL,
  settings: { texts: { ISSUER, KEY_ENCRYPTION_KEY, ADMIN_TOKEN: "" } },
};

const isSample = ({ email }) => email === claimsOf(0).email;

export const BARE = {
  name: "bare", entry: "bench/contenders/bare.mjs", routes: ALL.filter((route) => route !== "userinfo-forged"),
  settings: { texts: {} },
  // It gives what D1 has of one user, whatever the token.
  answers: { "userinfo-new": isSample, "userinfo-seen": isSample },
};

export const HONO = {
  name: "hono + jose", entry: "bench/contenders/hono-jose.mjs", routes: ALL, packages: ["hono", "jose"],
  settings: {
    texts: { ISSUER, SIGNING_KEY: JSON.stringify(KEYS.ES256.jwk), SIGNING_KID: KEYS.ES256.kid },
  },
  seed: (store, { jwks }) => store.put("jwks", jwks.body),
};

export const CONTENDERS = [BARE, HONO, POSTERN];

/** What bare answers with where it would have to make it. */
export const SAMPLE = { grantId: grantOf(0), sub: subOf(0), clientId: CLIENT.id };
