// npm test: runs every check. It works in a fresh clone.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { PANIC, TARGET, addWasmTarget, buildIfChanged } from "./build.mjs";
import { checkDependencies } from "./check/dependencies.mjs";
import { checkLinks } from "./check/links.mjs";
import { findChromium } from "./chromium.mjs";
import { dryRun } from "./deploy.mjs";
import { runNodeTests } from "./node_tests.mjs";
import { NO_BROWSER, repeatSkipped, skip } from "./skipped.mjs";
import { parseOptions, prepare, root, run, step } from "./steps.mjs";

const USAGE = `npm test

Runs every check of a change: gates, formatting, lints, native tests, the release build, tests in workerd and in
Chromium. CONTRIBUTING.md has the commands for a part of them. What takes longer is npm run proof.

  REQUIRE_ALL=1        fails if a check cannot run: without a browser or without cargo-deny
  CHROMIUM=PROGRAM     is the path of the browser`;

parseOptions(USAGE);
const browser = findChromium();
if (!browser) skip({ text: NO_BROWSER });

await prepare();
await addWasmTarget();
await installRustComponents();

// The fast checks first.
await step("formatting", () => run("cargo", ["fmt", "--all", "--check"]));
const words = join(root, "scripts", "check", "words.mjs");
if (existsSync(words)) await step("words", async () => { await run("node", [words]); });
await step("links inside documents", checkLinks);
await lint("lints", ["--all-targets"]);
// With the flags of the build, so that the two share compiled dependencies.
const module = ["--lib", "--target", TARGET, "--release"];
await lint("lints of the module", module);
await lint("lints of the module that panics", [...module, "--features", "provoke-panic"]);
await lint("lints of the fuzz targets and the tools", ["--package", "postern-fuzz", "--package", "postern-mutants"]);
await step("documentation of the crate", async () => {
  const args = ["doc", "--no-deps", "--document-private-items", "--locked"];
  await run("cargo", args, { env: { RUSTDOCFLAGS: "-D warnings" } });
});
// The advisories are the only check that needs more than the package registries.
(await step("dependencies of the module", checkDependencies)).forEach(skip);

// The native tests run while the module is built, whose optimization leaves a core to them. Only their failures are shown.
const native = run("cargo", ["test", "--locked"]);
native.catch(() => {});
await dryRun();
await buildIfChanged(PANIC);
// After the build, because the types of the module's exports are those of its JavaScript.
await step("lints and types of JavaScript", async () => { await run("oxlint", []); });
const counts = await step("native tests", async () => (await native).match(/^test result: .*$/gm));
const folders = browser ? ["edge", "browser"] : ["edge"];
const passed = await step("tests in workerd and in the browser", () => runNodeTests(folders), { shows: true });
console.log([...counts, passed].join("\n"));
repeatSkipped();

/** Installs the components that the first steps run, which rustup's minimal profile does not contain. */
async function installRustComponents() {
  const installed = await run("rustup", ["component", "list", "--installed"]);
  const missing = ["clippy", "rustfmt"].filter((component) => !installed.includes(component));
  if (missing.length === 0) return;
  await step(`adding ${missing.join(" and ")}`, () => run("rustup", ["component", "add", ...missing]));
}

/**
 * @param {string} what
 * @param {string[]} args
 */
function lint(what, args) {
  return step(what, async () => {
    await run("cargo", ["clippy", ...args, "--locked", "--", "-D", "warnings"]);
  });
}
