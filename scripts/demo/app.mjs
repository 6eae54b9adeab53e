// A relying party to try Postern with: a confidential client of the authorization code flow, on openid-client
// and what Node brings. It shows what it learns of the person who signs in.
//
// What every relying party does is here: PKCE, state and nonce bound to the browser that began; the ID token's
// signature verified; a session of its own, under a new cookie once somebody is signed in. What a real one has
// besides: https (and then cookies with Secure and __Host-), and sessions that outlive the process.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import * as oidc from "openid-client";
import { SIGNED_OUT, profile, stopped } from "./pages.mjs";

// Each start deletes the client of this id, so a developer's own client must be unlikely to have it.
const CLIENT_ID = "postern-demo";
const COOKIE = "postern-demo";
// Not localhost, where the provider is: as in real life, neither gets the other's cookies.
const HOST = "127.0.0.1";

const STYLE = ["../../templates/style.css", "style.css"]
  .map((file) => readFileSync(new URL(file, import.meta.url), "utf8"))
  .join("");

/**
 * Serves the demo for the provider that knows itself as `issuer` and answers at `worker`; `admin` sends a
 * request to its /admin. `scopes` are those of userinfo. Where `port` is taken the system chooses one. Returns
 * where it is.
 */
export async function serveDemo({ issuer, worker, admin, port, scopes }) {
  const server = createServer();
  const origin = await listen(server, port);
  const redirectUri = `${origin}/callback`;
  const secret = await register(admin, origin, redirectUri);
  const config = await discover(issuer, worker, secret);
  // offline_access asks for a refresh token.
  const scope = [...scopes, "offline_access"].join(" ");
  const app = application({ config, origin, redirectUri, scope, account: `${issuer}/auth/account` });
  server.on("request", async (request, response) => {
    const { status, headers, body } = await app(request).catch(answerToFailure);
    response.writeHead(status, headers).end(request.method === "HEAD" ? undefined : body);
  });
  return { origin, close: () => server.closeAllConnections() ?? server.close() };
}

async function listen(server, port) {
  const at = async (port) => {
    server.listen(port, HOST);
    await once(server, "listening");
  };
  await (port > 65_535 ? at(0) : at(port).catch(() => at(0)));
  return `http://${HOST}:${server.address().port}`;
}

/**
 * Stores the demo's client and returns its secret. A secret is shown only when it is made, so the client is made
 * anew at each start, and its secret kept nowhere but here. What the one before was granted ends with it.
 */
async function register(admin, origin, redirectUri) {
  await admin("DELETE", `/clients/${CLIENT_ID}`).catch((error) => {
    if (error.code !== "not_found") throw error;
  });
  const metadata = {
    client_name: "Postern demo",
    client_uri: origin,
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
  };
  const stored = await admin("PUT", `/clients/${CLIENT_ID}`, JSON.stringify(metadata));
  return stored.client_secret;
}

/** Everything about the provider, from its discovery document. */
function discover(issuer, worker, secret) {
  return oidc.discovery(new URL(issuer), CLIENT_ID, secret, oidc.ClientSecretBasic(secret), {
    execute: [
      // The ID token comes from the provider itself, so that its signature need not be verified (Core section
      // 3.1.3.7). This does it all the same, for whoever copies it and hands the token on.
      oidc.enableNonRepudiationChecks,
      // A real provider has https.
      ...(issuer.startsWith("http:") ? [oidc.allowInsecureRequests] : []),
    ],
    // The worker is on this machine, whatever its issuer is called.
    [oidc.customFetch]: (url, options) => fetch(url.replace(issuer, worker), options),
  });
}

/** The application: a function from a request to its answer. */
function application({ config, origin, redirectUri, scope, account }) {
  const sessions = sessionStore();

  const routes = {
    "GET /": async ({ session }) => {
      if (!session?.tokens) return page(200, SIGNED_OUT);
      // Asked each time, to show what the provider says now.
      const userinfo = await oidc.fetchUserInfo(config, session.tokens.access_token, session.claims.sub)
        .catch((error) => ({ error: describe(error) }));
      return page(200, profile({ ...session, userinfo, account }));
    },

    "GET /sign-in": async ({ session, url }) => {
      const flow = {
        pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
        expectedState: oidc.randomState(),
        expectedNonce: oidc.randomNonce(),
      };
      const begun = session ?? sessions.begin();
      keep(begun.flows, flow.expectedState, flow, 10);
      const location = oidc.buildAuthorizationUrl(config, {
        redirect_uri: redirectUri,
        scope,
        state: flow.expectedState,
        nonce: flow.expectedNonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(flow.pkceCodeVerifier),
        code_challenge_method: "S256",
        ...(url.searchParams.has("switch") && { prompt: "select_account" }),
      });
      return redirect(location.href, begun);
    },

    "GET /callback": async ({ session, url }) => {
      const state = url.searchParams.get("state");
      const flow = session?.flows.get(state);
      if (!flow) return page(400, stopped({ description: "This sign-in was not begun in this browser, or is over." }));
      session.flows.delete(state);
      const tokens = await oidc.authorizationCodeGrant(config, url, { ...flow, idTokenExpected: true });
      return redirect("/", sessions.renew(session, { tokens, claims: tokens.claims() }));
    },

    "POST /refresh": async ({ session }) => {
      if (!session?.tokens?.refresh_token) return redirect("/sign-in");
      const fresh = await oidc.refreshTokenGrant(config, session.tokens.refresh_token);
      const claims = fresh.claims();
      // Core section 12.2.
      if (claims && claims.sub !== session.claims.sub) throw new Error("the new ID token is somebody else's");
      // What the answer leaves out stays as it was.
      Object.assign(session.tokens, fresh);
      Object.assign(session, claims && { claims });
      return redirect("/");
    },

    "GET /style.css": async () => ({ status: 200, headers: { "content-type": "text/css" }, body: STYLE }),
  };

  return async (request) => {
    const url = new URL(request.url, origin);
    const route = routes[`${request.method.replace("HEAD", "GET")} ${url.pathname}`];
    if (!route) return page(404, stopped({ description: "There is no such page." }));
    return route({ url, session: sessions.of(request) });
  };
}

/** Who is signed in, by the cookie of their browser. */
function sessionStore() {
  const sessions = new Map();
  const begin = (content = {}) => {
    const session = { id: oidc.randomState(), flows: new Map(), ...content };
    keep(sessions, session.id, session, 1_000);
    return session;
  };
  return {
    begin,
    of: ({ headers }) => sessions.get(headers.cookie?.match(new RegExp(`(?:^|; )${COOKIE}=([^;]*)`))?.[1]),
    /** A new session in the place of one: nobody who knew its cookie before the sign-in is in (fixation). */
    renew(session, content) {
      sessions.delete(session.id);
      return begin({ ...content, flows: session.flows });
    },
  };
}

/** Adds to a map that has room for so many: the oldest goes. */
function keep(map, key, value, room) {
  map.set(key, value);
  if (map.size > room) map.delete(map.keys().next().value);
}

const page = (status, body) => ({
  status,
  headers: {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy":
      "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",
  },
  body: String(body),
});

const redirect = (location, session) => ({
  status: 303,
  headers: {
    location,
    "cache-control": "no-store",
    ...(session && { "set-cookie": `${COOKIE}=${session.id}; Path=/; HttpOnly; SameSite=Lax` }),
  },
});

const answerToFailure = (error) => page(400, stopped(describe(error)));

/** What went wrong: in the provider's words, where they are its. */
function describe(error) {
  const challenge = error.cause?.[0]?.parameters ?? {};
  const { error: code, error_description: description } = error.error ? error : challenge;
  return { code, description: description ?? error.message };
}
