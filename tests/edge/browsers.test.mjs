// What browsers are told beside the pages: cookies, policies, and who may read what from another origin.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ISSUER, askRaw, start } from "./harness.mjs";
import {
  PASSWORD, Visitor, authorizePath, formOf, formPostAnswer, granted, isConsent, isLogin, putApp, putUser, redeem,
} from "./visitor.mjs";

const LOOPBACK = "http://localhost:8787";
const workers = {};

before(async () => {
  for (const issuer of [ISSUER, LOOPBACK]) {
    workers[issuer] = await start({ vars: { ISSUER: issuer } });
    await putUser(workers[issuer].operator, "alice");
  }
});
after(() => Promise.all(Object.values(workers).map((worker) => worker.close())));

/** What the provider sets when it is asked over a plain connection, header by header. */
async function cookiesRaw(url, { cookie, fields } = {}) {
  const headers = [["content-type", "application/x-www-form-urlencoded"], ...(cookie ? [["cookie", cookie]] : [])];
  const asked = { headers, ...(fields && { method: "POST", body: String(new URLSearchParams(fields)) }) };
  const { headers: told } = await askRaw(url, asked);
  return (told["set-cookie"] ?? []).map((line) => {
    const [pair, ...attributes] = line.split("; ");
    const [name, value] = pair.split("=");
    return { name, value, attributes };
  });
}

for (const [issuer, prefix, secure] of [
  [ISSUER, "__Host-postern-", ["Secure"]], [LOOPBACK, "postern-", []],
]) {
  test(`every cookie of ${issuer} comes in a header of its own, with the attributes that suit it`, async () => {
    const { ask, operator, url } = workers[issuer];
    const visitor = new Visitor(ask, { issuer });
    const path = authorizePath(await putApp(operator));
    const common = ["Path=/", ...secure, "HttpOnly", "SameSite=Lax"];
    const [browser, ...none] = await cookiesRaw(new URL(path, url));
    assert.deepEqual([browser.name, browser.attributes, none], [`${prefix}browser`, common, []]);

    const page = await visitor.get(path);
    const { action, fields } = formOf(page);
    assert.ok(action.startsWith(`${issuer}/`));
    const cookie = `${prefix}browser=${visitor.cookies.get(`${prefix}browser`)}`;
    const filled = { ...fields, login: "alice", password: PASSWORD };
    const set = await cookiesRaw(new URL(new URL(action).pathname, url), { cookie, fields: filled });
    assert.deepEqual(set.map(({ name, attributes }) => [name, attributes]), [
      [`${prefix}session`, common], [`${prefix}device`, [...common, "Max-Age=34560000"]],
    ]);
    assert.match(set[0].value, /^[\w-]{43}$/);

    assert.ok(isConsent(await visitor.signInOn(page, "alice")), "and a browser that keeps them gets on");
    assert.equal(visitor.cookies.size, 3);
  });
}

test("the token endpoint sets no cookie and may be asked by scripts of any origin, preflight included", async () => {
  const { ask, operator } = workers[ISSUER];
  const alice = new Visitor(ask);
  const app = await putApp(operator, "spa");
  const code = await alice.codeFor(app, "alice");
  const response = await redeem(ask, app, code);
  const refusals = [await redeem(ask, app, code), await redeem(ask, { ...app, client_secret: "x" }, code)];
  assert.deepEqual(refusals.map(({ status }) => status), [400, 401]);
  for (const told of [response, ...refusals]) {
    assert.deepEqual(told.headers.getSetCookie(), []);
    assert.equal(told.headers.get("access-control-allow-origin"), "*");
    assert.equal(told.headers.get("access-control-allow-credentials"), null);
    assert.equal(told.headers.get("cache-control"), "no-store");
    assert.equal(told.headers.get("pragma"), "no-cache");
  }
  assert.ok((await granted(response)).id_token);

  const preflight = { "access-control-request-method": "POST", "access-control-request-headers": "authorization" };
  const told = await ask("/auth/token", { method: "OPTIONS", headers: { origin: "https://spa.example", ...preflight } });
  assert.equal(told.status, 204);
  assert.equal(told.headers.get("access-control-allow-origin"), "*");
  assert.match(told.headers.get("access-control-allow-methods"), /\bPOST\b/);
  assert.match(told.headers.get("access-control-allow-headers"), /Authorization.*Content-Type/i);
});

test("no page may be read from another origin or framed, and each has a policy for what it needs", async () => {
  const { ask, operator } = workers[ISSUER];
  const alice = new Visitor(ask);
  const app = await putApp(operator, "pages");
  const path = authorizePath(app, { response_mode: "form_post" });
  const login = await alice.get(path);
  const wrong = await alice.signInOn(login, "alice", "not the password");
  const consent = await alice.signInOn(wrong, "alice");
  const formPost = await alice.submit(consent, { decision: "allow" });
  assert.ok(isLogin(wrong) && isConsent(consent) && formPostAnswer(formPost));
  const account = await alice.get("/auth/account");
  const error = await alice.get("/auth/authorize?client_id=nobody");
  assert.deepEqual([account.status, error.status], [200, 400]);
  for (const page of [login, wrong, consent, formPost, account, error]) {
    const { headers } = page;
    assert.equal(headers.get("content-type"), "text/html; charset=utf-8");
    assert.equal(headers.get("cache-control"), "no-store");
    assert.equal(headers.get("access-control-allow-origin"), null);
    const policy = headers.get("content-security-policy");
    assert.match(policy, /^default-src 'none'; frame-ancestors 'none'; base-uri 'none'; style-src 'sha256-[^']+'; form-action /);
    assert.equal(/script-src 'sha256-[^']+'/.test(policy), page === formPost, policy);
    assert.doesNotMatch(policy, /unsafe|\*/);
    assert.equal(headers.get("x-frame-options"), "DENY");
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("referrer-policy"), page === formPost ? "origin" : "same-origin");
  }
  for (const target of [path, "/auth/login", "/auth/consent", "/auth/account"]) {
    const headers = { origin: "https://spa.example", "access-control-request-method": "POST" };
    const told = await ask(target, { method: "OPTIONS", headers });
    assert.equal(told.status, 405, target);
    assert.equal(told.headers.get("access-control-allow-origin"), null, target);
  }
});
