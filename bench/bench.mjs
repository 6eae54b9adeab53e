// npm run bench: measures Postern beside other providers, on this machine, in one run.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NAMED, RELEASE, buildIfChanged } from "../scripts/build.mjs";
import { Failure, onStopSignal, parseOptions, prepare, root, step } from "../scripts/steps.mjs";

// Many short rounds, so that other load on the machine affects all contenders alike. `seconds` is the longest time of
// the rounds of all routes, because a whole run takes at most ten minutes: NOTES.md says how it spends them.
const PLANS = {
  quick: { rounds: 15, requests: 50, warmUp: 200, connections: 8, users: 1_000, starts: 5, memory: 5_000, seconds: 45 },
  whole: { rounds: 61, requests: 150, warmUp: 4_000, connections: 8, users: 1_000, starts: 25, memory: 100_000, seconds: 220 },
};

const USAGE = `npm run bench

Measures Postern beside other providers, and writes bench/results. bench/NOTES.md explains the results.

  --quick         takes about a minute, and writes bench/results/quick.*
  --full          measures with a million users as well
  --growth        measures each D1 statement with up to a million users, and writes bench/results/growth.*
  --rows          measures requests and the maintenance beside 200,000 rows of each kind that are over, with --full beside
                  five million, and writes bench/results/rows.md
  --only=ROUTE,…  measures these routes only, and writes nothing
  --against=PATH  measures only the CPU of each route, against the build of another checkout, and writes nothing
  --network       measures how long each flow is in flight on a simulated network, and what it uses; writes
                  bench/results/network.md and usage.json
  --starts        measures the first request of a new isolate, with --against=PATH that of another build too; writes
                  bench/results/starts.md
  --profile       shows where the time of userinfo goes, and measures nothing else`;

const options = parseOptions(USAGE, {
  quick: { type: "boolean" }, full: { type: "boolean" }, only: { type: "string" }, against: { type: "string" },
  profile: { type: "boolean" }, network: { type: "boolean" }, growth: { type: "boolean" },
  rows: { type: "boolean" }, starts: { type: "boolean" },
});
if (process.platform !== "linux") throw new Failure("the bench reads /proc, which only Linux has");
const plan = {
  ...(options.quick ? PLANS.quick : PLANS.whole),
  isFull: Boolean(options.full), isQuick: Boolean(options.quick), only: options.only?.split(","),
};

await prepare();
if (options.profile) {
  await buildIfChanged(NAMED);
  const { profile } = await import("./profile.mjs");
  await profile();
  process.exit();
}
await buildIfChanged(RELEASE);
onStopSignal(() => process.exit(1));

if (options.network) {
  const { measureNetwork } = await import("./network.mjs");
  const { text, usage, isGood } = await measureNetwork();
  const folder = join(root, "bench", "results");
  writeFileSync(join(folder, "network.md"), text);
  // The documents have prices of each contender.
  if (isGood) writeFileSync(join(folder, "usage.json"), `${JSON.stringify(usage, null, 1)}\n`);
  console.log(text);
  process.exit(isGood ? 0 : 1);
}
if (options.growth) {
  const { measureGrowth } = await import("./statements.mjs");
  const { text, picture, isGood } = await measureGrowth();
  writeFileSync(join(root, "bench", "results", "growth.md"), text);
  writeFileSync(join(root, "bench", "results", "growth.svg"), picture);
  console.log(text);
  process.exit(isGood ? 0 : 1);
}
if (options.rows) {
  const { measureRows } = await import("./rows.mjs");
  const text = await measureRows(plan);
  writeFileSync(join(root, "bench", "results", "rows.md"), text);
  console.log(text);
  process.exit();
}
if (options.starts) {
  const { measureStarts } = await import("./starts.mjs");
  const text = await measureStarts(plan.starts, options.against);
  if (!options.against) writeFileSync(join(root, "bench", "results", "starts.md"), text);
  console.log(text);
  process.exit();
}
if (options.against) {
  const { measurePair } = await import("./pair.mjs");
  console.log(await measurePair(plan, options.against));
  process.exit();
}

const { describe, machine, versions } = await import("./machine.mjs");
console.error(describe({ machine: machine(), versions: await versions() }));
const { runAll } = await import("./run.mjs");
const measured = await runAll(plan);

const { judge } = await import("./goals.mjs");
const { markdown, summary } = await import("./table.mjs");
const { chart } = await import("./chart.mjs");
const results = { ...measured, goals: judge(measured) };
if (!plan.only) await step("writing bench/results", async () => {
  const folder = join(root, "bench", "results");
  mkdirSync(folder, { recursive: true });
  // A quick run does not overwrite the results of a whole one.
  const name = plan.isQuick ? "quick" : "results";
  writeFileSync(join(folder, `${name}.json`), json(results));
  writeFileSync(join(folder, `${name}.md`), markdown(results));
  writeFileSync(join(folder, `${name}.svg`), chart(results));
});
console.log(markdown(results));
console.log(summary(results));
const isGood = results.goals.every(({ isMet }) => isMet) && results.failures.length === 0;
process.exit(isGood ? 0 : 1);

/** JSON with four digits of every figure, and with lists of figures on one line. */
function json(value) {
  const isFraction = (figure) => typeof figure === "number" && !Number.isInteger(figure);
  const short = (_, figure) => (isFraction(figure) ? Number(figure.toPrecision(4)) : figure);
  const text = JSON.stringify(value, short, 1);
  return `${text.replaceAll(/\[[-\d.,\s]+\]/g, (list) => list.replaceAll(/\s+/g, ""))}\n`;
}
