// npm run mutants: is there a test that notices each mutant of cargo-mutants? cargo-mutants would compile the crate once for
// each of them. Here tools/mutants puts all into one program, each behind a switch, and only those tests run for a mutant
// that reach it.
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { Failure, environment, parseOptions, prepare, root, run, step } from "./steps.mjs";

const USAGE = `npm run mutants -- [OPTION…]

Switches on each mutant of cargo-mutants, runs the tests that reach it, and reports the mutants that no test notices.

  --file GLOB      the sources of the mutants; may be repeated (default: protocol, jose, keys and grant below src)
  --name REGEX     only mutants whose name matches
  --seconds N      how long the tests of a mutant may take together, the quick ones first (default: 60)
  --jobs N         how many mutants run at once (default: the number of cores)
  --result PATH    writes all outcomes as JSON`;

const ROOMS = ["protocol", "jose", "keys", "grant"].map((room) => `src/${room}/**`);
/** The first tests of a mutant take this time together, and each further group twice as long, so that few are started. */
const FIRST_GROUP_SECONDS = 0.5;
/** A mutant that keeps tests from ending is noticed after so many times their usual time, and these seconds. */
const PATIENCE = { times: 10, seconds: 20 };
/** Each compilation finds switches that the compiler refuses, for example in a constant. */
const MOST_COMPILATIONS = 20;

/**
 * @typedef {{ name: string, number: number }} Mutant
 * @typedef {{ path: string, name: string, seconds: number, reached: number[] }} Test
 * @typedef {{ file_name: string, line_start: number, is_primary: boolean }} Span
 */

const options = parseOptions(USAGE, {
  file: { type: "string", multiple: true, default: ROOMS },
  name: { type: "string", default: "" },
  seconds: { type: "string", default: "60" },
  jobs: { type: "string", default: String(availableParallelism()) },
  result: { type: "string" },
});
const [jobs, secondsForMutant] = [numberOf("jobs"), numberOf("seconds")];
const folder = join(root, "build", "mutants");
const crate = join(folder, "crate");
const target = join(folder, "target");
const reachedFolder = join(folder, "reached");
const toolTarget = join(root, ".tools", "target");
const tool = join(toolTarget, "tools", "postern-mutants");

await prepare();
await step("compiling the tool", compileTool);
const mutants = await step("listing the mutants", list);
const switched = await step("compiling the mutants", compileMutants, { shows: true });
const tests = await step("running the tests without a mutant", runWithoutMutant, { shows: true });
const outcomes = await step("running the tests of each mutant", runAll, { shows: true });
report();

/** @param {"jobs" | "seconds"} name */
function numberOf(name) {
  const text = String(options[name]);
  if (!/^[1-9]\d*$/.test(text)) throw new Failure(`--${name} must be a number of at least 1`);
  return Number(text);
}

async function compileTool() {
  await run("cargo", ["build", "--package", "postern-mutants", "--profile", "tools", "--target-dir", toolTarget, "--locked"]);
  try {
    await run("cargo", ["mutants", "--version"]);
  } catch {
    await run("cargo", ["install", "cargo-mutants", "--locked"]);
  }
}

/** @returns {Promise<Mutant[]>} */
async function list() {
  const files = [options.file ?? []].flat().flatMap((glob) => ["--file", String(glob)]);
  const all = JSON.parse(await run("cargo", ["mutants", "--list", "--json", ...files]));
  return all.map((/** @type {object} */ mutant, /** @type {number} */ index) => ({ ...mutant, number: index + 1 }));
}

/**
 * Compiles the crate with all mutants behind switches. Returns the numbers of those that it has.
 *
 * @returns {Promise<number[]>}
 */
async function compileMutants() {
  const refused = new Set();
  for (let count = 0; count < MOST_COMPILATIONS; count++) {
    const numbers = await writeCrate(mutants.filter(({ number }) => !refused.has(number)));
    const found = await refusedSwitches();
    if (found.length === 0) return numbers;
    console.error(`  the compiler refuses ${found.length} of ${numbers.length} switches`);
    found.forEach((number) => refused.add(number));
  }
  throw new Failure(`The mutants do not compile after ${MOST_COMPILATIONS} tries.`);
}

/**
 * Writes the crate with these mutants. Returns the numbers of those that got a switch.
 *
 * @param {Mutant[]} kept
 * @returns {Promise<number[]>}
 */
async function writeCrate(kept) {
  for (const name of ["src", "tests"]) rmSync(join(crate, name), { recursive: true, force: true });
  const files = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard"]);
  for (const file of files.trim().split("\n").filter((name) => existsSync(join(root, name)))) {
    mkdirSync(dirname(join(crate, file)), { recursive: true });
    cpSync(join(root, file), join(crate, file), { preserveTimestamps: true });
  }
  return JSON.parse(await run(tool, [crate], { input: JSON.stringify(kept) }));
}

/** Compiles the library. Returns the numbers of the switches that the compiler refuses. */
async function refusedSwitches() {
  const { out, code } = await cargo(["check", "--lib", "--message-format", "json"]);
  /** @type {Set<number>} */
  const numbers = new Set();
  for (const { message } of out.trim().split("\n").map((line) => JSON.parse(line))) {
    if (message?.level !== "error") continue;
    const places = message.spans.filter((/** @type {Span} */ span) => span.is_primary);
    places.flatMap(switchesAt).forEach((/** @type {number} */ number) => numbers.add(number));
  }
  if (code !== 0 && numbers.size === 0) throw new Failure(`The crate does not compile, and no switch is the reason.\n${out}`);
  return [...numbers];
}

/**
 * The switches on the line of an error, or else those on the last line before it that has one: a value that is returned
 * early decides the type of the later one.
 *
 * @param {Span} span
 */
function switchesAt({ file_name: file, line_start: line }) {
  const lines = readFileSync(join(crate, file), "utf8").split("\n");
  const switches = (/** @type {string} */ text) => [...text.matchAll(/mutant::is\((\d+)\)/g)].map(([, number]) => Number(number));
  const there = switches(lines[line - 1]);
  return there.length > 0 ? there : switches(lines.slice(0, line - 1).findLast((text) => switches(text).length > 0) ?? "");
}

/**
 * Runs cargo on the crate with the mutants.
 *
 * @param {string[]} args
 */
function cargo(args) {
  return ended(spawn("cargo", [...args, "--target-dir", target], {
    cwd: crate, stdio: ["ignore", "pipe", "ignore"],
    env: environment({ RUSTFLAGS: "-Awarnings", CARGO_PROFILE_TEST_OPT_LEVEL: "1", CARGO_PROFILE_TEST_DEBUG: "0" }),
  }));
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @returns {Promise<{ out: string, code: number | null }>}
 */
function ended(child) {
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout?.setEncoding("utf8").on("data", (text) => { out += text; });
    child.on("error", reject);
    child.on("close", (code) => resolve({ out, code }));
  });
}

/**
 * Runs all tests without a mutant. Returns those that pass. Tests that read the sources fail, because these have switches.
 *
 * @returns {Promise<Test[]>}
 */
async function runWithoutMutant() {
  const { out } = await cargo(["test", "--no-run", "--lib", "--test", "it", "--message-format", "json"]);
  const paths = out.trim().split("\n").map((line) => JSON.parse(line).executable).filter(Boolean);
  if (paths.length !== 2) throw new Failure("The tests do not compile.");
  rmSync(reachedFolder, { recursive: true, force: true });
  const found = [];
  for (const [index, path] of paths.entries()) {
    const into = join(reachedFolder, String(index));
    mkdirSync(into, { recursive: true });
    const { out: lines } = await ended(runTests(path, ["-Zunstable-options", "--report-time"], { MUTANTS_REACHED: into }));
    for (const [, name, seconds] of lines.matchAll(/^test (\S+) \.\.\. ok <([\d.]+)s>$/gm)) {
      const file = join(into, name);
      const reached = existsSync(file) ? readFileSync(file, "utf8").split(" ").map(Number) : [];
      found.push({ path, name, seconds: Number(seconds), reached });
    }
  }
  return found;
}

/**
 * Starts a program of tests. RUSTC_BOOTSTRAP lets it report times on the stable toolchain.
 *
 * @param {string} path
 * @param {string[]} args
 * @param {Record<string, string>} env
 */
function runTests(path, args, env) {
  return spawn(path, args, {
    cwd: crate, stdio: ["ignore", "pipe", "ignore"], env: environment({ RUSTC_BOOTSTRAP: "1", ...env }),
  });
}

async function runAll() {
  /** @type {Map<number, Test[]>} */
  const reaching = new Map(switched.map((number) => [number, []]));
  for (const one of tests) for (const number of one.reached) reaching.get(number)?.push(one);
  const waiting = mutants.filter(({ number, name }) => reaching.has(number) && new RegExp(String(options.name)).test(name));
  if (waiting.length === 0) throw new Failure("No mutant has a name that matches --name.");
  const results = [];
  const work = async () => {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const outcome = await outcomeOf(mutant, reaching.get(mutant.number) ?? []);
      results.push({ name: mutant.name, outcome });
      if (outcome !== "caught") console.error(`  ${outcome}: ${mutant.name}`);
      if (results.length % 100 === 0) console.error(`  ${results.length} done, ${waiting.length} left`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return results;
}

/**
 * Runs the tests that reach a mutant, the quick ones first, until one fails.
 *
 * @param {Mutant} mutant
 * @param {Test[]} reaching
 */
async function outcomeOf({ number }, reaching) {
  if (reaching.length === 0) return "not reached";
  let left = secondsForMutant;
  for (const group of groupsOf(reaching)) {
    const seconds = group.reduce((sum, one) => sum + one.seconds, 0);
    if (seconds > left) return "not noticed in time";
    left -= seconds;
    const names = group.map(({ name }) => name);
    const child = runTests(group[0].path, ["--exact", "--test-threads", "1", ...names], { MUTANT: String(number) });
    // The first failure is enough, and the program would go on.
    child.stdout?.on("data", (text) => { if (String(text).includes("... FAILED")) child.kill("SIGKILL"); });
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, (seconds * PATIENCE.times + PATIENCE.seconds) * 1_000);
    const { code } = await ended(child);
    clearTimeout(timer);
    if (isLate) return "does not end";
    if (code !== 0) return "caught";
  }
  return "not noticed";
}

/**
 * The tests in groups of one program each, the quick ones first.
 *
 * @param {Test[]} reaching
 */
function groupsOf(reaching) {
  /** @type {Test[][]} */
  const groups = [];
  let most = FIRST_GROUP_SECONDS;
  let sum = 0;
  for (const one of reaching.toSorted((left, right) => left.seconds - right.seconds)) {
    const group = groups.at(-1);
    if (group && group[0].path === one.path && sum + one.seconds <= most) {
      group.push(one);
      sum += one.seconds;
    } else {
      if (group) most *= 2;
      groups.push([one]);
      sum = one.seconds;
    }
  }
  return groups;
}

function report() {
  const of = (/** @type {string} */ outcome) => outcomes.filter((one) => one.outcome === outcome).length;
  const noticed = of("caught") + of("does not end");
  console.log(`${mutants.length} mutants, ${switched.length} of which have a switch; of ${outcomes.length} that were tested \
${noticed} were noticed (${of("does not end")} because a test does not end), ${of("not noticed")} were not, \
${of("not noticed in time")} not in ${secondsForMutant} s, and ${of("not reached")} are not reached`);
  if (options.result) writeFileSync(String(options.result), `${JSON.stringify(outcomes, undefined, 1)}\n`);
}
