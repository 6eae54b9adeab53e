// Simulates the network between a worker, D1 and KV: each D1 request and each KV operation takes a fixed time more.
// Measures how long the requests of a flow are in flight, one after the other. CPU matters little here.
import { step } from "../scripts/steps.mjs";
import { CONTENDERS, BARE } from "./contenders.mjs";
import { Failures } from "./failures.mjs";
import { FLOWS, walk } from "./flows.mjs";
import { describe, machine, versions } from "./machine.mjs";
import { makeTokens } from "./routes.mjs";
import { bundleAll, openAll, readDocuments, restart, stopAll } from "./run.mjs";
import { quantile } from "./statistics.mjs";
import { startStores } from "./stores.mjs";
import { table } from "./table.mjs";
import { measureUsage } from "./usage.mjs";

/** Milliseconds for each D1 request, and for each KV operation. */
const D1 = [5, 20, 80];
const KV = 3;
/** The repetitions of each flow: a figure is their median. */
const REPETITIONS = 5;
/** The walks of a contender: to warm up, and for each latency once in a new isolate and in each repetition. */
const WALKS = 1 + D1.length * (1 + REPETITIONS);
const PLAN = { users: WALKS, redeemable: WALKS };

const COLD = ["cold", "sign-in with consent, the first requests of an isolate"];

/** Measures every flow of every contender. Returns the tables as text, what each flow uses, and whether none failed. */
export async function measureNetwork() {
  const begin = Date.now();
  const contenders = CONTENDERS.filter((contender) => contender !== BARE);
  const stores = startStores();
  const failures = new Failures();
  try {
    const documents = await step("reading Postern's documents", () => readDocuments(stores));
    const bundles = await step("bundling the contenders", () => bundleAll(contenders, documents));
    const tokens = makeTokens({ fresh: PLAN.redeemable, forged: 1, users: PLAN.users });
    const bench = { documents, bundles, tokens, stores, failures };
    const targets = await step("starting them", () => openAll(bench, PLAN, contenders), { shows: true });
    const rows = new Map();
    for (const target of targets) {
      const measured = await step(target.name, () => failures.attempt(target.name, "network", () => flowsOf(target, bench)));
      if (measured) rows.set(target.name, measured);
    }
    await stopAll(targets);
    const usage = await step("what the flows use", () => measureUsage(bench), { shows: true });
    const about = describe({ machine: machine(), versions: await versions() });
    const text = markdown(rows, failures, about, (Date.now() - begin) / 1000);
    return { text, usage: { about, flows: usage }, isGood: failures.list.length === 0 };
  } finally {
    stores.close();
  }
}

/** The flows of one target, each with its figures for each latency. */
async function flowsOf(target, bench) {
  const flows = {};
  const add = (name, cells) => {
    if (cells.length > 0) (flows[name] ??= []).push({ ...cells.at(-1), ms: quantile(cells.map(({ ms }) => ms), 0.5) });
  };
  const users = Array.from({ length: PLAN.users }, (_, user) => user);
  // The first requests read keys and compile.
  await walk(target, users.splice(0, 1));
  for (const d1 of D1) {
    // The process on Node would lose its data.
    const isRestarted = target.contender.signIn && !target.contender.isOnNode;
    if (isRestarted) await restart(target, bench);
    await target.store.delay(d1, KV);
    if (isRestarted) add("cold", (await walk(target, users.splice(0, 1))).first);
    const walked = await walk(target, users.splice(0, REPETITIONS));
    for (const [name, cells] of Object.entries(walked)) add(name, cells);
    await target.store.delay(0, 0);
  }
  return flows;
}

function markdown(rows, failures, machine, seconds) {
  const sections = [COLD, ...Object.entries(FLOWS)].map(([flow, title]) => {
    const lines = [...rows].filter(([, flows]) => flows[flow]).map(([name, flows]) => {
      const { requests, d1, reads, writes } = flows[flow][0];
      return [name, requests, d1, reads + writes, ...flows[flow].map(({ ms }) => ms.toFixed(0))];
    });
    const head = ["", "requests", "D1 requests", "KV operations", ...D1.map((ms) => `ms, D1 at ${ms} ms`)];
    return `## ${title[0].toUpperCase()}${title.slice(1)}\n\n${table(head, lines)}\n`;
  });
  const failed = failures.list.map(({ name, message }) => `${name} failed: ${message}\n`);
  return [
    "# What `npm run bench -- --network` found\n",
    "Written by the bench; [NOTES.md](../NOTES.md) explains it. The time in which the requests of a flow are in flight, one",
    `after the other, with ${KV} ms for each KV operation and a fixed time for each D1 request. Medians of ${REPETITIONS}`,
    `repetitions, but of one for a new isolate. The run took ${seconds.toFixed(0)} s.\n`, `${machine}\n`, ...failed, ...sections,
  ].join("\n");
}
