// postern status
import { Failure } from "../steps.mjs";

/** @type {import("./commands.mjs").Command[]} */
export const STATUS_COMMANDS = [
  {
    name: "status",
    operands: [],
    summary: "print whether the provider is ready, with a line for each part",
    details: "A part is ok, warning or failed. The exit code is 1 if one has failed, and 0 with warnings.",
    run: showStatus,
  },
];

/** @type {import("./output.mjs").Column[]} */
const COLUMNS = [
  { title: "PART", value: ({ name }) => name },
  { title: "STATUS", value: ({ status }) => status },
  { title: "MS", value: ({ latency_ms: latency }) => latency },
  { title: "DETAIL", value: ({ detail }) => detail },
];

/** @param {import("./commands.mjs").Call} call */
async function showStatus({ provider, output }) {
  const { ready, checks } = await provider.report();
  await output.list(COLUMNS, (check) => check)(checks);
  if (!ready) {
    const failed = checks.filter(({ status }) => status === "failed").map(({ name }) => name);
    throw new Failure(`${provider.url} is not ready: ${failed.join(", ")}`);
  }
}
