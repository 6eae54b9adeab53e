// node tests/clients/run.mjs [NAME…]: runs unmodified clients of others against the built module.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildIfChanged, RELEASE } from "../../scripts/build.mjs";
import { Failure, WRANGLER, environment, onStopSignal, prepare, root } from "../../scripts/steps.mjs";
import { INSTALLED, INSTALLING, NOT_INSTALLED, VERSIONS } from "./install.mjs";

const USAGE = `node tests/clients/run.mjs [NAME…]

Installs clients of others from their registries and runs them against the built module: those that are named, or all.
A client that cannot be installed is reported and skipped. A client that misbehaves fails.

  CLIENTS_MINUTES=30   ends after this time; the clients that did not run are reported`;

/** How long the tests of one client may take, with their installation, unless versions.json allows more. */
const MINUTES = 5;

if (process.argv.includes("--help")) {
  console.log(USAGE);
  process.exit();
}
await prepare();
await buildIfChanged(RELEASE);

const folder = fileURLToPath(new URL(".", import.meta.url));
const SUFFIX = ".test.mjs";
const all = readdirSync(folder).filter((file) => file.endsWith(SUFFIX)).map((file) => file.slice(0, -SUFFIX.length));
const names = process.argv.length > 2 ? process.argv.slice(2) : all.sort();
for (const name of names) if (!all.includes(name)) throw new Failure(`there is no client ${name}: ${all.join(", ")}`);

// Node reads this variable when it starts. The machine's own value may be needed to reach the registries.
const authorities = join(root, "build", "clients", "authorities.pem");
mkdirSync(join(root, "build", "clients"), { recursive: true });
writeFileSync(authorities, [process.env.NODE_EXTRA_CA_CERTS, join(folder, "tls", "authority.pem")]
  .map((file) => (file ? readFileSync(file, "utf8") : "")).join("\n"));

/** The running test. */
let running;
onStopSignal(() => {
  if (running) endGroup(running.pid);
  process.exit(1);
});

const end = Date.now() + Number(process.env.CLIENTS_MINUTES ?? Infinity) * 60_000;
/** @type {Record<string, string[]>} */
const results = { failed: [], "not installed": [], "not run": [], passed: [] };
for (const name of names) {
  const budget = Math.min((VERSIONS[name]?.minutes ?? MINUTES) * 60_000, end - Date.now());
  if (budget <= 0) {
    results["not run"].push(`${name}: CLIENTS_MINUTES are over`);
    continue;
  }
  const begin = Date.now();
  const { output, code, isLate } = await runTest(name, budget);
  // A client that was ended because the time of all was over has not failed.
  const wasCut = isLate && Date.now() >= end;
  // Nor has one whose registry took the time.
  const isUninstalled = code === NOT_INSTALLED || isLate && output.lastIndexOf(INSTALLING) > output.lastIndexOf(INSTALLED);
  const outcome = wasCut ? "not run" : code === 0 ? "passed" : isUninstalled ? "not installed" : "failed";
  const seconds = `${((Date.now() - begin) / 1000).toFixed(1)} s`;
  console.log(`· ${name}: ${outcome}, ${seconds}${isLate ? ", ended because its time was over" : ""}`);
  if (outcome === "failed") console.log(output);
  const reason = wasCut ? "CLIENTS_MINUTES are over" : /^not installed: \S+: (.*)$/m.exec(output)?.[1];
  results[outcome].push(reason ? `${name}: ${reason}` : name);
}
for (const outcome of ["not installed", "not run", "failed"]) {
  for (const line of results[outcome]) console.log(`! ${outcome}: ${line}`);
}
const skipped = results["not installed"].length + results["not run"].length;
console.log(`clients: ${results.passed.length} passed, ${results.failed.length} failed, ${skipped} skipped`);
process.exitCode = results.failed.length > 0 ? 1 : 0;

/** Runs the tests of a client, and ends them after `budget` milliseconds, together with the processes they started. */
async function runTest(name, budget) {
  const child = spawn(process.execPath, ["--test-reporter=spec", `${folder}${name}.test.mjs`], {
    // A group of its own, so that its processes can be ended together.
    detached: true, stdio: ["ignore", "pipe", "pipe"],
    env: environment({ ...WRANGLER, NODE_EXTRA_CA_CERTS: authorities }),
  });
  running = child;
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => { output += text; });
  }
  let isLate = false;
  const timer = setTimeout(() => { isLate = true; endGroup(child.pid); }, budget);
  const [code] = await once(child, "close");
  clearTimeout(timer);
  endGroup(child.pid);
  return { output, code, isLate };
}

/** Ends the processes of a test. None is left after a test that cleans up. */
function endGroup(leader) {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // The group is empty.
  }
}
