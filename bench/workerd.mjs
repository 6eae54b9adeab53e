// Bundles, configures and starts one worker in its own workerd, and reads its CPU time and memory.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { Failure, root } from "../scripts/steps.mjs";
import { within } from "./failures.mjs";
import { FORWARDED_PROTO } from "./load.mjs";

const out = join(root, "build", "bench");
const workerd = join(root, "node_modules", ".bin", "workerd");

/**
 * Bundles an entry as wrangler does: not minified, with the wasm as a separate module. The entry imports `documents` as
 * "bench:documents". Returns the folder, its modules and their gzipped size.
 */
export async function bundle(name, entry, documents = undefined) {
  const { build } = await import("esbuild");
  // The folder is unique to the name.
  const folder = join(out, encodeURIComponent(name));
  mkdirSync(folder, { recursive: true });
  const wasm = [];
  await build({
    entryPoints: [join(root, entry)], outfile: join(folder, "index.js"), bundle: true, format: "esm",
    target: "esnext", conditions: ["workerd", "worker", "browser"], external: ["cloudflare:*", "node:*"],
    define: { "process.env.NODE_ENV": '"production"' }, logLevel: "error",
    plugins: [{
      name: "bench",
      setup(plugin) {
        plugin.onResolve({ filter: /\.wasm$/ }, ({ path, resolveDir }) => {
          wasm.push(basename(path));
          writeFileSync(join(folder, basename(path)), readFileSync(join(resolveDir, path)));
          return { path: `./${basename(path)}`, external: true };
        });
        plugin.onResolve({ filter: /^bench:documents$/ }, ({ path }) => ({ path, namespace: "bench" }));
        plugin.onLoad({ filter: /.*/, namespace: "bench" }, () => ({ contents: JSON.stringify(documents), loader: "json" }));
      },
    }],
  });
  const modules = ["index.js", ...wasm];
  return { folder, modules, gzipped: gzipSync(Buffer.concat(modules.map((name) => readFileSync(join(folder, name))))).length };
}

/** The configuration: the modules, their bindings, and the ports of D1 and KV. */
function configure({ modules }, { texts, kv = "KV", flags = [] }, { d1, kv: kvPort }) {
  const list = (items) => `[${items.join(", ")}]`;
  const text = (value) => JSON.stringify(value);
  const bindings = [
    ...Object.entries(texts).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
    `(name = ${text(kv)}, kvNamespace = "kv")`,
    `(name = "DB", wrapped = (moduleName = "cloudflare-internal:d1-api",
       innerBindings = [(name = "fetcher", service = "d1")]))`,
  ];
  const types = { ".wasm": "wasm", ".data": "data" };
  const embedded = modules.map((name) =>
    `(name = ${text(name)}, ${types[extname(name)] ?? "esModule"} = embed ${text(name)})`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (modules = ${list(embedded)}, compatibilityDate = "2026-10-20",
      compatibilityFlags = ${list(flags.map(text))}, bindings = ${list(bindings)})),
    (name = "d1", external = (address = "127.0.0.1:${d1}", http = ())),
    (name = "kv", external = (address = "127.0.0.1:${kvPort}", http = ())),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", service = "main",
    http = (forwardedProtoHeader = "${FORWARDED_PROTO}"))],
);
`;
}

/** Starts workerd on a bundle. Resolves when it listens. `isInspected` adds the port of its `inspector`. */
export async function start(bundled, settings, ports, { isInspected = false } = {}) {
  const file = join(bundled.folder, "config.capnp");
  writeFileSync(file, configure(bundled, settings, ports));
  const begin = performance.now();
  const inspection = isInspected ? ["--inspector-addr=127.0.0.1:0"] : [];
  const child = spawn(workerd, ["serve", "--experimental", "--control-fd=3", ...inspection, file], {
    stdio: ["ignore", "ignore", "pipe", "pipe"], cwd: bundled.folder,
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => { errors = (errors + text).slice(-4_000); });
  const ended = new Promise((resolve) => child.on("close", resolve));
  const listening = new Promise((resolve, reject) => {
    let events = "";
    /** @type {import("node:stream").Readable} */ (child.stdio[3]).setEncoding("utf8").on("data", (text) => {
      events += text;
      const lines = events.split("\n").slice(0, -1).map((line) => JSON.parse(line));
      const ports = Object.fromEntries(lines.map(({ event, port }) => [event, port]));
      if (ports.listen && (ports["listen-inspector"] || !isInspected)) resolve(ports);
    });
    child.on("close", () => reject(new Failure(`workerd ended: ${errors}`)));
  });
  const { listen, "listen-inspector": inspector } = await within(START_LIMIT, listening, () => {
    for (const pid of [...childrenOf(child.pid), child.pid]) process.kill(pid, "SIGKILL");
  });
  // The child that runs workerd may be the npm package's script, which starts the program itself.
  const pid = childrenOf(child.pid)[0] ?? child.pid;
  return {
    port: listen, inspector, begin, pid,
    errors: () => errors,
    ...readings(pid),
    ...endings((signal) => process.kill(pid, signal), ended),
  };
}

/** The longest start of a process, in seconds. */
export const START_LIMIT = 30;
/** The time for a process to stop by itself, in seconds. */
const STOP_LIMIT = 5;

/** Functions that end a process: `send` sends it a signal, and `ended` resolves when it has ended. */
export function endings(send, ended) {
  let hasEnded = false;
  void ended.then(() => { hasEnded = true; });
  const signal = (name) => {
    // The number of a process that has ended can be another's.
    if (hasEnded) return;
    try {
      send(name);
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
  };
  return {
    kill: () => signal("SIGKILL"),
    async stop() {
      signal("SIGTERM");
      // A paused process ignores SIGTERM.
      await within(STOP_LIMIT, ended, () => signal("SIGKILL")).catch(() => ended);
    },
  };
}

/** The child processes of a process, by any of its threads. */
export const childrenOf = (pid) => readdirSync(`/proc/${pid}/task`).flatMap((task) =>
  readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number));

/** Functions that read a process's CPU time and memory from /proc. */
export const readings = (pid) => ({
  cpu: () => cpu(pid),
  /** Resident memory in bytes. */
  memory: () => Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s*(\d+)/)[1]) * 1024,
});

/** The CPU time of all threads of a process, user and system, in microseconds. */
function cpu(pid) {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
  }
  return nanoseconds / 1_000;
}
