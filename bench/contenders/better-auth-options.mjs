// The options of better-auth with its OAuth provider, as in its documentation. Its schema follows from them, too.
import { oauthProvider } from "@better-auth/oauth-provider";
import { jwt } from "better-auth/plugins/jwt";

/**
 * @param {{ issuer: string, secret: string, database: any }} parameters
 * @returns {import("better-auth").BetterAuthOptions}
 */
export const optionsOf = ({ issuer, secret, database }) => ({
  baseURL: issuer, secret, database,
  emailAndPassword: { enabled: true },
  disabledPaths: ["/token"],
  plugins: [
    // ES256 as the other contenders; its default is EdDSA.
    jwt({ jwks: { keyPairConfig: { alg: "ES256" } } }),
    oauthProvider({ loginPage: "/sign-in", consentPage: "/consent" }),
  ],
  // Otherwise each instance reads the schema from D1, and there is one for each request.
  advanced: { database: { validateSchema: false } },
  // It counts requests by address, and the load has one address. The other contenders do not limit their rate here.
  rateLimit: { enabled: false },
});
