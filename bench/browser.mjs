// A user's browser without scripts: it keeps cookies, follows redirects within the provider and submits forms.
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

  /** Sends one request, with the cookies if it is the browser's own. Returns the status, the location and the body. */
  async send(bytesOf) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const bytes = bytesOf(cookie ? { cookie } : {});
    const begin = performance.now();
    const { status, head, body } = await this.connection.send(bytes);
    this.inFlight += performance.now() - begin;
    this.requests += 1;
    for (const [, line] of head.matchAll(/\r\nset-cookie: *([^\r]*)/gi)) this.keep(line);
    const [, location] = head.match(/\r\nlocation: *([^\r]*)/i) ?? [];
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
    const origin = new URL(ISSUER).origin;
    let url = new URL(path, ISSUER);
    let page = await this.send((cookies) => request("GET", url.pathname + url.search, cookies));
    for (let step = 0; step < LIMIT; step++) {
      if (page.location) {
        url = new URL(page.location, url);
        if (url.href.startsWith(`${CLIENT.redirectUri}?`)) return codeIn(url);
        if (url.origin !== origin) throw new Error(`a redirect to ${url.origin}`);
        const to = url.pathname + url.search;
        page = await this.send((cookies) => request("GET", to, cookies));
      } else {
        const { action, fields, names } = formOf(page);
        if (action) url = new URL(action, url);
        const to = url.pathname + url.search;
        const body = String(new URLSearchParams({ ...fields, ...fill(names) }));
        const type = { "content-type": "application/x-www-form-urlencoded", origin };
        page = await this.send((cookies) => request("POST", to, { ...cookies, ...type }, body));
      }
    }
    throw new Error("the sign-in does not end");
  }
}

function codeIn(url) {
  const code = url.searchParams.get("code");
  if (!code) throw new Error(`no code: ${url.search}`);
  return code;
}

/** The first form of a page: its action, its hidden fields, and the names of its inputs and buttons. */
function formOf({ status, body }) {
  const [, tag, inside] = /<form\b([^>]*)>(.*?)<\/form>/s.exec(body) ?? [];
  if (inside === undefined) throw new Error(`${status}, no form: ${body.slice(0, 500)}`);
  const inputs = [...inside.matchAll(/<(?:input|button)\b([^>]*)>/g)].map(([, input]) => input);
  const hidden = inputs.filter((input) => input.includes('type="hidden"'));
  const fields = hidden.map((input) => [attribute(input, "name"), attribute(input, "value")]);
  const names = inputs.map((input) => attribute(input, "name"));
  return { action: attribute(tag, "action"), fields: Object.fromEntries(fields), names };
}

function attribute(tag, name) {
  const [, text = ""] = new RegExp(`\\b${name}="([^"]*)"`).exec(tag) ?? [];
  const named = { amp: "&", gt: ">", lt: "<", quot: '"' };
  return text.replace(/&(?:#(\d+)|(\w+));/g, (_, code, entity) => (code ? String.fromCodePoint(code) : named[entity]));
}
