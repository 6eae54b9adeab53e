// A device without a browser, as a page: it signs its user in by the device authorization grant (RFC 8628). It shows a code
// and a QR code, and polls until the user has decided at another device.
import * as oidc from "openid-client";
import { encode } from "uqr";
import { deviceTokens, deviceWaiting, failed } from "./pages.mjs";

const CLIENT_ID = "postern-demo-device";

/** Stores the client of the device, which is public: a device keeps no secret. */
export async function registerDevice(admin, origin) {
  await admin("DELETE", `/clients/${CLIENT_ID}`).catch((error) => {
    if (error.code !== "not_found") throw error;
  });
  const metadata = {
    client_name: "Postern demo device",
    client_uri: origin,
    grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
    token_endpoint_auth_method: "none",
  };
  await admin("PUT", `/clients/${CLIENT_ID}`, JSON.stringify(metadata));
}

/**
 * Returns the routes of the device. `discover` fetches the provider's metadata for a client, `describe` makes a message of an
 * error, and `page` and `redirect` make responses.
 *
 * @param {object} options
 * @param {(clientId: string, authentication: import("openid-client").ClientAuth) => Promise<import("openid-client").Configuration>} options.discover
 * @param {string} options.scope
 * @param {{ start: () => any }} options.sessions
 * @param {(error: any) => { code?: string, description: string }} options.describe
 * @param {(status: number, body: any) => any} options.page
 * @param {(location: string, session?: any) => any} options.redirect
 */
export async function deviceRoutes({ discover, scope, sessions, describe, page, redirect }) {
  const config = await discover(CLIENT_ID, oidc.None());
  return {
    "POST /device": async ({ session }) => {
      const owner = session ?? sessions.start();
      const started = await oidc.initiateDeviceAuthorization(config, { scope });
      owner.device?.stop.abort();
      const device = { started, stop: new AbortController(), tokens: undefined, error: undefined };
      owner.device = device;
      oidc.pollDeviceAuthorizationGrant(config, started, undefined, { signal: device.stop.signal }).then(
        (tokens) => { device.tokens = tokens; },
        (error) => { device.error = describe(error); },
      );
      return redirect("/device", owner);
    },

    "GET /device": async ({ session }) => {
      if (!session?.device) return redirect("/");
      const { started, tokens, error } = session.device;
      if (error) return page(400, failed(error));
      if (!tokens) {
        const waiting = page(200, deviceWaiting(started, encode(started.verification_uri_complete, { border: 4 })));
        return { ...waiting, headers: { ...waiting.headers, refresh: "3" } };
      }
      const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
        .catch((fault) => ({ error: describe(fault) }));
      return page(200, deviceTokens({ tokens, claims: tokens.claims(), userinfo }));
    },
  };
}
