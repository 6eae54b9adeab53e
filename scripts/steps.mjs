// Shared by the scripts: running programs, and reporting each step with its duration.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { printableLines } from "./printable.mjs";

/** The project's folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

export const onWindows = process.platform === "win32";

const bin = join(root, "node_modules", ".bin");

/**
 * Returns whether a module is the program that was started.
 *
 * @param {string} url
 */
export const isMain = (url) => fileURLToPath(url) === realpathSync(process.argv[1]);

/**
 * Returns the environment for a program: the project's own tools are first in its PATH.
 *
 * @param {Record<string, string>} [extra]
 */
export const environment = (extra = {}) => ({
  ...process.env,
  PATH: bin + delimiter + process.env.PATH,
  WRANGLER_SEND_METRICS: "false",
  ...extra,
});

/**
 * Runs a program in the project's folder and returns its standard output. The program's output is printed only if it
 * fails, or continuously with `show`. `input` is written to its standard input.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{ env?: Record<string, string>, input?: string, show?: boolean }} [options]
 * @returns {Promise<string>}
 */
export function run(program, args, { env, input, show = false } = {}) {
  return new Promise((resolve, reject) => {
    const stdin = input === undefined ? "ignore" : "pipe";
    const child = spawn(program, args, {
      cwd: root, env: environment(env), stdio: [stdin, "pipe", "pipe"], shell: onWindows,
    });
    let out = "";
    let all = "";
    child.stdout.setEncoding("utf8").on("data", (text) => { out += text; all += text; });
    child.stderr.setEncoding("utf8").on("data", (text) => { all += text; });
    if (show) {
      child.stdout.on("data", (text) => process.stdout.write(text));
      child.stderr.on("data", (text) => process.stderr.write(text));
    }
    // A program that ends before it has read its input reports the reason itself.
    child.stdin?.on("error", () => {}).end(input);
    child.on("error", (error) => reject(hasCode(error, "ENOENT") ? new Failure(`${program} is not installed`) : error));
    child.on("close", (code, signal) => {
      const output = show ? "" : `\n${all}`;
      if (code === 0) resolve(out);
      else reject(new Failure(`${program} ${args.join(" ")} failed with ${code ?? signal}${output}`));
    });
  });
}

/**
 * Returns whether an error has this code of Node's or of the operator API's.
 *
 * @param {unknown} error
 * @param {string} code
 */
export const hasCode = (error, code) => error instanceof Error && "code" in error && error.code === code;

/** Keeps wrangler from prompting, and from looking up where this machine is. */
export const WRANGLER = { CI: "true", CLOUDFLARE_CF_FETCH_ENABLED: "false" };

/**
 * Runs wrangler.
 *
 * @param {string[]} args
 * @param {{ input?: string, show?: boolean }} [options]
 */
export const wrangler = (args, options = {}) => run("wrangler", args, { ...options, env: WRANGLER });

/** A failure whose message is sufficient: no stack is printed. */
export class Failure extends Error {}

/**
 * Returns the options of this script, by name. Prints its usage and exits for `--help`. Fails for an argument that is
 * not in `options`, which has the form of parseArgs. Arguments that are not options are added to `names`, if there is
 * such a list.
 *
 * @param {string} usage
 * @param {import("node:util").ParseArgsConfig["options"]} [options]
 * @param {string[]} [names]
 */
export function parseOptions(usage, options = {}, names = undefined) {
  let values;
  try {
    const help = /** @type {const} */ ({ type: "boolean", short: "h" });
    const parsed = parseArgs({ options: { ...options, help }, allowPositionals: names !== undefined });
    ({ values } = parsed);
    names?.push(...parsed.positionals);
  } catch (error) {
    throw new Failure(`${firstSentence(error)}; --help lists the options`);
  }
  if (values.help) {
    console.log(usage);
    process.exit();
  }
  return values;
}

/**
 * Returns the first sentence of an error of parseArgs. The next ones suggest what no script here takes.
 *
 * @param {unknown} error
 */
export const firstSentence = (error) => (error instanceof Error ? error.message : String(error)).split(/\.\s/)[0];

/**
 * Prints what is done and, after it, how long it took, with the result if that is one line. `shows` is for work that
 * prints lines of its own.
 *
 * @template T
 * @param {string} what
 * @param {() => Promise<T>} work
 * @param {{ shows?: boolean }} [options]
 * @returns {Promise<T>}
 */
export async function step(what, work, { shows = false } = {}) {
  const begin = Date.now();
  process.stderr.write(`· ${what} …${shows ? "\n" : ""}`);
  const end = (/** @type {string} */ outcome) => process.stderr.write(`${shows ? `· ${what}:` : ""} ${outcome}\n`);
  try {
    const result = await work();
    const note = typeof result === "string" && result !== "" && !result.includes("\n") ? ` (${result})` : "";
    end(`${((Date.now() - begin) / 1000).toFixed(1)} s${note}`);
    return result;
  } catch (error) {
    end("failed");
    throw error;
  }
}

process.on("uncaughtException", (error) => {
  console.error(error instanceof Failure ? printableLines(error.message) : error);
  process.exit(1);
});

/**
 * Calls `stop` with the first signal that ends this process.
 *
 * @param {(signal: NodeJS.Signals) => void} stop
 */
export function onStopSignal(stop) {
  let isStopping = false;
  const stopOnce = (/** @type {NodeJS.Signals} */ signal) => {
    if (!isStopping) stop(signal);
    isStopping = true;
  };
  for (const signal of /** @type {const} */ (["SIGHUP", "SIGINT", "SIGTERM"])) process.on(signal, stopOnce);
  // npm and its shell end on SIGTERM without passing it on.
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event) setInterval(() => process.ppid !== parent && stopOnce("SIGTERM"), 500).unref();
}

/**
 * Installs the npm packages unless they match package-lock.json, and continues in the Node that is one of them,
 * because the one on this machine may be older than the tools need.
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
  onStopSignal((signal) => child.kill(signal));
  process.exit(await new Promise((resolve) => child.on("close", (code) => resolve(code ?? 1))));
}
