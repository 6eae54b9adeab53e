// npm test: every check there is, from a fresh clone on.
import { PANIC, TARGET, addWasmTarget, buildIfChanged } from "./build.mjs";
import { findChromium } from "./chromium.mjs";
import { dryRun } from "./deploy.mjs";
import { Failure, WRANGLER, parseOptions, prepare, run, step } from "./steps.mjs";

const USAGE = `npm test

Runs every check: formatting, lints, native tests, the release build, tests in workerd and in Chromium.
CONTRIBUTING.md tells how to run a part of them.

  REQUIRE_BROWSER=1    fails where there is no browser
  CHROMIUM=PROGRAM     names the browser`;

const NO_BROWSER = `
!! NOT TESTED: signing in with a browser. This machine has no Chromium or Chrome.
!! Install one (Debian: apt-get install chromium), or say in CHROMIUM where its program is,
!! and run npm test again. Everything else is tested.
`;

parseOptions(USAGE);
// Said before all the rest is waited for, too.
const browser = findChromium();
if (!browser) {
  if (process.env.REQUIRE_BROWSER) throw new Failure(`${NO_BROWSER}REQUIRE_BROWSER is set, so this is a failure.`);
  console.error(NO_BROWSER);
}

await prepare();
await addWasmTarget();
await installLints();

await step("formatting", () => run("cargo", ["fmt", "--all", "--check"]));
await lint("lints", ["--all-targets"]);
// As the build compiles it, so that the two share what they depend on.
const module = ["--lib", "--target", TARGET, "--release"];
await lint("lints of the module", module);
await lint("lints of the module that panics", [...module, "--features", "provoke-panic"]);
const native = await show("native tests", "cargo", ["test", "--locked"]);
await dryRun();
await buildIfChanged(PANIC);
const edge = await nodeTests("edge tests", "tests/edge/*.test.mjs");
// One file at a time: a browser takes more than its share.
const inTurn = ["--test-concurrency=1", "--test-timeout=300000"];
const seen = browser ? await nodeTests("browser tests", "tests/browser/*.test.mjs", ...inTurn) : "";

// What the runners counted, once more and together.
console.log([native.matchAll(/^test result: .*$/gm), edge.matchAll(/^ℹ .*$/gm), seen.matchAll(/^ℹ .*$/gm)]
  .flatMap((lines) => [...lines])
  .join("\n"));
if (!browser) console.error(NO_BROWSER);

/** rustup's smallest profile leaves out what the first steps run. */
async function installLints() {
  const installed = await run("rustup", ["component", "list", "--installed"]);
  const missing = ["clippy", "rustfmt"].filter((component) => !installed.includes(component));
  if (missing.length === 0) return;
  await step(`adding ${missing.join(" and ")}`, () => run("rustup", ["component", "add", ...missing]));
}

function lint(what, args) {
  return step(what, async () => {
    await run("cargo", ["clippy", ...args, "--locked", "--", "-D", "warnings"]);
  });
}

function nodeTests(what, files, ...options) {
  return show(what, "node", ["--test", "--test-reporter=spec", ...options, files], WRANGLER);
}

function show(what, program, args, env) {
  return step(what, () => run(program, args, { env, show: true }), { shows: true });
}
