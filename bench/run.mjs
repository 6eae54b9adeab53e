// Runs the whole bench: starts stores and workers, measures rounds, cold starts, memory and growth.
import { Failure, step } from "../scripts/steps.mjs";
import { checkAnswers } from "./answers.mjs";
import { BARE, CONTENDERS, HONO, POSTERN, SAMPLE } from "./contenders.mjs";
import { grow } from "./growth.mjs";
import { send, request } from "./load.mjs";
import { machine, versions } from "./machine.mjs";
import { startNode } from "./node.mjs";
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
  const stores = startStores();
  try {
    const plans = countsOf(plan);
    const documents = await step("reading Postern's documents", () => readDocuments(stores));
    const bundles = await step("bundling the contenders", () => bundleAll(CONTENDERS, documents));
    const tokens = await step("signing tokens", async () => makeTokens({
      fresh: plans.get("userinfo-new").inAll, forged: plans.get("userinfo-forged").inAll, users: plan.users,
    }));
    const redeemable = plans.get("redeem").inAll;
    const bench = { documents, bundles, tokens, plan, stores };

    const targets = await step("starting them", () => openAll(bench, { users: plan.users, redeemable }));
    await step("comparing their responses", () => checkAnswers(targets));
    const routes = [];
    for (const route of planned) {
      const measured = targets.filter(({ contender }) => contender.routes.includes(route.name));
      const cells = await step(`${route.title}: ${measured.map(({ name }) => name).join(", ")}`, () =>
        measure(measured, route, plans.get(route.name)));
      checkStatements(route, cells);
      for (const cell of Object.values(cells)) delete cell.texts;
      routes.push({ name: route.name, title: route.title, count: plans.get(route.name).count, cells });
    }
    const memory = plan.only ? undefined : await step("memory", () => measureMemory(targets, plan));
    await stopAll(targets);

    const starts = plan.only ? undefined : await step("cold starts", () => measureStarts(bench));
    const isShort = plan.isQuick || plan.only;
    const growth = isShort ? [] : await grow(bench, openAll, stopAll);
    const simulated = isShort ? undefined : await measureSimulated(bench);
    return {
      plan, machine: machine(), versions: await versions(), seconds: (Date.now() - begin) / 1000,
      modules: Object.fromEntries(CONTENDERS.map(({ name }) => [name, { gzipped: bundles.get(name)?.gzipped }])),
      routes, starts, memory, growth, simulated,
    };
  } finally {
    stores.close();
  }
}

/** The number of requests of each route: in a round, to warm up, and in total. */
export const countsOf = ({ rounds, connections, requests, warmUp }) => new Map(ROUTES.map(({ name, weight }) => {
  const count = Math.round(requests * weight);
  // V8 optimizes by the number of calls and not by their cost, so every route warms up with the same number. The
  // comparison of responses takes one more.
  return [name, { rounds, connections, count, warmUp, inAll: rounds * count + warmUp + 1 }];
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

/** Reads Postern's documents and a token response, which bare and hono + jose serve too. */
export async function readDocuments(stores) {
  const store = await stores.open("documents");
  await store.fill({ users: 1, redeemable: 1 });
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
  const target = new Target(POSTERN, worker, store, { ...DEFAULTS });
  const redeem = ROUTES.find(({ name }) => name === "redeem");
  const tokens = JSON.parse((await read(redeem.make(target, 0))).body);
  await worker.stop();
  return { discovery, jwks, tokens, sample: SAMPLE };
}

/** Bundles the contenders that run in workerd. Returns the bundles by name. */
export async function bundleAll(contenders, documents) {
  const bundles = new Map();
  await Promise.all(contenders.filter(({ isOnNode }) => !isOnNode).map(async ({ name, entry }) => {
    bundles.set(name, await bundle(name, entry, documents));
  }));
  return bundles;
}

/** Starts every contender, each with its own store, which have the same content. */
export async function openAll({ documents, bundles, tokens, stores }, contents, contenders = CONTENDERS) {
  const targets = [];
  for (const contender of contenders) {
    const name = `${contender.name} ${Math.random()}`;
    const store = await stores.open(name);
    await store.fill(contents);
    await contender.seed?.(store, documents, contents);
    const worker = await launch(contender, bundles.get(contender.name), store.ports);
    const target = new Target(contender, worker, store, { ...DEFAULTS, ...contender.given, tokens, etags: {} });
    await contender.prepare?.(target, contents);
    for (const name of ["discovery", "jwks"]) {
      if (!contender.routes.includes(`${name}-304`)) continue;
      const { head } = await target.send(request("GET", target.paths[name]));
      target.etags[name] = head.match(/\r\netag: *(.*)/i)[1];
    }
    targets.push(target);
  }
  return targets;
}

export const stopAll = (targets) => Promise.all(targets.map(async ({ worker, store }) => {
  await worker.stop();
  await store.close();
}));

/** Fails if bare or hono + jose sends other statements to D1 than Postern: their figures would not be comparable. */
function checkStatements({ title }, cells) {
  const textsOf = (name) => cells[name].texts.toSorted((one, other) => one.localeCompare(other)).join("\n");
  for (const { name } of [BARE, HONO].filter((contender) => cells[contender.name])) {
    const [texts, expected] = [textsOf(name), textsOf(POSTERN.name)];
    if (texts === expected) continue;
    throw new Failure(`${title}: ${name} does not send the D1 statements of postern:\n${texts}\n\n${expected}`);
  }
}

/** The milliseconds from the start of a process to its first response. KV is filled, nothing else is warm. */
async function measureStarts({ bundles, plan, stores, documents }) {
  /** @type {Map<string, number[]>} */
  const taken = new Map(CONTENDERS.map(({ name }) => [name, []]));
  const prepared = [];
  for (const contender of CONTENDERS) {
    const store = await stores.open(`start ${contender.name}`);
    await store.fill({ users: 1 });
    await contender.seed?.(store, documents, {});
    prepared.push({ contender, store });
  }
  // The first start fills KV and does not count.
  for (let round = -1; round < plan.starts; round++) {
    for (const { contender, store } of prepared) {
      const worker = await launch(contender, bundles.get(contender.name), store.ports);
      const { paths } = { ...DEFAULTS, ...contender.given };
      await send(worker.port, request("GET", paths.discovery));
      if (round >= 0) taken.get(contender.name).push(performance.now() - worker.begin);
      await worker.stop();
    }
  }
  const floor = taken.get(BARE.name);
  const spreads = [...taken].map(([name, milliseconds]) => {
    const later = milliseconds.map((start, round) => start - floor[round]);
    return [name, { ...spread(milliseconds), laterThanBare: spread(later) }];
  });
  return Object.fromEntries(spreads);
}

/** Resident memory after the same number of requests to each target: discovery requests make up the difference. */
async function measureMemory(targets, { memory, connections }) {
  const requests = Math.max(memory, ...targets.map(({ sent }) => sent));
  for (const target of targets) {
    const count = requests - target.sent;
    if (count > 0) await measure([target], ROUTES[0], { rounds: 1, count, warmUp: 0, connections });
  }
  return { requests, after: Object.fromEntries(targets.map(({ name, worker }) => [name, worker.memory()])) };
}
