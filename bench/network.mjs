// Simulates the network between a worker, D1 and KV: each D1 request and each KV operation takes a fixed time more.
// Measures how long the requests of a flow are in flight, one after the other. CPU matters little here.
import { randomBytes } from "node:crypto";
import { Failure, step } from "../scripts/steps.mjs";
import { Browser } from "./browser.mjs";
import { CONTENDERS, BARE, POSTERN } from "./contenders.mjs";
import { Failures } from "./failures.mjs";
import { CLIENT, SCOPE, subOf } from "./fixtures.mjs";
import { request } from "./load.mjs";
import { describe, machine, versions } from "./machine.mjs";
import { redemption, makeTokens, route } from "./routes.mjs";
import { bundleAll, openAll, readDocuments, restart, stopAll } from "./run.mjs";
import { quantile } from "./statistics.mjs";
import { startStores } from "./stores.mjs";
import { table } from "./table.mjs";

/** Milliseconds for each D1 request, and for each KV operation. */
const D1 = [5, 20, 80];
const KV = 3;
/** The repetitions of each flow: a figure is their median. */
const REPETITIONS = 5;
/** The walks of a contender: to warm up, and for each latency once in a new isolate and in each repetition. */
const WALKS = 1 + D1.length * (1 + REPETITIONS);
const PLAN = { users: WALKS, redeemable: WALKS };
const PASSWORD = "correct horse battery staple";
const ADMIN_TOKEN = randomBytes(32).toString("base64url");

const hasPassword = (names) => names.includes("password");
const FLOWS = {
  cold: "sign-in with consent, the first requests of an isolate", first: "sign-in with consent",
  again: "sign-in again, with a session", userinfo: "userinfo, token never seen", refresh: "refresh",
};

/**
 * The sign-in of each contender that has one: the path of the authorization endpoint, and the fields of its forms by
 * their names. A user signs in for the first time in each walk.
 */
const SIGN_INS = {
  postern: {
    path: "/auth/authorize",
    fill: (names, user) => (hasPassword(names) ? { login: user, password: PASSWORD } : { decision: "allow" }),
    async prepare(target) {
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" };
      const body = JSON.stringify({ password: PASSWORD });
      for (let user = 0; user < PLAN.users; user++) {
        const path = `/admin/users/${subOf(user)}/password`;
        const { status, body: text } = await target.send(request("PUT", path, headers, body));
        if (status !== 200) throw new Failure(`the password is not stored: ${text}`);
      }
    },
  },
  OpenAuth: {
    path: "/authorize", fill: (names, user) => ({ email: user, password: PASSWORD }),
    async prepare({ store }) {
      const { ScryptHasher } = await import("@openauthjs/openauth/provider/password");
      const hash = JSON.stringify(await ScryptHasher().hash(PASSWORD));
      for (let user = 0; user < PLAN.users; user++) await store.put(["email", subOf(user), "password"].join("\x1f"), hash);
    },
  },
  "workers-oauth-provider": { path: "/authorize", fill: (names, user) => ({ login: user, password: PASSWORD }) },
  "oidc-provider on Node": {
    path: "/auth", fill: (names, user) => (hasPassword(names) ? { login: user, password: PASSWORD } : {}),
  },
};

/** Measures every flow of every contender. Returns the tables as text, and whether no contender failed. */
export async function measureNetwork() {
  const begin = Date.now();
  const contenders = CONTENDERS.filter((contender) => contender !== BARE).map((contender) => (contender === POSTERN
    ? { ...POSTERN, settings: { texts: { ...POSTERN.settings.texts, ADMIN_TOKEN } } } : contender));
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
    const about = describe({ machine: machine(), versions: await versions() });
    const text = markdown(rows, failures, about, (Date.now() - begin) / 1000);
    return { text, isGood: failures.list.length === 0 };
  } finally {
    stores.close();
  }
}

/** The flows of one target, each with its figures for each latency. */
async function flowsOf(target, bench) {
  const signIn = SIGN_INS[target.name];
  await signIn?.prepare?.(target);
  const flows = {};
  const add = (name, cells) => {
    if (cells.length > 0) (flows[name] ??= []).push({ ...cells.at(-1), ms: quantile(cells.map(({ ms }) => ms), 0.5) });
  };
  const users = Array.from({ length: PLAN.users }, (_, user) => subOf(user));
  // The first requests read keys and compile.
  await walk(target, signIn, users.splice(0, 1));
  for (const d1 of D1) {
    // The process on Node would lose its data.
    const isRestarted = signIn && !target.contender.isOnNode;
    if (isRestarted) await restart(target, bench);
    await target.store.delay(d1, KV);
    if (isRestarted) add("cold", (await walk(target, signIn, users.splice(0, 1))).first);
    const walked = await walk(target, signIn, users.splice(0, REPETITIONS));
    for (const [name, cells] of Object.entries(walked)) add(name, cells);
    await target.store.delay(0, 0);
  }
  return flows;
}

/** Does every flow once for each user. Returns the figures of each. */
async function walk(target, signIn, users) {
  const taken = { first: [], again: [], userinfo: [], refresh: [] };
  for (const user of users) {
    if (signIn) {
      const browser = new Browser(target.worker.port);
      for (const name of ["first", "again"]) {
        taken[name].push(await measured(target, browser, () => signInOnce(target, signIn, browser, user)));
      }
      browser.close();
    }
    for (const [key, name] of [["userinfo", "userinfo-new"], ["refresh", "refresh"]]) {
      if (!target.contender.routes.includes(name)) continue;
      const browser = new Browser(target.worker.port);
      const [bytes] = target.requests(route(name), 1);
      taken[key].push(await measured(target, browser, () => succeed(browser, bytes)));
      browser.close();
    }
  }
  return taken;
}

/** From the first request to the tokens. */
async function signInOnce(target, { path, fill }, browser, user) {
  const parameters = {
    client_id: target.client.id, redirect_uri: CLIENT.redirectUri, response_type: "code", scope: SCOPE, state: "state",
    nonce: "nonce", code_challenge: CLIENT.challenge, code_challenge_method: "S256",
  };
  const code = await browser.authorize(`${path}?${new URLSearchParams(parameters)}`,
    (names) => fill(names, user));
  await succeed(browser, redemption(target, code));
}

async function succeed(browser, bytes) {
  const { status, body } = await browser.send(() => bytes);
  if (status !== 200) throw new Failure(`${status} ${body}`);
}

/** The milliseconds in flight, the requests and the operations of a flow. */
async function measured(target, browser, work) {
  const before = { ms: browser.inFlight, requests: browser.requests };
  await target.store.take();
  await work();
  const { d1, reads, writes } = await target.store.take();
  return { ms: browser.inFlight - before.ms, requests: browser.requests - before.requests, d1, kv: reads + writes };
}

function markdown(rows, failures, machine, seconds) {
  const sections = Object.entries(FLOWS).map(([flow, title]) => {
    const lines = [...rows].filter(([, flows]) => flows[flow]).map(([name, flows]) => {
      const { requests, d1, kv } = flows[flow][0];
      return [name, requests, d1, kv, ...flows[flow].map(({ ms }) => ms.toFixed(0))];
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
