// Measures the CPU time of userinfo by function, with V8's profiler through workerd's inspector, and counts the calls
// between JavaScript and wasm.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, step } from "../scripts/steps.mjs";
import { POSTERN } from "./contenders.mjs";
import { Load, request } from "./load.mjs";
import { machine, versions } from "./machine.mjs";
import { Target } from "./rounds.mjs";
import { DEFAULTS, ROUTES, makeTokens, route } from "./routes.mjs";
import { startStores } from "./stores.mjs";
import { bundle, start } from "./workerd.mjs";

const PROFILED = ["userinfo-new", "userinfo-seen"];
const PLAN = { requests: 8_000, warmUp: 4_000, connections: 8, users: 1_000, counted: 20 };
const IN_ALL = PLAN.requests + PLAN.warmUp;
/** The time between two samples, in microseconds. */
const INTERVAL = 100;
/** Functions below this limit are one row, in microseconds per request. */
const LEAST = 0.8;

/** Writes `results/profile.md`. */
export async function profile() {
  const stores = startStores();
  try {
    const { users } = PLAN;
    const tokens = await step("signing tokens", async () => makeTokens({ fresh: IN_ALL, forged: IN_ALL, users }));
    const open = async (entry, options) => {
      const store = await stores.open(entry);
      await store.fill({ users, redeemable: IN_ALL });
      const worker = await start(await bundle(entry, entry, {}), POSTERN.settings, store.ports, options);
      const target = new Target(POSTERN, worker, store, { ...DEFAULTS, tokens, etags: {}, users });
      for (const name of ["discovery", "jwks"]) {
        const { head } = await target.send(request("GET", target.paths[name]));
        target.etags[name] = head.match(/\r\netag: *(.*)/i)[1];
      }
      return target;
    };
    const inspected = await open("bench/profiled/entry.mjs", { isInspected: true });
    const profiles = [];
    for (const name of PROFILED) {
      profiles.push(await step(`profiling ${route(name).title}`, () => profileRoute(inspected, route(name))));
    }
    await inspected.worker.stop();
    const counting = await open("bench/profiled/counting.mjs");
    const crossings = await step("counting crossings", () => countCrossings(counting));
    await counting.worker.stop();

    const text = markdown(profiles, crossings, await versions());
    mkdirSync(join(root, "bench", "results"), { recursive: true });
    writeFileSync(join(root, "bench", "results", "profile.md"), text);
    console.log(text);
  } finally {
    stores.close();
  }
}

/** Microseconds per request by function: shares of the process's CPU time. */
async function profileRoute(target, route) {
  const load = new Load(target.worker.port, PLAN.connections);
  await load.run(target.requests(route, PLAN.warmUp), route.status);
  const inspector = await inspect(target.worker.inspector);
  await inspector.send("Profiler.enable");
  await inspector.send("Profiler.setSamplingInterval", { interval: INTERVAL });
  await inspector.send("Profiler.start");
  const before = target.worker.cpu();
  await load.run(target.requests(route, PLAN.requests), route.status);
  const cpu = (target.worker.cpu() - before) / PLAN.requests;
  const { profile } = await inspector.send("Profiler.stop");
  inspector.close();
  load.close();

  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const busy = profile.samples.map((id) => frames.get(id)).filter(({ functionName }) => functionName !== "(idle)");
  const functions = new Map();
  for (const frame of busy) {
    const { place, name } = describe(frame);
    const key = `${place}\0${name}`;
    functions.set(key, (functions.get(key) ?? 0) + cpu / busy.length);
  }
  const rows = [...functions].map(([key, microseconds]) => [...key.split("\0"), microseconds]);
  return { title: route.title, cpu, rows: rows.sort((one, other) => other[2] - one[2]) };
}

/** Connects to the inspector of a worker. */
async function inspect(port) {
  const [{ webSocketDebuggerUrl: url }] = /** @type {any} */ (
    await (await fetch(`http://127.0.0.1:${port}/json`)).json());
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => { Object.assign(socket, { onopen: resolve, onerror: reject }); });
  const waiting = new Map();
  socket.onmessage = ({ data }) => {
    const { id, result, error } = JSON.parse(data);
    const [resolve, reject] = waiting.get(id) ?? [];
    if (error) reject?.(new Error(error.message));
    else resolve?.(result);
  };
  let next = 0;
  return {
    send: (method, params) => new Promise((resolve, reject) => {
      waiting.set(++next, [resolve, reject]);
      socket.send(JSON.stringify({ id: next, method, params }));
    }),
    close: () => socket.close(),
  };
}

/** The place and the name of a function. */
function describe({ functionName: name, url }) {
  if (name === "(program)") return { place: "workerd: HTTP, sockets, promises", name: "outside of JavaScript and wasm" };
  if (name === "(garbage collector)") return { place: "V8", name: "garbage collection" };
  if (url.startsWith("wasm:")) {
    const plain = name.replace(/::h[0-9a-f]{16}\b/g, "").replaceAll("::{{closure}}", "");
    const isOurs = /\bpostern(?:\[|::)/.test(plain);
    return { place: isOurs ? "wasm: Postern" : "wasm: Rust's libraries", name: plain };
  }
  if (url.startsWith("cloudflare-internal:d1")) return { place: "the D1 binding, JavaScript", name: name || "anonymous" };
  if (url.startsWith("node-internal:") || url.startsWith("cloudflare-internal:")) return { place: "workerd's own JavaScript", name: name || "anonymous" };
  if (url === "") return { place: "the platform's functions (Web APIs, SubtleCrypto, V8's builtins)", name: name || "anonymous" };
  return { place: "JavaScript: bindings and platform.mjs", name: name || "anonymous" };
}

/** The calls between JavaScript and wasm of a warm request, by route. */
async function countCrossings(target) {
  const take = async () => JSON.parse((await target.send(request("GET", "/crossings"))).body);
  const counts = [];
  for (const route of ROUTES) {
    const load = new Load(target.worker.port, 1);
    // More than the 64 tokens of the route for tokens seen before, so that each is seen before.
    const warmUp = 100;
    await target.prepare(route, warmUp + PLAN.counted);
    await load.run(target.requests(route, warmUp), route.status);
    await take();
    await load.run(target.requests(route, PLAN.counted), route.status);
    const taken = Object.values(await take()).reduce((sum, count) => sum + count, 0);
    counts.push([route.title, taken / PLAN.counted]);
    load.close();
  }
  return counts;
}

function markdown(profiles, crossings, { postern, workerd, node }) {
  const figure = (number) => number.toFixed(1);
  const { cpu, cores, kernel } = machine();
  const lines = [
    "# Where the time of userinfo goes", "",
    "Written by `npm run bench -- --profile`; [NOTES.md](../NOTES.md) explains it. Samples of V8's profiler",
    `every ${INTERVAL} µs over ${PLAN.requests.toLocaleString("en")} requests, as shares of the CPU time of the process. The`,
    "profiler costs time itself, so the sums are above those of the bench.",
    `${cores} × ${cpu}, ${kernel}; postern ${postern}, workerd ${workerd}, node ${node}.`,
  ];
  for (const { title, cpu, rows } of profiles) {
    const places = new Map();
    for (const [place, , microseconds] of rows) places.set(place, (places.get(place) ?? 0) + microseconds);
    lines.push("", `## ${title}`, "", `${figure(cpu)} µs a request.`, "", "| where | µs a request |", "| --- | --: |");
    for (const [place, sum] of [...places].sort((one, other) => other[1] - one[1])) lines.push(`| ${place} | ${figure(sum)} |`);
    lines.push("", "| function | where | µs a request |", "| --- | --- | --: |");
    const large = rows.filter(([, , microseconds]) => microseconds >= LEAST);
    for (const [place, name, microseconds] of large) lines.push(`| \`${name.replaceAll("|", "\\|")}\` | ${place} | ${figure(microseconds)} |`);
    const rest = rows.filter(([, , microseconds]) => microseconds < LEAST);
    lines.push(`| ${rest.length} functions under ${LEAST} µs each | | ${figure(rest.reduce((sum, [, , microseconds]) => sum + microseconds, 0))} |`);
  }
  lines.push("", "## Crossings between JavaScript and wasm", "", "Both directions, allocations included.", "", "| | a request |", "| --- | --: |");
  for (const [title, count] of crossings) lines.push(`| ${title} | ${figure(count)} |`);
  return `${lines.join("\n")}\n`;
}
