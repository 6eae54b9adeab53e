// One contender on Node, in a process of its own, which is told by message what it needs.
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Failure, root } from "../scripts/steps.mjs";
import { readings } from "./workerd.mjs";

/** Starts a program, which answers its settings with the port where it listens. */
export async function startNode(entry, settings) {
  const begin = performance.now();
  const child = fork(join(root, entry), {
    stdio: ["ignore", "ignore", "pipe", "ipc"], env: { ...process.env, NODE_ENV: "production" },
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => { errors = (errors + text).slice(-4_000); });
  const ended = once(child, "close");
  const tell = async (message) => {
    child.send(message);
    const [answer] = await Promise.race([
      once(child, "message"),
      ended.then(() => { throw new Failure(`${entry} ended: ${errors}`); }),
    ]);
    return answer;
  };
  return {
    port: await tell(settings), begin, pid: child.pid,
    errors: () => errors,
    tell,
    ...readings(child.pid),
    kill: () => child.kill("SIGKILL"),
    stop() {
      child.kill("SIGTERM");
      return ended;
    },
  };
}
