// A user's browser without scripts: it keeps cookies, submits forms and follows redirects within the provider.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { SignJWT } from "jose";
import { ISSUER } from "./harness.mjs";

export const PASSWORD = "correct horse battery";
export const CALLBACK = "https://app.example/cb?from=postern";
export const VERIFIER = randomBytes(32).toString("base64url");
const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");

/** Stores a user and a password, which the worker hashes. */
export async function putUser(operator, sub, claims = {}) {
  const stored = await operator("PUT", `/admin/users/${sub}`, { claims });
  assert.equal(stored.status, 200, JSON.stringify(stored.body));
  const { status } = await operator("PUT", `/admin/users/${sub}/password`, { password: PASSWORD });
  assert.equal(status, 200);
}

/** Stores a client whose metadata differs from the usual by `metadata`. Returns it with its secret. */
export async function putClient(operator, id = "app", metadata = {}) {
  const { status, body } = await operator("PUT", `/admin/clients/${id}`, {
    client_name: "The App", redirect_uris: [CALLBACK], grant_types: ["authorization_code", "refresh_token"], ...metadata,
  });
  assert.equal(status, 200, JSON.stringify(body));
  return { client_id: id, ...body };
}

/** The path of an authorization request that differs from the usual by `parameters`. Undefined omits one. */
export function authorizePath(app, parameters = {}) {
  const all = {
    client_id: app.client_id, redirect_uri: app.redirect_uris[0], response_type: "code",
    scope: "openid profile email", state: "the state", nonce: "the nonce",
    code_challenge: CHALLENGE, code_challenge_method: "S256", ...parameters,
  };
  const given = Object.entries(all).filter(([, value]) => value !== undefined);
  return `/auth/authorize?${new URLSearchParams(given)}`;
}

/** The time now and a minute later, by `Date.now`, which a test may replace. */
function minuteFromNow() {
  const now = Math.floor(Date.now() / 1_000);
  return [now, now + 60];
}

/** The parameters that authenticate a client: by its secret, by an assertion of its key, or not at all. */
export async function credentialsOf({ client_id, client_secret, key }) {
  if (!key) return { client_id, ...(client_secret && { client_secret }) };
  const [issued, expires] = minuteFromNow();
  const client_assertion = await new SignJWT({ jti: randomBytes(16).toString("hex") })
    .setProtectedHeader({ alg: key.alg, kid: key.kid }).setIssuer(client_id).setSubject(client_id).setAudience(ISSUER)
    .setIssuedAt(issued).setExpirationTime(expires).sign(key.privateKey);
  return {
    client_id, client_assertion, client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
  };
}

/** The parameters of an authorization request that the client has signed. `parameters` replace the usual ones. */
export async function signedRequest(app, parameters = {}) {
  const { client_id, key } = app;
  const claims = Object.fromEntries(new URL(authorizePath(app, parameters), ISSUER).searchParams);
  const [issued, expires] = minuteFromNow();
  const request = await new SignJWT(claims)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: "oauth-authz-req+jwt" }).setIssuer(client_id)
    .setAudience(ISSUER).setIssuedAt(issued).setExpirationTime(expires).sign(key.privateKey);
  return { client_id, request };
}

/** Sends a token request of this client. */
export const requestToken = (fetch, app, parameters) => sendForm(fetch, "/auth/token", app, parameters);

/** Sends a form with the authentication of a client. */
export async function sendForm(fetch, path, app, parameters) {
  const response = await fetch(path, {
    method: "POST", body: new URLSearchParams({ ...(await credentialsOf(app)), ...parameters }),
  });
  // Reads the body at once, because the harness loses it if garbage is collected before.
  return new Response(await response.text(), response);
}

/** Revokes a token (RFC 7009). */
export const revoke = (fetch, app, token) => sendForm(fetch, "/auth/revoke", app, { token });

/** Introspects a token (RFC 7662). */
export const introspect = (fetch, app, token) => sendForm(fetch, "/auth/introspect", app, { token });

export const redeem = (fetch, app, code, parameters = {}) =>
  requestToken(fetch, app, {
    grant_type: "authorization_code", code, redirect_uri: app.redirect_uris[0], code_verifier: VERIFIER, ...parameters,
  });

export const refresh = (fetch, app, token) =>
  requestToken(fetch, app, { grant_type: "refresh_token", refresh_token: token });

/** Asserts that a response is a success. Returns its JSON. */
export async function successJson(response) {
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}

/** Asserts that a response is an error with this code. */
export async function assertError(response, code, status = 400) {
  const { error, error_description: description } = await response.json();
  assert.deepEqual([response.status, error], [status, code], description);
}

export class Browser {
  #fetch;
  #origin;
  #headers;

  /** `fetch` has the parameters of the global one. */
  constructor(fetch, { issuer = ISSUER, address = "192.0.2.1", language = "en" } = {}) {
    this.#fetch = fetch;
    this.#origin = new URL(issuer).origin;
    this.#headers = { "cf-connecting-ip": address, "accept-language": language };
    /** The values of the provider's cookies, by name. */
    this.cookies = new Map();
  }

  /** Gets a path or URL of the provider. */
  get(target) {
    return this.#send(target);
  }

  /** Posts a form. */
  post(target, fields) {
    return this.#send(target, { method: "POST", body: new URLSearchParams(fields) });
  }

  async #send(target, init = {}) {
    const url = new URL(target, this.#origin);
    assert.equal(url.origin, this.#origin, "a request to another origin");
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...this.#headers, ...(cookie && { cookie }) };
    const response = await this.#fetch(url.href, { redirect: "manual", ...init, headers });
    const setCookies = response.headers.getSetCookie();
    for (const line of setCookies) this.#keep(line);
    return { status: response.status, headers: response.headers, setCookies, body: await response.text() };
  }

  /** Stores a cookie. As in browsers, the __Host- prefix requires its attributes. */
  #keep(line) {
    const [pair, ...attributes] = line.split("; ");
    const [, name, value] = /^([^=]+)=(.*)$/.exec(pair);
    if (name.startsWith("__Host-")) {
      assert.ok(attributes.includes("Secure") && attributes.includes("Path=/"), line);
      assert.ok(!attributes.some((one) => one.startsWith("Domain")), line);
    }
    if (attributes.includes("Max-Age=0")) this.cookies.delete(name);
    else this.cookies.set(name, value);
  }

  /** Follows redirects within the provider, ten at most. */
  async follow(page) {
    for (let hops = 0; hops < 10; hops++) {
      const target = targetOf(page);
      if (!target?.startsWith(`${this.#origin}/`)) return page;
      page = await this.get(target);
    }
    assert.fail("too many redirects");
  }

  /** Submits the page's first form with these fields filled in, and follows redirects. */
  async submit(page, filled) {
    const { action, fields } = formOf(page);
    return this.follow(await this.post(action, { ...fields, ...filled }));
  }

  /** Fills in the login form. */
  signInOn(page, login, password = PASSWORD) {
    assert.ok(isLogin(page), `${page.status} ${page.body}`);
    return this.submit(page, { login, password });
  }

  /** Sends an authorization request, signs in and consents as needed. Returns the authorization response. */
  async authorize(target, login) {
    return this.finish(await this.get(target), login);
  }

  /** Signs in and consents as needed, beginning at this page. Returns the authorization response. */
  async finish(page, login) {
    page = await this.follow(page);
    if (isLogin(page)) page = await this.signInOn(page, login);
    if (isConsent(page)) page = await this.submit(page, { decision: "allow" });
    return page;
  }

  /** Sends the usual authorization request. Returns the code. */
  async codeFor(app, login, parameters = {}) {
    const response = responseParameters(await this.authorize(authorizePath(app, parameters), login));
    assert.ok(response.code, JSON.stringify(response));
    return response.code;
  }
}

export const isLogin = (page) => page.body.includes('name="password"');
export const isConsent = (page) => page.body.includes('value="allow"');

/** The text of the URL of a redirect or, after a form, of a page that leaves for the client, if it is one. */
export function targetOf({ status, headers }) {
  const target = headers.get("location") ?? headers.get("refresh")?.replace("0;url=", "");
  if (target) assert.equal(status, headers.has("refresh") ? 200 : 303);
  return target;
}

/** The same as a URL. */
export function redirectTarget(page) {
  return new URL(targetOf(page) ?? assert.fail(`${page.status} ${page.body}`));
}

/** The parameters of an authorization response by redirect. */
export const responseParameters = (page) => Object.fromEntries(redirectTarget(page).searchParams);

/** The URL by which the page of an error leads to a client that nobody vouches for, once the user clicks. */
export function offeredTarget(page) {
  assert.equal(targetOf(page), undefined);
  const [, tag] = /<a\b([^>]* data-to="client"[^>]*)>/.exec(page.body) ?? assert.fail(`no offer: ${page.body}`);
  return new URL(attribute(tag, "href"));
}

/** The request that a browser sends from the page of `response_mode=form_post`. */
export function formPostRequest(page) {
  assert.equal(page.status, 200, page.body);
  const { action, fields } = formOf(page);
  return new Request(action, { method: "POST", body: new URLSearchParams(fields) });
}

/** The action and the hidden fields of each form of the page that is posted to this path. */
export function formsTo(page, path) {
  const forms = page.body.match(/<form\b.*?<\/form>/gs) ?? [];
  return forms.map((body) => formOf({ body })).filter(({ action }) => new URL(action).pathname === path);
}

/** The action and the hidden fields of the page's first form. */
export function formOf(page) {
  const [, tag, inside] = /<form\b([^>]*)>(.*?)<\/form>/s.exec(page.body) ?? assert.fail(`no form: ${page.body}`);
  assert.match(tag, /method="post"/);
  const inputs = [...inside.matchAll(/<input\b([^>]*)>/g)].map(([, input]) => input);
  const hidden = inputs.filter((input) => input.includes('type="hidden"'));
  const fields = hidden.map((input) => [attribute(input, "name"), attribute(input, "value")]);
  return { action: attribute(tag, "action"), fields: Object.fromEntries(fields) };
}

function attribute(tag, name) {
  const [, text] = new RegExp(`\\b${name}="([^"]*)"`).exec(tag) ?? assert.fail(`no ${name} in ${tag}`);
  const named = { amp: "&", gt: ">", lt: "<", quot: '"' };
  return text.replace(/&(?:#(\d+)|(\w+));/g, (_, code, entity) => (code ? String.fromCodePoint(code) : named[entity]));
}
