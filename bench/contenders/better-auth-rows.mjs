// The schema and the content of better-auth's database. It stores lists and values as JSON, and times as text.
import { DatabaseSync } from "node:sqlite";
import { CLIENT, ISSUER, PASSWORD, SCOPE, claimsOf, codeOf, hash, refreshTokenOf, subOf } from "../fixtures.mjs";

const [begin, end] = [Date.now() - 60_000, Date.now() + 86_400_000].map((time) => new Date(time).toISOString());
const scopes = JSON.stringify(SCOPE.split(" "));
const sessionOf = (user) => `session-${user}`;

/** The number of access tokens that are sent repeatedly. The first ones are. */
export const SEEN = 64;

/** An opaque access token of a user, by number. */
export const accessTokenOf = (number) => `access-${number}-${"a".repeat(25)}`;

/** The statements that create its tables. */
export async function schema() {
  const { getMigrations } = await import("better-auth/db/migration");
  const { optionsOf } = await import("./better-auth-options.mjs");
  const database = new DatabaseSync(":memory:");
  const { compileMigrations } = await getMigrations(optionsOf({ issuer: ISSUER, secret: PASSWORD.repeat(2), database }));
  database.close();
  return compileMigrations();
}

/**
 * The content: the client, users with one session each, codes, refresh tokens and access tokens. Each entry is a
 * statement, the number of its rows, and a function from a number to a row.
 */
export async function rowsOf({ users, redeemable = 0, fresh = 0 }) {
  const { hashPassword } = await import("better-auth/crypto");
  const password = await hashPassword(PASSWORD);
  const query = {
    client_id: CLIENT.id, redirect_uri: CLIENT.redirectUri, response_type: "code", scope: SCOPE, state: "state",
    nonce: "nonce", code_challenge: CLIENT.challenge, code_challenge_method: "S256",
  };
  const valueOf = (user) => JSON.stringify({
    type: "authorization_code", query, userId: subOf(user), sessionId: sessionOf(user), authTime: Date.parse(begin),
    resource: [],
  });
  return [
    [insert("oauthClient", ["id", "clientId", "clientSecret", "scopes", "redirectUris", "tokenEndpointAuthMethod",
      "grantTypes", "responseTypes", "requirePKCE", "disabled", "createdAt", "updatedAt"]), 1,
    () => [CLIENT.id, CLIENT.id, hash(CLIENT.secret), scopes, JSON.stringify([CLIENT.redirectUri]), "client_secret_basic",
      JSON.stringify(["authorization_code", "refresh_token"]), JSON.stringify(["code"]), 1, 0, begin, begin]],
    [insert("user", ["id", "name", "email", "emailVerified", "image", "createdAt", "updatedAt"]), users, (user) => {
      const { name, email, picture } = claimsOf(user);
      return [subOf(user), name, email, 1, picture, begin, begin];
    }],
    [insert("account", ["id", "accountId", "providerId", "userId", "password", "createdAt", "updatedAt"]), users,
      (user) => [`account-${user}`, subOf(user), "credential", subOf(user), password, begin, begin]],
    [insert("session", ["id", "expiresAt", "token", "createdAt", "updatedAt", "userId"]), users,
      (user) => [sessionOf(user), end, `session-token-${user}`, begin, begin, subOf(user)]],
    [insert("verification", ["id", "identifier", "value", "expiresAt", "createdAt", "updatedAt"]), redeemable,
      (number) => [`code-${number}`, hash(codeOf(number)), valueOf(number % users), end, begin, begin]],
    [insert("oauthRefreshToken", ["id", "token", "clientId", "sessionId", "userId", "expiresAt", "createdAt", "authTime",
      "scopes"]), redeemable, (number) => [`refresh-${number}`, hash(refreshTokenOf(number)), CLIENT.id,
      sessionOf(number % users), subOf(number % users), end, begin, begin, scopes]],
    [insert("oauthAccessToken", ["id", "token", "clientId", "sessionId", "userId", "expiresAt", "createdAt", "scopes"]),
      fresh + SEEN, (number) => [`access-${number}`, hash(accessTokenOf(number)), CLIENT.id, sessionOf(number % users),
        subOf(number % users), end, begin, scopes]],
  ];
}

const insert = (table, columns) => {
  const names = columns.map((name) => `"${name}"`).join(", ");
  return `INSERT INTO "${table}" (${names}) VALUES (${columns.map(() => "?").join(", ")})`;
};
