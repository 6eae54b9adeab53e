// A whole run: the stores, the workers, the rounds, and all that is measured besides.
import { Failure, step } from "../scripts/steps.mjs";
import { checkAnswers } from "./answers.mjs";
import { BARE, CONTENDERS, HONO, POSTERN, SAMPLE } from "./contenders.mjs";
import { grow } from "./growth.mjs";
import { ask, request } from "./load.mjs";
import { machine, versions } from "./machine.mjs";
import { startNode } from "./node.mjs";
import { Visit, measure } from "./rounds.mjs";
import { DEFAULTS, ROUTES, makeTokens } from "./routes.mjs";
import { measureSimulated } from "./simulated.mjs";
import { spread } from "./statistics.mjs";
import { startStores } from "./stores.mjs";
import { bundle, start } from "./workerd.mjs";

const running = new Set();
process.on("exit", () => { for (const worker of running) worker.kill(); });

/** Runs everything that the plan asks for. */
export async function runAll(plan) {
  const begin = Date.now();
  const asked = chosen(plan);
  const stores = startStores();
  try {
    const plans = countsOf(plan);
    const documents = await step("asking Postern for its documents", () => readDocuments(stores));
    const bundles = await step("bundling the contenders", () => bundleAll(documents));
    const tokens = await step("signing tokens", () => makeTokens({
      fresh: plans.get("userinfo-new").inAll, forged: plans.get("userinfo-forged").inAll, users: plan.users,
    }));
    const redeemable = plans.get("redeem").inAll;
    const world = { documents, bundles, tokens, plan, stores };

    const visits = await step("starting them", () => openAll(world, { users: plan.users, redeemable }));
    await step("comparing what they answer", () => checkAnswers(visits));
    const routes = [];
    for (const route of asked) {
      const having = visits.filter(({ contender }) => contender.routes.includes(route.name));
      const cells = await step(`${route.title}: ${having.map(({ name }) => name).join(", ")}`, () =>
        measure(having, route, plans.get(route.name)));
      checkStatements(route, cells);
      for (const cell of Object.values(cells)) delete cell.texts;
      routes.push({ name: route.name, title: route.title, count: plans.get(route.name).count, cells });
    }
    const memory = plan.only ? undefined : await step("memory", () => measureMemory(visits, plan));
    await stopAll(visits);

    const starts = plan.only ? undefined : await step("cold starts", () => measureStarts(world));
    const isShort = plan.isQuick || plan.only;
    const growth = isShort ? [] : await grow(world, openAll, stopAll);
    const simulated = isShort ? undefined : await measureSimulated(world);
    return {
      plan, machine: machine(), versions: await versions(), seconds: (Date.now() - begin) / 1000,
      modules: Object.fromEntries(CONTENDERS.map(({ name }) => [name, { gzipped: bundles.get(name)?.gzipped }])),
      routes, starts, memory, growth, simulated,
    };
  } finally {
    stores.close();
  }
}

/** How many requests each route gets: in a round, to warm up, and in all. */
export const countsOf = ({ rounds, connections, requests, warmUp }) => new Map(ROUTES.map(({ name, weight }) => {
  const count = Math.round(requests * weight);
  // V8 optimizes by what was called how often, whatever a route costs, so all warm up alike. What is compared
  // beforehand takes one, too.
  return [name, { rounds, connections, count, warmUp, inAll: rounds * count + warmUp + 1 }];
}));

/** The routes that the plan names, or all. */
export function chosen({ only }) {
  const unknown = (only ?? []).filter((name) => !ROUTES.some((route) => route.name === name));
  if (unknown.length > 0) {
    throw new Failure(`there is no route ${unknown.join(" or ")}; there are ${ROUTES.map(({ name }) => name).join(", ")}`);
  }
  return only ? ROUTES.filter(({ name }) => only.includes(name)) : ROUTES;
}

/** A worker of a contender, which does not outlive this process. */
async function launch(contender, bundled, ports) {
  const { isOnNode, entry, settings } = contender;
  const worker = await (isOnNode ? startNode(entry, settings) : start(bundled, settings, ports));
  running.add(worker);
  return { ...worker, stop: () => worker.stop().finally(() => running.delete(worker)) };
}

/** What Postern publishes, which bare and hono + jose serve as well. */
export async function readDocuments(stores) {
  const store = await stores.open("documents");
  await store.fill({ users: 1, redeemable: 1 });
  const worker = await launch(POSTERN, await bundle("documents", POSTERN.entry), store.ports);
  const read = async (bytes) => {
    const { head, body } = await ask(worker.port, bytes);
    const headers = Object.fromEntries(head.split("\r\n").slice(1).map((line) => line.match(/^(.*?): *(.*)$/).slice(1)));
    const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    delete lower["content-length"];
    return { body, headers: lower };
  };
  const { paths } = DEFAULTS;
  const discovery = await read(request("GET", paths.discovery));
  const jwks = await read(request("GET", paths.jwks));
  const visit = new Visit(POSTERN, worker, store, { ...DEFAULTS });
  const redeem = ROUTES.find(({ name }) => name === "redeem");
  const tokens = JSON.parse((await read(redeem.make(visit, 0))).body);
  await worker.stop();
  return { discovery, jwks, tokens, sample: SAMPLE };
}

async function bundleAll(documents) {
  const inWorkerd = CONTENDERS.filter(({ isOnNode }) => !isOnNode);
  const bundles = await Promise.all(inWorkerd.map(async ({ name, entry }) =>
    [name, await bundle(name, entry, documents)]));
  return new Map(bundles);
}

/** Every contender with a store of its own, filled alike. */
export async function openAll({ documents, bundles, tokens, stores }, contents, contenders = CONTENDERS) {
  const visits = [];
  for (const contender of contenders) {
    const name = `${contender.name} ${Math.random()}`;
    const store = await stores.open(name);
    await store.fill(contents);
    await contender.seed?.(store, documents, contents);
    const worker = await launch(contender, bundles.get(contender.name), store.ports);
    const visit = new Visit(contender, worker, store, { ...DEFAULTS, ...contender.given, tokens, etags: {} });
    await contender.prepare?.(visit, contents);
    for (const name of ["discovery", "jwks"]) {
      if (!contender.routes.includes(`${name}-304`)) continue;
      const { head } = await visit.ask(request("GET", visit.paths[name]));
      visit.etags[name] = head.match(/\r\netag: *(.*)/i)[1];
    }
    visits.push(visit);
  }
  return visits;
}

export const stopAll = (visits) => Promise.all(visits.map(async ({ worker, store }) => {
  await worker.stop();
  await store.close();
}));

/** Bare is the floor, and hono + jose does the same work, only while they ask D1 what Postern asks. */
function checkStatements({ title }, cells) {
  const textsOf = (name) => [...cells[name].texts].sort().join("\n");
  for (const name of [BARE.name, HONO.name].filter((name) => cells[name])) {
    if (textsOf(name) === textsOf(POSTERN.name)) continue;
    throw new Failure(`${title}: ${name} does not ask D1 what postern asks:\n${textsOf(name)}\n\n${textsOf(POSTERN.name)}`);
  }
}

/** From the start of a process to its first answer, in milliseconds; KV is filled, nothing else is warm. */
async function measureStarts({ bundles, plan, stores, documents }) {
  const taken = new Map(CONTENDERS.map(({ name }) => [name, []]));
  const prepared = [];
  for (const contender of CONTENDERS) {
    const store = await stores.open(`start ${contender.name}`);
    await store.fill({ users: 1 });
    await contender.seed?.(store, documents, {});
    prepared.push({ contender, store });
  }
  // The first start fills KV, and is not counted.
  for (let round = -1; round < plan.starts; round++) {
    for (const { contender, store } of prepared) {
      const worker = await launch(contender, bundles.get(contender.name), store.ports);
      const { paths } = { ...DEFAULTS, ...contender.given };
      await ask(worker.port, request("GET", paths.discovery));
      if (round >= 0) taken.get(contender.name).push(performance.now() - worker.begin);
      await worker.stop();
    }
  }
  const floor = taken.get(BARE.name);
  const spreads = [...taken].map(([name, milliseconds]) => {
    const later = milliseconds.map((taken, round) => taken - floor[round]);
    return [name, { ...spread(milliseconds), laterThanBare: spread(later) }];
  });
  return Object.fromEntries(spreads);
}

/** Resident memory after the rounds, once all have answered as many requests: discovery makes up what lacks. */
async function measureMemory(visits, { memory, connections }) {
  const requests = Math.max(memory, ...visits.map(({ sent }) => sent));
  for (const visit of visits) {
    const count = requests - visit.sent;
    if (count > 0) await measure([visit], ROUTES[0], { rounds: 1, count, warmUp: 0, connections });
  }
  return { requests, after: Object.fromEntries(visits.map(({ name, worker }) => [name, worker.memory()])) };
}
