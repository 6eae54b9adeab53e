// Mixed traffic of users, their browsers, clients, the operator and strangers. A seed decides all of it.
import assert from "node:assert/strict";
import http from "node:http";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { listen, makeKey } from "../edge/client_server.mjs";
import { Browser, putClient, putUser } from "../edge/browser.mjs";
import { ISSUER, fetchRaw, vectors } from "../edge/harness.mjs";
import { DEVICE_CODE, RESOURCE } from "../edge/steps.mjs";
import { ACTIONS, SIGNED_OUT, VICTIM, WANDA } from "./actions.mjs";

export const VARS = {
  ALLOW_IMPLICIT: "true", ALLOW_LOOPBACK: "true", CLIENT_DOCUMENTS: "127.0.0.1", REGISTRATION: "open",
  RESOURCES: JSON.stringify({ [RESOURCE]: ["orders:read"] }),
};

const USERS = Array.from({ length: 24 }, (_, n) => `user-${n}`);
/** How many browsers, chains of refresh tokens and access tokens are used again. The oldest is dropped for a new one. */
const BROWSERS = 60;
const CHAINS = 150;
const ACCESS_TOKENS = 200;

/** How often each action is taken, of the sum of all. */
const SHARES = {
  signIn: 4, signInPushed: 2, signInSigned: 2, returning: 10, implicit: 3, device: 3, refreshing: 16, userinfo: 20,
  introspection: 5, revocation: 4, machine: 4, registration: 4, failedSignIn: 2, wrongCode: 2, replayedCode: 0.5,
  wrongUserCode: 0.2, hostile: 10, documents: 8, account: 3, withdrawal: 0.7, signOut: 1.5, logout: 1.5, operator: 1.5,
};
const ALL_SHARES = Object.values(SHARES).reduce((sum, share) => sum + share, 0);
/** At most one of these at a time: their responses depend on what another of the same kind does meanwhile. */
const ALONE = new Set(["hostile", "withdrawal"]);

/** Numbers from 0 to 1 that follow from the seed alone: a linear congruential generator modulo 2^32. */
const numbersOf = (seed) => () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;

/** Adds to a list that has so many at most. */
function keep(list, value, most) {
  list.push(value);
  if (list.length > most) list.shift();
}

/** A server that takes logout tokens. */
async function logoutServer() {
  let tokens = 0;
  const server = http.createServer(async (request, response) => {
    if (new URLSearchParams(await text(request)).has("logout_token")) tokens += 1;
    response.end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { url: `http://127.0.0.1:${port}/logout`, tokens: () => tokens, server };
}

async function putClients(operator, clientServer, logoutUrl) {
  const [key, fetched] = await Promise.all([makeKey("ES256", "key-1"), makeKey("RS256", "fetched")]);
  clientServer.json("/jwks.json", { keys: [fetched.jwk] });
  const put = (id, metadata = {}) => putClient(operator, id, metadata);
  const withKey = { token_endpoint_auth_method: "private_key_jwt" };
  const isPublic = { token_endpoint_auth_method: "none" };
  return {
    secret: await put("secret-app"),
    public: await put("public-app", isPublic),
    key: { ...(await put("key-app", { ...withKey, jwks: { keys: [key.jwk] } })), key },
    fetchedKey: { ...(await put("fetching-app", { ...withKey, jwks_uri: clientServer.url("/jwks.json") })), key: fetched },
    rsa: await put("rsa-app", { id_token_signed_response_alg: "RS256", subject_type: "pairwise" }),
    document: clientServer.client("/client.json"),
    implicit: await put("implicit-app", { grant_types: ["implicit"], response_types: ["id_token token"], ...isPublic }),
    tv: await put("tv-app", { redirect_uris: undefined, grant_types: [DEVICE_CODE, "refresh_token"], ...isPublic }),
    machine: await put("machine", { redirect_uris: undefined, grant_types: ["client_credentials"], scope: "orders:read" }),
    logout: await put("logout-app", {
      trusted: true, backchannel_logout_uri: logoutUrl, post_logout_redirect_uris: [SIGNED_OUT],
    }),
  };
}

/** The rows of hostile requests of the golden files, without those of registrations that make the provider fetch. */
function hostileRows() {
  const files = ["authorize", "device", "logout", "strangers", "taken_back", "token", "userinfo"];
  const rows = files.flatMap((file) => vectors(`${file}.json`).rows.map((row) => ({ ...row, name: `${file}: ${row.name}` })));
  const registrations = vectors("registration.json").rows.map(({ name, body, content_type: type }) => ({
    name: `registration: ${name}`, method: "POST", target: "/auth/register", body, headers: [["content-type", type]],
  }));
  return [...rows, ...registrations.filter(({ body }) => !/sector_identifier_uri|jwks_uri/.test(body))];
}

/**
 * Starts the servers of clients, and stores clients and users.
 * @param {any} postern the worker, as `start` of the harness returns it
 * @param {number} seed
 */
export async function prepareTraffic(postern, seed) {
  const [clientServer, logouts] = [await listen(), await logoutServer()];
  const clients = await putClients(postern.operator, clientServer, logouts.url);
  for (const sub of [...USERS, WANDA, VICTIM]) await putUser(postern.operator, sub, { email: `${sub}@example.com` });
  return new Traffic(postern, seed, { clients, clientServer, logouts });
}

export class Traffic {
  hostileRows = hostileRows();
  /** The number of responses of each kind of request: of its method, path and status. */
  statuses = new Map();
  failures = [];
  /** The number of requests. */
  sent = 0;
  logoutTokensExpected = 0;
  #postern;
  #random;
  #clientServer;
  #logouts;
  /** The status that each hostile row got first. */
  #rowStatuses = new Map();
  #browsers = [];
  #chains = [];
  /** Access tokens that are valid until the clock moves. */
  #accessTokens = [];
  #unknownLogins = 0;

  constructor(postern, seed, { clients, clientServer, logouts }) {
    this.#postern = postern;
    this.#random = numbersOf(seed);
    this.clients = clients;
    this.#clientServer = clientServer;
    this.#logouts = logouts;
  }

  get logoutTokensReceived() {
    return this.#logouts.tokens();
  }

  #index = (length) => Math.floor(this.#random() * length);
  #take = (list) => list.splice(this.#index(list.length), 1)[0];
  pick = (list) => list[this.#index(list.length)];
  isChosen = (share) => this.#random() < share;
  newAddress = () => `10.${this.#index(256)}.${this.#index(256)}.${this.#index(256)}`;
  unknownLogin = () => `nobody-${this.#unknownLogins++}`;

  /** Fetches from the worker, and counts the response. @type {import("../edge/harness.mjs").Fetch} */
  fetch = async (target, init = {}) => {
    this.sent += 1;
    const response = await this.#postern.fetch(target, init);
    const path = new URL(target, ISSUER).pathname.replace(/^(\/auth\/register|\/admin\/\w+)\/.*/, "$1/ID");
    this.#count(`${init.method ?? "GET"} ${path}`, response.status);
    // Reads the body at once, because the harness loses it if garbage is collected before.
    const body = response.status === 204 ? null : await response.text();
    return new Response(body, response);
  };

  /** Sends a hostile request. Without the rows of its test in D1 it gets an error, and the same one each time. */
  async sendHostile(row) {
    this.sent += 1;
    const { status } = await fetchRaw(new URL(row.target, this.#postern.url), row);
    this.#count("hostile request", status);
    // The counters of wrong passwords and codes refuse a part of these by 429.
    if (status === 429) return;
    if (!this.#rowStatuses.has(row.name)) this.#rowStatuses.set(row.name, status);
    assert.equal(status, this.#rowStatuses.get(row.name), row.name);
  }

  #count(name, status) {
    const key = `${name} ${status}`;
    this.statuses.set(key, (this.statuses.get(key) ?? 0) + 1);
    if (status >= 500) this.failures.push(`${name}: status ${status}`);
  }

  newBrowser = () => ({ browser: new Browser(this.fetch, { address: this.newAddress() }), user: this.pick(USERS) });

  /** A browser that is signed in or was, for an action that has it to itself. */
  takeBrowser = () => (this.#browsers.length > 0 ? this.#take(this.#browsers) : this.newBrowser());

  keepBrowser = (one) => keep(this.#browsers, one, BROWSERS);

  /** A refresh token and its client, for an action that has it to itself. */
  takeChain = () => (this.#chains.length > 0 ? this.#take(this.#chains) : undefined);

  accessToken = () => (this.#accessTokens.length > 0 ? this.pick(this.#accessTokens) : undefined);

  keepTokens(app, { access_token: accessToken, refresh_token: token }) {
    keep(this.#accessTokens, accessToken, ACCESS_TOKENS);
    if (token) keep(this.#chains, { app, token }, CHAINS);
  }

  /** Forgets the access tokens, because they have expired. */
  forgetAccessTokens() {
    this.#accessTokens = [];
  }

  expectLogoutToken() {
    this.logoutTokensExpected += 1;
  }

  #drawName() {
    let rest = this.#random() * ALL_SHARES;
    return Object.keys(SHARES).find((name) => (rest -= SHARES[name]) < 0) ?? "userinfo";
  }

  /** Takes an action. A failed assertion does not end the traffic. */
  async #attempt(name, act) {
    try {
      await act();
    } catch (error) {
      this.failures.push(`${name}: ${String(error.message).slice(0, 500)}`);
    }
  }

  /** Takes this many actions at once. */
  async act(atOnce) {
    const chosen = new Map();
    while (chosen.size < atOnce) {
      const name = this.#drawName();
      if (ALONE.has(name) && [...chosen.values()].includes(name)) continue;
      const act = ACTIONS[name](this);
      if (act) chosen.set(act, name);
    }
    await Promise.all([...chosen].map(([act, name]) => this.#attempt(name, act)));
  }

  /** Sends one request. */
  async one() {
    const userinfo = this.isChosen(0.7) && ACTIONS.userinfo(this);
    await this.#attempt("one", userinfo || ACTIONS.documents(this));
  }

  /** Ends the connections to the servers of clients. */
  closeConnections() {
    this.#logouts.server.closeAllConnections();
    this.#clientServer.closeAllConnections();
  }

  async close() {
    this.closeConnections();
    this.#logouts.server.close();
    await this.#clientServer.close();
  }
}
