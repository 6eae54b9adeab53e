// wrangler as a program: its commands, and wrangler dev, which stores its state in a folder.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { operatorApi, settings, until } from "./harness.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = join(root, "node_modules/.bin/wrangler");
const quiet = { WRANGLER_SEND_METRICS: "false", CI: "true", CLOUDFLARE_CF_FETCH_ENABLED: "false" };
const options = { cwd: root, env: { ...process.env, ...quiet } };

/** Runs a command of wrangler, and returns its output. */
export async function wrangler(args, cwd = root) {
  const { stdout } = await promisify(execFile)(program, args, { ...options, cwd });
  return stdout;
}

const running = [];
process.on("exit", () => running.forEach((machine) => machine.kill()));

/**
 * Starts wrangler dev with these options, in its own process group, so that all its processes can be killed at once.
 *
 * @param {string[]} args
 */
export async function startDev(args, cwd = root) {
  const { vars, secrets } = settings();
  const variables = Object.entries({ ...vars, ...secrets }).flatMap(([name, value]) => ["--var", `${name}:${value}`]);
  const ports = ["--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"];
  const child = spawn(program, ["dev", ...args, ...ports, ...variables], {
    ...options, cwd, stdio: ["ignore", "pipe", "pipe"], detached: true,
  });
  let log = "";
  for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", (text) => { log += text; });
  const ownProcesses = () => processes().filter(({ group }) => group === child.pid);
  let isOn = true;
  const machine = {
    ownProcesses,
    isOn: () => isOn,
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
  running.push(machine);
  const [, url] = (await until(() => /Ready on (http:\S+)/.exec(log), Boolean)) ?? assert.fail(log);
  /** @type {import("./harness.mjs").Fetch} */
  const fetch = (target, init) => {
    const { pathname, search } = new URL(target, url);
    return globalThis.fetch(url + pathname + search, { redirect: "manual", signal: AbortSignal.timeout(20_000), ...init });
  };
  return Object.assign(machine, { fetch, operator: operatorApi(fetch) });
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
