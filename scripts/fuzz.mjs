// npm run fuzz: runs the fuzz targets with cargo-fuzz, on the stable toolchain and without a sanitizer.
import { spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { writeSeeds } from "../fuzz/seeds.mjs";
import { Failure, environment, onStopSignal, parseOptions, prepare, root, run, step } from "./steps.mjs";

const USAGE = `npm run fuzz -- [--runs N | --seconds N] [--jobs N] [TARGET…]

Writes the corpora of the fuzz targets from the tests, builds the targets, runs each of them, and prints what was run.
Fails if a target crashed: it panicked, hung for ten seconds, or took more than 2 GB.

  --runs N     runs each target N times, the seeds included
  --seconds N  runs each target for N seconds (default: 60)
  --jobs N     runs N targets at once (default: the number of cores)
  TARGET       a target, by the name of its file in fuzz/fuzz_targets (default: all)

The log of each target is in build/fuzz.`;

/** The size of inputs where 512 bytes are too few or too many. The corpus has longer ones cut. */
const LENGTHS = {
  access_token: 32, client_document: 1024, client_jwt: 768, cookies: 256, headers: 192, interaction_token: 256, jwk: 2048,
  jws: 768, outbound_url: 128, redirect_uri: 160, registration: 1024, request: 2048, scopes: 200, sealed: 128, sql: 96,
  typed_text: 48,
};

/** The limits of a run, in seconds and megabytes. libFuzzer reports one that is exceeded as a crash. */
const LIMITS = ["-timeout=10", "-rss_limit_mb=2048"];

/**
 * The project's release profile makes the module small, and takes long to build. Instrumented programs are to be fast.
 */
const PROFILE = { CARGO_PROFILE_RELEASE_LTO: "false", CARGO_PROFILE_RELEASE_OPT_LEVEL: "3" };

/** @type {string[]} */
const named = [];
const options = parseOptions(USAGE, {
  runs: { type: "string" }, seconds: { type: "string" }, jobs: { type: "string" },
}, named);

/** @param {"runs" | "seconds" | "jobs"} name */
function number(name) {
  const text = options[name];
  if (text === undefined) return undefined;
  if (!/^[1-9]\d*$/.test(String(text))) throw new Failure(`--${name} must be a number of at least 1`);
  return Number(text);
}

const all = [...readFileSync(join(root, "fuzz", "Cargo.toml"), "utf8").matchAll(/^path = "fuzz_targets\/(\w+)\.rs"$/gm)]
  .map(([, target]) => target);
const unknown = named.find((target) => !all.includes(target));
if (unknown !== undefined) throw new Failure(`${unknown} is not a target; the targets are ${all.join(", ")}`);
if (options.runs && options.seconds) throw new Failure("--runs and --seconds exclude each other");
const amount = options.runs ? `-runs=${number("runs")}` : `-max_total_time=${number("seconds") ?? 60}`;
const jobs = number("jobs") ?? availableParallelism();
const targets = named.length > 0 ? named : all;

await prepare();
try {
  await run("cargo", ["fuzz", "--version"]);
} catch {
  await step("installing cargo-fuzz", () => run("cargo", ["install", "cargo-fuzz", "--locked"]));
}
await step("writing the corpora", async () => {
  const files = Object.values(writeSeeds()).reduce((sum, count) => sum + count, 0);
  return `${files} seeds`;
});
try {
  await step("building the targets", () => run("cargo", ["fuzz", "build", "--sanitizer", "none"], { env: PROFILE }));
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  throw new Failure(`${reason}\n\nlibFuzzer needs a C++ compiler, and a target that LLVM's coverage supports: Linux or \
macOS on x86-64 or ARM64.`);
}

const triple = /^host: (.*)$/m.exec(await run("rustc", ["-vV"]))?.[1] ?? "";
const folder = join(root, "target", triple, "release");
const logs = join(root, "build", "fuzz");
mkdirSync(logs, { recursive: true });

/** @type {Set<import("node:child_process").ChildProcess>} */
const children = new Set();
onStopSignal((signal) => {
  for (const child of children) child.kill(signal);
  process.exit(1);
});

/** @typedef {{ target: string, runs: string, rate: string, coverage: string, corpus: string, crash: string }} Result */

/**
 * Runs a target. Its corpus grows, so that the next run begins where this one ends.
 *
 * @param {string} target
 * @returns {Promise<Result>}
 */
function fuzz(target) {
  const corpus = join(root, "fuzz", "corpus", target);
  const artifacts = join(root, "fuzz", "artifacts", target);
  for (const path of [corpus, artifacts]) mkdirSync(path, { recursive: true });
  const dictionary = join(root, "fuzz", "dictionaries", `${target}.dict`);
  const seeds = join(root, "fuzz", "seeds", target);
  const args = [
    amount, "-seed=1", `-max_len=${LENGTHS[/** @type {keyof typeof LENGTHS} */ (target)] ?? 512}`, ...LIMITS,
    `-artifact_prefix=${artifacts}/`, "-print_final_stats=1",
    ...(existsSync(dictionary) ? [`-dict=${dictionary}`] : []), corpus, ...(existsSync(seeds) ? [seeds] : []),
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(join(folder, target), args, { cwd: root, env: environment(), stdio: ["ignore", "ignore", "pipe"] });
    children.add(child);
    const log = createWriteStream(join(logs, `${target}.log`));
    let status = "";
    let crash = "";
    let unfinished = "";
    // libFuzzer writes to standard error only.
    child.stderr.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
      log.write(text);
      const lines = `${unfinished}${text}`.split("\n");
      unfinished = lines.pop() ?? "";
      for (const line of lines) {
        if (/^#\d+\s/.test(line)) status = line;
        crash = /Test unit written to (.*)/.exec(line)?.[1] ?? crash;
      }
    });
    child.on("error", reject);
    child.on("close", (code) => {
      children.delete(child);
      log.end();
      const figure = (/** @type {RegExp} */ pattern) => pattern.exec(status)?.[1] ?? "?";
      resolve({
        target, runs: figure(/^#(\d+)/), rate: figure(/exec\/s: (\d+)/), coverage: figure(/cov: (\d+)/),
        corpus: figure(/corp: (\d+)/), crash: code === 0 ? "" : crash || `ended with ${code}`,
      });
    });
  });
}

/** @type {Result[]} */
const results = [];
const queue = [...targets];
const work = async () => {
  for (let target = queue.shift(); target !== undefined; target = queue.shift()) {
    const result = await fuzz(target);
    results.push(result);
    console.error(`· ${target}: ${result.crash ? "crashed" : `${result.runs} runs`}`);
  }
};
await Promise.all(Array.from({ length: Math.min(jobs, targets.length) }, work));

results.sort((one, other) => all.indexOf(one.target) - all.indexOf(other.target));
const crashed = results.filter(({ crash }) => crash !== "");
console.log("| target | runs | runs a second | coverage | corpus | crashes |\n| --- | ---: | ---: | ---: | ---: | ---: |");
for (const { target, runs, rate, coverage, corpus, crash } of results) {
  console.log(`| ${target} | ${runs} | ${rate} | ${coverage} | ${corpus} | ${crash === "" ? 0 : 1} |`);
}
for (const { target, crash } of crashed) {
  const input = existsSync(crash) ? relative(root, crash) : "";
  console.log(`\n${target} crashed${input === "" ? `: ${crash}; see build/fuzz/${target}.log` : ` with ${input}; repeat it with\n  \
${relative(root, join(folder, target))} ${input}`}`);
}
if (crashed.length > 0) process.exitCode = 1;
