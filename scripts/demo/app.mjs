// A relying party to try Postern with: a confidential client of the authorization code flow, with openid-client. It
// shows the claims of the user who signs in.
//
// It does what every relying party must do: it binds PKCE, state and nonce to the browser that started the sign-in,
// verifies the signature of the ID token, and gives the user a session of its own, with a new cookie after the sign-in.
// That session ends when the user signs out here or there: the provider sends a logout token (Back-Channel Logout).
// A real relying party also has https, with Secure cookies and the __Host- prefix, and sessions that survive a restart.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { createRemoteJWKSet, customFetch, jwtVerify } from "jose";
import * as oidc from "openid-client";
import { deviceRoutes, registerDevice } from "./device.mjs";
import { LEFT, SIGNED_OUT, failed, profile } from "./pages.mjs";

// Each start deletes the client with this client_id, so a developer's own client is unlikely to have it.
const CLIENT_ID = "postern-demo";
const COOKIE = "postern-demo";
// The provider is at localhost. With another host, neither gets the other's cookies.
const HOST = "127.0.0.1";

const CALLBACK = "/callback";
const AFTER_LOGOUT = "/signed-out";
const BACKCHANNEL_LOGOUT = "/backchannel-logout";

/** The event of a logout token (OpenID Connect Back-Channel Logout section 2.4). */
const LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout";

const STYLE = ["../../templates/style.css", "style.css"]
  .map((file) => readFileSync(new URL(file, import.meta.url), "utf8"))
  .join("");

/**
 * Serves the demo and returns its origin. `worker` is the URL at which the provider `issuer` answers, `admin` sends
 * requests to its /admin, and `scopes` are those of userinfo. If `port` is in use, the system chooses another.
 *
 * @param {object} options
 * @param {string} options.issuer
 * @param {string} options.worker
 * @param {import("../operator_api.mjs").OperatorRequest} options.admin
 * @param {number} options.port
 * @param {string[]} options.scopes
 */
export async function serveDemo({ issuer, worker, admin, port, scopes }) {
  const server = createServer();
  const origin = await listen(server, port);
  const secret = await register(admin, origin);
  await registerDevice(admin, origin);
  // The worker is on this machine even if its issuer is another host.
  const fetchFromWorker = (url, options) => fetch(String(url).replace(issuer, worker), /** @type {RequestInit} */ (options));
  const discoverFor = (id, authentication) => discover(issuer, fetchFromWorker, id, authentication);
  const config = await discoverFor(CLIENT_ID, oidc.ClientSecretBasic(secret));
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri), { [customFetch]: fetchFromWorker });
  // offline_access requests a refresh token.
  const scope = [...scopes, "offline_access"].join(" ");
  const sessions = sessionStore();
  const device = await deviceRoutes({ discover: discoverFor, scope, sessions, describe, page: htmlPage, redirect });
  const app = application({ config, keys, origin, scope, sessions, device, account: `${issuer}/auth/account` });
  server.on("request", async (request, response) => {
    const { status, headers, body } = await app(request).catch(errorPage);
    response.writeHead(status, headers).end(request.method === "HEAD" ? undefined : body);
  });
  return { origin, close: () => server.closeAllConnections() ?? server.close() };
}

async function listen(server, port) {
  const listenAt = async (port) => {
    server.listen(port, HOST);
    await once(server, "listening");
  };
  await (port > 65_535 ? listenAt(0) : listenAt(port).catch(() => listenAt(0)));
  return `http://${HOST}:${server.address().port}`;
}

/**
 * Stores the demo's client and returns its secret. Each start replaces the client and revokes its grants, because the
 * secret of an existing client cannot be read and this process stores none.
 */
async function register(admin, origin) {
  await admin("DELETE", `/clients/${CLIENT_ID}`).catch((error) => {
    if (error.code !== "not_found") throw error;
  });
  const metadata = {
    client_name: "Postern demo",
    client_uri: origin,
    redirect_uris: [`${origin}${CALLBACK}`],
    post_logout_redirect_uris: [`${origin}${AFTER_LOGOUT}`],
    backchannel_logout_uri: `${origin}${BACKCHANNEL_LOGOUT}`,
    grant_types: ["authorization_code", "refresh_token"],
  };
  const stored = await admin("PUT", `/clients/${CLIENT_ID}`, JSON.stringify(metadata));
  return stored.client_secret;
}

/** Fetches the provider's metadata for a client. */
function discover(issuer, fetchFromWorker, id, authentication) {
  return oidc.discovery(new URL(issuer), id, undefined, authentication, {
    execute: [
      // The signature of an ID token from the token endpoint need not be verified (Core section 3.1.3.7). The demo
      // verifies it because an application that copies this code may pass the token on.
      oidc.enableNonRepudiationChecks,
      // npm start serves http. A real provider has https.
      ...(issuer.startsWith("http:") ? [oidc.allowInsecureRequests] : []),
    ],
    [oidc.customFetch]: fetchFromWorker,
  });
}

/** Returns the application: a function from a request to its response. */
function application({ config, keys, origin, scope, sessions, device, account }) {
  const { issuer } = config.serverMetadata();
  // A form leads here, and from here to the provider: browsers check both (CSP, form-action).
  const page = (status, body) => htmlPage(status, body, new URL(issuer).origin);

  const routes = {
    ...device,

    "GET /": async ({ session }) => {
      if (!session?.tokens) return page(200, SIGNED_OUT);
      // Fetched for each page, to show the current claims.
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
      const browserSession = session ?? sessions.start();
      setBounded(browserSession.flows, flow.expectedState, flow, 10);
      const location = oidc.buildAuthorizationUrl(config, {
        redirect_uri: `${origin}${CALLBACK}`,
        scope,
        state: flow.expectedState,
        nonce: flow.expectedNonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(flow.pkceCodeVerifier),
        code_challenge_method: "S256",
        ...(url.searchParams.has("switch") && { prompt: "select_account" }),
      });
      return redirect(location.href, browserSession);
    },

    [`GET ${CALLBACK}`]: async ({ session, url }) => {
      const state = url.searchParams.get("state");
      const flow = session?.flows.get(state);
      if (!flow) return page(400, failed({ description: "This sign-in was started in another browser, or has ended." }));
      session.flows.delete(state);
      const tokens = await oidc.authorizationCodeGrant(config, url, { ...flow, idTokenExpected: true });
      return redirect("/", sessions.renew(session, { tokens, claims: tokens.claims() }));
    },

    "POST /refresh": async ({ session }) => {
      if (!session?.tokens?.refresh_token) return redirect("/sign-in");
      const fresh = await oidc.refreshTokenGrant(config, session.tokens.refresh_token);
      const claims = fresh.claims();
      // Core section 12.2.
      if (claims && claims.sub !== session.claims.sub) throw new Error("the new ID token is another user's");
      // The response may leave out the ID token and the refresh token, which then stay valid.
      Object.assign(session.tokens, fresh);
      Object.assign(session, claims && { claims });
      return redirect("/");
    },

    // The grant ends, and with it all tokens (RFC 7009 section 2.1). The page then shows what the provider says to them.
    "POST /revoke": async ({ session }) => {
      if (session?.tokens?.refresh_token) await oidc.tokenRevocation(config, session.tokens.refresh_token);
      return redirect("/");
    },

    // The user signs out of the demo, and of the provider (RP-Initiated Logout). A refresh token outlives that, so an
    // application that no longer needs it revokes it.
    "POST /sign-out": async ({ session }) => {
      if (!session?.tokens) return redirect(AFTER_LOGOUT);
      sessions.end(session);
      const { refresh_token: refreshToken, id_token: idToken } = session.tokens;
      if (refreshToken) await oidc.tokenRevocation(config, refreshToken).catch(() => {});
      return redirect(oidc.buildEndSessionUrl(config, {
        id_token_hint: idToken,
        post_logout_redirect_uri: `${origin}${AFTER_LOGOUT}`,
      }).href);
    },

    [`GET ${AFTER_LOGOUT}`]: async () => page(200, LEFT),

    // The provider tells that the user has signed out there (Back-Channel Logout sections 2.5 to 2.8).
    [`POST ${BACKCHANNEL_LOGOUT}`]: async ({ request }) => {
      const logoutToken = new URLSearchParams(await text(request)).get("logout_token") ?? "";
      try {
        const { payload } = await jwtVerify(logoutToken, keys, {
          issuer, audience: CLIENT_ID, typ: "logout+jwt", requiredClaims: ["jti", "iat", "sid"], maxTokenAge: "5 minutes",
        });
        if (!payload.events?.[LOGOUT_EVENT] || "nonce" in payload) throw new Error("it is no logout token");
        sessions.signOut(payload.sid);
        return { status: 204, headers: { "cache-control": "no-store" } };
      } catch (error) {
        const body = JSON.stringify({ error: "invalid_request", error_description: error.message });
        return { status: 400, headers: { "cache-control": "no-store", "content-type": "application/json" }, body };
      }
    },

    "GET /style.css": async () => ({ status: 200, headers: { "content-type": "text/css" }, body: STYLE }),
  };

  return async (request) => {
    const url = new URL(request.url, origin);
    const route = routes[`${request.method.replace("HEAD", "GET")} ${url.pathname}`];
    if (!route) return page(404, failed({ description: "There is no such page." }));
    return route({ url, request, session: sessions.of(request) });
  };
}

/** Stores the session of each browser by its cookie. */
function sessionStore() {
  const sessions = new Map();
  const start = (content = {}) => {
    const session = { id: oidc.randomState(), flows: new Map(), ...content };
    setBounded(sessions, session.id, session, 1_000);
    return session;
  };
  return {
    start,
    of: ({ headers }) => sessions.get(headers.cookie?.match(new RegExp(`(?:^|; )${COOKIE}=([^;]*)`))?.[1]),
    end: ({ id }) => sessions.delete(id),
    /**
     * Signs the user of a session at the provider out. A sign-in that is under way goes on: the session there may have
     * ended because another user has just signed in.
     */
    signOut(sid) {
      for (const session of sessions.values()) {
        if (session.claims?.sid === sid) Object.assign(session, { tokens: undefined, claims: undefined });
      }
    },
    /** Replaces a session by a new one. A cookie from before the sign-in may be known to an attacker (fixation). */
    renew(session, content) {
      sessions.delete(session.id);
      return start({ ...content, flows: session.flows });
    },
  };
}

/** Sets a value in a map. Removes the oldest one if there are more than `limit`. */
function setBounded(map, key, value, limit) {
  map.set(key, value);
  if (map.size > limit) map.delete(map.keys().next().value);
}

const htmlPage = (status, body, formTarget = "") => ({
  status,
  headers: {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy":
      `default-src 'none'; style-src 'self'; form-action 'self' ${formTarget}; frame-ancestors 'none'; base-uri 'none'`,
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

const errorPage = (error) => htmlPage(400, failed(describe(error)));

/** Returns the error of the provider, if it sent one, or the message of the failure. */
function describe(error) {
  const challenge = error.cause?.[0]?.parameters ?? {};
  const { error: code, error_description: description } = error.error ? error : challenge;
  return { code, description: description ?? error.message };
}
