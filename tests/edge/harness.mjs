// The built module in workerd, on real KV and D1, through wrangler's test harness.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { once } from "node:events";
import http from "node:http";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { createTestHarness } from "wrangler";

// Otherwise miniflare stores a trace of each request and of each statement, in the process of the worker under test.
process.env.X_LOCAL_OBSERVABILITY = "false";

export const ISSUER = "https://login.example.com";
export const ADMIN_TOKEN = "the-operators-own-token-0123456789abcdef";
export const KEY_ENCRYPTION_KEY = Buffer.alloc(32, 7).toString("base64url");

/** The variables and secrets of a worker. Sets every one, so that no .dev.vars applies. */
export const settings = (vars = {}, secrets = {}) => ({
  vars: { ISSUER, ...vars },
  secrets: { ADMIN_TOKEN, KEY_ENCRYPTION_KEY, ...secrets },
});

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * A response whose JSON may have any shape, because a test that reads a missing field fails anyway.
 * @typedef {Omit<Response, "json"> & { json(): Promise<any> }} TestResponse
 * @typedef {(target: string | URL, init?: any) => Promise<TestResponse>} Fetch
 */

/** Sends requests with the operator's token. */
export const operatorApi = (/** @type {Fetch} */ fetch) => async (method, path, body = undefined) => {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const response = await fetch(path, { method, headers, body: typeof body === "object" ? JSON.stringify(body) : body });
  return { status: response.status, body: await response.json() };
};

/** Sends commands to the fault injection of a worker. Returns its report. */
const faultInjection = (/** @type {Fetch} */ fetch) => async (/** @type {import("./fault_injection.mjs").Command} */ command) => {
  const response = await fetch("/test/faults", { method: "POST", body: JSON.stringify(command) });
  return response.json();
};

/**
 * Starts a worker, with its migrations applied.
 * @param {{ config?: string, vars?: object, secrets?: object, others?: any[] }} options
 */
export async function start({ config = "wrangler.toml", vars, secrets, others = [] } = {}) {
  const server = createTestHarness({
    root: here("../.."), workers: [{ configPath: here(config), ...settings(vars, secrets) }, ...others],
  });
  const { url } = await server.listen();
  const worker = server.getWorker();
  await worker.applyD1Migrations("DB");
  const env = await worker.getEnv();

  /** Fetches a path or a URL of the issuer, without wrangler's proxy, which takes as long. @type {Fetch} */
  const fetch = (target, init = {}) => /** @type {Promise<any>} */ (
    worker.fetch(new URL(target, ISSUER), { redirect: "manual", ...init, headers: { ...init.headers } }));

  const operator = operatorApi(fetch);

  let memoryBytes;
  let handlesHeld;
  let faultsInjected;
  let otherCalls;
  let tasksRunning;
  /**
   * Replaces the injected faults. Returns the calls of each binding since the previous command.
   * @param {import("./fault_injection.mjs").Command} command
   */
  const inject = async (command) => {
    const { memory, handles, faults, others, deferred, ...counts } = await faultInjection(fetch)(command);
    memoryBytes = memory;
    handlesHeld = handles;
    otherCalls = others;
    faultsInjected = faults;
    tasksRunning = deferred;
    return { DB: 0, KV: 0, promises: 0, ...counts };
  };

  return {
    env,
    server,
    url,
    fetch,
    operator,
    inject,
    /** The number of faults between the last two commands. */
    faultsInjected: () => faultsInjected,
    /** The calls of the rate limiter and of the platform's functions between the last two commands. */
    otherCalls: () => otherCalls,
    /** Ends all faults. Returns the calls of each binding since the previous command. */
    takeCounts: () => inject({}),
    /** Makes every call of these bindings fail. */
    failBindings: (...failing) => inject({ failing }),
    /** Makes the calls of a binding fail after this number of successes. */
    failBindingAfter: (binding, callsBeforeFailure) => inject({ failing: [binding], callsBeforeFailure }),
    /** Holds back the results of these bindings until the next command. Returns the counts, as takeCounts does. */
    holdBindings: (...held) => inject({ held }),
    /** Sets the worker's clock ahead by this number of seconds. */
    setClockAhead: (ahead) => inject({ ahead }),
    /** Runs the maintenance, as the scheduled event does. */
    maintain: () => maintain(worker),
    /** The module's memory at the last command, in bytes. */
    memoryBytes: () => memoryBytes,
    /** The places for JavaScript values that the module had at the last command. */
    handles: () => handlesHeld,
    /** The number of deferred tasks that ran at the last command. */
    tasksRunning: () => tasksRunning,
    async putAlice() {
      const claims = { name: "Alice Adams", email: "alice@example.com", email_verified: true, groups: ["staff"] };
      return operator("PUT", "/admin/users/alice", { login: "Alice", claims });
    },
    async mint(scope = "openid profile email", sub = "alice") {
      return (await operator("POST", "/admin/tokens", { sub, scope })).body;
    },
    userinfo: (token, init = {}) =>
      fetch("/auth/userinfo", { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } }),
    /** Waits for the key of every algorithm: the RSA key is made after the first response. */
    keysMade: () => keysMade(fetch),
    close: () => server.close(),
  };
}

/** Sends a worker the scheduled event. */
async function maintain(worker) {
  assert.equal((await worker.scheduled({ cron: "*/5 * * * *" })).outcome, "ok");
}

/** Whether a line of the log has a fault, or is none of a request and no event that informs. */
export const isFault = (line) =>
  line.includes('"notes"') || !/^{"(endpoint"|event":"\w+","level":"information")/.test(line);

/** Waits for the key of every algorithm, and returns the published keys. */
export async function keysMade(fetch) {
  const published = async () => (await (await fetch("/auth/jwks.json")).json()).keys;
  const keys = await until(published, ({ length }) => length === 2);
  assert.deepEqual(keys.map(({ alg }) => alg).sort(), ["ES256", "RS256"]);
  return keys;
}

const isolates = [];
after(() => Promise.all(isolates.map((server) => server.close())));

/**
 * Starts workers that share one D1 and one KV: each is a cold isolate. They stop after the file's tests.
 *
 * - `secretsOf` returns the secrets of an isolate that differ from the usual
 * - with `hasFaults` each takes the commands of fault_injection.mjs
 *
 * @param {number} count
 * @param {{ vars?: object, secretsOf?: (index: number) => object, hasFaults?: boolean }} options
 */
export async function startIsolates(count, { vars = {}, secretsOf = () => ({}), hasFaults = false } = {}) {
  const names = Array.from({ length: count }, (_, index) => `isolate-${index}`);
  const config = {
    main: hasFaults ? "tests/edge/fault_injection_worker.mjs" : "src/cloudflare/entry.mjs",
    compatibility_date: "2026-10-20",
    kv_namespaces: [{ binding: "KV", id: "shared" }],
    d1_databases: [{ binding: "DB", database_name: "shared", database_id: "shared", migrations_dir: "migrations" }],
  };
  const server = createTestHarness({
    root: here("../.."),
    workers: names.map((name, index) => ({ config: { name, ...config }, ...settings(vars, secretsOf(index)) })),
  });
  isolates.push(server);
  const { url } = await server.listen();
  await server.getWorker(names[0]).applyD1Migrations("DB");
  return Promise.all(names.map(async (name) => {
    const worker = server.getWorker(name);
    /** @type {Fetch} */
    const fetch = (target, init) => /** @type {Promise<any>} */ (
      worker.fetch(new URL(target, ISSUER), { redirect: "manual", ...init }));
    return {
      env: await worker.getEnv(), url, fetch, operator: operatorApi(fetch), inject: faultInjection(fetch),
      maintain: () => maintain(worker),
    };
  }));
}

/**
 * Sends a request with exactly these headers, including repeated ones, which `fetch` would join.
 * @param {URL} url
 * @param {{ method?: string, headers?: [string, string][], body?: string }} request
 */
export async function fetchRaw(url, { method = "GET", headers = [], body }) {
  const length = body === undefined || body === null ? [] : ["content-length", String(Buffer.byteLength(body))];
  const request = http.request(url, { method, headers: ["host", url.host, ...headers.flat(), ...length] });
  request.end(body ?? undefined);
  /** @type {[http.IncomingMessage]} */
  const [response] = /** @type {any} */ (await once(request, "response"));
  const chunks = await response.toArray();
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

/** Forwards a request to the worker, and its response back after `lag` milliseconds. */
export function forward(url, request, response, lag = 0) {
  const { method, url: path } = request;
  // With another host, wrangler's proxy would rewrite the URLs of that host, without their https.
  const headers = { ...request.headers, host: url.host };
  const forwarded = http.request(new URL(path, url), { method, headers }, (received) => {
    setTimeout(() => {
      response.writeHead(received.statusCode, received.rawHeaders);
      received.pipe(response);
    }, lag);
  });
  forwarded.on("error", () => response.destroy());
  request.pipe(forwarded);
}

export const vectors = (name) => JSON.parse(readFileSync(here(`../vectors/${name}`), "utf8"));

/**
 * Calls `read` until `isRight` accepts its result, for a minute at most, because the machine may be busy. Returns the
 * last result.
 */
export async function until(read, isRight) {
  for (const end = Date.now() + 60_000; ;) {
    const result = await read();
    if (isRight(result) || Date.now() > end) return result;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
