// A provider as many would write it: hono for the requests, jose for the tokens, the keys in KV, the rest in D1.
import documents from "bench:documents";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { etag } from "hono/etag";
import { SignJWT, createLocalJWKSet, importJWK, jwtVerify } from "jose";
import { CLIENT, IDLE, REDEEM, REFRESH, GRANT_STATUS } from "./statements.mjs";

const METADATA = JSON.parse(documents.discovery.body);
const CACHING = documents.discovery.headers["cache-control"];
const KEYS_FOR = 300_000;
const SCOPES = {
  profile: ["name", "given_name", "family_name", "picture", "locale"],
  email: ["email", "email_verified"],
};

/** @type {Hono<any>} */
const app = new Hono();
app.use("/.well-known/*", cors({ origin: "*", exposeHeaders: ["ETag"] }), etag());
app.use("/auth/jwks.json", cors({ origin: "*", exposeHeaders: ["ETag"] }), etag());
app.use("/auth/userinfo", cors({ origin: "*", exposeHeaders: ["WWW-Authenticate"] }));

/** The published keys, read from KV every five minutes. */
let published;
async function keys({ KV }) {
  if (!published || published.until < Date.now()) {
    const jwks = await KV.get("jwks", "json");
    published = { jwks, find: createLocalJWKSet(jwks), until: Date.now() + KEYS_FOR };
  }
  return published;
}

/** The signing key, imported once. */
let signer;
const signingKey = ({ SIGNING_KEY }) => (signer ??= importJWK(JSON.parse(SIGNING_KEY), "ES256"));

app.get("/.well-known/openid-configuration", (c) => {
  c.header("cache-control", CACHING);
  return c.json(METADATA);
});

app.get("/auth/jwks.json", async (c) => {
  const { jwks } = await keys(c.env);
  c.header("cache-control", CACHING);
  return c.json(jwks);
});

app.get("/auth/userinfo", async (c) => {
  c.header("cache-control", "no-store");
  const refuse = (error) => {
    c.header("www-authenticate", `Bearer error="${error}"`);
    return c.json({ error }, 401);
  };
  const [, token] = (c.req.header("authorization") ?? "").match(/^Bearer +(\S+)$/i) ?? [];
  if (!token) return refuse("invalid_request");
  let payload;
  try {
    const { ISSUER } = c.env;
    const expected = { issuer: ISSUER, audience: `${ISSUER}/auth/userinfo`, typ: "at+jwt", algorithms: ["ES256"] };
    ({ payload } = await jwtVerify(token, (await keys(c.env)).find, expected));
  } catch {
    return refuse("invalid_token");
  }
  const row = await c.env.DB.prepare(GRANT_STATUS).bind(payload.grant_id, payload.sub, payload.client_id).first();
  if (!row || row.revoked_at !== null || row.claims === null) return refuse("invalid_token");
  const claims = JSON.parse(row.claims);
  const released = { sub: payload.sub };
  for (const scope of payload.scope.split(" ")) {
    for (const name of SCOPES[scope] ?? []) if (claims[name] !== undefined) released[name] = claims[name];
  }
  return c.json(released);
});

const encode = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const digest = async (text) => encode(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
const random = () => encode(crypto.getRandomValues(new Uint8Array(32)));

app.post("/auth/token", async (c) => {
  c.header("cache-control", "no-store");
  const refuse = (error, status = 400) => c.json({ error }, /** @type {any} */ (status));
  const form = /** @type {Record<string, string>} */ (await c.req.parseBody());
  const [, basic] = (c.req.header("authorization") ?? "").match(/^Basic +(\S+)$/i) ?? [];
  const [id, secret] = basic ? atob(basic).split(":").map(decodeURIComponent) : [];
  const { DB } = c.env;
  const now = Math.floor(Date.now() / 1000);
  const client = id && (await DB.prepare(CLIENT).bind(id, now).first());
  if (!client || client.secret_hash !== (await digest(secret))) return refuse("invalid_client", 401);
  if (form.grant_type === "authorization_code") {
    const [code, refreshToken] = [await digest(form.code), random()];
    const [, redeemed, read] = await DB.batch([
      DB.prepare(REDEEM.begin).bind(code, id, now, await digest(refreshToken), now + IDLE, "offline_access"),
      DB.prepare(REDEEM.spend).bind(code, id, now),
      DB.prepare(REDEEM.read).bind(code, id),
    ]);
    const [row] = read.results;
    if (redeemed.results.length === 0 || row.revoked_at !== null) return refuse("invalid_grant");
    if (row.redirect_uri !== form.redirect_uri) return refuse("invalid_grant");
    if (row.code_challenge !== (await digest(form.code_verifier))) return refuse("invalid_grant");
    return c.json(await issue(c.env, id, row, refreshToken, now));
  }
  if (form.grant_type !== "refresh_token") return refuse("unsupported_grant_type");
  const refreshToken = random();
  const [token, successor] = [await digest(form.refresh_token), await digest(refreshToken)];
  const row = await DB.prepare(REFRESH.find).bind(token, successor, id).first();
  if (!row || row.spent_at !== null || row.revoked_at !== null || row.expires_at <= now) return refuse("invalid_grant");
  await DB.batch([
    DB.prepare(REFRESH.succeed).bind(token, successor, now + IDLE),
    DB.prepare(REFRESH.spend).bind(token, now),
    DB.prepare(REFRESH.look).bind(successor),
  ]);
  return c.json(await issue(c.env, id, row, refreshToken, now));
});

async function issue({ ISSUER, SIGNING_KEY, SIGNING_KID }, clientId, grant, refreshToken, now) {
  const key = await signingKey({ SIGNING_KEY });
  const sign = (typ, audience, claims) => new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", kid: SIGNING_KID, typ })
    .setIssuer(ISSUER).setSubject(grant.subject).setAudience(audience).setIssuedAt(now).setExpirationTime(now + 600)
    .sign(key);
  const access = await sign("at+jwt", `${ISSUER}/auth/userinfo`, {
    client_id: clientId, scope: grant.scope, grant_id: grant.grant_id, jti: crypto.randomUUID(),
  });
  const id = await sign("JWT", clientId, {
    auth_time: grant.auth_time, at_hash: (await half(access)), ...(grant.nonce ? { nonce: grant.nonce } : {}),
  });
  return {
    access_token: access, token_type: "Bearer", expires_in: 600, scope: grant.scope, id_token: id,
    refresh_token: refreshToken,
  };
}

/** The at_hash of an access token (OpenID Connect Core section 3.1.3.6). */
async function half(token) {
  return encode((await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token))).slice(0, 16));
}

export default app;
