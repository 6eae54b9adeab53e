// Runs the programs of clients: servers until the tests end, and others to their end.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const servers = new Set();
// One hook for all, because a hook that is registered within a test does not always run.
after(() => Promise.all([...servers].map(stop)));

/** The path of a file in this folder. */
export const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * A port of this machine that nobody listens on. It is below those that systems choose themselves, so that no connection
 * takes it before the program listens.
 */
export async function freePort() {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const server = net.createServer();
    try {
      await once(server.listen(port, "127.0.0.1"), "listening");
    } catch {
      continue;
    }
    await once(server.close(), "close");
    return port;
  }
}

/**
 * `input` is what the program reads, or a function that makes it from the first line that the program prints.
 *
 * @typedef {{ env?: Record<string, string>, cwd?: string, input?: string | ((line: string) => Promise<string>) }} Options
 */

/**
 * Runs a program to its end. Returns its exit code, what it printed, and all of its output.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {Options} options
 */
export async function runProgram(program, args, { env = {}, cwd, input = "" } = {}) {
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: "pipe" });
  const { printed, all } = outputOf(child);
  // A program that ends before it has read its input reports the reason itself.
  child.stdin.on("error", () => {});
  const closed = once(child, "close");
  if (typeof input === "string") {
    child.stdin.end(input);
  } else {
    const line = await Promise.race([firstLine(child), closed.then(() => undefined)]);
    // A program that waits for its input would keep the tests from ending.
    child.stdin.end(line && await input(line).catch((error) => { child.kill(); throw error; }));
  }
  const [code, signal] = await closed;
  return { code: code ?? signal, stdout: printed.join(""), output: all.join("") };
}

/** The first line that a program prints. */
function firstLine({ stdout }) {
  let text = "";
  return new Promise((resolve) => {
    stdout.on("data", (chunk) => {
      text += chunk;
      if (text.includes("\n")) resolve(text.split("\n")[0]);
    });
  });
}

/** Runs a program that prints a JSON object on its last line. Returns the object. */
export async function runForJson(program, args, options = {}) {
  const { code, stdout, output } = await runProgram(program, args, options);
  assert.equal(code, 0, output);
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

/**
 * Runs a program that prints a JSON object with the `url` of its authorization request, reads the query of the callback,
 * and prints a JSON object at its end. `signIn` walks from the URL to the callback. Returns the object.
 */
export function runSignIn(program, args, signIn, options = {}) {
  const input = async (line) => `${(await signIn(JSON.parse(line).url)).search.slice(1)}\n`;
  return runForJson(program, args, { ...options, input });
}

/**
 * Starts a server and waits until it listens on the port. It stops after the test in which it started, or
 * after the file's tests. Returns its output.
 *
 * @param {number} port
 * @param {string} program
 * @param {string[]} args
 * @param {Options} options
 */
export async function startServer(port, program, args, { env = {}, cwd } = {}) {
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const { all } = outputOf(child);
  servers.add(child);
  for (let tries = 0; tries < 600; tries++, await sleep(100)) {
    assert.ok(child.exitCode === null && child.signalCode === null, `${program} ended: ${all.join("")}`);
    if (await isListening(port)) return { output: () => all.join("") };
  }
  return assert.fail(`${program} does not listen on ${port}: ${all.join("")}`);
}

/** Ends a program, if need be by force. */
async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await Promise.race([once(child, "exit"), sleep(5_000).then(() => child.kill("SIGKILL"))]);
}

function outputOf(child) {
  const printed = [];
  const all = [];
  child.stdout.setEncoding("utf8").on("data", (text) => { printed.push(text); all.push(text); });
  child.stderr.setEncoding("utf8").on("data", (text) => all.push(text));
  return { printed, all };
}

async function isListening(port) {
  const socket = net.connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** The claims of a JWT, unverified. */
export const claimsOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
