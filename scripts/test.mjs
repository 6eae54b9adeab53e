// npm test: every check there is, from a fresh clone on.
import { COMPILATION, PANIC, TARGET, buildIfChanged, installBuildTools } from "./build.mjs";
import { dryRun } from "./deploy.mjs";
import { WRANGLER, prepare, run, step } from "./steps.mjs";

await prepare();
await installBuildTools();
await installLints();

await step("formatting", () => run("cargo", ["fmt", "--check"]));
await lint("lints", ["--all-targets"]);
// As the build compiles it, so that the two share what they depend on.
const module = ["--lib", "--target", TARGET, "--release"];
await lint("lints of the module", module);
await lint("lints of the module that panics", [...module, "--features", "provoke-panic"]);
const native = await show("native tests", "cargo", ["test", "--locked"]);
await dryRun();
await buildIfChanged(PANIC);
const edge = await show("edge tests", "node", ["--test", "--test-reporter=spec", "tests/edge/*.test.mjs"], WRANGLER);

// What the two runners counted, once more and together.
console.log([...native.matchAll(/^test result: .*$/gm), ...edge.matchAll(/^ℹ .*$/gm)].join("\n"));

/** rustup's smallest profile leaves out what the first steps run. */
async function installLints() {
  const installed = await run("rustup", ["component", "list", "--installed"]);
  const missing = ["clippy", "rustfmt"].filter((component) => !installed.includes(component));
  if (missing.length === 0) return;
  await step(`adding ${missing.join(" and ")}`, () => run("rustup", ["component", "add", ...missing]));
}

function lint(what, args) {
  return step(what, async () => {
    await run("cargo", ["clippy", ...args, "--locked", "--", "-D", "warnings"], { env: COMPILATION });
  });
}

function show(what, program, args, env) {
  return step(what, () => run(program, args, { env, show: true }), { shows: true });
}
