// The built module in workerd, on real KV and D1, through wrangler's test harness.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http from "node:http";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { createTestHarness } from "wrangler";

export const ISSUER = "https://login.example.com";
export const ADMIN_TOKEN = "the-operators-own-token-0123456789abcdef";
export const KEY_ENCRYPTION_KEY = Buffer.alloc(32, 7).toString("base64url");

/** What every worker of these tests is told. All of it, so that no .dev.vars leaks in. */
export const settings = (vars = {}, secrets = {}) => ({
  vars: { ISSUER, ...vars },
  secrets: { ADMIN_TOKEN, KEY_ENCRYPTION_KEY, ...secrets },
});

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Asks as the operator. */
export const operatorAt = (ask) => async (method, path, body) => {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const response = await ask(path, { method, headers, body: typeof body === "object" ? JSON.stringify(body) : body });
  return { status: response.status, body: await response.json() };
};

/** A running worker with its migrations applied, and ways to ask it. */
export async function start({ config = "wrangler.toml", vars, secrets, others = [] } = {}) {
  const server = createTestHarness({
    root: here("../.."), workers: [{ configPath: here(config), ...settings(vars, secrets) }, ...others],
  });
  const { url } = await server.listen();
  const worker = server.getWorker();
  await worker.applyD1Migrations("DB");
  const env = await worker.getEnv();

  /** Asks for a path, or any URL of the issuer's. */
  const ask = (target, init = {}) =>
    server.fetch(new URL(target, ISSUER), { redirect: "manual", ...init, headers: { ...init.headers } });

  const operator = operatorAt(ask);

  let memoryBytes;
  const watch = async (order) => {
    const response = await ask("/test/watch", { method: "POST", body: JSON.stringify(order) });
    const { memory, ...counts } = await response.json();
    memoryBytes = memory;
    return { DB: 0, KV: 0, promises: 0, ...counts };
  };

  return {
    env,
    server,
    url,
    ask,
    operator,
    /** Tells the bindings which of them fail from now on; returns what they were asked since the last time. */
    watch: (...failing) => watch({ failing }),
    /** Tells a binding to fail after it has answered so many times. */
    watchUntil: (binding, spared) => watch({ failing: [binding], spared }),
    /** The bytes of memory that the module had at the last order. */
    memory: () => memoryBytes,
    /** Holds back what these bindings answer, until the next order; returns what was asked since the last one. */
    hold: (...held) => watch({ held }),
    /** Puts the worker's clock ahead by so many seconds. */
    sleep: (ahead) => watch({ ahead }),
    async putAlice() {
      const claims = { name: "Alice Adams", email: "alice@example.com", email_verified: true, groups: ["staff"] };
      return operator("PUT", "/admin/users/alice", { login: "Alice", claims });
    },
    async mint(scope = "openid profile email", sub = "alice") {
      return (await operator("POST", "/admin/tokens", { sub, scope })).body;
    },
    userinfo: (token, init = {}) =>
      ask("/auth/userinfo", { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } }),
    /** Waits until every algorithm has its key: the RSA key is made after the first response. */
    keysMade: () => keysMade(ask),
    close: () => server.close(),
  };
}

/** The published keys, once there is one for every algorithm. */
export async function keysMade(ask) {
  const look = async () => (await (await ask("/auth/jwks.json")).json()).keys;
  const keys = await until(look, ({ length }) => length === 2);
  assert.deepEqual(keys.map(({ alg }) => alg).sort(), ["ES256", "RS256"]);
  return keys;
}

const isolates = [];
after(() => Promise.all(isolates.map((server) => server.close())));

/** Workers that share one D1 and one KV: as many isolates, cold, until the file's tests are over. */
export async function startIsolates(count) {
  const names = Array.from({ length: count }, (_, index) => `isolate-${index}`);
  const config = {
    main: "src/cloudflare/entry.mjs",
    compatibility_date: "2026-10-20",
    kv_namespaces: [{ binding: "KV", id: "shared" }],
    d1_databases: [{ binding: "DB", database_name: "shared", database_id: "shared", migrations_dir: "migrations" }],
  };
  const server = createTestHarness({
    root: here("../.."), workers: names.map((name) => ({ config: { name, ...config }, ...settings() })),
  });
  isolates.push(server);
  await server.listen();
  await server.getWorker(names[0]).applyD1Migrations("DB");
  return Promise.all(names.map(async (name) => {
    const worker = server.getWorker(name);
    const ask = (target, init) => worker.fetch(new URL(target, ISSUER), { redirect: "manual", ...init });
    return { env: await worker.getEnv(), ask, operator: operatorAt(ask) };
  }));
}

/**
 * Asks with headers exactly as given, doubled ones included, which no fetch would send. `headers` is a
 * list of [name, value].
 */
export function askRaw(url, { method = "GET", headers = [], body }) {
  return new Promise((resolve, reject) => {
    const length = body === undefined || body === null ? [] : [["content-length", Buffer.byteLength(body)]];
    const request = http.request(url, { method, headers: [["host", url.host], ...headers, ...length].flat() });
    request.on("error", reject);
    request.on("response", async (response) => {
      const chunks = await response.toArray();
      resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() });
    });
    request.end(body ?? undefined);
  });
}

export const vectors = (name) => JSON.parse(readFileSync(here(`../vectors/${name}`), "utf8"));

/** What `look` gives once it is right, for what happens after a response: looked at for ten seconds at the most. */
export async function until(look, isRight) {
  for (let tries = 0; ; tries++) {
    const seen = await look();
    if (isRight(seen) || tries === 1_000) return seen;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
