// Users outlive the module: what was granted before a power cut holds after it. wrangler dev keeps the state in
// a folder; workerd, which writes it, is killed without a warning.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as jose from "jose";
import { operatorAt, settings, until } from "./harness.mjs";
import { Visitor, authorizePath, granted, putApp, putUser, queryAnswer, redeem, refresh, refused } from "./visitor.mjs";

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

/** wrangler dev on the folder, in a process group of its own, with what it takes to end all of that at once. */
async function boot() {
  const { vars, secrets } = settings();
  const told = Object.entries({ ...vars, ...secrets }).flatMap(([name, value]) => ["--var", `${name}:${value}`]);
  const ports = ["--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"];
  const child = spawn(wrangler, ["dev", ...state, ...ports, ...told], {
    ...options, stdio: ["ignore", "pipe", "pipe"], detached: true,
  });
  let log = "";
  for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", (text) => { log += text; });
  const members = () => processes().filter(({ group }) => group === child.pid);
  let isOn = true;
  const machine = {
    members,
    /** Ends every process of it by SIGKILL, workerd first, which gets no time to put anything in order. */
    kill() {
      if (!isOn) return; // By now its ids may be somebody else's.
      isOn = false;
      for (const { id } of members().filter(({ name }) => name === "workerd")) kill(id);
      kill(-child.pid);
    },
    async cutPower() {
      machine.kill();
      assert.deepEqual(await until(members, ({ length }) => length === 0), []);
    },
  };
  machines.push(machine);
  const [, url] = (await until(() => /Ready on (http:\S+)/.exec(log), (found) => found)) ?? assert.fail(log);
  const ask = (target, init) => {
    const { pathname, search } = new URL(target, url);
    return fetch(url + pathname + search, { redirect: "manual", signal: AbortSignal.timeout(20_000), ...init });
  };
  return { ...machine, ask, operator: operatorAt(ask) };
}

function kill(id) {
  try {
    process.kill(id, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** What runs on this machine, as Linux tells it; what has ended and was not yet waited for is left out. */
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

const skip = process.platform !== "linux" && "it finds workerd by what Linux tells of processes";

test("sessions, grants, refresh tokens and keys outlive a SIGKILL of workerd", { skip }, async () => {
  const first = await boot();
  await putUser(first.operator, "alice", { name: "Alice Adams" });
  const app = await putApp(first.operator);
  const asked = { scope: "openid profile offline_access" };
  const alice = new Visitor(first.ask);
  const code = await alice.codeFor(app, "alice", { ...asked, prompt: "consent" });
  const tokens = await granted(await redeem(first.ask, app, code));
  const spent = await alice.codeFor(app, "alice");
  await granted(await redeem(first.ask, app, spent));
  const unspent = await alice.codeFor(app, "alice", asked);
  const { keys } = await (await first.ask("/auth/jwks.json")).json();

  assert.ok(first.members().some(({ name }) => name === "workerd"));
  await first.cutPower();
  await assert.rejects(first.ask("/auth/jwks.json"));

  const { ask } = await boot();
  // The session.
  const back = new Visitor(ask);
  back.cookies = alice.cookies;
  const silent = queryAnswer(await back.get(authorizePath(app, { ...asked, prompt: "none" })));
  const again = await granted(await redeem(ask, app, silent.code));
  // The access token, and its grant.
  const response = await ask("/auth/userinfo", { headers: { authorization: `Bearer ${tokens.access_token}` } });
  assert.deepEqual(await granted(response), { sub: "alice", name: "Alice Adams" });
  // The refresh token.
  const refreshed = await granted(await refresh(ask, app, tokens.refresh_token));
  const ids = [tokens, again, refreshed].map(({ id_token: token }) => jose.decodeJwt(token));
  assert.deepEqual(new Set(ids.map(({ sid }) => sid)).size, 1, "it is the same session to the client");
  assert.deepEqual(new Set(ids.map(({ auth_time: time }) => time)).size, 1);
  // Codes: the one that was in flight is good, the one that was used is not.
  await granted(await redeem(ask, app, unspent));
  await refused(await redeem(ask, app, spent), "invalid_grant");
  // The keys.
  assert.deepEqual((await (await ask("/auth/jwks.json")).json()).keys, keys);
});
