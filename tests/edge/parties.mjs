// Relying parties that we did not write, behind one interface: each library checks what it is there to check.
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { ISSUER } from "./harness.mjs";

/** Where each is answered: openid-client takes its redirect URI from the answer's URL, all query left out. */
export const CALLBACKS = {
  "openid-client": "https://app.example/cb", oauth4webapi: "https://app.example/cb?from=postern",
};

/** What a relying party makes up for one sign-in. */
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
 * Each library by its name: a function of what is asked and an app, to the URL that begins a sign-in, and
 * what is done with the answer to it, a URL or a posted form.
 */
export const LIBRARIES = {
  async "openid-client"(ask, app) {
    const methods = {
      client_secret_basic: openid.ClientSecretBasic, client_secret_post: openid.ClientSecretPost, none: openid.None,
      private_key_jwt: () => openid.PrivateKeyJwt({ key: app.key.privateKey, kid: app.key.kid }),
    };
    const { client_id: id, client_secret: secret, id_token_signed_response_alg: alg } = app;
    const method = methods[app.token_endpoint_auth_method](secret);
    const options = { execute: [openid.enableNonRepudiationChecks], [openid.customFetch]: ask };
    const config = await openid.discovery(new URL(ISSUER), id, { id_token_signed_response_alg: alg }, method, options);
    return {
      async begin(parameters) {
        const made = await secrets();
        const url = openid.buildAuthorizationUrl(config, parametersOf(app, made, parameters));
        const checks = { pkceCodeVerifier: made.verifier, expectedState: made.state, expectedNonce: made.nonce };
        return { url, redeem: async (answer) => told(await openid.authorizationCodeGrant(config, answer, checks)) };
      },
      refresh: async (token) => told(await openid.refreshTokenGrant(config, token)),
      userinfo: (token, sub) => openid.fetchUserInfo(config, token, sub),
    };
    function told(tokens) {
      return { ...tokens, claims: tokens.claims() };
    }
  },

  async oauth4webapi(ask, app) {
    const methods = {
      client_secret_basic: oauth.ClientSecretBasic, client_secret_post: oauth.ClientSecretPost, none: oauth.None,
    };
    const { client_id, client_secret: secret, id_token_signed_response_alg } = app;
    const method = methods[app.token_endpoint_auth_method](secret);
    const options = { [oauth.customFetch]: ask };
    const issuer = new URL(ISSUER);
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
    const client = { client_id, id_token_signed_response_alg };
    const told = async (response, tokens) => {
      if (tokens.id_token) await oauth.validateApplicationLevelSignature(as, response, options);
      return { ...tokens, claims: oauth.getValidatedIdTokenClaims(tokens) };
    };
    return {
      async begin(parameters) {
        const made = await secrets();
        const url = new URL(as.authorization_endpoint);
        url.search = new URLSearchParams({ client_id, ...parametersOf(app, made, parameters) });
        const redeem = async (answer) => {
          const isForm = answer instanceof Request;
          const form = isForm ? new URLSearchParams(await oauth.formPostResponse(answer)) : answer;
          const checked = oauth.validateAuthResponse(as, client, form, made.state);
          const [redirectUri] = app.redirect_uris;
          const response = await oauth.authorizationCodeGrantRequest(
            as, client, method, checked, redirectUri, made.verifier, options,
          );
          const checks = { expectedNonce: made.nonce, requireIdToken: true };
          return told(response, await oauth.processAuthorizationCodeResponse(as, client, response, checks));
        };
        return { url, redeem };
      },
      async refresh(token) {
        const response = await oauth.refreshTokenGrantRequest(as, client, method, token, options);
        return told(response, await oauth.processRefreshTokenResponse(as, client, response));
      },
      async userinfo(token, sub) {
        const response = await oauth.userInfoRequest(as, client, token, options);
        return oauth.processUserInfoResponse(as, client, sub, response);
      },
    };
  },
};
