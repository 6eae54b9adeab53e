// Client assertions with each algorithm of SubtleCrypto, the documents that the provider fetches from clients, and the
// URLs that it must not fetch.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { SignJWT } from "jose";
import * as openid from "openid-client";
import { ISSUER, start, until } from "./harness.mjs";
import { listen, makeKey } from "./client_server.mjs";
import { Browser, authorizePath, putClient, putUser, redirectTarget, assertError } from "./browser.mjs";

const caller = {
  name: "caller", main: "tests/edge/caller_worker.mjs", compatibility_date: "2026-10-20",
  services: [{ binding: "POSTERN", service: "postern-with-faults" }],
};

let postern;
let clientServer;
before(async () => {
  clientServer = await listen();
  postern = await start({ vars: { ALLOW_LOOPBACK: "true" }, others: [{ config: caller }] });
  await postern.keysMade();
  await putUser(postern.operator, "alice");
});
after(async () => {
  await postern.close();
  await clientServer.close();
});

let made = 0;

/** An assertion with this key, whose claims differ from the usual by `claims`. */
const assertion = ({ alg, kid, privateKey }, clientId, claims = {}) =>
  new SignJWT({ jti: `assertion-${made++}`, ...claims })
    .setProtectedHeader({ alg, kid }).setIssuer(clientId).setSubject(clientId).setAudience(ISSUER)
    .setIssuedAt().setExpirationTime("1m").sign(privateKey);

/** A token request with an unknown code: after a successful authentication the error is invalid_grant. */
const form = (text) => new URLSearchParams({
  client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", client_assertion: text,
  grant_type: "authorization_code", code: "none", redirect_uri: "https://app.example/cb",
});

const present = async (text) => postern.fetch("/auth/token", { method: "POST", body: form(text) });

const put = (id, metadata) =>
  putClient(postern.operator, id, { token_endpoint_auth_method: "private_key_jwt", ...metadata });

for (const alg of ["ES256", "EdDSA", "PS256", "RS256"]) {
  test(`openid-client signs in and refreshes with private_key_jwt, ${alg}`, async () => {
    const key = await makeKey(alg, "key-1");
    const app = await put(`app-${alg.toLowerCase()}`, {
      jwks: { keys: [key.jwk] }, redirect_uris: ["https://app.example/cb"], token_endpoint_auth_signing_alg: alg,
    });
    assert.equal(app.client_secret, undefined);
    const options = { execute: [openid.enableNonRepudiationChecks], [openid.customFetch]: postern.fetch };
    const method = openid.PrivateKeyJwt({ key: key.privateKey, kid: key.kid });
    const config = await openid.discovery(new URL(ISSUER), app.client_id, {}, method, options);

    const browser = new Browser(postern.fetch);
    const verifier = openid.randomPKCECodeVerifier();
    const target = authorizePath(app, {
      scope: "openid offline_access", code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    });
    const page = await browser.authorize(target, "alice");
    const url = redirectTarget(page);
    const checks = { pkceCodeVerifier: verifier, expectedState: "the state", expectedNonce: "the nonce" };
    const tokens = await openid.authorizationCodeGrant(config, url, checks);
    assert.equal(tokens.claims().sub, "alice");
    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal(refreshed.claims().sub, "alice");
  });
}

test("one of fifty concurrent uses of an assertion succeeds", async () => {
  const key = await makeKey("ES256", "key-1");
  await put("once", { jwks: { keys: [key.jwk] } });
  const text = await assertion(key, "once");
  const statuses = await Promise.all(Array.from({ length: 50 }, async () => (await present(text)).status));
  assert.equal(statuses.filter((status) => status === 400).length, 1);
  assert.equal(statuses.filter((status) => status === 401).length, 49);
});

test("a client's keys are fetched from its jwks_uri once", async () => {
  const key = await makeKey("RS256", "fetched");
  clientServer.json("/jwks.json", { keys: [key.jwk] });
  await put("fetching", { jwks_uri: clientServer.url("/jwks.json") });
  for (let time = 0; time < 3; time++) await assertError(await present(await assertion(key, "fetching")), "invalid_grant");
  assert.deepEqual(clientServer.takePaths(), ["/jwks.json"]);
});

test("fifty requests at once are served by one fetch in an isolate without the keys, and forged ones cause none", async () => {
  const key = await makeKey("ES256", "key-1");
  const stranger = await makeKey("ES256", "forged");
  const jwks = JSON.stringify({ keys: [key.jwk] });
  clientServer.pages.set("/cold", (response) => setTimeout(() => {
    response.writeHead(200, { "content-type": "application/json" }).end(jwks);
  }, 200));
  await put("cold", { jwks_uri: clientServer.url("/cold") });
  const send = async (signer, count) => {
    const texts = await Promise.all(Array.from({ length: count }, () => assertion(signer, "cold")));
    const bodies = await Promise.all(texts.map(async (text) => (await present(text)).json()));
    return bodies.map(({ error }) => error);
  };
  clientServer.takePaths();
  assert.deepEqual(await send(key, 50), Array(50).fill("invalid_grant"));
  assert.deepEqual(clientServer.takePaths(), ["/cold"]);

  const [forged, good] = await Promise.all([send(stranger, 50), send(key, 50)]);
  assert.deepEqual([forged, good], [Array(50).fill("invalid_client"), Array(50).fill("invalid_grant")]);
  assert.deepEqual(clientServer.takePaths(), []);
});

test("a fetch of keys ends and counts although its caller has disconnected", async () => {
  const key = await makeKey("ES256", "key-1");
  const jwks = JSON.stringify({ keys: [key.jwk] });
  const fetched = new Promise((resolve) => clientServer.pages.set("/held", resolve));
  clientServer.pages.set("/fetched", async (response) => {
    await fetched;
    response.end();
  });
  await put("gone", { jwks_uri: clientServer.url("/held") });
  clientServer.takePaths();
  const caller = await postern.server.getWorker("caller").fetch(`${ISSUER}/auth/token`, {
    method: "POST", body: form(await assertion(key, "gone")), headers: { "wait-for": clientServer.url("/fetched") },
  });
  assert.equal(await caller.text(), "AbortError");
  (await fetched).writeHead(200, { "content-type": "application/json" }).end(jwks);

  const uses = postern.env.DB.prepare("SELECT count(*) AS count FROM client_assertions WHERE client_id = 'gone'");
  assert.deepEqual(await until(() => uses.first(), ({ count }) => count === 1), { count: 1 });
  await assertError(await present(await assertion(key, "gone")), "invalid_grant");
  assert.deepEqual(clientServer.takePaths().sort(), ["/fetched", "/held"]);
});

test("a body that arrives more than thirty seconds after its request began is refused", async () => {
  const key = await makeKey("ES256", "key-1");
  await put("holding", { jwks: { keys: [key.jwk] } });
  for (const [seconds, error] of [[29, "invalid_grant"], [31, "the body took longer than 30 seconds"]]) {
    clientServer.pages.set("/later", async (response) => {
      await postern.setClockAhead(seconds);
      response.end();
    });
    const body = form(await assertion(key, "holding"));
    const response = await postern.server.getWorker("caller").fetch(`${ISSUER}/auth/token`, {
      method: "POST", body, headers: { "wait-for": clientServer.url("/later"), "hold-body": "true" },
    });
    await postern.setClockAhead(0);
    assert.match(await response.text(), new RegExp(`^400 .*${error}`));
  }
  assert.deepEqual(clientServer.takePaths(), ["/later", "/later"]);
});

test("a signature of another size is wrong, and a key of small order is refused", async () => {
  for (const alg of ["ES256", "EdDSA", "PS256", "RS256"]) {
    const key = await makeKey(alg, "key-1");
    await put(`sizes-${alg.toLowerCase()}`, { jwks: { keys: [key.jwk] } });
    for (const size of [0, 1, 63, 65, 255, 257, 512]) {
      const text = await assertion(key, `sizes-${alg.toLowerCase()}`);
      const signature = Buffer.alloc(size, 1).toString("base64url");
      const response = await present(text.replace(/[^.]*$/, signature));
      await assertError(response, "invalid_client", 401);
    }
  }
  const small = { kty: "OKP", crv: "Ed25519", x: `AQ${"A".repeat(41)}` };
  const { status, body } = await postern.operator("PUT", "/admin/clients/small", {
    redirect_uris: ["https://app.example/cb"], token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [small] },
  });
  assert.equal(status, 400);
  assert.match(body.error_description, /^jwks: must have a key/);
});

test("a jwks_uri that returns no keys fails, and nothing else is fetched", async () => {
  const key = await makeKey("ES256", "key-1");
  const good = JSON.stringify({ keys: [key.jwk] });
  const json = { "content-type": "application/json" };
  const rows = {
    "/missing": (response) => response.writeHead(404, json).end(good),
    "/empty": (response) => response.writeHead(204).end(),
    "/html": (response) => response.writeHead(200, { "content-type": "text/html" }).end(good),
    "/typeless": (response) => response.writeHead(200).end(good),
    "/jwt": (response) => response.writeHead(200, { "content-type": "application/jwt" }).end(good),
    "/huge": (response) => response.writeHead(200, json).end(good + " ".repeat(65_537)),
    "/endless": (response) => {
      response.writeHead(200, json);
      const more = setInterval(() => response.write(" ".repeat(16_384)), 1);
      response.on("close", () => clearInterval(more));
    },
    "/latin1": (response) => response.writeHead(200, json).end(Buffer.from([0x7b, 0xff, 0x7d])),
    "/doubled": (response) => response.writeHead(200, json).end('{"keys":[],"keys":[]}'),
    "/secret": (response) => response.writeHead(200, json).end(JSON.stringify({ keys: [{ ...key.jwk, d: "AA" }] })),
  };
  const unavailable = {
    "/broken": (response) => response.writeHead(500, json).end(good),
    "/busy": (response) => response.writeHead(429, json).end(good),
    "/cut": (response) => {
      response.writeHead(200, { ...json, "content-length": 10_000 }).write("{");
      setTimeout(() => response.destroy(), 20);
    },
  };
  for (const [path, page] of Object.entries({ ...rows, ...unavailable })) {
    clientServer.pages.set(path, page);
    const id = `bad${path.replace("/", "-")}`;
    await put(id, { jwks_uri: clientServer.url(path) });
    const response = await present(await assertion(key, id));
    assert.equal(response.status, path in unavailable ? 503 : 401, `${path}: ${await response.text()}`);
    assert.equal(response.headers.get("retry-after"), path in unavailable ? "10" : null);
    assert.deepEqual(clientServer.takePaths(), [path]);
  }
});

// The harness fetches through a proxy that always follows redirects, so this test starts workerd itself.
test("no redirect is followed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "postern-"));
  copyFileSync(new URL("../../src/cloudflare/platform.mjs", import.meta.url), join(folder, "platform.mjs"));
  writeFileSync(join(folder, "worker.mjs"), `import { fetchDocument } from "platform.mjs";
    const fetched = async (request) => new Response(await fetchDocument(new URL(request.url).searchParams.get("url"), "*/*", 100, 5_000));
    export default { fetch: fetched };`);
  writeFileSync(join(folder, "config.capnp"), `using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (
      services = [
        (name = "main", worker = (compatibilityDate = "2026-10-20", modules = [
          (name = "worker.mjs", esModule = embed "worker.mjs"), (name = "platform.mjs", esModule = embed "platform.mjs"),
        ])),
        (name = "internet", network = (allow = ["public", "private", "local"])),
      ],
      sockets = [(name = "http", address = "127.0.0.1:0", service = "main", http = ())],
    );`);
  const workerd = spawn("node_modules/.bin/workerd", ["serve", "--control-fd=3", join(folder, "config.capnp")], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)), stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  try {
    const [line] = await once(workerd.stdio[3], "data");
    const { port } = JSON.parse(String(line).split("\n")[0]);
    clientServer.json("/target", {});
    for (const status of [301, 302, 303, 307, 308]) {
      for (const location of ["/target", clientServer.url("/target")]) {
        clientServer.pages.set("/moved", (response) => response.writeHead(status, { location }).end("{}"));
        const response = await fetch(`http://127.0.0.1:${port}/?url=${encodeURIComponent(clientServer.url("/moved"))}`);
        assert.equal(/** @type {any} */ (await response.json()).status, status);
        assert.deepEqual(clientServer.takePaths(), ["/moved"]);
      }
    }
  } finally {
    workerd.kill();
    await once(workerd, "close");
    rmSync(folder, { recursive: true });
  }
});

test("280 forged assertions in five seconds cause one fetch, and the failure of the client's server is a warning", async () => {
  const stranger = await makeKey("ES256", "forged");
  clientServer.pages.set("/down", (response) => response.writeHead(500).end());
  await put("stormed", { jwks_uri: clientServer.url("/down") });
  clientServer.takePaths();
  postern.server.clearLogs();
  for (let time = 0; time < 7; time++) {
    const texts = await Promise.all(Array.from({ length: 40 }, () => assertion(stranger, "stormed")));
    const statuses = await Promise.all(texts.map(async (text) => (await present(text)).status));
    assert.deepEqual(statuses, Array(40).fill(503));
  }
  assert.deepEqual(clientServer.takePaths(), ["/down"]);
  const logged = () => postern.server.getLogs().filter(({ message }) => message.startsWith('{"endpoint":"token"'));
  const lines = await until(logged, ({ length }) => length === 280);
  assert.equal(lines.length, 280);
  for (const { level, message } of lines) {
    assert.ok(level === "warn" && !message.includes('"notes"') && message.includes("127.0.0.1"), `${level} ${message}`);
  }
});

test("a jwks_uri whose body does not end fails after five seconds, for all that wait for it", async () => {
  const key = await makeKey("ES256", "key-1");
  clientServer.pages.set("/slow", (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const more = setInterval(() => response.write(" "), 100);
    response.on("close", () => clearInterval(more));
  });
  await put("slow", { jwks_uri: clientServer.url("/slow") });
  clientServer.takePaths();
  const begin = Date.now();
  const texts = await Promise.all(Array.from({ length: 20 }, () => assertion(key, "slow")));
  await Promise.all(texts.map(async (text) => assertError(await present(text), "temporarily_unavailable", 503)));
  assert.deepEqual(clientServer.takePaths(), ["/slow"]);
  const taken = Date.now() - begin;
  assert.ok(taken > 4_000 && taken < 9_000, `${taken} ms`);
});

test("every unsafe jwks_uri is refused, and none is fetched", async () => {
  const guarded = await start();
  const { port } = clientServer;
  clientServer.takePaths();
  const hosts = [
    // Spellings of this machine's addresses.
    `127.0.0.1:${port}`, `127.1:${port}`, `127.0.1:${port}`, `127.255.255.254:${port}`, `2130706433:${port}`,
    `017700000001:${port}`, `0177.0.0.1:${port}`, `0x7f000001:${port}`, `0x7f.0.0.1:${port}`, `0X7F.1:${port}`,
    `127.0.0.1.:${port}`, `0:${port}`, `0.0.0.0:${port}`, `127.0x1:${port}`, `127.00.00.01:${port}`,
    `[::1]:${port}`, `[::]:${port}`, `[0:0:0:0:0:0:0:1]:${port}`, `[::ffff:127.0.0.1]:${port}`,
    `[::ffff:7f00:1]:${port}`, `[64:ff9b::7f00:1]:${port}`, `[2002:7f00:1::]:${port}`, `[::127.0.0.1]:${port}`,
    `localhost:${port}`, `LOCALHOST:${port}`, `localhost.:${port}`, `app.localhost:${port}`, `localhost.localdomain:${port}`,
    // Private networks and metadata services.
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "[fd00::1]", "[fe80::1%25eth0]",
    "2852039166", "metadata.google.internal", "printer.local", "router.lan", "nas.home.arpa", "intranet", "db.internal",
    "service.intranet", "name.invalid", "name.onion",
    // User information, encoded characters and wrong ports.
    `app.example@127.0.0.1:${port}`, `app.example:pass@127.0.0.1:${port}`, `127.0.0.1:${port}@app.example`,
    `app.example%40127.0.0.1:${port}`, `127.0.0.1%00.app.example:${port}`, `app.example\\@127.0.0.1:${port}`,
    `127.0.0.1:${port}#@app.example`, `127。0。0。1:${port}`, `①②⑦.0.0.1:${port}`, `127.0.0.1:${port}?.app.example`,
    `app.example:99999`, `app.example:0`, `app.example:-1`, `app..example`, `-app.example`, `app_1.example`, "", ":443",
    `app.example:${port}:${port}`, `%6c%6f%63%61%6c%68%6f%73%74:${port}`,
  ];
  const urls = [
    ...hosts.map((host) => `https://${host}/jwks.json`),
    `http://127.0.0.1:${port}/jwks.json`, "http://app.example/jwks.json", "ftp://app.example/jwks.json",
    "file:///etc/passwd", "data:application/json,{}", "//app.example/jwks.json", "/jwks.json", "jwks.json", "https:app.example",
    "https:/app.example/jwks.json", " https://app.example/", "https://app.example/\n", "HTTPS://app.example/jwks.json",
    `https://app.example/${"x".repeat(2_048)}`, "javascript:fetch(1)", "blob:https://app.example/1",
  ];
  assert.ok(urls.length >= 60, `${urls.length}`);
  for (const [number, url] of urls.entries()) {
    const { status, body } = await guarded.operator("PUT", `/admin/clients/row-${number}`, {
      redirect_uris: ["https://app.example/cb"], token_endpoint_auth_method: "private_key_jwt", jwks_uri: url,
    });
    assert.equal(status, 400, `${url}: ${JSON.stringify(body)}`);
    assert.match(body.error_description, /^jwks_uri: must/, url);
  }
  // A URL that is in the database all the same is not fetched either.
  const key = await makeKey("ES256", "key-1");
  const app = await putClient(guarded.operator, "smuggled", {
    token_endpoint_auth_method: "private_key_jwt", jwks_uri: "https://app.example/jwks.json",
  });
  for (const url of urls) {
    await guarded.env.DB.prepare("UPDATE clients SET metadata = json_set(metadata, '$.jwks_uri', ?1) WHERE client_id = ?2")
      .bind(url, app.client_id).run();
    const response = await guarded.fetch("/auth/token", {
      method: "POST",
      body: new URLSearchParams({
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", grant_type: "authorization_code",
        client_assertion: await assertion(key, app.client_id),
      }),
    });
    await assertError(response, "invalid_client", 401);
  }
  assert.deepEqual(clientServer.takePaths(), []);
  await guarded.close();
});
