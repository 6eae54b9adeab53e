// npm run proof: runs what takes too long for npm test.
import { addWasmTarget, RELEASE, buildIfChanged } from "./build.mjs";
import { runNodeTests } from "./node_tests.mjs";
import { parseOptions, prepare, run, step } from "./steps.mjs";

parseOptions(`npm run proof

Runs the long tests: those that cargo test ignores, and tests/long in workerd.`);

await prepare();
await addWasmTarget();
await buildIfChanged(RELEASE);
const native = await step("long native tests", () => run("cargo", ["test", "--locked", "--", "--ignored"]));
const inWorkerd = await step("long tests in workerd", () => runNodeTests(["long"]), { shows: true });
console.log([...(native.match(/^test result: .*$/gm) ?? []), inWorkerd].join("\n"));
