// What the scripts share: running programs, and saying what is done while it is done.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** The project's folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

export const onWindows = process.platform === "win32";

const bin = join(root, "node_modules", ".bin");

/** Whether a script is the program that was started. */
export const isMain = (url) => fileURLToPath(url) === realpathSync(process.argv[1]);

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
    const stdio = [input === undefined ? "ignore" : "pipe", "pipe", "pipe"];
    const child = spawn(program, args, { cwd: root, env: environment(env), stdio, shell: onWindows });
    let out = "";
    let all = "";
    child.stdout.setEncoding("utf8").on("data", (text) => { out += text; all += text; });
    child.stderr.setEncoding("utf8").on("data", (text) => { all += text; });
    if (show) {
      child.stdout.on("data", (text) => process.stdout.write(text));
      child.stderr.on("data", (text) => process.stderr.write(text));
    }
    // A program that ends without reading it all tells why by itself.
    child.stdin?.on("error", () => {}).end(input);
    child.on("error", (error) => reject(error.code === "ENOENT" ? new Failure(`${program} is not installed`) : error));
    child.on("close", (code, signal) => {
      const told = show ? "" : `\n${all}`;
      if (code === 0) resolve(out);
      else reject(new Failure(`${program} ${args.join(" ")} failed with ${code ?? signal}${told}`));
    });
  });
}

/** What keeps wrangler from asking, and from looking up where this machine stands. */
export const WRANGLER = { CI: "true", CLOUDFLARE_CF_FETCH_ENABLED: "false" };

/** Runs wrangler. */
export const wrangler = (args, options = {}) => run("wrangler", args, { ...options, env: WRANGLER });

/** A failure that its message tells whole: no stack is printed. */
export class Failure extends Error {}

/**
 * Returns the options that this script was given, by name. Prints its usage and exits for `--help`; fails for
 * whatever is not among `options`, which parseArgs defines.
 */
export function parseOptions(usage, options = {}) {
  let values;
  try {
    ({ values } = parseArgs({ options: { ...options, help: { type: "boolean", short: "h" } } }));
  } catch (error) {
    throw new Failure(`${error.message.split(". ")[0]}; --help shows what there is`);
  }
  if (values.help) {
    console.log(usage);
    process.exit();
  }
  return values;
}

/**
 * Says what is being done and, after it, how long it took and what came of it. `shows` is for work
 * whose own lines appear in between.
 */
export async function step(what, work, { shows = false } = {}) {
  const begin = Date.now();
  process.stderr.write(`· ${what} …${shows ? "\n" : ""}`);
  const end = (how) => process.stderr.write(`${shows ? `· ${what}:` : ""} ${how}\n`);
  try {
    const result = await work();
    const told = typeof result === "string" && result !== "" && !result.includes("\n") ? ` (${result})` : "";
    end(`${((Date.now() - begin) / 1000).toFixed(1)} s${told}`);
    return result;
  } catch (error) {
    end("failed");
    throw error;
  }
}

process.on("uncaughtException", (error) => {
  console.error(error instanceof Failure ? error.message : error);
  process.exit(1);
});

/** Calls `end` when this process is asked to end, however often it is asked. */
export function whenAsked(end) {
  let isAsked = false;
  const ask = (signal) => {
    if (!isAsked) end(signal);
    isAsked = true;
  };
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) process.on(signal, ask);
  // A SIGTERM to npm ends npm and its shell, and is not passed on.
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event) setInterval(() => process.ppid !== parent && ask("SIGTERM"), 500).unref();
}

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
  const node = realpathSync(join(bin, onWindows ? "node.exe" : "node"));
  if (realpathSync(process.execPath) === node || process.env.POSTERN_NODE) return;
  const child = spawn(node, process.argv.slice(1), { stdio: "inherit", env: { ...process.env, POSTERN_NODE: "1" } });
  whenAsked((signal) => child.kill(signal));
  process.exit(await new Promise((resolve) => child.on("close", (code) => resolve(code ?? 1))));
}
