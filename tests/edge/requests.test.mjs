// Request objects, pushed requests, and documents that a client serves: keys, requests, sectors and logos. The client
// is openid-client.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SignJWT } from "jose";
import * as openid from "openid-client";
import { ISSUER, start } from "./harness.mjs";
import { listen, makeKey } from "./client_server.mjs";
import { Browser, offeredTarget, redirectTarget, putClient, putUser } from "./browser.mjs";

const CALLBACK = "https://app.example/cb";

let postern;
let clientServer;
before(async () => {
  clientServer = await listen();
  postern = await start({ vars: { ALLOW_LOOPBACK: "true", ALLOW_IMPLICIT: "true" } });
  await postern.keysMade();
  await putUser(postern.operator, "alice", { email: "alice@example.com", email_verified: true });
});
after(async () => {
  await postern.close();
  await clientServer.close();
});

const options = () => ({ execute: [openid.enableNonRepudiationChecks], [openid.customFetch]: postern.fetch });

/** Registers a client with this metadata, which authenticates with this key. */
async function register(key, metadata) {
  const { body } = await postern.operator("POST", "/admin/initial-access-tokens", { uses: 1, ttl: 60 });
  const server = new URL(ISSUER);
  const method = openid.PrivateKeyJwt({ key: key.privateKey, kid: key.kid });
  return openid.dynamicClientRegistration(server, {
    redirect_uris: [CALLBACK], grant_types: ["authorization_code", "refresh_token"],
    token_endpoint_auth_method: "private_key_jwt", ...metadata,
  }, method, { ...options(), initialAccessToken: body.initial_access_token });
}

/** The same client with another key. */
async function rekeyed(config, key) {
  const metadata = config.clientMetadata();
  const method = openid.PrivateKeyJwt({ key: key.privateKey, kid: key.kid });
  return openid.discovery(new URL(ISSUER), metadata.client_id, metadata, method, options());
}

/** The parameters of an authorization request, and the checks of its response. */
async function secrets() {
  const verifier = openid.randomPKCECodeVerifier();
  const [state, nonce] = [openid.randomState(), openid.randomNonce()];
  return {
    parameters: {
      redirect_uri: CALLBACK, scope: "openid email", state, nonce,
      code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
    },
    checks: { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce },
  };
}

/** Signs alice in at this URL of an authorization request. Returns the tokens. */
async function signIn(config, url, checks) {
  const page = await new Browser(postern.fetch).authorize(url, "alice");
  return openid.authorizationCodeGrant(config, redirectTarget(page), checks);
}

for (const alg of ["ES256", "EdDSA", "PS256", "RS256"]) {
  test(`openid-client signs its requests with ${alg}`, async () => {
    const key = await makeKey(alg, "key-1");
    const config = await register(key, {
      jwks: { keys: [key.jwk] }, request_object_signing_alg: alg, require_signed_request_object: true,
    });
    const { parameters, checks } = await secrets();
    const signer = { key: key.privateKey, kid: key.kid };
    const url = await openid.buildAuthorizationUrlWithJAR(config, parameters, signer);
    assert.ok(url.searchParams.get("request") && !url.searchParams.has("state"));
    assert.equal((await signIn(config, url, checks)).claims().sub, "alice");

    // The page of an unsigned request has a link with the error. A request with a wrong signature gets an error page.
    const plain = openid.buildAuthorizationUrl(config, parameters);
    const { searchParams } = offeredTarget(await new Browser(postern.fetch).get(plain));
    assert.equal(searchParams.get("error"), "invalid_request");
    const other = await makeKey(alg, "key-1");
    const forged = await openid.buildAuthorizationUrlWithJAR(config, parameters, { key: other.privateKey, kid: "key-1" });
    const page = await new Browser(postern.fetch).get(forged);
    assert.ok(page.status === 400 && page.body.includes("invalid_request_object"), page.body);
  });
}

test("openid-client pushes its requests, signed or not", async () => {
  const key = await makeKey("ES256", "key-1");
  const config = await register(key, { jwks: { keys: [key.jwk] }, require_pushed_authorization_requests: true });
  const { parameters, checks } = await secrets();
  const url = await openid.buildAuthorizationUrlWithPAR(config, parameters);
  assert.match(url.searchParams.get("request_uri"), /^urn:ietf:params:oauth:request_uri:[\w-]{43}$/);
  assert.deepEqual([...url.searchParams.keys()].sort(), ["client_id", "request_uri"]);
  assert.equal((await signIn(config, url, checks)).claims().sub, "alice");
  const again = await new Browser(postern.fetch).get(url);
  assert.equal(again.status, 400, "a request_uri is used once");

  const signed = await secrets();
  const signer = { key: key.privateKey, kid: key.kid };
  const jar = await openid.buildAuthorizationUrlWithJAR(config, signed.parameters, signer);
  const both = await openid.buildAuthorizationUrlWithPAR(config, jar.searchParams);
  assert.equal((await signIn(config, both, signed.checks)).claims().sub, "alice");
  await assert.rejects(openid.buildAuthorizationUrlWithPAR(config, { ...parameters, redirect_uri: "https://evil.example" }), {
    error: "invalid_request", status: 400,
  });
});

test("of five browsers that use a pushed request at once, ten times each, one gets codes", async () => {
  const app = await putClient(postern.operator, "pushing", { redirect_uris: [CALLBACK], trusted: true });
  const method = openid.ClientSecretPost(app.client_secret);
  const config = await openid.discovery(new URL(ISSUER), app.client_id, undefined, method, options());
  const browsers = Array.from({ length: 5 }, () => new Browser(postern.fetch));
  for (const browser of browsers) {
    await browser.authorize(await openid.buildAuthorizationUrlWithPAR(config, (await secrets()).parameters), "alice");
  }
  /** Loads the URL ten times in each browser. Returns the redirects to `target`, by browser. */
  const redirects = async (url, target) => {
    const load = async (browser) => (await browser.get(url)).headers.get("location") ?? "";
    const all = await Promise.all(browsers.map((browser) => Promise.all(Array.from({ length: 10 }, () => load(browser)))));
    return all.map((locations) => locations.filter((location) => location.startsWith(target)));
  };
  const counts = (byBrowser) => byBrowser.map(({ length }) => length).sort((one, other) => one - other);

  const url = await openid.buildAuthorizationUrlWithPAR(config, (await secrets()).parameters);
  const opened = await redirects(url, `${ISSUER}/auth/authorize?handle=`);
  assert.deepEqual(counts(opened), [0, 0, 0, 0, 10]);
  const [handle, ...others] = new Set(opened.flat());
  assert.deepEqual(others, []);
  // Any browser with the URL of the handle may be first. Nobody else gets a code then.
  assert.deepEqual(counts(await redirects(handle, `${CALLBACK}?code=`)), [0, 0, 0, 0, 10]);
});

test("a client serves its keys, request and sector, and rotates its key between refreshes", async () => {
  const [one, two] = [await makeKey("RS256", "key-1"), await makeKey("RS256", "key-2")];
  clientServer.json("/jwks.json", { keys: [one.jwk] });
  clientServer.json("/sector.json", [CALLBACK, "https://other.example/cb"]);
  clientServer.takePaths();
  const config = await register(one, {
    jwks_uri: clientServer.url("/jwks.json"), request_uris: [clientServer.url("/request.jwt#4b1f")],
    sector_identifier_uri: clientServer.url("/sector.json"), subject_type: "pairwise",
    redirect_uris: [CALLBACK, "https://other.example/cb"], userinfo_signed_response_alg: "RS256",
  });
  assert.deepEqual(clientServer.takePaths(), ["/sector.json"]);
  const { client_id } = config.clientMetadata();

  const { parameters, checks } = await secrets();
  const request = await new SignJWT({
    ...parameters, client_id, response_type: "code", scope: "openid email offline_access", prompt: "consent",
  }).setProtectedHeader({ alg: "RS256", kid: "key-1", typ: "oauth-authz-req+jwt" })
    .setIssuer(client_id).setAudience(ISSUER).setIssuedAt().setExpirationTime("1m").sign(one.privateKey);
  clientServer.serve("/request.jwt", request, "application/oauth-authz-req+jwt");
  const url = new URL(config.serverMetadata().authorization_endpoint);
  url.search = String(new URLSearchParams({ client_id, request_uri: clientServer.url("/request.jwt#another") }));
  const tokens = await signIn(config, url, checks);
  assert.deepEqual(clientServer.takePaths().sort(), ["/jwks.json", "/request.jwt"]);

  const { sub } = tokens.claims();
  assert.match(sub, /^[\w-]{43}$/, "a pairwise subject identifier");
  const userinfo = await openid.fetchUserInfo(config, tokens.access_token, sub);
  assert.equal(userinfo.email, "alice@example.com");
  const response = await postern.userinfo(tokens.access_token);
  assert.equal(response.headers.get("content-type"), "application/jwt");

  const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal(refreshed.claims().sub, sub);
  clientServer.json("/jwks.json", { keys: [two.jwk] });
  await postern.setClockAhead(30);
  const next = await rekeyed(config, two);
  const again = await openid.refreshTokenGrant(next, refreshed.refresh_token);
  assert.equal(again.claims().sub, sub);
  assert.deepEqual(clientServer.takePaths(), ["/jwks.json"]);
  await assert.rejects(openid.refreshTokenGrant(config, again.refresh_token), { status: 401 });
  await postern.setClockAhead(0);
});

test("a sector that does not list a redirect URI is refused", async () => {
  const key = await makeKey("ES256", "key-1");
  clientServer.json("/sector.json", ["https://other.example/cb"]);
  const metadata = { jwks: { keys: [key.jwk] }, sector_identifier_uri: clientServer.url("/sector.json") };
  await assert.rejects(register(key, metadata), { error: "invalid_client_metadata", status: 400 });
});

for (const alg of ["ES256", "RS256"]) {
  test(`openid-client verifies userinfo that is signed with ${alg}`, async () => {
    const key = await makeKey("ES256", "key-1");
    const config = await register(key, { jwks: { keys: [key.jwk] }, userinfo_signed_response_alg: alg });
    const { parameters, checks } = await secrets();
    const tokens = await signIn(config, openid.buildAuthorizationUrl(config, parameters), checks);
    const userinfo = await openid.fetchUserInfo(config, tokens.access_token, "alice");
    const { client_id } = config.clientMetadata();
    assert.deepEqual([userinfo.iss, userinfo.aud, userinfo.email], [ISSUER, client_id, "alice@example.com"]);
  });
}

test("openid-client gets an ID token in the fragment, if ALLOW_IMPLICIT is set", async () => {
  const app = await putClient(postern.operator, "implicit", {
    redirect_uris: [CALLBACK], response_types: ["id_token"], grant_types: ["implicit"],
  });
  const settings = { ...options(), execute: [openid.enableNonRepudiationChecks, openid.useIdTokenResponseType] };
  const metadata = { client_secret: app.client_secret };
  const config = await openid.discovery(new URL(ISSUER), app.client_id, metadata, undefined, settings);
  const [state, nonce] = [openid.randomState(), openid.randomNonce()];
  const url = openid.buildAuthorizationUrl(config, { redirect_uri: CALLBACK, scope: "openid email", state, nonce });
  const page = await new Browser(postern.fetch).authorize(url, "alice");
  const claims = await openid.implicitAuthentication(config, redirectTarget(page), nonce, { expectedState: state });
  assert.deepEqual([claims.sub, claims.email], ["alice", "alice@example.com"]);
});

test("a client's logo is embedded in the page, without its address", async () => {
  const png = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");
  clientServer.serve("/logo.png", png, "image/png");
  clientServer.serve("/logo.svg", "<svg/>", "image/svg+xml");
  clientServer.takePaths();
  for (const { path, isShown } of [{ path: "/logo.png", isShown: true }, { path: "/logo.svg", isShown: false }]) {
    const app = await putClient(postern.operator, `logo${path.slice(-3)}`, { logo_uri: clientServer.url(path) });
    const target = `/auth/authorize?${new URLSearchParams({
      client_id: app.client_id, redirect_uri: app.redirect_uris[0], response_type: "code", scope: "openid",
    })}`;
    for (let time = 0; time < 2; time++) {
      const { status, body } = await new Browser(postern.fetch).get(target);
      assert.equal(status, 200);
      assert.equal(body.includes(`src="data:image/png;base64,${png.toString("base64")}"`), isShown, body);
      assert.ok(!body.includes("127.0.0.1"));
    }
    assert.deepEqual(clientServer.takePaths(), [path], "one request, whether it succeeds or fails");
  }
});
