// Runs a contender on Node, in its own process, which gets its data by messages.
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Failure, root } from "../scripts/steps.mjs";
import { within } from "./failures.mjs";
import { START_LIMIT, endings, readings } from "./workerd.mjs";

/** Starts a program. It gets its settings by message, and replies with its port. */
export async function startNode(entry, settings) {
  const begin = performance.now();
  const child = fork(join(root, entry), {
    stdio: ["ignore", "ignore", "pipe", "ipc"], env: { ...process.env, NODE_ENV: "production" },
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => { errors = (errors + text).slice(-4_000); });
  const ended = once(child, "close");
  const send = async (message) => {
    child.send(message);
    const [response] = await Promise.race([
      once(child, "message"),
      ended.then(() => { throw new Failure(`${entry} ended: ${errors}`); }),
    ]);
    return response;
  };
  return {
    port: await within(START_LIMIT, send(settings), () => child.kill("SIGKILL")), begin, pid: child.pid,
    errors: () => errors,
    send,
    ...readings(child.pid),
    ...endings((signal) => child.kill(signal), ended),
  };
}
