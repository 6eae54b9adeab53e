// The hardware and versions of a run. Nothing identifies the machine.
import { readFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { root, run } from "../scripts/steps.mjs";

export const machine = () => ({
  cpu: os.cpus()[0]?.model.trim(), cores: os.cpus().length, memory: os.totalmem(),
  kernel: `${os.type()} ${os.release().split("-")[0]}`, load: os.loadavg()[0],
});

const PACKAGES = [
  "workerd", "esbuild", "hono", "jose", "better-auth", "@openauthjs/openauth", "@cloudflare/workers-oauth-provider",
  "oidc-provider",
];

/** @returns {Promise<any>} */
export async function versions() {
  const version = (name) => JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")).version;
  // A checkout without git can be measured too.
  const git = (...args) => run("git", args).then((text) => text.trim(), () => "");
  const commit = await git("rev-parse", "--short", "HEAD");
  const isChanged = (await git("status", "--porcelain", "--", "src", "templates", "Cargo.lock")) !== "";
  return {
    postern: commit + (isChanged ? " with changes" : ""), node: process.version,
    ...Object.fromEntries(PACKAGES.map((name) => [name, version(name)])),
  };
}

/** The machine and the versions as text. */
export function describe({ machine: { cores, cpu, memory, kernel, load }, versions }) {
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ");
  return `${cores} × ${cpu}, ${(memory / 2 ** 30).toFixed(1)} GiB, ${kernel}, with a load average of ${load.toFixed(1)}. ` +
    `Versions: ${packages}.`;
}
