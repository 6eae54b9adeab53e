// The hostile requests of the native tests to authorize and token, and those of strangers, at the edge.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ISSUER, fetchRaw, start, vectors } from "../edge/harness.mjs";

const workers = [];
after(() => Promise.all(workers.map((worker) => worker.close())));

const unescape = (text) =>
  text.replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(code));

const checkParameters = (pairs, { error, state }) => {
  const parameters = Object.fromEntries(pairs);
  assert.equal(pairs.length, Object.keys(parameters).length, "duplicate parameter");
  const { code, error_description: description, ...rest } = parameters;
  const expected = { iss: ISSUER };
  if (error !== null) expected.error = error;
  if (state !== null) expected.state = state;
  assert.deepEqual(rest, expected);
  assert.equal(description !== undefined, error !== null);
  assert.equal(code?.length, error === null ? 43 : undefined);
};

/** Checks the URL of an authorization response. An error in the query has a fragment, so that the browser adds none. */
const checkUrl = (url, expected) => {
  const inFragment = expected.to.endsWith("#");
  const separator = inFragment ? "" : expected.to.includes("?") ? "&" : "?";
  const begin = `${expected.to}${separator}`;
  assert.ok(url.startsWith(begin), url);
  const rest = url.slice(begin.length);
  assert.equal(rest.endsWith("#_"), expected.error !== null && !inFragment, url);
  checkParameters([...new URLSearchParams(rest.replace(/#_$/, ""))], expected);
};

const hiddenFields = (body) => {
  const inputs = body.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g);
  return [...inputs].map(([, name, value]) => [unescape(name), unescape(value)]);
};

const formAction = (body) => unescape(/<form method="post" action="([^"]*)"/.exec(body)[1]);

/** The checks of a response, by the kind that the row expects. */
const checks = {
  by_get({ status, headers }, expected) {
    assert.deepEqual([status, headers.location], [303, `${ISSUER}/auth/authorize?${expected.query}`]);
  },
  asks_to_sign_out({ status, headers, body }, expected) {
    assert.deepEqual([status, headers.location, headers.refresh], [expected.status, undefined, undefined]);
    assert.equal(formAction(body), `${ISSUER}/auth/signout`);
    assert.ok(body.includes(expected.words));
  },
  leaves({ status, headers }, expected) {
    assert.deepEqual([status, headers.location], [303, expected.to]);
  },
  links({ status, headers, body }, expected) {
    assert.deepEqual([status, headers.location, headers.refresh], [200, undefined, undefined]);
    assert.ok(!body.includes("<form") && !body.includes("<script"));
    assert.equal(unescape(/data-to="client" href="([^"]*)"/.exec(body)[1]), expected.to);
  },
  revoked({ status, body }) {
    assert.deepEqual([status, body], [200, "{}"]);
  },
  introspected({ status, headers, body }, expected) {
    assert.deepEqual([status, headers["content-type"]], [200, "application/json"]);
    assert.equal(body, JSON.stringify(expected.body));
  },
  page({ status, headers, body }, expected) {
    assert.deepEqual([status, headers.location], [expected.status, undefined]);
    assert.ok(body.includes(expected.words) && !body.includes("<form"));
  },
  offered({ status, headers, body }, expected) {
    assert.deepEqual([status, headers.location, headers.refresh], [expected.status, undefined, undefined]);
    assert.equal(headers["set-cookie"], undefined);
    assert.ok(!body.includes("<script") && headers["x-frame-options"] === "DENY");
    const [, tag, rest] = /<(a|button)[^>]* data-to="client"([^>]*)>/.exec(body);
    assert.equal(tag, expected.by_form ? "button" : "a");
    if (expected.by_form) {
      assert.equal(formAction(body), expected.to);
      checkParameters(hiddenFields(body), expected);
    } else {
      assert.ok(!body.includes("<form"));
      checkUrl(unescape(/href="([^"]*)"/.exec(rest)[1]), expected);
    }
  },
  post({ status, headers, body }, expected) {
    assert.deepEqual([status, headers.location], [200, undefined]);
    assert.equal(formAction(body), expected.to);
    checkParameters(hiddenFields(body), expected);
  },
  redirect({ status, headers }, expected) {
    assert.equal(status, 303);
    assert.equal(headers["set-cookie"], undefined);
    checkUrl(headers.location, expected);
  },
  refused({ status, headers, body }, expected) {
    const { error, error_description: description } = JSON.parse(body);
    assert.deepEqual([status, error], [expected.status, expected.error]);
    assert.ok(description.includes(expected.words), description);
    assert.equal(headers["www-authenticate"], status === 401 ? `Basic realm="${ISSUER}"` : undefined);
  },
  shown({ status, headers, body }, expected) {
    assert.deepEqual([status, headers.location], [200, undefined]);
    assert.ok(body.includes(`action="${ISSUER}/`));
    for (const text of expected.holds) assert.ok(body.includes(text), text);
    for (const text of expected.lacks) assert.ok(!body.includes(text), text);
  },
  tokens({ status, body }, expected) {
    const { scope, refresh_token: refreshToken, access_token: accessToken } = JSON.parse(body);
    assert.deepEqual([status, scope, refreshToken !== undefined], [200, expected.scope, expected.refreshable]);
    assert.ok(accessToken);
  },
};

for (const name of ["authorize", "device", "logout", "strangers", "taken_back", "token"]) {
  const table = vectors(`${name}.json`);
  test(`the ${table.rows.length} hostile requests of ${name}.json get the same responses as in native tests`, async () => {
    const worker = await start();
    workers.push(worker);
    const { DB } = worker.env;
    await DB.batch(table.seed.map((sql) => DB.prepare(sql)));
    await DB.prepare("UPDATE sessions SET auth_time = unixepoch(), used_at = unixepoch()").run();
    for (const row of table.rows) {
      const response = await fetchRaw(new URL(row.target, worker.url), row);
      try {
        checks[row.answer.kind](response, row.answer);
        assert.equal(response.headers["cache-control"], "no-store");
        const isJson = ["revoked", "introspected", "refused", "tokens"].includes(row.answer.kind);
        const isOpen = isJson && !row.target.startsWith("/auth/device");
        assert.equal(response.headers["access-control-allow-origin"], isOpen ? "*" : undefined);
        const found = row.after.length > 0 ? await DB.batch(row.after.map(([sql]) => DB.prepare(sql))) : [];
        const counts = found.map(({ results: [counted] }) => Object.values(counted)[0]);
        assert.deepEqual(counts, row.after.map(([, count]) => count), JSON.stringify(row.after));
      } catch (error) {
        const { status, headers, body } = response;
        error.message = `${row.name}: ${status} ${JSON.stringify(headers)} ${body}\n${error.message}`;
        throw error;
      }
    }
  });
}
