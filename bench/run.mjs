// Runs the whole bench: starts stores and workers, measures rounds, cold starts, memory and growth.
import { Failure, step } from "../scripts/steps.mjs";
import { checkAnswers } from "./answers.mjs";
import { BARE, CONTENDERS, POSTERN } from "./contenders.mjs";
import { Failures, NONE_ALLOWED } from "./failures.mjs";
import { grow } from "./growth.mjs";
import { send, request } from "./load.mjs";
import { machine, versions } from "./machine.mjs";
import { startNode } from "./node.mjs";
import { record } from "./recording.mjs";
import { Target, measure } from "./rounds.mjs";
import { DEFAULTS, ROUTES, makeTokens } from "./routes.mjs";
import { measureSimulated } from "./simulated.mjs";
import { spread } from "./statistics.mjs";
import { startStores } from "./stores.mjs";
import { bundle, start } from "./workerd.mjs";

const running = new Set();
process.on("exit", () => { for (const worker of running) worker.kill(); });

/** Measures everything in the plan. Returns the results. */
export async function runAll(plan) {
  const begin = Date.now();
  const planned = chosen(plan);
  const phases = new Phases();
  const failures = new Failures();
  const stores = startStores();
  try {
    const plans = countsOf({ ...plan, seconds: plan.seconds / planned.length });
    const redeemable = plans.get("redeem").inAll;
    const documents = await phases.step("reading Postern's documents", () => readDocuments(stores));
    const bundles = await phases.step("bundling the contenders", () => bundleAll(CONTENDERS, documents));
    const tokens = await phases.step("signing tokens", async () => makeTokens({
      fresh: plans.get("userinfo-new").inAll, forged: plans.get("userinfo-forged").inAll, users: plan.users,
    }));
    const bench = { documents, bundles, tokens, plan, stores, failures, phases };

    const contents = { users: plan.users, redeemable };
    let targets = await phases.step("starting them", () => openAll(bench, contents), { shows: true });
    targets = await phases.step("comparing their responses", () => checkAnswers(targets, failures), { shows: true });
    const routes = [];
    for (const route of planned) {
      const { title, name } = route;
      const measured = targets.filter((target) => target.contender.routes.includes(name) && !failures.has(target.name));
      const cells = await phases.step(title, () => measureRoute(measured, route, plans.get(name), failures), { shows: true });
      routes.push({ name, title, count: plans.get(name).count, cells });
    }
    const memory = plan.only ? undefined : await phases.step("memory", () => measureMemory(targets, bench), { shows: true });
    await stopAll(targets);

    const starts = plan.only ? undefined : await phases.step("cold starts", () => measureStarts(bench), { shows: true });
    const isShort = plan.isQuick || plan.only;
    const growth = isShort ? [] : await grow(bench, openAll, stopAll);
    const simulated = isShort ? undefined : await measureSimulated(bench);
    return {
      plan, machine: machine(), versions: await versions(), seconds: (Date.now() - begin) / 1000,
      modules: Object.fromEntries(CONTENDERS.map(({ name }) => [name, { gzipped: bundles.get(name)?.gzipped }])),
      routes, starts, memory, growth, simulated, failures: failures.list, phases: phases.list,
    };
  } finally {
    stores.close();
  }
}

/** The phases of a run, each with its duration in seconds. */
class Phases {
  list = [];

  async step(what, work, options = {}) {
    const begin = Date.now();
    try {
      return await step(what, work, options);
    } finally {
      this.list.push({ what, seconds: (Date.now() - begin) / 1000 });
    }
  }
}

/** Prints the progress of one contender. */
export const progress = (name, text) => process.stderr.write(`    ${name}: ${text}\n`);

async function measureRoute(targets, route, plan, failures) {
  const cells = await measure(targets, route, plan, failures);
  await failures.attempt(BARE.name, route.title, async () => checkStatements(/** @type {any} */ (cells)));
  if (failures.has(BARE.name)) delete cells[BARE.name];
  for (const [name, cell] of Object.entries(cells)) {
    delete cell.texts;
    const { cpu, p50, d1, reads } = cell;
    progress(name, `${cpu.median.toFixed(0)} µs CPU, ${p50.median.toFixed(2)} ms, ` +
      `${d1.toFixed(1)} D1 requests, ${reads.toFixed(1)} KV reads; ${cpu.rounds.length} rounds`);
  }
  return cells;
}

/** The number of requests of each route: in a round, to warm up, and in total. */
export const countsOf = (plan) => new Map(ROUTES.map(({ name, weight, ...own }) => {
  const count = Math.round(plan.requests * weight);
  // V8 optimizes by the number of calls and not by their cost, so every route warms up with the same number. The
  // comparison of responses takes one more.
  const warmUp = own.warmUp ?? plan.warmUp;
  const seconds = Math.min(plan.seconds, own.seconds ?? Infinity);
  const { rounds, connections } = plan;
  return [name, { rounds, connections, count, warmUp, seconds, inAll: rounds * count + warmUp + 1 }];
}));

/** The routes in the plan, or all. */
export function chosen({ only }) {
  const unknown = (only ?? []).filter((name) => !ROUTES.some((route) => route.name === name));
  if (unknown.length > 0) {
    throw new Failure(`there is no route ${unknown.join(" or ")}; there are ${ROUTES.map(({ name }) => name).join(", ")}`);
  }
  return only ? ROUTES.filter(({ name }) => only.includes(name)) : ROUTES;
}

/** Starts a contender's worker, which ends with this process. */
async function launch(contender, bundled, ports) {
  const { isOnNode, entry, settings } = contender;
  const worker = await (isOnNode ? startNode(entry, settings) : start(bundled, settings, ports));
  running.add(worker);
  return { ...worker, stop: () => worker.stop().finally(() => running.delete(worker)) };
}

/** Reads Postern's documents, which bare and hono + jose serve too, and records its D1 requests, which bare repeats. */
export async function readDocuments(stores) {
  const store = await stores.open("documents");
  await store.fill({ users: 1, redeemable: 3 });
  const worker = await launch(POSTERN, await bundle("documents", POSTERN.entry), store.ports);
  const read = async (bytes) => {
    const { head, body } = await send(worker.port, bytes);
    const headers = Object.fromEntries(head.split("\r\n").slice(1).map((line) => line.match(/^(.*?): *(.*)$/).slice(1)));
    const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    delete lower["content-length"];
    return { body, headers: lower };
  };
  const { paths } = DEFAULTS;
  const discovery = await read(request("GET", paths.discovery));
  const jwks = await read(request("GET", paths.jwks));
  const tokens = makeTokens({ fresh: 3, forged: 0, users: 1 });
  const recorded = await record(new Target(POSTERN, worker, store, { ...DEFAULTS, tokens, users: 1 }));
  await worker.stop();
  return { discovery, jwks, recorded };
}

/** Bundles the contenders that run in workerd. Returns the bundles by name. */
export async function bundleAll(contenders, documents) {
  const bundles = new Map();
  await Promise.all(contenders.filter(({ isOnNode }) => !isOnNode).map(async ({ name, entry }) => {
    bundles.set(name, await bundle(name, entry, documents));
  }));
  return bundles;
}

/** The fewest users that a store takes in a second. */
const FILLED_IN_A_SECOND = 5_000;

/** Starts every contender, each with its own store, which have the same content. A contender that fails is left out. */
export async function openAll(bench, contents, contenders = CONTENDERS) {
  const { failures = NONE_ALLOWED } = bench;
  const targets = [];
  for (const contender of contenders) {
    const { name } = contender;
    if (bench.failures?.has(name)) continue;
    const begin = Date.now();
    const target = await failures.attempt(name, "start", () => open(bench, contents, contender),
      contents.users / FILLED_IN_A_SECOND);
    if (!target) continue;
    targets.push(target);
    progress(name, `${((Date.now() - begin) / 1000).toFixed(1)} s`);
  }
  return targets;
}

async function open({ documents, bundles, tokens, stores, isRecorded }, contents, contender) {
  const store = await stores.open(`${contender.name} ${Math.random()}`);
  await store.fill(contents);
  await contender.seed?.(store, documents, { ...contents, fresh: tokens.fresh.length });
  // Another database repeats all of them.
  if (isRecorded) await store.record();
  const worker = await launch(contender, bundles.get(contender.name), store.ports);
  if (contender.isOnNode) Object.assign(store, adapterOf(worker));
  const target = new Target(contender, worker, store, {
    ...DEFAULTS, ...contender.given, tokens, etags: {}, users: contents.users,
  });
  await contender.prepare?.(target, contents);
  for (const name of ["discovery", "jwks"]) {
    if (!contender.routes.includes(`${name}-304`)) continue;
    const { head } = await target.send(request("GET", target.paths[name]));
    target.etags[name] = head.match(/\r\netag: *(.*)/i)[1];
  }
  return target;
}

/** What the adapter of a contender on Node does instead of D1: each call would be a D1 request. */
const adapterOf = (worker) => ({
  async take() {
    const { calls } = await worker.send({ isTaken: true });
    return { d1: calls, statements: calls, reads: 0, writes: 0, texts: [] };
  },
  delay: (milliseconds) => worker.send({ delay: milliseconds }),
});

/** Starts the worker of a target anew, on the same store. */
export async function restart(target, { bundles }) {
  await target.worker.stop();
  target.worker = await launch(target.contender, bundles.get(target.name), target.store.ports);
}

export const stopAll = (targets) => Promise.all(targets.map(async ({ worker, store }) => {
  await worker.stop();
  await store.close();
}));

/** Fails if bare sends other statements to D1 than Postern: it would not be the floor. */
function checkStatements({ bare, postern }) {
  if (!bare || !postern) return;
  const [texts, expected] = [bare, postern].map((cell) =>
    cell.texts.toSorted((one, other) => one.localeCompare(other)).join("\n"));
  if (texts !== expected) throw new Failure(`it does not send the D1 statements of postern:\n${texts}\n\n${expected}`);
}

/** The milliseconds from the start of a process to its first response. KV is filled, nothing else is warm. */
async function measureStarts({ bundles, plan, stores, documents, failures }) {
  /** @type {Map<string, number[]>} */
  const taken = new Map();
  const prepared = [];
  for (const contender of CONTENDERS.filter(({ name }) => !failures.has(name))) {
    await failures.attempt(contender.name, "cold start", async () => {
      const store = await stores.open(`start ${contender.name}`);
      const contents = { users: 1 };
      await store.fill(contents);
      await contender.seed?.(store, documents, contents);
      prepared.push({ contender, store });
      taken.set(contender.name, []);
    });
  }
  const startOnce = async ({ contender, store }) => {
    const worker = await launch(contender, bundles.get(contender.name), store.ports);
    const { paths } = { ...DEFAULTS, ...contender.given };
    try {
      await send(worker.port, request("GET", paths.discovery));
      return performance.now() - worker.begin;
    } finally {
      await worker.stop();
    }
  };
  // The first start fills KV and does not count.
  for (let round = -1; round < plan.starts; round++) {
    for (const one of prepared) {
      const { name } = one.contender;
      if (failures.has(name)) continue;
      const milliseconds = await failures.attempt(name, "cold start", () => startOnce(one));
      if (milliseconds === undefined) taken.delete(name);
      else if (round >= 0) taken.get(name).push(milliseconds);
    }
  }
  const floor = taken.get(BARE.name);
  const spreads = [...taken].map(([name, milliseconds]) => {
    const cell = spread(milliseconds);
    progress(name, `${cell.median.toFixed(0)} ms`);
    const later = milliseconds.map((start, round) => start - floor?.[round]);
    return [name, { ...cell, laterThanBare: floor && spread(later) }];
  });
  return Object.fromEntries(spreads);
}

/**
 * Resident memory after the same number of requests to each target: discovery requests make up the difference. A target
 * that gets only a share of the requests would need too long for that.
 */
async function measureMemory(targets, { plan: { memory, connections }, failures }) {
  const running = () => targets.filter(({ name, contender }) => !failures.has(name) && !contender.share);
  const requests = Math.max(memory, ...running().map(({ sent }) => sent));
  for (const target of running()) {
    const count = requests - target.sent;
    if (count > 0) await measure([target], ROUTES[0], { rounds: 1, count, warmUp: 0, connections }, failures);
  }
  const after = Object.fromEntries(running().map(({ name, worker }) => [name, worker.memory()]));
  for (const [name, bytes] of Object.entries(after)) progress(name, `${(bytes / 1e6).toFixed(0)} MB`);
  return { requests, after };
}
