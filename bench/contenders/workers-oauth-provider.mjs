// @cloudflare/workers-oauth-provider, set up as in its documentation: it protects an API, here userinfo. Its tokens are
// opaque, and each request reads KV, which has the grants. The API reads the user's claims from D1. It has no OpenID
// Connect, so it has neither a JWKS nor ID tokens.
import documents from "bench:documents";
import { OAuthProvider } from "@cloudflare/workers-oauth-provider";

const { issuer } = JSON.parse(documents.discovery.body);
const SCOPES = {
  profile: ["name", "given_name", "family_name", "picture", "locale"],
  email: ["email", "email_verified"],
};

const apiHandler = {
  async fetch(request, env, { props, auth }) {
    const row = await env.DB.prepare("SELECT claims FROM users WHERE sub = ?1").bind(props.sub).first();
    if (!row || row.claims === null) return new Response(null, { status: 401 });
    const claims = JSON.parse(row.claims);
    const released = { sub: props.sub };
    for (const scope of auth.scope) {
      for (const name of SCOPES[scope] ?? []) if (claims[name] !== undefined) released[name] = claims[name];
    }
    return Response.json(released, { headers: { "cache-control": "no-store" } });
  },
};

const FORM = `<form method="post"><input name="login"><input type="password" name="password"><button>Allow</button></form>`;

/**
 * The authorization endpoint, which the package leaves to its user: one page for login and consent, and one D1 request
 * for the user. It has no session and checks no password.
 */
async function authorize(request, env) {
  const oauth = env.OAUTH_PROVIDER;
  const authorization = await oauth.parseAuthRequest(request.method === "POST" ? new Request(request.url) : request);
  await oauth.lookupClient(authorization.clientId);
  if (request.method === "GET") return new Response(FORM, { headers: { "content-type": "text/html" } });
  const login = (await request.formData()).get("login");
  const user = await env.DB.prepare("SELECT sub FROM users WHERE login = ?1").bind(login).first();
  if (!user) return new Response(null, { status: 401 });
  const { redirectTo } = await oauth.completeAuthorization({
    request: authorization, userId: user.sub, metadata: {}, scope: authorization.scope, props: { sub: user.sub },
  });
  return Response.redirect(redirectTo, 303);
}

/** Creates a client, or codes of users who have consented, for the bench. */
const defaultHandler = {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/authorize") return authorize(request, env);
    if (pathname !== "/bench") return new Response(null, { status: 404 });
    const { client, redirectUri, challenge, scope, users } = await request.json();
    const oauth = env.OAUTH_PROVIDER;
    if (!client) return Response.json(await oauth.createClient({ clientName: "App", redirectUris: [redirectUri] }));
    const codes = await Promise.all(users.map(async (props) => {
      const { redirectTo } = await oauth.completeAuthorization({
        request: {
          responseType: "code", clientId: client, redirectUri, scope, state: "",
          codeChallenge: challenge, codeChallengeMethod: "S256",
        },
        userId: props.sub, metadata: {}, scope, props, revokeExistingGrants: false,
      });
      return new URL(redirectTo).searchParams.get("code");
    }));
    return Response.json(codes);
  },
};

export default new OAuthProvider({
  apiRoute: "/auth/userinfo", apiHandler, defaultHandler,
  authorizeEndpoint: "/authorize", tokenEndpoint: "/oauth/token",
  scopesSupported: ["openid", "profile", "email", "offline_access"], requiredScopes: ["openid"],
  resourceMetadata: { resource: `${issuer}/auth/userinfo`, authorization_servers: [issuer] },
});
