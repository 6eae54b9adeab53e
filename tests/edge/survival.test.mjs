// The state survives a power cut. wrangler dev stores it in a folder, and workerd, which writes it, is killed by
// SIGKILL.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as jose from "jose";
import { operatorApi, settings, until } from "./harness.mjs";
import { Browser, authorizePath, successJson, putClient, putUser, responseParameters, redeem, refresh, assertError } from "./browser.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const CONFIG = ["--local", "--config", "tests/edge/wrangler.toml"];
const wrangler = join(root, "node_modules/.bin/wrangler");
const quiet = { WRANGLER_SEND_METRICS: "false", CI: "true", CLOUDFLARE_CF_FETCH_ENABLED: "false" };
const options = { cwd: root, env: { ...process.env, ...quiet } };

const folder = mkdtempSync(join(tmpdir(), "postern-survival-"));
const state = [...CONFIG, "--persist-to", folder];
const machines = [];

before(() => promisify(execFile)(wrangler, ["d1", "migrations", "apply", "DB", ...state], options));
after(async () => {
  for (const machine of machines) await machine.cutPower();
  rmSync(folder, { recursive: true });
});
process.on("exit", () => machines.forEach((machine) => machine.kill()));

/** Starts wrangler dev on the folder, in its own process group, so that all its processes can be killed at once. */
async function boot() {
  const { vars, secrets } = settings();
  const variables = Object.entries({ ...vars, ...secrets }).flatMap(([name, value]) => ["--var", `${name}:${value}`]);
  const ports = ["--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"];
  const child = spawn(wrangler, ["dev", ...state, ...ports, ...variables], {
    ...options, stdio: ["ignore", "pipe", "pipe"], detached: true,
  });
  let log = "";
  for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", (text) => { log += text; });
  const ownProcesses = () => processes().filter(({ group }) => group === child.pid);
  let isOn = true;
  const machine = {
    ownProcesses,
    /** Kills every process by SIGKILL, workerd first, so that it cannot write anything when wrangler ends. */
    kill() {
      if (!isOn) return; // Other processes may have these ids by now.
      isOn = false;
      for (const { id } of ownProcesses().filter(({ name }) => name === "workerd")) kill(id);
      kill(-child.pid);
    },
    async cutPower() {
      machine.kill();
      assert.deepEqual(await until(ownProcesses, ({ length }) => length === 0), []);
    },
  };
  machines.push(machine);
  const [, url] = (await until(() => /Ready on (http:\S+)/.exec(log), (found) => found)) ?? assert.fail(log);
  /** @type {import("./harness.mjs").Fetch} */
  const fetch = (target, init) => {
    const { pathname, search } = new URL(target, url);
    return globalThis.fetch(url + pathname + search, { redirect: "manual", signal: AbortSignal.timeout(20_000), ...init });
  };
  return { ...machine, fetch, operator: operatorApi(fetch) };
}

function kill(id) {
  try {
    process.kill(id, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** The running processes of this machine, by /proc, without zombies. */
function processes() {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((id) => {
    try {
      const stat = readFileSync(`/proc/${id}/stat`, "utf8");
      const [, name, isOver, group] = /\((.*)\) (?:([ZX])|\S) \d+ (\d+)/s.exec(stat);
      return isOver ? [] : [{ id: Number(id), name, group: Number(group) }];
    } catch {
      return []; // It ended meanwhile.
    }
  });
}

const skip = process.platform !== "linux" && "it finds workerd by /proc";

test("sessions, grants, refresh tokens and keys survive a SIGKILL of workerd", { skip }, async () => {
  const first = await boot();
  await putUser(first.operator, "alice", { name: "Alice Adams" });
  const app = await putClient(first.operator);
  const parameters = { scope: "openid profile offline_access" };
  const alice = new Browser(first.fetch);
  const code = await alice.codeFor(app, "alice", { ...parameters, prompt: "consent" });
  const tokens = await successJson(await redeem(first.fetch, app, code));
  const redeemed = await alice.codeFor(app, "alice");
  await successJson(await redeem(first.fetch, app, redeemed));
  const unredeemed = await alice.codeFor(app, "alice", parameters);
  const { keys } = await (await first.fetch("/auth/jwks.json")).json();

  assert.ok(first.ownProcesses().some(({ name }) => name === "workerd"));
  await first.cutPower();
  await assert.rejects(first.fetch("/auth/jwks.json"));

  const { fetch } = await boot();
  // The session.
  const restarted = new Browser(fetch);
  restarted.cookies = alice.cookies;
  const silent = responseParameters(await restarted.get(authorizePath(app, { ...parameters, prompt: "none" })));
  const again = await successJson(await redeem(fetch, app, silent.code));
  // The access token, and its grant.
  const response = await fetch("/auth/userinfo", { headers: { authorization: `Bearer ${tokens.access_token}` } });
  assert.deepEqual(await successJson(response), { sub: "alice", name: "Alice Adams" });
  // The refresh token.
  const refreshed = await successJson(await refresh(fetch, app, tokens.refresh_token));
  const ids = [tokens, again, refreshed].map(({ id_token: token }) => jose.decodeJwt(token));
  assert.deepEqual(new Set(ids.map(({ sid }) => sid)).size, 1, "the session is the same");
  assert.deepEqual(new Set(ids.map(({ auth_time: time }) => time)).size, 1);
  // The codes: the unredeemed one is good, the redeemed one is not.
  await successJson(await redeem(fetch, app, unredeemed));
  await assertError(await redeem(fetch, app, redeemed), "invalid_grant");
  // The keys.
  assert.deepEqual((await (await fetch("/auth/jwks.json")).json()).keys, keys);
});
