// What the scripts share: running programs, and saying what is done while it is done.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

const bin = join(root, "node_modules", ".bin");

/** Whether a script is the program that was started. */
export const isMain = (url) => fileURLToPath(url) === process.argv[1];

/** The environment for programs: the project's own tools first, and nobody asked anything. */
export const environment = (extra = {}) => ({
  ...process.env,
  PATH: bin + delimiter + process.env.PATH,
  WRANGLER_SEND_METRICS: "false",
  ...extra,
});

/**
 * Runs a program in the project's folder and returns its standard output. What it prints is shown
 * where it fails, or as it comes with `show`. `input` is its standard input.
 */
export function run(program, args, { env, input, show = false } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = [input === undefined ? "ignore" : "pipe", show ? "inherit" : "pipe", show ? "inherit" : "pipe"];
    const child = spawn(program, args, { cwd: root, env: environment(env), stdio, shell: process.platform === "win32" });
    let out = "";
    let all = "";
    child.stdout?.on("data", (data) => { out += data; all += data; });
    child.stderr?.on("data", (data) => { all += data; });
    child.stdin?.end(input);
    child.on("error", (error) => reject(error.code === "ENOENT" ? new Failure(`${program} is not installed`) : error));
    child.on("close", (code) => {
      if (code === 0) resolve(out);
      else reject(new Failure(`${program} ${args.join(" ")} failed with ${code}\n${all}`));
    });
  });
}

/** A failure that its message tells whole: no stack is printed. */
export class Failure extends Error {}

/** Says what is being done and, after it, how long it took and what came of it. */
export async function step(what, work) {
  const begin = Date.now();
  process.stderr.write(`· ${what} …`);
  try {
    const result = await work();
    const told = typeof result === "string" && result !== "" && !result.includes("\n") ? ` (${result})` : "";
    process.stderr.write(` ${((Date.now() - begin) / 1000).toFixed(1)} s${told}\n`);
    return result;
  } catch (error) {
    process.stderr.write(" failed\n");
    throw error;
  }
}

process.on("uncaughtException", (error) => {
  console.error(error instanceof Failure ? error.message : error);
  process.exit(1);
});

/**
 * Installs the npm packages if they are not those of package-lock.json, and goes on in the Node that
 * comes with them: the one on this machine may be older than the tools need.
 */
export async function prepare() {
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  const stamp = join(root, "node_modules", ".postern-lock");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== lock) {
    await step("installing the npm packages", () => run("npm", ["ci", "--no-audit", "--no-fund"]));
    writeFileSync(stamp, lock);
  }
  const node = join(bin, process.platform === "win32" ? "node.exe" : "node");
  const [major] = process.versions.node.split(".").map(Number);
  if (major >= 22 || process.env.POSTERN_NODE) return;
  const child = spawn(node, process.argv.slice(1), { stdio: "inherit", env: { ...process.env, POSTERN_NODE: "1" } });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  process.exit(await new Promise((resolve) => child.on("close", (code) => resolve(code ?? 1))));
}
