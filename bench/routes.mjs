// What is asked: for each route the requests as bytes, and the status that answers them.
import { request } from "./load.mjs";
import { CLIENT, codeOf, forge, mint, refreshTokenOf } from "./world.mjs";

const PATHS = {
  discovery: "/.well-known/openid-configuration", jwks: "/auth/jwks.json", userinfo: "/auth/userinfo",
  token: "/auth/token",
};

/** The tokens of one run: never seen, seen before, and forged. */
export function makeTokens({ fresh, forged, users }) {
  return { fresh: mint(fresh, users), seen: mint(64, users), forged: mint(forged, users).map(forge) };
}

const at = (list, number) => list[number % list.length];

const bearer = (visit, token) =>
  request("GET", visit.paths.userinfo, { authorization: `Bearer ${token}`, accept: "application/json" });

/** A token request of the one client, which is a public one where it has no secret. */
const form = (visit, fields) => {
  const { id, secret } = visit.client;
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  if (secret) headers.authorization = `Basic ${btoa(`${id}:${secret}`)}`;
  const body = new URLSearchParams(secret ? fields : { ...fields, client_id: id });
  return request("POST", visit.paths.token, headers, String(body));
};

export const redemption = (visit, code) => form(visit, {
  grant_type: "authorization_code", code, redirect_uri: CLIENT.redirectUri, code_verifier: CLIENT.verifier,
});

const document = (name) => (visit) => request("GET", visit.paths[name], { accept: "application/json" });
const known = (name) => (visit) =>
  request("GET", visit.paths[name], { accept: "application/json", "if-none-match": visit.etags[name] });

/**
 * The routes. `make(visit, number)` is a request; the same one is sent again and again where it has no number.
 * `weight` says how many are sent, against the others.
 */
export const ROUTES = [
  { name: "discovery", title: "discovery", weight: 3, status: 200, make: document("discovery"), isStatic: true },
  { name: "discovery-304", title: "discovery, 304", weight: 3, status: 304, make: known("discovery"), isStatic: true },
  { name: "jwks", title: "JWKS", weight: 3, status: 200, make: document("jwks"), isStatic: true },
  { name: "jwks-304", title: "JWKS, 304", weight: 3, status: 304, make: known("jwks"), isStatic: true },
  {
    name: "userinfo-new", title: "userinfo, token never seen", weight: 1, status: 200,
    make: (visit, number) => bearer(visit, at(visit.tokens.fresh, number)),
  },
  {
    name: "userinfo-seen", title: "userinfo, token seen before", weight: 1, status: 200,
    make: (visit, number) => bearer(visit, at(visit.tokens.seen, number)),
  },
  {
    name: "userinfo-forged", title: "userinfo, forged token", weight: 1, status: 401,
    make: (visit, number) => bearer(visit, at(visit.tokens.forged, number)),
  },
  {
    name: "redeem", title: "code redemption", weight: 0.4, status: 200,
    make: (visit, number) => redemption(visit, visit.codes(number)),
  },
  {
    name: "refresh", title: "refresh", weight: 0.4, status: 200,
    make: (visit, number) => form(visit, { grant_type: "refresh_token", refresh_token: visit.refreshTokens(number) }),
  },
];

export const route = (name) => ROUTES.find((route) => route.name === name);

/** What a contender is asked with, where it has nothing of its own. */
export const DEFAULTS = {
  paths: PATHS, client: CLIENT, codes: codeOf, refreshTokens: refreshTokenOf,
};
