// Relying parties on libraries of others, behind one interface. Each library makes the checks that it has.
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { ISSUER } from "./harness.mjs";

/** The redirect URI of each. openid-client derives its own from the response's URL, without the query. */
export const CALLBACKS = {
  "openid-client": "https://app.example/cb", oauth4webapi: "https://app.example/cb?from=postern",
};

/** The random values of one sign-in. */
const secrets = async () => {
  const verifier = oauth.generateRandomCodeVerifier();
  return {
    verifier, challenge: await oauth.calculatePKCECodeChallenge(verifier),
    state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce(),
  };
};

const parametersOf = (app, { challenge, state, nonce }, parameters) => ({
  redirect_uri: app.redirect_uris[0], response_type: "code", scope: "openid profile email",
  code_challenge: challenge, code_challenge_method: "S256", state, nonce, ...parameters,
});

/**
 * The libraries by name. Each function makes a test client from `fetch` and a registered client. `begin` returns the
 * URL of an authorization request, and `redeem`, which takes the response: a URL or a form post's request.
 */
export const LIBRARIES = {
  async "openid-client"(fetch, app) {
    const methods = {
      client_secret_basic: openid.ClientSecretBasic, client_secret_post: openid.ClientSecretPost, none: openid.None,
      private_key_jwt: () => openid.PrivateKeyJwt({ key: app.key.privateKey, kid: app.key.kid }),
    };
    const { client_id: id, client_secret: secret, id_token_signed_response_alg: alg } = app;
    const method = methods[app.token_endpoint_auth_method](secret);
    const options = { execute: [openid.enableNonRepudiationChecks], [openid.customFetch]: fetch };
    const config = await openid.discovery(new URL(ISSUER), id, { id_token_signed_response_alg: alg }, method, options);
    return {
      async begin(parameters = {}) {
        const made = await secrets();
        const url = openid.buildAuthorizationUrl(config, parametersOf(app, made, parameters));
        const checks = { pkceCodeVerifier: made.verifier, expectedState: made.state, expectedNonce: made.nonce };
        const redeem = async (response) => withClaims(await openid.authorizationCodeGrant(config, response, checks));
        return { url, redeem };
      },
      refresh: async (token) => withClaims(await openid.refreshTokenGrant(config, token)),
      userinfo: (token, sub) => openid.fetchUserInfo(config, token, sub),
    };
    function withClaims(tokens) {
      return { ...tokens, claims: tokens.claims() };
    }
  },

  async oauth4webapi(fetch, app) {
    const methods = {
      client_secret_basic: oauth.ClientSecretBasic, client_secret_post: oauth.ClientSecretPost, none: oauth.None,
    };
    const { client_id, client_secret: secret, id_token_signed_response_alg } = app;
    const method = methods[app.token_endpoint_auth_method](secret);
    const options = { [oauth.customFetch]: fetch };
    const issuer = new URL(ISSUER);
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
    const client = { client_id, id_token_signed_response_alg };
    const verified = async (response, tokens) => {
      if (tokens.id_token) await oauth.validateApplicationLevelSignature(as, response, options);
      return { ...tokens, claims: oauth.getValidatedIdTokenClaims(tokens) };
    };
    return {
      async begin(parameters = {}) {
        const made = await secrets();
        const url = new URL(as.authorization_endpoint);
        url.search = String(new URLSearchParams({ client_id, ...parametersOf(app, made, parameters) }));
        const redeem = async (response) => {
          const isForm = response instanceof Request;
          // Exported, but not declared.
          const { formPostResponse } = /** @type {any} */ (oauth);
          const form = isForm ? new URLSearchParams(await formPostResponse(response)) : response;
          const checked = oauth.validateAuthResponse(as, client, form, made.state);
          const [redirectUri] = app.redirect_uris;
          const tokens = await oauth.authorizationCodeGrantRequest(
            as, client, method, checked, redirectUri, made.verifier, options,
          );
          const checks = { expectedNonce: made.nonce, requireIdToken: true };
          return verified(tokens, await oauth.processAuthorizationCodeResponse(as, client, tokens, checks));
        };
        return { url, redeem };
      },
      async refresh(token) {
        const response = await oauth.refreshTokenGrantRequest(as, client, method, token, options);
        return verified(response, await oauth.processRefreshTokenResponse(as, client, response));
      },
      async userinfo(token, sub) {
        const response = await oauth.userInfoRequest(as, client, token, options);
        return oauth.processUserInfoResponse(as, client, sub, response);
      },
    };
  },
};
