// The data of every contender: keys, users, grants and tokens.
import { argon2Sync, createCipheriv, createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

export const ISSUER = "https://login.example.com";
export const HOST = new URL(ISSUER).host;
export const USERINFO = `${ISSUER}/auth/userinfo`;
export const SCOPE = "openid profile email offline_access";
export const CLIENT = {
  id: "rp", secret: randomBytes(32).toString("base64url"), redirectUri: "https://app.example/cb",
  // RFC 7636, appendix B.
  verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
  challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
};
export const KEY_ENCRYPTION_KEY = randomBytes(32).toString("base64url");
/** The password of every user. */
export const PASSWORD = "correct horse battery staple";

const base64url = (value) => Buffer.from(value).toString("base64url");
const digest = (text) => createHash("sha256").update(text).digest("base64url");
export const now = () => Math.floor(Date.now() / 1000);

/** A signing key with its public JWK, and its private JWK encrypted as in Postern's database. */
function makeKey(alg) {
  const { privateKey, publicKey } = alg === "ES256"
    ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = privateKey.export({ format: "jwk" });
  const { kty, crv, x, y, n, e } = jwk;
  // The thumbprint of RFC 7638 section 3.
  const kid = digest(JSON.stringify(kty === "EC" ? { crv, kty, x, y } : { e, kty, n }));
  const publicJwk = { kty, use: "sig", alg, kid, ...(kty === "EC" ? { crv, x, y } : { n, e }) };
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", Buffer.from(KEY_ENCRYPTION_KEY, "base64url"), nonce);
  cipher.setAAD(Buffer.from(kid));
  const sealed = Buffer.concat([nonce, cipher.update(JSON.stringify(jwk)), cipher.final(), cipher.getAuthTag()]);
  return { alg, kid, publicJwk, jwk, privateKey, publicKey, sealed: sealed.toString("base64url") };
}

export const KEYS = { ES256: makeKey("ES256"), RS256: makeKey("RS256") };

/** The rows of the key table, with this number of further keys, which are published and sign nothing. */
export function keyRows(others = 0) {
  const begin = now() - 86_400;
  const row = (key, signUntil) =>
    [key.kid, key.alg, JSON.stringify(key.publicJwk), key.sealed, begin, begin, signUntil, null];
  const more = Array.from({ length: others }, () => row(makeKey("ES256"), begin + 1));
  return [...Object.values(KEYS).map((key) => row(key, null)), ...more];
}

export const clientRow = () => [CLIENT.id, JSON.stringify({
  application_type: "web", grant_types: ["authorization_code", "refresh_token"],
  id_token_signed_response_alg: "ES256", redirect_uris: [CLIENT.redirectUri], require_auth_time: false,
  response_types: ["code"], token_endpoint_auth_method: "client_secret_basic",
}), digest(CLIENT.secret), 0, now(), now()];

export const subOf = (user) => `user-${user}`;
export const grantOf = (user) => `grant-${user}`;
export const claimsOf = (user) => ({
  name: `Person Number ${user}`, given_name: "Person", family_name: `Number ${user}`, locale: "en-GB",
  picture: `https://pictures.example/${user}.webp`, email: `person.${user}@example.com`, email_verified: true,
  groups: ["staff", "readers"],
});

/** The password's hash as Postern stores it, with the cost of its new hashes. All databases have the same one. */
export const PASSWORD_HASH = hashPassword();
function hashPassword() {
  const [nonce, memory, passes, parallelism] = [randomBytes(16), 19_456, 2, 1];
  const hash = argon2Sync("argon2id", { message: PASSWORD, nonce, memory, passes, parallelism, tagLength: 32 });
  const [salt, digest] = [nonce, hash].map((bytes) => bytes.toString("base64").replaceAll("=", ""));
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${salt}$${digest}`;
}

/** The codes and refresh tokens by number. The database has their digests. */
export const codeOf = (number) => `code-${number}-${"c".repeat(32)}`;
export const refreshTokenOf = (number) => `refresh-${number}-${"r".repeat(32)}`;
export const hash = digest;

const HEADER = base64url(JSON.stringify({ typ: "at+jwt", alg: "ES256", kid: KEYS.ES256.kid }));

/** This number of access tokens, for the users in turn. Each is unique. */
export function mint(count, users) {
  const iat = now() - 5;
  return Array.from({ length: count }, (_, number) => {
    const user = number % users;
    const input = `${HEADER}.${base64url(JSON.stringify({
      iss: ISSUER, sub: subOf(user), aud: USERINFO, client_id: CLIENT.id, scope: SCOPE, grant_id: grantOf(user),
      jti: randomBytes(16).toString("base64url"), iat, exp: iat + 86_400,
    }))}`;
    /** @type {import("node:crypto").SignKeyObjectInput} */
    const key = { key: KEYS.ES256.privateKey, dsaEncoding: "ieee-p1363" };
    return `${input}.${sign("sha256", Buffer.from(input), key).toString("base64url")}`;
  });
}

/** The same token with a random signature. */
export const forge = (token) => `${token.slice(0, token.lastIndexOf("."))}.${randomBytes(64).toString("base64url")}`;
