// Keys, signatures and texts of odd shapes, at which SubtleCrypto, D1, KV or Headers may throw: the module in workerd
// returns the statuses of the native tests, and logs no fault.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { putClient } from "../edge/browser.mjs";
import { ISSUER, isFault, start, until, vectors } from "../edge/harness.mjs";

const { keys, requests, signatures } = vectors("odd_shapes.json");

let postern;
before(async () => {
  postern = await start({ vars: { REGISTRATION: "open" } });
  await postern.keysMade();
});
after(() => postern.close());

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** An assertion of the client `odd` with this signature. */
function assertion(alg, signature, number) {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: "odd", sub: "odd", aud: ISSUER, jti: `odd-${number}`, iat: now, exp: now + 60 };
  return `${encode({ alg })}.${encode(claims)}.${signature}`;
}

/** Fails if the log has a line that is not one of a request, or a fault. */
async function assertNoFault(count) {
  await postern.fetch("/the-last-line");
  const lines = () => postern.server.getLogs().map(({ message }) => message);
  const isLast = (all) => all.findLastIndex((line) => line.includes('"endpoint":"none"')) > 0;
  const all = await until(lines, isLast);
  assert.ok(all.length > count, `${all.length} lines`);
  assert.deepEqual(all.filter(isFault).slice(0, 5), []);
  postern.server.clearLogs();
}

test(`${keys.length} keys with ${signatures.length} signatures each are treated as natively`, async () => {
  for (const { alg, key, statuses } of keys) {
    const stored = await postern.operator("PUT", "/admin/clients/odd", {
      redirect_uris: ["https://app.example/cb"], token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [key] },
    });
    const found = [stored.status];
    if (stored.status === 200) {
      const sent = signatures.map((signature, number) => postern.fetch("/auth/token", {
        method: "POST",
        body: new URLSearchParams({
          client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", grant_type: "authorization_code",
          client_assertion: assertion(alg, signature, number), code: "none", redirect_uri: "https://app.example/cb",
        }),
      }));
      found.push([...new Set((await Promise.all(sent)).map(({ status }) => status))]);
    }
    assert.deepEqual(found, statuses, JSON.stringify(key).slice(0, 200));
  }
  await assertNoFault(keys.length);
});

test(`${requests.length} requests with odd texts get the same statuses as natively`, async () => {
  await putClient(postern.operator, "odd");
  const check = async ({ method, path, text, status }, number) => {
    const type = text.startsWith("{") ? "application/json" : "application/x-www-form-urlencoded";
    // The requests of one address are limited.
    const headers = { "cf-connecting-ip": `198.51.100.${number % 250}` };
    const response = method === "GET"
      ? await postern.fetch(`${path}?${text}`, { headers })
      : await postern.fetch(path, { method, body: text, headers: { "content-type": type, ...headers } });
    assert.equal(response.status, status, `${method} ${path} ${text.slice(0, 200)}: ${await response.text()}`);
  };
  for (let begin = 0; begin < requests.length; begin += 50) {
    await Promise.all(requests.slice(begin, begin + 50).map((request, index) => check(request, begin + index)));
  }
  await assertNoFault(requests.length);
});
