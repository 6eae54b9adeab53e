// A user's browser without scripts, for the provider and for applications. It keeps the cookies of each host, follows
// redirects by status or by page, and fills in the provider's forms. http and https of loopback, and names with TLS that
// stand for loopback.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { text } from "node:stream/consumers";
import { PASSWORD, formOf, isConsent, isLogin } from "../edge/browser.mjs";

const HOPS = 30;
const ca = readFileSync(new URL("tls/authority.pem", import.meta.url));

/**
 * How the user behaves. With `form` the first request posts these fields. `isEnd` ends the walk.
 *
 * @typedef {object} Options
 * @property {string} [login]
 * @property {string} [password]
 * @property {string} [decision]
 * @property {Record<string, string>} [form]
 * @property {(url: URL) => boolean} [isEnd]
 */

/** @typedef {{ url: URL, status: number, headers: http.IncomingHttpHeaders, body: string }} Page */

export class Browser {
  #issuer;
  /** The cookies of each host name: pairs of name and value. As in browsers, all ports of a host share them. */
  #cookies = new Map();

  constructor(issuer) {
    this.#issuer = new URL(issuer);
  }

  /**
   * Opens a URL. Signs in and consents as needed, and follows every redirect. Returns the last page. It stops before the
   * request of a URL that `isEnd` accepts, and before a URL of another scheme; the page is then that URL alone.
   *
   * @param {string | URL} target
   * @param {Options} [options]
   * @returns {Promise<Page | { url: URL, status?: undefined, headers?: undefined, body?: undefined }>}
   */
  async visit(target, options = {}) {
    const { form } = options;
    let request = { url: new URL(target), method: form ? "POST" : "GET", form };
    for (let hops = 0; hops < HOPS; hops++) {
      if (!/^https?:$/.test(request.url.protocol) || options.isEnd?.(request.url)) return { url: request.url };
      const page = await this.send(request);
      request = this.#next(page, request, options);
      if (!request) return page;
    }
    return assert.fail(`more than ${HOPS} redirects`);
  }

  /** Signs in and consents. Returns the URL with the authorization response, without requesting it. */
  async signIn(authorizationUrl, options = {}) {
    const isEnd = ({ origin }) => origin !== this.#issuer.origin;
    const { url, status, body } = await this.visit(authorizationUrl, { isEnd, ...options });
    assert.ok(isEnd(url), `the provider answers ${status}: ${body}`);
    return url;
  }

  /** The request that follows a page, if one does. */
  #next(page, { method, form }, { login = "alice", password = PASSWORD, decision = "allow" }) {
    const isProvider = page.url.origin === this.#issuer.origin;
    const to = (target, rest = {}) => ({ url: new URL(target, page.url), method: "GET", form: undefined, ...rest });
    if (page.headers.location) {
      return to(page.headers.location, page.status === 307 || page.status === 308 ? { method, form } : {});
    }
    // The error of a client that nobody vouches for waits on a page. This user knows the client.
    const error = isProvider && /<a [^>]*data-to="client" href="([^"]*)"/.exec(page.body)?.[1];
    if (error) return to(error.replaceAll("&#38;", "&").replaceAll("&amp;", "&"));
    if (page.status !== 200) return undefined;
    const refresh = refreshTarget(page);
    if (refresh) return to(refresh);
    if (!isProvider || !page.body.includes("<form")) return undefined;
    const { action, fields } = formOf(page);
    const submit = (filled = {}) => to(action, { method: "POST", form: { ...fields, ...filled } });
    if (isLogin(page)) return page.body.includes('role="alert"') ? undefined : submit({ login, password });
    if (isConsent(page)) return submit({ decision });
    // The page of response_mode=form_post, which a script submits.
    return new URL(action, page.url).origin === page.url.origin ? undefined : submit();
  }

  /** Sends one request. @returns {Promise<Page>} */
  async send({ url, method = "GET", form = undefined }) {
    const cookie = [...this.#jar(url)].map(([name, value]) => `${name}=${value}`).join("; ");
    const body = form && String(new URLSearchParams(form));
    const response = await request(url, {
      method,
      headers: {
        accept: "text/html,*/*;q=0.8", "accept-language": "en", "user-agent": "Mozilla/5.0 (tests)",
        ...(cookie && { cookie }),
        ...(body !== undefined && {
          "content-type": "application/x-www-form-urlencoded", "content-length": Buffer.byteLength(body),
        }),
      },
    }, body);
    for (const line of response.headers["set-cookie"] ?? []) this.#keep(url, line);
    return { url, status: response.statusCode, headers: response.headers, body: await text(response) };
  }

  /** The cookies of a host. */
  #jar({ hostname }) {
    if (!this.#cookies.has(hostname)) this.#cookies.set(hostname, new Map());
    return this.#cookies.get(hostname);
  }

  /** Stores or deletes a cookie. */
  #keep(url, line) {
    const [pair, ...attributes] = line.split(/; */);
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
    const expires = attributes.find((one) => /^expires=/i.test(one))?.slice("expires=".length);
    const isGone = attributes.some((one) => /^max-age=(0|-)/i.test(one)) || Date.parse(expires) < Date.now();
    if (isGone) this.#jar(url).delete(name);
    else this.#jar(url).set(name, value);
  }
}

/**
 * Sends a request to this machine: every host name is loopback. Returns the response.
 *
 * @returns {Promise<http.IncomingMessage>}
 */
function request(url, options, body) {
  const { hostname } = url;
  const isName = !/^(localhost|127\.|\[)/.test(hostname);
  const there = isName ? { hostname: "127.0.0.1", servername: hostname, setHost: false } : {};
  const headers = isName ? { ...options.headers, host: url.host } : options.headers;
  return new Promise((resolve, reject) => {
    const { request: send } = url.protocol === "https:" ? https : http;
    const sent = send(url, { ...options, ...there, headers, ca }, resolve);
    sent.on("error", (error) => reject(new Error(`${url.origin}: ${error.message}`, { cause: error })));
    sent.end(body);
  });
}

/** The target of a page that redirects by itself: by the header `Refresh`, or by an element of the page. */
function refreshTarget({ headers, body }) {
  const tag = /<meta\b[^>]*http-equiv="?refresh"?[^>]*>/i.exec(body)?.[0];
  const inPage = /content="([^"]*)"/i.exec(tag ?? "")?.[1].replaceAll("&amp;", "&");
  const [, target] = /^\s*\d+\s*[;,]\s*url=["']?([^"']*)/i.exec(headers.refresh ?? inPage ?? "") ?? [];
  return target;
}
