// Measures what a new isolate does until it has answered its first request, for each kind of request: the CPU time of
// workerd's process above that of bare, which runs in turn with Postern.
import { copyFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Failure, root, step } from "../scripts/steps.mjs";
import { BARE, POSTERN } from "./contenders.mjs";
import { connect, request } from "./load.mjs";
import { describe, machine, versions } from "./machine.mjs";
import { DEFAULTS, authorizePath, makeTokens, route } from "./routes.mjs";
import { readDocuments } from "./run.mjs";
import { spread } from "./statistics.mjs";
import { startStores } from "./stores.mjs";
import { table } from "./table.mjs";
import { bundle, start } from "./workerd.mjs";

const userinfo = route("userinfo-new").make;
const KINDS = {
  discovery: route("discovery").make, JWKS: route("jwks").make, userinfo,
  // bare has no sign-in page. Its userinfo makes one D1 request, as the sign-in page does.
  "authorize, without a session": (target, number) => (target.contender === BARE
    ? userinfo(target, number) : request("GET", authorizePath(target, `state-${number}`))),
  "code redemption": route("redeem").make, refresh: route("refresh").make,
};
const ENTRY = join("src", "cloudflare", "entry.mjs");

/** Measures every kind in `rounds` rounds, and the build of the checkout in `folder` too. Returns the table as text. */
export async function measureStarts(rounds, folder) {
  const stores = startStores();
  try {
    const documents = await step("reading Postern's documents", () => readDocuments(stores));
    const tokens = makeTokens({ fresh: rounds + 1, forged: 0, users: 1 });
    const prepare = async (contender, entry = contender.entry) => {
      const store = await stores.open(`starts ${entry}`);
      await store.fill({ users: 1, redeemable: rounds + 1 });
      const bundled = await bundle(`starts ${entry}`, entry, documents);
      return { contender, bundled, store, target: { ...DEFAULTS, ...contender.given, contender, tokens } };
    };
    const bare = await prepare(BARE);
    const postern = await prepare(POSTERN);
    const others = folder ? [await prepare(POSTERN, relative(root, join(folder, ENTRY)))] : [];
    embedModule(bare.bundled, postern.bundled);
    const workers = [bare, postern, ...others];

    const rows = [];
    for (const [kind, make] of Object.entries(KINDS)) {
      const taken = await step(kind, () => inTurn(workers, make, rounds));
      const [floor, ...measured] = taken;
      measured.forEach((starts, index) => {
        const figures = ["isolate", "request", "cpu", "wall"].map((figure) => {
          const { median, low, high } = spread(starts.map((one, round) => one[figure] - floor[round][figure]));
          return `${median.toFixed(1)} (${low.toFixed(1)}–${high.toFixed(1)})`;
        });
        rows.push([index === 0 ? kind : `${kind}, before`, ...figures]);
      });
    }
    return markdown(rows, rounds, describe({ machine: machine(), versions: await versions() }));
  } finally {
    stores.close();
  }
}

/**
 * Adds Postern's module to the configuration of bare, as data. workerd copies a module while it reads its configuration,
 * which is no work of an isolate.
 */
function embedModule(bare, postern) {
  const module = postern.modules.find((name) => name.endsWith(".wasm"));
  copyFileSync(join(postern.folder, module), join(bare.folder, "module.data"));
  bare.modules.push("module.data");
}

/** Starts every worker once in each round. Returns the figures of each. */
async function inTurn(workers, make, rounds) {
  const taken = workers.map(() => []);
  // The first start fills KV and does not count.
  for (let round = -1; round < rounds; round++) {
    for (let turn = 0; turn < workers.length; turn++) {
      // Another worker is the first in each round.
      const index = (turn + round + 1) % workers.length;
      const figures = await startOnce(workers[index], make, round + 1);
      if (round >= 0) taken[index].push(figures);
    }
  }
  return taken;
}

/** Starts a worker and sends its first request. Returns milliseconds of CPU, and from the start to the response. */
async function startOnce({ contender, bundled, store, target }, make, number) {
  const worker = await start(bundled, contender.settings, store.ports);
  try {
    const isolate = worker.cpu();
    const connection = connect(worker.port);
    const { status, body } = await connection.send(make(target, number));
    const wall = performance.now() - worker.begin;
    if (status >= 400) throw new Failure(`${contender.name}: ${status} ${body}`);
    connection.close();
    // V8 may still be compiling.
    await sleep(30);
    const cpu = worker.cpu();
    return { isolate: isolate / 1000, request: (cpu - isolate) / 1000, cpu: cpu / 1000, wall };
  } finally {
    await worker.stop();
  }
}

const markdown = (rows, rounds, about) => `# What \`npm run bench -- --starts\` found

Written by the bench; [NOTES.md](../NOTES.md) explains it. The milliseconds that a new isolate and its first request
need more than those of bare; medians of ${rounds} rounds, the quartiles in parentheses.

${about}

${table(["first request", "CPU before the request", "CPU of the request", "CPU in all", "time to the response"], rows)}
`;
