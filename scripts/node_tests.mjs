// Runs files of tests in Node's test runner, for npm test and npm run proof.
import { readdirSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { run as runTests } from "node:test";
import { spec } from "node:test/reporters";
import { Failure, WRANGLER, environment, root } from "./steps.mjs";

/** Far more than the slowest file takes on a busy machine: twenty minutes. */
const MILLISECONDS_FOR_A_FILE = 1_200_000;

/**
 * Runs the tests of these folders of tests/. Returns their counts. Fails if a test does.
 *
 * @param {string[]} folders
 */
export async function runNodeTests(folders) {
  // Nobody looks at the screenshots of all pages each time. Every file loads wrangler, which takes a second to compile.
  const { SCREENSHOTS = "0" } = process.env;
  const env = { SCREENSHOTS, ...WRANGLER, NODE_COMPILE_CACHE: join(root, "build", "node-cache") };
  Object.assign(process.env, environment(env));
  const files = testFiles(folders);
  const tests = runTests({ files, concurrency: availableParallelism() + 1, timeout: MILLISECONDS_FOR_A_FILE });
  tests.compose(spec).pipe(process.stdout);
  const summary = await new Promise((resolve) => {
    tests.on("test:summary", (result) => { if (!result.file) resolve(result); });
  });
  const { tests: all, passed, failed, cancelled, skipped: left, todo } = summary.counts;
  const text = `${all} tests: ${passed} passed, ${failed} failed, ${cancelled} cancelled, ${left} skipped, ${todo} to do`;
  if (!summary.success) throw new Failure(text);
  return text;
}

/**
 * The files of tests, the larger ones first: they take longer, so that none of them is left to the end, when the other
 * cores have nothing to do.
 *
 * @param {string[]} folders
 */
function testFiles(folders) {
  const paths = folders.map((name) => join(root, "tests", name));
  const files = paths.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  const size = (/** @type {string} */ file) => statSync(file).size;
  return files.filter((file) => file.endsWith(".test.mjs")).sort((one, other) => size(other) - size(one));
}
