// npm run proof: runs what takes too long for npm test. docs/proof.md has the figures, and what takes hours.
import { addWasmTarget, RELEASE, buildIfChanged } from "./build.mjs";
import { findChromium } from "./chromium.mjs";
import { runNodeTests } from "./node_tests.mjs";
import { NO_BROWSER, repeatSkipped, skip } from "./skipped.mjs";
import { parseOptions, prepare, run, step } from "./steps.mjs";

parseOptions(`npm run proof

Runs the long tests: those that cargo test ignores, the whole walk over faults, tests/long in workerd, tests/browser/long
in Chromium, and a minute of fuzzing for each target.
docs/proof.md has the commands that take hours.

  REQUIRE_ALL=1        fails if there is no browser
  CHROMIUM=PROGRAM     is the path of the browser`);

const browser = findChromium();
if (!browser) skip({ text: NO_BROWSER });

await prepare();
await addWasmTarget();
await buildIfChanged(RELEASE);
const native = await step("long native tests", () => run("cargo", ["test", "--locked", "--", "--ignored"]));
const walk = ["test", "--locked", "--test", "it", "fault_walk::"];
const walked = await step("the walk over all faults", () => run("cargo", walk, { env: { FAULTS: "all" } }));
const inWorkerd = await step("long tests in workerd", () => runNodeTests(["long"]), { shows: true });
// After them, because pages have timeouts that a machine with other work exceeds.
const inBrowser = browser
  ? await step("long tests in the browser", () => runNodeTests(["browser/long"]), { shows: true }) : "";
await step("fuzzing", () => run("node", ["scripts/fuzz.mjs", "--seconds", "60"], { show: true }), { shows: true });
console.log([...(`${native}${walked}`.match(/^test result: .*$/gm) ?? []), inWorkerd, inBrowser].join("\n").trimEnd());
repeatSkipped();
