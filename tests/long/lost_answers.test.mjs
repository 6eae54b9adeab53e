// Every step of every flow, with a fault of each of its calls to D1, KV, the rate limiter, servers of clients, the random
// source and SubtleCrypto: once before the call is carried out, once after, so that only its answer is lost, and once slow.
// The request, or one repetition of it, must give its sender the result.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { ADMIN_TOKEN, ISSUER, start, until } from "../edge/harness.mjs";
import { listen, makeKey } from "../edge/client_server.mjs";
import {
  CALLBACK, PASSWORD, Browser, authorizePath, credentialsOf, formOf, formsTo, isConsent, isLogin, putClient, putUser, redeem,
  introspect, refresh, requestToken, revoke, signedRequest, successJson, targetOf,
} from "../edge/browser.mjs";
import { statedCounts } from "../../scripts/request_table.mjs";

const RESOURCE = "https://orders.example/api";
const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";
const ONLINE = { scope: "openid email" };
const OFFLINE = { scope: "openid email offline_access" };
const WITH_CONSENT = { ...ONLINE, prompt: "consent" };
/** After these seconds an isolate reads the keys again: from KV, and from D1 because the copy in KV is old, too. */
const [KEYS_ARE_OLD, COPY_IS_OLD] = [6 * 60, 11 * 60];

/** The pause after a failed fetch from a client, in seconds. */
const FETCH_PAUSE = 31;

let postern;
let clientServer;
/** The clients by the way in which they authenticate, and others by what is special about them. */
let clients;
/** A browser in which alice is signed in. Clients have her consent after their first sign-in. */
let alice;
/** How many seconds the worker's clock is ahead. */
let ahead = 0;
let names = 0;
const newName = (prefix) => `${prefix}-${++names}`;

before(async () => {
  clientServer = await listen();
  postern = await start({ vars: {
    ALLOW_IMPLICIT: "true", ALLOW_LOOPBACK: "true", CLIENT_DOCUMENTS: "127.0.0.1", REGISTRATION: "open",
    RESOURCES: JSON.stringify({ [RESOURCE]: ["orders:read"] }),
  } });
  await postern.keysMade();
  await putUser(postern.operator, "alice", { email: "alice@example.com" });
  const key = await makeKey("ES256", "key-1");
  const put = (id, metadata = {}) => putClient(postern.operator, id, metadata);
  clients = {
    "client secret": await put("secret"),
    "public client": await put("public", { token_endpoint_auth_method: "none" }),
    private_key_jwt: {
      ...(await put("with-key", { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [key.jwk] } })), key,
    },
    "client by document": clientServer.client("/client.json"),
    pairwise: await put("pairwise", { subject_type: "pairwise" }),
    implicit: await put("implicit", {
      grant_types: ["implicit"], response_types: ["id_token token"], token_endpoint_auth_method: "none",
    }),
    tv: await put("tv", {
      redirect_uris: undefined, grant_types: [DEVICE_CODE, "refresh_token"], token_endpoint_auth_method: "none",
    }),
    machine: await put("machine", {
      redirect_uris: undefined, grant_types: ["client_credentials"], scope: "orders:read",
    }),
  };
  alice = new Browser(postern.fetch);
  // Warms the isolate up.
  await worksAtUserinfo((await tokensOf(clients["client secret"])).access_token);
});
after(async () => {
  await postern.close();
  await clientServer.close();
});

/** Reads a response, like a page of a browser. */
const read = async (response) => ({ status: response.status, headers: response.headers, body: await response.text() });

const fetched = async (path, init = {}) => read(await postern.fetch(path, init));

const operator = (method, path, body) => fetched(path, {
  method, headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  body: typeof body === "object" ? JSON.stringify(body) : body,
});

const json = ({ body }) => JSON.parse(body);
const locationOf = (page) => new URL(targetOf(page) ?? "none:");
const parametersOf = (page) => locationOf(page).searchParams;

// The results of which one must reach the sender.
const isSuccess = ({ status }) => status === 200;
const isCode = (page) => parametersOf(page).has("code");
const isDenial = (page) => parametersOf(page).get("error") === "access_denied";
const isRedirectWithin = (page) => page.status === 303 && locationOf(page).origin === ISSUER;

const codeFor = (app, parameters = ONLINE) => alice.codeFor(app, "alice", parameters);
const tokensOf = async (app, parameters = OFFLINE) =>
  successJson(await redeem(postern.fetch, app, await codeFor(app, parameters)));

async function worksAtUserinfo(token) {
  const { email } = await successJson(await postern.userinfo(token));
  assert.equal(email, "alice@example.com");
}

/** The tokens of a response work: the access token at userinfo, and the refresh token if there is one. */
async function tokensWork(app, page) {
  const { access_token: token, refresh_token: refreshToken } = json(page);
  await worksAtUserinfo(token);
  if (!refreshToken) return;
  await worksAtUserinfo((await successJson(await refresh(postern.fetch, app, refreshToken))).access_token);
}

/** The code of an authorization response can be redeemed, and its tokens work. */
const codeWorks = async (app, page) =>
  tokensWork(app, await read(await redeem(postern.fetch, app, parametersOf(page).get("code"))));

const tokenIsRefused = async (token) => assert.equal((await postern.userinfo(token)).status, 401);

const secretIn = (page) => json(page).client_secret ?? assert.fail(`no secret: ${page.body}`);

/** The client knows its secret: a token request fails by its code only. */
async function secretWorks(app) {
  const { status, body } = await read(await redeem(postern.fetch, app, randomBytes(32).toString("base64url")));
  assert.equal(status, 400, body);
}

/**
 * A step of a flow.
 *
 * @typedef {object} Step
 * @property {string} name
 * @property {string} promise                    The result for its sender, as a clause.
 * @property {() => Promise<any>} setup          Prepares the step. Returns its context.
 * @property {(context: any) => Promise<any>} act  Sends the request; again if `isDone` rejects the response.
 * @property {(context: any) => Promise<any>} [renew]  Returns the context for the repetition, with a new assertion.
 * @property {(page: any) => boolean} [isDone]   Whether the response has the result. The default is status 200.
 * @property {(context: any, page: any) => Promise<any>} end  Checks that the result is good.
 */

/** @type {Step[]} */
const steps = [];

/** @type {(name: string, promise: string, step: Omit<Step, "name" | "promise">) => void} */
const step = (name, promise, rest) => { steps.push({ name, promise, ...rest }); };

// The sign-in of a user.

step("GET authorize without a session: sign-in page", "the user can sign in", {
  setup: async () => new Browser(postern.fetch),
  act: (browser) => browser.get(authorizePath(clients["client secret"])),
  isDone: isLogin,
  end: async (browser, page) => codeWorks(clients["client secret"], await browser.finish(page, "alice")),
});

step("POST login", "the user is signed in", {
  async setup() {
    const browser = new Browser(postern.fetch);
    return { browser, form: formOf(await browser.get(authorizePath(clients["client secret"]))) };
  },
  act: ({ browser, form }) => browser.post(form.action, { ...form.fields, login: "alice", password: PASSWORD }),
  isDone: isRedirectWithin,
  end: async ({ browser }, page) => codeWorks(clients["client secret"], await browser.finish(page)),
});

step("POST login, wrong password: sign-in page", "the user reads that it is wrong", {
  async setup() {
    const browser = new Browser(postern.fetch);
    return { browser, form: formOf(await browser.get(authorizePath(clients["client secret"]))), login: newName("nobody") };
  },
  act: ({ browser, form, login }) => browser.post(form.action, { ...form.fields, login, password: "a guess" }),
  isDone: ({ status }) => status === 403,
  end: async ({ browser }, page) => codeWorks(clients["client secret"], await browser.finish(page, "alice")),
});

step("POST login, show password: sign-in page", "the user can sign in", {
  async setup() {
    const browser = new Browser(postern.fetch);
    return { browser, form: formOf(await browser.get(authorizePath(clients["client secret"]))) };
  },
  act: ({ browser, form }) => browser.post(form.action, { ...form.fields, login: "alice", visible: "true" }),
  isDone: (page) => page.status === 200 && isLogin(page),
  end: async ({ browser }, page) => codeWorks(clients["client secret"], await browser.finish(page, "alice")),
});

step("GET authorize after the login: consent page", "the user can consent", {
  async setup() {
    const page = await alice.get(authorizePath(clients["client secret"], { ...ONLINE, prompt: "login" }));
    const { action, fields } = formOf(page);
    return locationOf(await alice.post(action, { ...fields, login: "alice", password: PASSWORD }));
  },
  act: (target) => alice.get(target),
  isDone: (page) => isCode(page) || isConsent(page),
  end: async (_, page) => codeWorks(clients["client secret"], await alice.finish(page)),
});

step("POST select-account", "the user goes on with the account", {
  setup: async () => formOf(await alice.get(authorizePath(clients["client secret"], { ...ONLINE, prompt: "select_account" }))),
  act: ({ action, fields }) => alice.post(action, { ...fields, decision: "continue" }),
  isDone: isRedirectWithin,
  end: async (_, page) => codeWorks(clients["client secret"], await alice.finish(page)),
});

const consentForm = async (app, parameters = WITH_CONSENT) => formOf(await alice.get(authorizePath(app, parameters)));

for (const [name, of] of [["client secret", ""], ["pairwise", " of a pairwise client"]]) {
  step(`POST consent${of}: code`, "the client gets a code", {
    setup: () => consentForm(clients[name]),
    act: ({ action, fields }) => alice.post(action, { ...fields, decision: "allow" }),
    isDone: isCode,
    end: (_, page) => codeWorks(clients[name], page),
  });

  step(`GET authorize with prompt=none${of}: code`, "the client gets a code", {
    setup: () => codeFor(clients[name]),
    act: () => alice.get(authorizePath(clients[name], { ...ONLINE, prompt: "none" })),
    isDone: isCode,
    end: (_, page) => codeWorks(clients[name], page),
  });
}

step("POST consent: denial", "the client learns of it", {
  setup: () => consentForm(clients["client secret"]),
  act: ({ action, fields }) => alice.post(action, { ...fields, decision: "deny" }),
  isDone: isDenial,
  end: async (_, page) => assert.ok(!isCode(page)),
});

const IMPLICIT = {
  ...ONLINE, response_type: "id_token token", code_challenge: undefined, code_challenge_method: undefined,
};
const fragmentOf = (page) => new URLSearchParams(locationOf(page).hash.slice(1));
const isImplicitResponse = (page) => fragmentOf(page).has("access_token");

step("POST consent: tokens", "the client gets tokens", {
  setup: () => consentForm(clients.implicit, { ...IMPLICIT, prompt: "consent" }),
  act: ({ action, fields }) => alice.post(action, { ...fields, decision: "allow" }),
  isDone: isImplicitResponse,
  end: (_, page) => worksAtUserinfo(fragmentOf(page).get("access_token")),
});

step("GET authorize with prompt=none: tokens", "the client gets tokens", {
  setup: () => alice.authorize(authorizePath(clients.implicit, IMPLICIT)),
  act: () => alice.get(authorizePath(clients.implicit, { ...IMPLICIT, prompt: "none" })),
  isDone: isImplicitResponse,
  end: (_, page) => worksAtUserinfo(fragmentOf(page).get("access_token")),
});

// Requests that are stored: pushed and signed ones.

const parametersFor = (app, parameters = ONLINE) => new URL(authorizePath(app, parameters), ISSUER).searchParams;

const push = async (app, parameters) => fetched("/auth/par", {
  method: "POST",
  body: new URLSearchParams({ ...Object.fromEntries(parametersFor(app, parameters)), ...(await credentialsOf(app)) }),
});

/** The path of an authorization request with the `request_uri` of a response of the PAR endpoint. */
const pushedPath = (app, pushed) =>
  `/auth/authorize?${new URLSearchParams({ client_id: app.client_id, request_uri: json(pushed).request_uri })}`;

/** Prepares an authorization request of each kind. Returns a function that sends it from alice's browser. */
const STORED = {
  async pushed(parameters) {
    const path = pushedPath(clients["client secret"], await push(clients["client secret"], parameters));
    return () => alice.get(path);
  },
  async signed(parameters) {
    const fields = await signedRequest(clients.private_key_jwt, parameters);
    return () => alice.get(`/auth/authorize?${new URLSearchParams(fields)}`);
  },
  async "signed and posted"(parameters) {
    const fields = await signedRequest(clients.private_key_jwt, parameters);
    return () => alice.post("/auth/authorize", fields);
  },
};

const AUTHENTICATIONS = ["client secret", "public client", "private_key_jwt", "client by document"];

for (const name of AUTHENTICATIONS) {
  step(`PAR push, ${name}`, "the client's request can be opened", {
    setup: () => codeFor(clients[name]),
    act: () => push(clients[name]),
    isDone: ({ status }) => status === 201,
    end: async (_, page) =>
      codeWorks(clients[name], await alice.authorize(pushedPath(clients[name], page), "alice")),
  });
}

// Devices.

const TV = { client_id: "tv" };
const startDevice = () => fetched("/auth/device", { method: "POST", body: new URLSearchParams({ ...TV, scope: OFFLINE.scope }) });
const pollDevice = ({ device_code }) => fetched("/auth/token", {
  method: "POST", body: new URLSearchParams({ ...TV, grant_type: DEVICE_CODE, device_code }),
});
const isShown = (text) => (page) => page.status === 200 && page.body.includes(text);
const isAllowed = isShown("Your device is connected");

/** Types the code of a device into the page. */
async function typeCode({ user_code }) {
  const { action, fields } = formOf(await alice.get("/device"));
  return alice.post(action, { ...fields, user_code });
}

/** A device whose request alice sees, and the form in which she decides. */
async function deciding() {
  const device = json(await startDevice());
  return { device, form: formOf(await alice.get(locationOf(await typeCode(device)))) };
}

const decide = ({ form }, decision) => alice.post(form.action, { ...form.fields, decision });

step("Device authorization, public client", "the user can open the request", {
  setup: async () => codeFor(clients["client secret"]),
  act: startDevice,
  end: async (_, page) => assert.ok(isConsent(await alice.get(locationOf(await typeCode(json(page)))))),
});

step("POST device: redirect to the request", "the user can consent", {
  async setup() {
    await codeFor(clients["client secret"]);
    return { device: json(await startDevice()), form: formOf(await alice.get("/device")) };
  },
  act: ({ device, form }) => alice.post(form.action, { ...form.fields, user_code: device.user_code }),
  isDone: isRedirectWithin,
  end: async (_, page) => assert.ok(isConsent(await alice.get(locationOf(page)))),
});

step("POST device, wrong code", "the user reads that it is wrong", {
  async setup() {
    await codeFor(clients["client secret"]);
    await postern.env.DB.exec("DELETE FROM user_code_attempts");
    return formOf(await alice.get("/device"));
  },
  act: ({ action, fields }) => alice.post(action, { ...fields, user_code: "BBBB-BBBB" }),
  isDone: ({ status }) => status === 403,
  end: async (_, page) => assert.match(page.body, /This code is not right/),
});

step("GET authorize with the request of a device: consent page", "the user can consent", {
  async setup() {
    await codeFor(clients["client secret"]);
    return locationOf(await typeCode(json(await startDevice())));
  },
  act: (target) => alice.get(target),
  isDone: isConsent,
  end: async (_, page) => assert.ok(isAllowed(await decide({ form: formOf(page) }, "allow"))),
});

step("POST consent for a device", "the device gets its tokens", {
  async setup() {
    await codeFor(clients["client secret"]);
    return deciding();
  },
  act: (context) => decide(context, "allow"),
  isDone: isAllowed,
  end: async ({ device }) => tokensWork({ ...TV, client_secret: undefined }, await pollDevice(device)),
});

step("POST consent for a device: denial", "the device learns of it", {
  async setup() {
    await codeFor(clients["client secret"]);
    return deciding();
  },
  act: (context) => decide(context, "deny"),
  isDone: isShown("Access denied"),
  end: async ({ device }) => assert.equal(json(await pollDevice(device)).error, "access_denied"),
});

step("Poll, allowed, offline_access", "the device gets its tokens", {
  async setup() {
    await codeFor(clients["client secret"]);
    const context = await deciding();
    await decide(context, "allow");
    return context.device;
  },
  act: pollDevice,
  end: (_, page) => tokensWork({ ...TV, client_secret: undefined }, page),
});

for (const [name, error] of [["pending", "authorization_pending"], ["too early", "slow_down"]]) {
  step(`Poll, ${name}`, "the device learns that it has to wait", {
    async setup() {
      const device = json(await startDevice());
      if (error === "slow_down") await pollDevice(device);
      return device;
    },
    act: pollDevice,
    isDone: ({ status, body }) => status === 400 && ["authorization_pending", "slow_down"].includes(JSON.parse(body).error),
    end: async (_, page) => assert.equal(json(page).error_description.length > 20, true),
  });
}

step("PAR push, client by document that is new", "the client's request can be opened", {
  setup: async () => clientServer.client(`/${newName("client")}.json`),
  act: (app) => push(app),
  isDone: ({ status }) => status === 201,
  end: async (app, page) => codeWorks(app, await alice.authorize(pushedPath(app, page), "alice")),
});

step("POST consent for a client by document: code", "its code works, and it is stored", {
  async setup() {
    const app = clientServer.client(`/${newName("client")}.json`);
    return { app, form: formOf(await alice.get(authorizePath(app, ONLINE))) };
  },
  act: ({ form }) => alice.post(form.action, { ...form.fields, decision: "allow" }),
  isDone: isCode,
  end: ({ app }, page) => codeWorks(app, page),
});

step("Account page, withdrawal from a client by document", "the application is forgotten", {
  async setup() {
    const app = clientServer.client(`/${newName("client")}.json`);
    const tokens = await tokensOf(app);
    const { body } = await alice.get("/auth/account");
    const form = body.match(/<form\b.*?<\/form>/gs).find((text) => text.includes(`value="${app.client_id}"`));
    return { app, tokens, form: formOf({ body: form }) };
  },
  act: ({ form }) => alice.post(form.action, form.fields),
  async end({ app, tokens }) {
    await tokenIsRefused(tokens.access_token);
    const { status, body } = await read(await refresh(postern.fetch, app, tokens.refresh_token));
    assert.equal(status, 401, body);
  },
});

const FIRST_REQUEST = {
  pushed: "PAR opening: redirect to the stored request", signed: "GET authorize with a request object",
  "signed and posted": "POST authorize with a request object",
};

for (const [kind, prepare] of Object.entries(STORED)) {
  const app = () => clients[kind === "pushed" ? "client secret" : "private_key_jwt"];
  const stored = kind === "pushed" ? "the stored request" : `the stored request that was ${kind}`;

  step(FIRST_REQUEST[kind], "the user can consent", {
    setup: () => prepare(WITH_CONSENT),
    act: (send) => send(),
    isDone: (page) => isRedirectWithin(page) || isConsent(page),
    end: async (_, page) => codeWorks(app(), await alice.finish(page)),
  });

  step(`GET authorize with ${stored}: code`, "the client gets a code", {
    async setup() {
      await codeFor(app());
      const send = await prepare({ ...ONLINE, prompt: "select_account" });
      const { action, fields } = formOf(await alice.follow(await send()));
      return locationOf(await alice.post(action, { ...fields, decision: "continue" }));
    },
    act: (target) => alice.get(target),
    isDone: isCode,
    end: (_, page) => codeWorks(app(), page),
  });

  const form = async () => formOf(await alice.follow(await (await prepare(WITH_CONSENT))()));

  step(`POST consent to ${stored}: code`, "the client gets a code", {
    setup: form,
    act: ({ action, fields }) => alice.post(action, { ...fields, decision: "allow" }),
    isDone: isCode,
    end: (_, page) => codeWorks(app(), page),
  });

  step(`POST consent to ${stored}: denial`, "the client learns of it", {
    setup: form,
    act: ({ action, fields }) => alice.post(action, { ...fields, decision: "deny" }),
    isDone: isDenial,
    end: async (_, page) => assert.ok(!isCode(page)),
  });
}

// Tokens.

for (const name of AUTHENTICATIONS) {
  for (const [kind, parameters] of Object.entries({ "": ONLINE, ", offline_access": OFFLINE })) {
    step(`Redeem, ${name}${kind}`, "its tokens work", {
      // The repetition has the same code, and after a fault of D1 or KV the same assertion.
      setup: async () =>
        ({ code: await codeFor(clients[name], parameters), credentials: await credentialsOf(clients[name]) }),
      act: async ({ code, credentials }) => read(await redeem(postern.fetch, clients[name], code, credentials)),
      renew: async ({ code }) => ({ code, credentials: await credentialsOf(clients[name]) }),
      end: (_, page) => tokensWork(clients[name], page),
    });
  }

  for (const [kind, parameters] of Object.entries({ "": {}, " with a scope": ONLINE })) {
    step(`Refresh${kind}, ${name}`, "its tokens work", {
      setup: () => tokensOf(clients[name]),
      act: async ({ refresh_token }) => read(await requestToken(postern.fetch, clients[name], {
        grant_type: "refresh_token", refresh_token, ...parameters,
      })),
      end: (_, page) => tokensWork(clients[name], page),
    });
  }
}

step("Client credentials", "the machine gets a token", {
  setup: async () => ({ grant_type: "client_credentials", resource: RESOURCE }),
  act: async (parameters) => read(await requestToken(postern.fetch, clients.machine, parameters)),
  end: async (_, page) => assert.ok(json(page).access_token),
});

for (const name of AUTHENTICATIONS) {
  const grantIsOver = async ({ access_token: token, refresh_token: refreshToken }) => {
    await tokenIsRefused(token);
    const { status, body } = await read(await refresh(postern.fetch, clients[name], refreshToken));
    assert.equal(status, 400, body);
  };

  step(`Revocation of refresh token, ${name}`, "the grant is over", {
    setup: () => tokensOf(clients[name]),
    act: async ({ refresh_token: token }) => read(await revoke(postern.fetch, clients[name], token)),
    end: grantIsOver,
  });

  step(`Revocation of access token, ${name}`, "the token is over, and its grant is not", {
    setup: () => tokensOf(clients[name]),
    act: async ({ access_token: token }) => read(await revoke(postern.fetch, clients[name], token)),
    async end({ access_token: token, refresh_token: refreshToken }) {
      await tokenIsRefused(token);
      await worksAtUserinfo((await successJson(await refresh(postern.fetch, clients[name], refreshToken))).access_token);
    },
  });
}

for (const name of ["client secret", "private_key_jwt"]) {
  for (const kind of ["access", "refresh"]) {
    step(`Introspection of ${kind} token, ${name}`, "the client knows that it is active", {
      setup: () => tokensOf(clients[name]),
      act: async (tokens) => read(await introspect(postern.fetch, clients[name], tokens[`${kind}_token`])),
      end: async (_, page) => assert.equal(json(page).active, true, page.body),
    });
  }
}

step("Userinfo", "the client gets the claims", {
  setup: () => tokensOf(clients["client secret"]),
  act: async ({ access_token: token }) => read(await postern.userinfo(token)),
  end: async (_, page) => assert.equal(json(page).email, "alice@example.com"),
});

// Registration.

const METADATA = { client_name: "The App", redirect_uris: [CALLBACK] };
const bearer = (token) => token && { authorization: `Bearer ${token}` };
const sendJson = (method, url, token, document) => fetched(url, {
  method, body: document && JSON.stringify(document),
  headers: { "content-type": "application/json", "cf-connecting-ip": "198.51.100.1", ...bearer(token) },
});
const register = (token, metadata = METADATA) => sendJson("POST", "/auth/register", token, metadata);
const manage = ({ client_id, registration_client_uri: url, registration_access_token: token }, method, metadata) =>
  sendJson(method, url, token, metadata && { client_id, ...metadata });

async function isManageable(app) {
  assert.equal((await manage(app, "GET")).status, 200);
  await secretWorks(app);
}

step("Registration, open", "the client knows its secrets", {
  setup: async () => {},
  act: () => register(),
  isDone: ({ status }) => status === 201,
  end: (_, page) => isManageable(json(page)),
});

step("Registration, initial access token", "the client knows its secrets", {
  setup: async () => json(await operator("POST", "/admin/initial-access-tokens", { uses: 1 })).initial_access_token,
  act: (token) => register(token),
  isDone: ({ status }) => status === 201,
  end: (_, page) => isManageable(json(page)),
});

step("Registration, scope of an API that the initial access token names", "the client has the scope", {
  setup: async () =>
    json(await operator("POST", "/admin/initial-access-tokens", { uses: 1, resources: [RESOURCE] })).initial_access_token,
  act: (token) => register(token, { ...METADATA, scope: "openid orders:read" }),
  isDone: ({ status }) => status === 201,
  end: async (_, page) => assert.equal(json(page).scope, "openid orders:read"),
});

step("Registration, GET (RFC 7592)", "the client gets its metadata", {
  setup: async () => json(await register()),
  act: (app) => manage(app, "GET"),
  end: async (app, page) => assert.equal(json(page).client_id, app.client_id),
});

step("Registration, PUT (RFC 7592)", "the client gets its new metadata", {
  setup: async () => json(await register()),
  act: (app) => manage(app, "PUT", { ...METADATA, client_name: "New" }),
  async end(app, page) {
    assert.equal(json(page).client_name, "New");
    await isManageable(app);
  },
});

step("Registration, PUT (RFC 7592) of a client that gets a secret", "the client knows it", {
  setup: async () => json(await register(undefined, { ...METADATA, token_endpoint_auth_method: "none" })),
  act: (app) => manage(app, "PUT", { ...METADATA, token_endpoint_auth_method: "client_secret_post" }),
  end: (app, page) => isManageable({ ...app, client_secret: secretIn(page) }),
});

step("Registration, DELETE (RFC 7592)", "the client learns that it is deleted", {
  setup: async () => json(await register()),
  act: (app) => manage(app, "DELETE"),
  isDone: ({ status }) => status === 204,
  end: async (app) => assert.equal((await manage(app, "GET")).status, 401),
});

// The pages of a user.

step("Account page, one application", "the user reads the list of applications", {
  setup: () => codeFor(clients["client secret"]),
  act: () => alice.get("/auth/account"),
  end: async (_, page) => assert.match(page.body, /The App/),
});

const isListed = async (app) => (await alice.get("/auth/account")).body.includes(`value="${app.client_id}"`);

step("Account page, withdrawal of access", "the application has no access", {
  async setup() {
    const app = await putClient(postern.operator, newName("withdrawn"));
    const tokens = await tokensOf(app);
    const { body } = await alice.get("/auth/account");
    const form = body.match(/<form\b.*?<\/form>/gs).find((text) => text.includes(`value="${app.client_id}"`));
    return { app, tokens, form: formOf({ body: form }) };
  },
  act: ({ form }) => alice.post(form.action, form.fields),
  async end({ app, tokens }) {
    assert.ok(!(await isListed(app)));
    await tokenIsRefused(tokens.access_token);
    assert.equal((await refresh(postern.fetch, app, tokens.refresh_token)).status, 400);
  },
});

/** Two browsers of a user of their own, and the account page in the first. */
const twoBrowsers = async () => {
  const login = newName("user");
  await putUser(postern.operator, login);
  const [browser, other] = [new Browser(postern.fetch), new Browser(postern.fetch)];
  for (const one of [other, browser]) await one.signInOn(await one.get("/auth/account"), login);
  return { login, browser, other, page: await browser.get("/auth/account") };
};
const isSignedIn = async (browser) => !isLogin(await browser.get("/auth/account"));

for (const [name, number] of [["another session", 0], ["all other sessions", 1]]) {
  step(`Account page, end of ${name}`, "the other browser is signed out, and this one is not", {
    async setup() {
      const { browser, other, page } = await twoBrowsers();
      return { browser, other, form: formsTo(page, "/auth/account/sessions")[number] };
    },
    act: ({ browser, form }) => browser.post(form.action, form.fields),
    async end({ browser, other }) {
      assert.deepEqual([await isSignedIn(browser), await isSignedIn(other)], [true, false]);
    },
  });
}

step("Account page, change of the password", "the new password is valid, and only this browser is signed in", {
  async setup() {
    const { login, browser, other, page } = await twoBrowsers();
    const [form] = formsTo(page, "/auth/account/password");
    const fields = { ...form.fields, login, current_password: PASSWORD, new_password: "another password" };
    return { login, browser, other, action: form.action, fields };
  },
  act: ({ browser, action, fields }) => browser.post(action, fields),
  async end({ login, browser, other }) {
    assert.deepEqual([await isSignedIn(browser), await isSignedIn(other)], [true, false]);
    const anew = new Browser(postern.fetch);
    await anew.signInOn(await anew.get("/auth/account"), login, "another password");
    assert.ok(await isSignedIn(anew));
  },
});

step("Account page, wrong current password", "the user tries again", {
  async setup() {
    const { login, browser, page } = await twoBrowsers();
    const [form] = formsTo(page, "/auth/account/password");
    const fields = { ...form.fields, login, current_password: "not the password", new_password: "another password" };
    return { browser, action: form.action, fields };
  },
  act: ({ browser, action, fields }) => browser.post(action, fields),
  isDone: ({ status }) => status === 403,
  end: async ({ browser, action, fields }) => {
    assert.equal((await browser.post(action, { ...fields, current_password: PASSWORD })).status, 200);
  },
});

step("Sign-out", "the browser is signed out", {
  async setup() {
    const browser = new Browser(postern.fetch);
    await browser.signInOn(await browser.get("/auth/account"), "alice");
    return { browser, form: formOf(await browser.get("/auth/account")), cookies: new Map(browser.cookies) };
  },
  act: ({ browser, form }) => browser.post(form.action, form.fields),
  async end({ browser, cookies }) {
    assert.ok(isLogin(await browser.get("/auth/account")));
    browser.cookies = cookies;
    assert.ok(isLogin(await browser.get("/auth/account")), "the session has ended, too");
  },
});

// Logout.

const AFTER = "https://app.example/signed-out";

/** A browser of a user who is signed in to a client, and the ID token. */
async function toLogOut(metadata = {}) {
  const uris = { post_logout_redirect_uris: [AFTER], ...metadata };
  const app = await putClient(postern.operator, newName("logout"), uris);
  const browser = new Browser(postern.fetch);
  const tokens = await successJson(await redeem(postern.fetch, app, await browser.codeFor(app, "alice", ONLINE)));
  const cookies = new Map(browser.cookies);
  const query = new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: AFTER });
  return { app, browser, cookies, tokens, target: `/auth/logout?${query}` };
}

async function isLoggedOut({ browser, cookies, tokens }) {
  browser.cookies = cookies;
  assert.ok(isLogin(await browser.get("/auth/account")), "the session has ended");
  await tokenIsRefused(tokens.access_token);
}

step("Logout, hint of the session", "the user is signed out and back", {
  setup: toLogOut,
  act: ({ browser, target }) => browser.get(target),
  isDone: ({ headers }) => headers.get("location") === AFTER,
  end: isLoggedOut,
});

step("Logout by a server, hint", "the session has ended", {
  setup: toLogOut,
  act: ({ target }) => fetched(target, { redirect: "manual" }),
  isDone: ({ headers }) => headers.get("location") === AFTER,
  end: isLoggedOut,
});

step("Logout, nobody signed in", "the user reads that nobody is signed in", {
  setup: async () => new Browser(postern.fetch),
  act: (browser) => browser.get("/auth/logout"),
  end: async (_, page) => assert.match(page.body, /You are signed out/),
});

step("Logout, no hint: confirmation page", "the user can sign out", {
  setup: toLogOut,
  act: ({ browser }) => browser.get("/auth/logout"),
  async end(context, page) {
    const { action, fields } = formOf(page);
    assert.match((await context.browser.post(action, fields)).body, /You are signed out/);
    await isLoggedOut(context);
  },
});

step("Logout, form of the page", "the user is signed out, and the client hears of it", {
  async setup() {
    const context = await toLogOut({ frontchannel_logout_uri: "https://app.example/frontchannel" });
    const named = new URLSearchParams({ client_id: context.app.client_id, post_logout_redirect_uri: AFTER });
    return { ...context, form: formOf(await context.browser.get(`/auth/logout?${named}`)) };
  },
  act: ({ browser, form }) => browser.post(form.action, form.fields),
  isDone: ({ body, headers }) => body.includes("<iframe ") && headers.get("refresh") === `1;url=${AFTER}`,
  end: isLoggedOut,
});

// The operator.

const newUser = async () => {
  const sub = newName("user");
  await postern.operator("PUT", `/admin/users/${sub}`, { claims: { name: sub } });
  return sub;
};
const canSignIn = async (login) => {
  const browser = new Browser(postern.fetch);
  await browser.signInOn(await browser.get("/auth/account"), login);
  assert.ok(browser.cookies.has("__Host-postern-session"));
};

step("PUT of a user with a password", "the user can sign in", {
  setup: async () => newName("user"),
  act: (sub) => operator("PUT", `/admin/users/${sub}`, { claims: {}, password: PASSWORD }),
  end: canSignIn,
});

step("PUT of a password", "the user can sign in", {
  setup: newUser,
  act: (sub) => operator("PUT", `/admin/users/${sub}/password`, { password: PASSWORD }),
  end: canSignIn,
});

step("DELETE of a password", "the user has none", {
  setup: newUser,
  act: (sub) => operator("DELETE", `/admin/users/${sub}/password`),
  end: async (_, page) => assert.equal(json(page).has_password, false),
});

step("import of users", "the operator learns that they are stored", {
  setup: async () => [1, 2, 3].map(() => newName("imported")),
  act: (subs) => operator("POST", "/admin/users", subs.map((sub) => JSON.stringify({ sub })).join("\n")),
  async end(subs, page) {
    assert.deepEqual(json(page), { stored: 3, refused: [] });
    for (const sub of subs) assert.equal((await operator("GET", `/admin/users/${sub}`)).status, 200);
  },
});

step("DELETE of a user", "the operator learns that it is deleted", {
  async setup() {
    const sub = await newUser();
    return { sub, ...(await postern.mint("openid", sub)) };
  },
  act: ({ sub }) => operator("DELETE", `/admin/users/${sub}`),
  async end({ sub, access_token: token }) {
    assert.equal((await operator("GET", `/admin/users/${sub}`)).status, 404);
    await tokenIsRefused(token);
  },
});

step("creation of a client", "the operator knows its secret", {
  setup: async () => {},
  act: () => operator("POST", "/admin/clients", METADATA),
  end: (_, page) => secretWorks(json(page)),
});

step("PUT of a new client", "the operator knows its secret", {
  setup: async () => newName("client"),
  act: (id) => operator("PUT", `/admin/clients/${id}`, METADATA),
  end: (id, page) => secretWorks({ redirect_uris: [CALLBACK], client_id: id, client_secret: secretIn(page) }),
});

step("PUT of a client that gets a secret", "the operator knows it", {
  setup: () => putClient(postern.operator, newName("client"), { token_endpoint_auth_method: "none" }),
  act: ({ client_id: id }) => operator("PUT", `/admin/clients/${id}`, METADATA),
  end: (app, page) => secretWorks({ ...app, client_secret: secretIn(page) }),
});

step("DELETE of a client", "the operator learns that it is deleted", {
  async setup() {
    const app = await putClient(postern.operator, newName("client"));
    return { app, tokens: await tokensOf(app) };
  },
  act: ({ app }) => operator("DELETE", `/admin/clients/${app.client_id}`),
  async end({ app, tokens }) {
    assert.equal((await operator("GET", `/admin/clients/${app.client_id}`)).status, 404);
    await tokenIsRefused(tokens.access_token);
  },
});

step("creation of an initial access token", "the operator gets one that works", {
  setup: async () => {},
  act: () => operator("POST", "/admin/initial-access-tokens", { uses: 1 }),
  end: async (_, page) => assert.equal((await register(json(page).initial_access_token)).status, 201),
});

step("minting of an access token", "the operator gets one that works", {
  setup: async () => {},
  act: () => operator("POST", "/admin/tokens", { sub: "alice", scope: "openid email" }),
  end: (_, page) => worksAtUserinfo(json(page).access_token),
});

step("revocation of a grant", "the operator learns that it is revoked", {
  setup: () => postern.mint("openid", "alice"),
  act: ({ grant_id: id }) => operator("DELETE", `/admin/grants/${id}`),
  end: ({ access_token: token }) => tokenIsRefused(token),
});

const newTokens = async () => {
  const sub = await newUser();
  return { sub, ...(await postern.mint("openid", sub)) };
};

step("revocation of all grants of a user", "the operator learns that they are revoked", {
  setup: newTokens,
  act: ({ sub }) => operator("POST", "/admin/grants/revoke", { user: sub }),
  end: ({ access_token: token }) => tokenIsRefused(token),
});

step("disabling of a user", "the operator learns that the user is disabled", {
  setup: newTokens,
  act: ({ sub }) => operator("PUT", `/admin/users/${sub}/disabled`),
  async end({ access_token: token }, page) {
    assert.equal(json(page).disabled, true);
    await tokenIsRefused(token);
  },
});

step("enabling of a user", "the operator learns that the user is enabled", {
  async setup() {
    const tokens = await newTokens();
    await operator("PUT", `/admin/users/${tokens.sub}/disabled`);
    return tokens;
  },
  act: ({ sub }) => operator("DELETE", `/admin/users/${sub}/disabled`),
  end: async ({ access_token: token }) => assert.equal((await postern.userinfo(token)).status, 200),
});

step("sign-out of a user by the operator", "the sessions and grants have ended", {
  setup: newTokens,
  act: ({ sub }) => operator("POST", `/admin/users/${sub}/signout`, { grants: true }),
  end: ({ access_token: token }) => tokenIsRefused(token),
});

step("a new secret of a client", "the operator knows it, and the old one works", {
  setup: () => putClient(postern.operator, newName("client")),
  act: ({ client_id: id }) => operator("POST", `/admin/clients/${id}/secret`, { overlap: 3_600 }),
  async end(app, page) {
    await secretWorks({ ...app, client_secret: secretIn(page) });
    await secretWorks(app);
  },
});

step("the end of a client's old secrets", "the operator gets the client", {
  setup: () => putClient(postern.operator, newName("client")),
  act: ({ client_id: id }) => operator("DELETE", `/admin/clients/${id}/previous-secrets`),
  end: secretWorks,
});

step("revocation of an initial access token", "it registers no client", {
  async setup() {
    const { initial_access_token: token } = json(await operator("POST", "/admin/initial-access-tokens", { uses: 1 }));
    return { token, name: createHash("sha256").update(token).digest("base64url").slice(0, 12) };
  },
  act: ({ name }) => operator("DELETE", `/admin/initial-access-tokens/${name}`),
  end: async ({ token }) => assert.equal((await register(token)).status, 401),
});

for (const path of [
  "/admin/users", "/admin/users/alice", "/admin/clients", "/admin/clients/secret", "/admin/sessions?user=alice",
  "/admin/grants?user=alice", "/admin/initial-access-tokens", "/healthz",
]) {
  step(`GET ${path}`, "the operator reads it", {
    setup: async () => {},
    act: () => operator("GET", path),
    end: async (_, page) => assert.ok(json(page)),
  });
}

// An isolate that must read something for the first time, or again. The clock is ahead from here on.

step("GET authorize with a logo that no isolate has fetched: consent page", "the user can consent", {
  async setup() {
    const path = `/${newName("logo")}.png`;
    clientServer.serve(path, "not really an image", "image/png");
    return putClient(postern.operator, newName("with-logo"), { logo_uri: clientServer.url(path) });
  },
  act: (app) => alice.get(authorizePath(app, WITH_CONSENT)),
  isDone: isConsent,
  end: async (app, page) => codeWorks(app, await alice.finish(page)),
});

step("Redeem, private_key_jwt with keys that must be fetched", "its tokens work", {
  async setup() {
    const { key } = clients.private_key_jwt;
    const path = `/${newName("keys")}.json`;
    clientServer.json(path, { keys: [key.jwk] });
    const app = { ...(await putClient(postern.operator, newName("with-keys"), {
      token_endpoint_auth_method: "private_key_jwt", jwks_uri: clientServer.url(path),
    })), key };
    return { app, code: await codeFor(app), credentials: await credentialsOf(app) };
  },
  act: async ({ app, code, credentials }) => read(await redeem(postern.fetch, app, code, credentials)),
  renew: async ({ app, code }) => ({ app, code, credentials: await credentialsOf(app) }),
  end: ({ app }, page) => tokensWork(app, page),
});

async function setClockForward(seconds) {
  ahead += seconds;
  await postern.inject({ ahead });
}

/** Lets the keys in the isolate's memory grow old. */
const KEYS_GROW_OLD = {
  async "keys in memory are old"() {
    await setClockForward(COPY_IS_OLD);
    await fetched("/auth/jwks.json");
    await postern.inject({ ahead, settled: true });
    await setClockForward(KEYS_ARE_OLD);
  },
  "copy of the keys in KV is old, too": () => setClockForward(COPY_IS_OLD),
};

for (const [when, growOld] of Object.entries(KEYS_GROW_OLD)) {
  step(`JWK Set when the ${when}`, "the client gets the keys", {
    setup: growOld,
    act: () => fetched("/auth/jwks.json"),
    end: async (_, page) => assert.equal(json(page).keys.length, 2),
  });

  step(`Redeem, client secret, when the ${when}`, "the client's tokens work", {
    async setup() {
      await growOld();
      return codeFor(clients["client secret"]);
    },
    act: async (code) => read(await redeem(postern.fetch, clients["client secret"], code)),
    end: (_, page) => tokensWork(clients["client secret"], page),
  });

  step(`Userinfo when the ${when}`, "the client gets the claims", {
    async setup() {
      const token = await postern.operator("POST", "/admin/tokens", { sub: "alice", scope: "openid email", ttl: 3_600 });
      await growOld();
      return token.body.access_token;
    },
    act: async (token) => read(await postern.userinfo(token)),
    end: async (_, page) => assert.equal(json(page).email, "alice@example.com"),
  });
}

const logLines = () => postern.server.getLogs().map(({ message }) => message).join("\n");

/** Runs a step, with a fault of one call if there is one. Returns the number of calls of each part of the platform. */
async function run({ setup, act, renew = async (context) => context, isDone = isSuccess, end }, fault = undefined) {
  const context = await setup();
  await postern.inject({ ahead, fault, settled: true });
  postern.server.clearLogs();
  const pages = [await act(context)];
  const { DB, KV } = await postern.inject({ ahead, settled: true });
  const calls = { DB, KV, ...postern.otherCalls() };
  assert.equal(postern.faultsInjected(), fault ? 1 : 0, "the fault was injected");
  if (!isDone(pages[0])) {
    // A client makes an assertion for each request. After a fault of D1 or KV the same one works, too.
    const repeated = ["DB", "KV"].includes(fault?.part) ? context : await renew(context);
    // A document of a client is fetched again after the pause only.
    if (fault?.part === "fetch") await postern.inject({ ahead: ahead + FETCH_PAUSE });
    pages.push(await act(repeated));
  }

  for (const page of pages) {
    const text = [page.body, ...page.headers.values()].join("\n");
    assert.doesNotMatch(text, /secret\/path|injected fault/, "the response has no detail of the fault");
  }
  const seen = pages.map((page) =>
    `${page.status} ${targetOf(page) ?? page.body.replace(/^.*<main>(.*)<\/main>.*$/s, "$1")}`);
  const done = pages.find(isDone) ?? assert.fail(`the sender has no result: ${seen.join("\nthen ")}`);
  await end(context, done);
  await postern.inject({ ahead });
  if (fault?.fails) {
    // The message of the random source does not reach the module.
    const logged = fault.part === "getRandomValues" ? "randomness is unavailable" : "injected fault";
    assert.ok((await until(logLines, (lines) => lines.includes(logged))).includes(logged));
  }
  return calls;
}

/** The faults of a call of each part. A call of the last two has no effect that could outlive it. */
const FAILS = ["fails before it is done", { fails: "before" }];
const LOST = ["is done and its answer is lost", { fails: "after" }];
const SLOW = ["takes five seconds", { seconds: 5 }];
const FAULTS = {
  DB: [FAILS, LOST, SLOW], KV: [FAILS, LOST, SLOW], SIGN_IN_LIMIT: [FAILS, LOST, SLOW], fetch: [FAILS, LOST, SLOW],
  getRandomValues: [FAILS], subtle: [FAILS],
};
/** `PARTS=subtle,fetch` walks over the calls of these parts only. */
const PARTS = process.env.PARTS?.split(",") ?? Object.keys(FAULTS);

for (const one of steps) {
  test(`${one.name}: ${one.promise}, also if a call fails`, async (t) => {
    // The first run imports keys, which the isolate remembers.
    await run(one);
    const counts = await run(one);
    for (const part of PARTS) {
      for (let call = 1; call <= counts[part]; call++) {
        for (const [name, fault] of FAULTS[part]) {
          await t.test(`${one.promise} if ${part} call ${call} of ${counts[part]} ${name}`, async () => {
            await run(one, { part, call, ...fault });
          });
        }
      }
    }
  });
}

test("every step of docs/d1-requests.md that sends requests to D1 is here", () => {
  const stated = statedCounts(readFileSync(new URL("../../docs/d1-requests.md", import.meta.url), "utf8"));
  const known = new Set(steps.map(({ name }) => name));
  assert.equal(known.size, steps.length, "the names differ");
  assert.deepEqual([...stated].filter(([name, { requests }]) => requests > 0 && !known.has(name)), []);
});
