// The routes: the requests of each as bytes, and their status.
import { Browser } from "./browser.mjs";
import { request } from "./load.mjs";
import { CLIENT, SCOPE, codeOf, forge, mint, refreshTokenOf } from "./fixtures.mjs";

const PATHS = {
  discovery: "/.well-known/openid-configuration", jwks: "/auth/jwks.json", authorize: "/auth/authorize",
  userinfo: "/auth/userinfo", token: "/auth/token",
};

/** The tokens of one run: tokens that are sent once, tokens that are sent repeatedly, and forged ones. */
export function makeTokens({ fresh, forged, users }) {
  return { fresh: mint(fresh, users), seen: mint(64, users), forged: mint(forged, users).map(forge) };
}

const at = (list, number) => list[number % list.length];

const bearer = (target, token) =>
  request("GET", target.paths.userinfo, { authorization: `Bearer ${token}`, accept: "application/json" });

/** A token request of the client. Without a secret it is a public client. */
const form = (target, fields) => {
  const { id, secret } = target.client;
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  if (secret) headers.authorization = `Basic ${btoa(`${id}:${secret}`)}`;
  const body = new URLSearchParams(secret ? fields : { ...fields, client_id: id });
  return request("POST", target.paths.token, headers, String(body));
};

export const redemption = (target, code) => form(target, {
  grant_type: "authorization_code", code, redirect_uri: CLIENT.redirectUri, code_verifier: CLIENT.verifier,
});

/** The path of an authorization request. `state` makes it unique. */
export const authorizePath = ({ paths, client }, state) => `${paths.authorize}?${new URLSearchParams({
  client_id: client.id, redirect_uri: CLIENT.redirectUri, response_type: "code", scope: SCOPE, state, nonce: state,
  code_challenge: CLIENT.challenge, code_challenge_method: "S256",
})}`;

/** The browsers whose users are signed in and have consented. */
const BROWSERS = 16;

/** Signs users in, each in a browser, up to this number of browsers or all. */
async function signIn(target, count) {
  // bare has no users.
  if (!target.contender.signIn) return;
  const { fill } = target.contender.signIn;
  while (target.browsers.length < Math.min(count, BROWSERS)) {
    const user = target.browsers.length;
    const browser = new Browser(target.worker.port);
    await browser.authorize(authorizePath(target, "state"), (names) => fill(names, user));
    browser.close();
    target.browsers.push(browser);
  }
}

/**
 * Opens the sign-in page in a new browser for each of the next requests, and fills it in for the users in turn. The users
 * of other browsers, who have consented, come last.
 */
async function openLogins(target, count) {
  const { fill } = target.contender.signIn;
  for (const end = target.logins.length + count; target.logins.length < end;) {
    const browser = new Browser(target.worker.port);
    const { form } = await browser.follow(authorizePath(target, "state"));
    target.logins.push(form.submission(browser.headers, fill(form.names, (BROWSERS + target.logins.length) % target.users)));
    browser.close();
  }
}

const document = (name) => (target) => request("GET", target.paths[name], { accept: "application/json" });
const known = (name) => (target) =>
  request("GET", target.paths[name], { accept: "application/json", "if-none-match": target.etags[name] });

/**
 * The routes. `make(target, number)` returns a request, and `prepare(target, count)` makes that possible for the next
 * ones. A static route repeats one request. `weight` is the share of a route's requests.
 */
export const ROUTES = [
  { name: "discovery", title: "discovery", weight: 2, status: 200, make: document("discovery"), isStatic: true },
  { name: "discovery-304", title: "discovery, 304", weight: 2, status: 304, make: known("discovery"), isStatic: true },
  { name: "jwks", title: "JWKS", weight: 2, status: 200, make: document("jwks"), isStatic: true },
  { name: "jwks-304", title: "JWKS, 304", weight: 2, status: 304, make: known("jwks"), isStatic: true },
  {
    name: "userinfo-new", title: "userinfo, token never seen", weight: 1, status: 200,
    make: (target, number) => bearer(target, at(target.tokens.fresh, number)),
  },
  {
    name: "userinfo-seen", title: "userinfo, token seen before", weight: 1, status: 200,
    make: (target, number) => bearer(target, at(target.tokens.seen, number)),
  },
  {
    name: "userinfo-forged", title: "userinfo, forged token", weight: 1, status: 401,
    make: (target, number) => bearer(target, at(target.tokens.forged, number)),
  },
  {
    name: "redeem", title: "code redemption", weight: 0.4, status: 200,
    make: (target, number) => redemption(target, target.codes(number)),
  },
  {
    name: "refresh", title: "refresh", weight: 0.4, status: 200,
    make: (target, number) => form(target, { grant_type: "refresh_token", refresh_token: target.refreshTokens(number) }),
  },
  {
    name: "authorize", title: "authorize, live session", weight: 0.4, status: 303, prepare: signIn,
    make: (target, number) =>
      request("GET", authorizePath(target, `state-${number}`), at(target.browsers, number)?.headers),
  },
  {
    // The hash of the password needs most of the CPU, and no warm-up: few requests measure it.
    name: "login", title: "login", weight: 0.04, warmUp: 24, seconds: 10, status: 303, prepare: openLogins,
    make: (target, number) => target.logins[number],
  },
];

export const route = (name) => ROUTES.find((one) => one.name === name);

/** The data of requests to a contender that has no data of its own. */
export const DEFAULTS = {
  paths: PATHS, client: CLIENT, codes: codeOf, refreshTokens: refreshTokenOf,
};
