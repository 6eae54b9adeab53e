// @cloudflare/workers-oauth-provider as its documentation has one Worker: it guards the API, here userinfo. Its
// tokens are opaque, and looked up in KV each time; it has no OpenID Connect, so no JWKS and no ID token.
import documents from "bench:documents";
import { OAuthProvider } from "@cloudflare/workers-oauth-provider";
import { STANDING } from "./statements.mjs";

const { issuer } = JSON.parse(documents.discovery.body);
const SCOPES = {
  profile: ["name", "given_name", "family_name", "picture", "locale"],
  email: ["email", "email_verified"],
};

const apiHandler = {
  async fetch(request, env, { props, auth }) {
    const row = await env.DB.prepare(STANDING).bind(props.grantId, props.sub, props.clientId).first();
    if (!row || row.revoked_at !== null || row.claims === null) return new Response(null, { status: 401 });
    const claims = JSON.parse(row.claims);
    const released = { sub: props.sub };
    for (const scope of auth.scope) {
      for (const name of SCOPES[scope] ?? []) if (claims[name] !== undefined) released[name] = claims[name];
    }
    return Response.json(released, { headers: { "cache-control": "no-store" } });
  },
};

/** What the bench needs beforehand: a client, and codes of people who have signed in and allowed it. */
const defaultHandler = {
  async fetch(request, env) {
    if (new URL(request.url).pathname !== "/bench") return new Response(null, { status: 404 });
    const { client, redirectUri, challenge, scope, people } = await request.json();
    const oauth = env.OAUTH_PROVIDER;
    if (!client) return Response.json(await oauth.createClient({ clientName: "App", redirectUris: [redirectUri] }));
    const codes = await Promise.all(people.map(async (props) => {
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
