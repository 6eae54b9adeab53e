// A user's browser: it keeps cookies, follows redirects within the provider and submits forms.
import { connect, request } from "./load.mjs";
import { CLIENT, ISSUER } from "./fixtures.mjs";

/** The most requests of one sign-in. */
const LIMIT = 20;

export class Browser {
  /** @type {Map<string, string>} */
  cookies = new Map();
  /** The number of requests, and the time in which they were in flight, in milliseconds. */
  requests = 0;
  inFlight = 0;

  constructor(port) {
    this.connection = connect(port);
  }

  close() {
    this.connection.close();
  }

  /** The header with the cookies, if there are any. */
  get headers() {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    return cookie ? { cookie } : {};
  }

  /** Sends one request, with the cookies if it is the browser's own. Returns the status, the location and the body. */
  async send(bytesOf) {
    const bytes = bytesOf(this.headers);
    const begin = performance.now();
    const { status, head, body } = await this.connection.send(bytes);
    this.inFlight += performance.now() - begin;
    this.requests += 1;
    for (const [, line] of head.matchAll(/\r\nset-cookie: *([^\r]*)/gi)) this.keep(line);
    const location = locationIn(head);
    return { status, location, body: Buffer.from(body, "latin1").toString() };
  }

  keep(line) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
    if (/; *max-age=0(;|$)|; *expires=Thu, 01 Jan 1970/i.test(line) || value === "") this.cookies.delete(name);
    else this.cookies.set(name, value);
  }

  /**
   * Sends an authorization request, and submits each form with the fields that `fill` returns for the names of its
   * inputs. Returns the code.
   */
  async authorize(path, fill) {
    let page = await this.follow(path);
    for (let step = 0; step < LIMIT; step++) {
      if (page.code) return page.code;
      const { form } = page;
      page = await this.arrive(await this.send((cookies) => form.submission(cookies, fill(form.names))), form.url);
    }
    throw new Error("the sign-in does not end");
  }

  /** Sends a GET request, and follows redirects to a form or to the client. Returns the form or the code. */
  async follow(path) {
    const url = new URL(path, ISSUER);
    return this.arrive(await this.send((cookies) => request("GET", url.pathname + url.search, cookies)), url);
  }

  async arrive(page, url) {
    const to = destinationOf(page);
    if (!to) return { form: formOf(page, url) };
    const next = new URL(to, url);
    if (next.href.startsWith(`${CLIENT.redirectUri}?`)) return { code: codeIn(next) };
    if (next.origin !== new URL(ISSUER).origin) throw new Error(`a redirect to ${next.origin}`);
    if (this.requests > LIMIT) throw new Error("the sign-in does not end");
    return this.follow(next.href);
  }
}

/** The address in the header of a redirect, or of a page that leaves by itself. */
export function locationIn(head) {
  const [, location, refreshed] = head.match(/\r\n(?:location: *([^\r]*)|refresh: *0;url=([^\r]*))/i) ?? [];
  return location ?? refreshed;
}

/** The address that a response redirects to: by a header, or for a script by the field `url` of a JSON object. */
export function destinationOf({ location, body }) {
  if (location || !body.startsWith("{")) return location;
  return JSON.parse(body).url;
}

function codeIn(url) {
  const code = url.searchParams.get("code");
  if (!code) throw new Error(`no code: ${url.search}`);
  return code;
}

/**
 * The first form of a page: the names of its inputs and buttons, and a function that submits it. A script submits a form
 * with `data-json`: it sends JSON, together with the query of the page.
 */
function formOf({ status, body }, url) {
  const [, tag, inside] = /<form\b([^>]*)>(.*?)<\/form>/s.exec(body) ?? [];
  if (inside === undefined) throw new Error(`${status}, no form: ${body.slice(0, 500)}`);
  const inputs = [...inside.matchAll(/<(?:input|button)\b([^>]*)>/g)].map(([, input]) => input);
  const hidden = inputs.filter((input) => input.includes('type="hidden"'));
  const fields = Object.fromEntries(hidden.map((input) => [attribute(input, "name"), attribute(input, "value")]));
  const action = attribute(tag, "action");
  const to = action ? new URL(action, url) : url;
  const isJson = tag.includes("data-json");
  return {
    url: to, names: inputs.map((input) => attribute(input, "name")),
    submission(cookies, filled) {
      const all = { ...fields, ...filled };
      const content = isJson ? JSON.stringify({ ...all, oauth_query: url.search.slice(1) }) : String(new URLSearchParams(all));
      const type = isJson ? "application/json" : "application/x-www-form-urlencoded";
      return request("POST", to.pathname + to.search, { ...cookies, "content-type": type, origin: to.origin }, content);
    },
  };
}

function attribute(tag, name) {
  const [, text = ""] = new RegExp(`\\b${name}="([^"]*)"`).exec(tag) ?? [];
  const named = { amp: "&", gt: ">", lt: "<", quot: '"' };
  return text.replace(/&(?:#(\d+)|(\w+));/g, (_, code, entity) => (code ? String.fromCodePoint(code) : named[entity]));
}
