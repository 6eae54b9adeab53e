// A person with a browser: it keeps cookies, fills in forms, and follows redirects as far as the provider's own.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { ISSUER } from "./harness.mjs";

export const PASSWORD = "correct horse battery";
export const CALLBACK = "https://app.example/cb?from=postern";
export const VERIFIER = randomBytes(32).toString("base64url");
const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");

/** A user with a password, hashed by the worker as any password is. */
export async function putUser(operator, sub, claims = {}) {
  const stored = await operator("PUT", `/admin/users/${sub}`, { claims });
  assert.equal(stored.status, 200, JSON.stringify(stored.body));
  const { status } = await operator("PUT", `/admin/users/${sub}/password`, { password: PASSWORD });
  assert.equal(status, 200);
}

/** A client by the members that differ from the usual, as it is stored; its secret is in it. */
export async function putApp(operator, id = "app", members = {}) {
  const { status, body } = await operator("PUT", `/admin/clients/${id}`, {
    client_name: "The App", redirect_uris: [CALLBACK], grant_types: ["authorization_code", "refresh_token"], ...members,
  });
  assert.equal(status, 200, JSON.stringify(body));
  return { client_id: id, ...body };
}

/** The path of an authorization request by the parameters that differ from the usual; undefined leaves one out. */
export function authorizePath(app, parameters = {}) {
  const all = {
    client_id: app.client_id, redirect_uri: app.redirect_uris[0], response_type: "code",
    scope: "openid profile email", state: "the state", nonce: "the nonce",
    code_challenge: CHALLENGE, code_challenge_method: "S256", ...parameters,
  };
  const given = Object.entries(all).filter(([, value]) => value !== undefined);
  return `/auth/authorize?${new URLSearchParams(given)}`;
}

/** Asks the token endpoint as this client. */
export async function askToken(ask, { client_id, client_secret }, parameters) {
  const credentials = { client_id, ...(client_secret && { client_secret }) };
  const response = await ask("/auth/token", {
    method: "POST", body: new URLSearchParams({ ...credentials, ...parameters }),
  });
  // Read at once: the harness's responses lose a body that waits while garbage is collected.
  return new Response(await response.text(), response);
}

export const redeem = (ask, app, code) =>
  askToken(ask, app, {
    grant_type: "authorization_code", code, redirect_uri: app.redirect_uris[0], code_verifier: VERIFIER,
  });

export const refresh = (ask, app, token) =>
  askToken(ask, app, { grant_type: "refresh_token", refresh_token: token });

/** The JSON of an answer that must be a success. */
export async function granted(response) {
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}

/** Asserts that an answer is an error of this code. */
export async function refused(response, code, status = 400) {
  const { error, error_description: description } = await response.json();
  assert.deepEqual([response.status, error], [status, code], description);
}

export class Visitor {
  #ask;
  #origin;
  #headers;

  /** `ask` takes a URL and what fetch takes. */
  constructor(ask, { issuer = ISSUER, address = "192.0.2.1", language = "en" } = {}) {
    this.#ask = ask;
    this.#origin = new URL(issuer).origin;
    this.#headers = { "cf-connecting-ip": address, "accept-language": language };
    /** By name, as the provider set them. */
    this.cookies = new Map();
  }

  /** Asks for a path or URL of the provider's. */
  get(target) {
    return this.#send(target);
  }

  /** Posts a form. */
  post(target, fields) {
    return this.#send(target, { method: "POST", body: new URLSearchParams(fields) });
  }

  async #send(target, init) {
    const url = new URL(target, this.#origin);
    assert.equal(url.origin, this.#origin, "a visitor asks nobody else");
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...this.#headers, ...(cookie && { cookie }) };
    const response = await this.#ask(url.href, { redirect: "manual", ...init, headers });
    const setCookies = response.headers.getSetCookie();
    for (const line of setCookies) this.#keep(line);
    return { status: response.status, headers: response.headers, setCookies, body: await response.text() };
  }

  /** Keeps a cookie as a browser does, which takes no prefixed one that does not keep its promise. */
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

  /** Follows redirects within the provider. */
  async follow(page) {
    for (let hops = 0; hops < 10; hops++) {
      const location = page.headers.get("location");
      if (!location?.startsWith(`${this.#origin}/`)) return page;
      assert.equal(page.status, 303);
      page = await this.get(location);
    }
    assert.fail("redirected in a circle");
  }

  /** Submits the page's first form with some fields filled in, and follows. */
  async submit(page, filled) {
    const { action, fields } = formOf(page);
    return this.follow(await this.post(action, { ...fields, ...filled }));
  }

  /** Fills in the login form. */
  signInOn(page, login, password = PASSWORD) {
    assert.ok(isLogin(page), `${page.status} ${page.body}`);
    return this.submit(page, { login, password });
  }

  /** Goes through an authorization request as somebody who agrees to everything, up to the answer. */
  async authorize(target, login) {
    let page = await this.follow(await this.get(target));
    if (isLogin(page)) page = await this.signInOn(page, login);
    if (isConsent(page)) page = await this.submit(page, { decision: "allow" });
    return page;
  }

  /** Goes through the usual request, and returns the code. */
  async codeFor(app, login, parameters) {
    const answer = queryAnswer(await this.authorize(authorizePath(app, parameters), login));
    assert.ok(answer.code, JSON.stringify(answer));
    return answer.code;
  }
}

export const isLogin = (page) => page.body.includes('name="password"');
export const isConsent = (page) => page.body.includes('value="allow"');

/** Where a redirect leads that leaves the provider. */
export function destination(page) {
  assert.equal(page.status, 303, page.body);
  return new URL(page.headers.get("location"));
}

/** The parameters that a redirect carries to the client. */
export const queryAnswer = (page) => Object.fromEntries(destination(page).searchParams);

/** The request that the page of `response_mode=form_post` makes a browser send. */
export function formPostAnswer(page) {
  assert.equal(page.status, 200, page.body);
  const { action, fields } = formOf(page);
  return new Request(action, { method: "POST", body: new URLSearchParams(fields) });
}

/** The page's first form: where it leads, and its hidden fields. */
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
