// Response headers for browsers: cookies, policies and cross-origin access.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ISSUER, fetchRaw, start } from "./harness.mjs";
import {
  PASSWORD, Browser, authorizePath, formOf, formPostRequest, successJson, isConsent, isLogin, putClient, putUser, redeem,
} from "./browser.mjs";

const LOOPBACK = "http://localhost:8787";
const workers = {};

before(async () => {
  for (const issuer of [ISSUER, LOOPBACK]) {
    workers[issuer] = await start({ vars: { ISSUER: issuer } });
    await putUser(workers[issuer].operator, "alice");
  }
});
after(() => Promise.all(Object.values(workers).map((worker) => worker.close())));

/** The cookies of a response, one for each Set-Cookie header. Posts `fields`, if there are any. */
async function fetchCookies(url, cookie = "", fields = undefined) {
  /** @type {[string, string][]} */
  const headers = [["content-type", "application/x-www-form-urlencoded"], ["cookie", cookie]];
  const post = fields && { method: "POST", body: String(new URLSearchParams(fields)) };
  const response = await fetchRaw(url, { headers, ...post });
  return (response.headers["set-cookie"] ?? []).map((line) => {
    const [pair, ...attributes] = line.split("; ");
    const [name, value] = pair.split("=");
    return { name, value, attributes };
  });
}

for (const { issuer, prefix, secure } of [
  { issuer: ISSUER, prefix: "__Host-postern-", secure: ["Secure"] },
  { issuer: LOOPBACK, prefix: "postern-", secure: [] },
]) {
  test(`${issuer} sets each cookie in its own header, with the right attributes`, async () => {
    const { fetch, operator, url } = workers[issuer];
    const browser = new Browser(fetch, { issuer });
    const path = authorizePath(await putClient(operator));
    const common = ["Path=/", ...secure, "HttpOnly", "SameSite=Lax"];
    const [first, ...others] = await fetchCookies(new URL(path, url));
    assert.deepEqual([first.name, first.attributes, others], [`${prefix}browser.${first.value.slice(0, 8)}`, common, []]);

    const page = await browser.get(path);
    const { action, fields } = formOf(page);
    assert.ok(action.startsWith(`${issuer}/`));
    const [[name, id]] = browser.cookies;
    const cookie = `${name}=${id}`;
    const filled = { ...fields, login: "alice", password: PASSWORD };
    const set = await fetchCookies(new URL(new URL(action).pathname, url), cookie, filled);
    assert.deepEqual(set.map(({ name, attributes }) => [name, attributes]), [
      [`${prefix}session`, common], [`${prefix}device`, [...common, "Max-Age=34560000"]],
    ]);
    assert.match(set[0].value, /^[\w-]{43}$/);

    assert.ok(isConsent(await browser.signInOn(page, "alice")), "a browser with these cookies continues");
    assert.equal(browser.cookies.size, 3);
  });
}

test("the token endpoint sets no cookie and allows scripts of any origin, with credentials too", async () => {
  const { fetch, operator } = workers[ISSUER];
  const alice = new Browser(fetch);
  const app = await putClient(operator, "spa");
  const code = await alice.codeFor(app, "alice");
  const response = await redeem(fetch, app, code);
  const refusals = [await redeem(fetch, app, code), await redeem(fetch, { ...app, client_secret: "x" }, code)];
  assert.deepEqual(refusals.map(({ status }) => status), [400, 401]);
  for (const { headers } of [response, ...refusals]) {
    assert.deepEqual(headers.getSetCookie(), []);
    assert.equal(headers.get("access-control-allow-origin"), "*");
    assert.equal(headers.get("access-control-allow-credentials"), null);
    assert.equal(headers.get("cache-control"), "no-store");
    assert.equal(headers.get("pragma"), "no-cache");
  }
  assert.ok((await successJson(response)).id_token);

  const headers = {
    origin: "https://spa.example",
    "access-control-request-method": "POST", "access-control-request-headers": "authorization",
  };
  const preflight = await fetch("/auth/token", { method: "OPTIONS", headers });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-origin"), headers.origin);
  assert.equal(preflight.headers.get("access-control-allow-credentials"), "true");
  assert.match(preflight.headers.get("access-control-allow-methods"), /\bPOST\b/);
  assert.equal(preflight.headers.get("access-control-allow-headers"), "*, Authorization, authorization");
});

test("no page allows framing or another origin, and each has the policy that it needs", async () => {
  const { fetch, operator } = workers[ISSUER];
  const alice = new Browser(fetch);
  const app = await putClient(operator, "pages");
  const path = authorizePath(app, { response_mode: "form_post" });
  const login = await alice.get(path);
  const wrong = await alice.signInOn(login, "alice", "not the password");
  const consent = await alice.signInOn(wrong, "alice");
  const formPost = await alice.submit(consent, { decision: "allow" });
  assert.ok(isLogin(wrong) && isConsent(consent) && formPostRequest(formPost));
  const account = await alice.get("/auth/account");
  const error = await alice.get("/auth/authorize?client_id=nobody");
  assert.deepEqual([account.status, error.status], [200, 400]);
  for (const page of [login, wrong, consent, formPost, account, error]) {
    const { headers } = page;
    assert.equal(headers.get("content-type"), "text/html; charset=utf-8");
    assert.equal(headers.get("cache-control"), "no-store");
    assert.equal(headers.get("access-control-allow-origin"), null);
    const policy = headers.get("content-security-policy");
    assert.match(policy, /^default-src 'none'; frame-ancestors 'none'; base-uri 'none'; style-src 'sha256-[^']+'; img-src 'self'; form-action /);
    assert.equal(/script-src 'sha256-[^']+'/.test(policy), page === formPost, policy);
    assert.doesNotMatch(policy, /unsafe|\*/);
    assert.equal(headers.get("x-frame-options"), "DENY");
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("referrer-policy"), page === formPost ? "origin" : "same-origin");
  }
  for (const target of [path, "/auth/login", "/auth/consent", "/auth/account"]) {
    const headers = { origin: "https://spa.example", "access-control-request-method": "POST" };
    const response = await fetch(target, { method: "OPTIONS", headers });
    assert.equal(response.status, 405, target);
    assert.equal(response.headers.get("access-control-allow-origin"), null, target);
  }
});
