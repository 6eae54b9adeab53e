// The input of a command: documents on standard input, passwords and confirmations at a terminal.
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { parseJson } from "../operator_api.mjs";
import { printable } from "../printable.mjs";
import { Failure } from "../steps.mjs";
import { note } from "./output.mjs";

/**
 * Returns standard input. At a terminal, prints what is read from it.
 *
 * @param {string} what
 */
export function openInput(what) {
  if (process.stdin.isTTY) note(`reading ${what} from the terminal: end with Ctrl-D`);
  return process.stdin;
}

/**
 * Reads standard input as text, without a byte order mark. Only UTF-8 is read, because another encoding would become
 * other characters, for example in a password: text editors and PowerShell on Windows also write UTF-16.
 *
 * @param {NodeJS.ReadableStream} input
 */
async function readText(input) {
  const bytes = await buffer(input);
  refuseUtf16(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Failure("the input is not UTF-8: save it as UTF-8");
  }
}

/**
 * Fails if a text begins in UTF-16. Its ASCII characters have a null byte each, also without a byte order mark.
 *
 * @param {Buffer} bytes
 */
export function refuseUtf16(bytes) {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff) || first === 0 || second === 0) {
    throw new Failure("the input is UTF-16: save it as UTF-8");
  }
}

/**
 * Reads a JSON document from standard input. Returns its text, because numbers and duplicate names must reach the
 * worker as they were written, and its value. Returns undefined if the input is empty and `isOptional`; then it is
 * not read from a terminal.
 *
 * @param {string} what
 * @param {{ isOptional?: boolean }} [options]
 * @returns {Promise<{ text: string, value: any } | undefined>}
 */
export async function readDocument(what, { isOptional = false } = {}) {
  if (isOptional && process.stdin.isTTY) return undefined;
  const json = await readText(openInput(what));
  if (json.trim() === "") {
    if (isOptional) return undefined;
    throw new Failure(`standard input is empty: ${what} must be there as a JSON object`);
  }
  try {
    return { text: json, value: parseJson(json) };
  } catch (error) {
    // The rest of the message quotes the input, which may be a secret in the wrong place.
    throw new Failure(`${what} must be JSON: ${error.message.split(/, (?=(?:\.\.\.)?")/)[0]}`);
  }
}

/**
 * Returns the password that the options give or have generated, or undefined.
 *
 * @param {{ password?: string, generate?: boolean }} options
 */
export function passwordOf({ password, generate }) {
  if (generate && password !== undefined) throw new Failure("--generate and --password exclude each other");
  // 120 bits, in 20 characters.
  return generate ? randomBytes(15).toString("base64url") : password;
}

/** Reads a password: typed twice at a terminal, and otherwise all of standard input without its last line break. */
export async function readPassword() {
  if (!process.stdin.isTTY) {
    const password = (await readText(process.stdin)).replace(/\r?\n$/, "");
    if (password === "") throw new Failure("standard input is empty: the password must be there, or use --generate");
    return password;
  }
  const [password, repetition] = await readLines(["New password: ", "Again: "], { isHidden: true });
  if (password !== repetition) throw new Failure("the passwords differ: nothing was changed");
  return password;
}

/**
 * Returns once the user has confirmed at a terminal, or if --yes was given. Fails otherwise.
 *
 * @param {string} command
 * @param {string} question
 * @param {{ yes?: boolean }} options
 */
export async function confirm(command, question, { yes }) {
  if (yes) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new Failure(`${command} needs --yes, because there is no terminal to confirm it`);
  }
  const [answer] = await readLines([`${printable(question)} [y/N] `]);
  if (!/^y(es)?$/i.test(answer.trim())) throw new Failure("not confirmed: nothing was changed");
}

/** Reads one line from the terminal for each prompt. Fails at Ctrl-D, and exits at Ctrl-C. */
async function readLines(prompts, { isHidden = false } = {}) {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const output = isHidden ? silent : process.stderr;
  const terminal = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 });
  terminal.on("SIGINT", () => {
    process.stderr.write("\n");
    process.exit(130);
  });
  const lines = terminal[Symbol.asyncIterator]();
  const answers = [];
  for (const prompt of prompts) {
    if (isHidden) process.stderr.write(prompt);
    terminal.setPrompt(prompt);
    terminal.prompt();
    const { value, done } = await lines.next();
    if (isHidden || done) process.stderr.write("\n");
    if (done) throw new Failure("cancelled: nothing was changed");
    answers.push(value);
  }
  terminal.close();
  return answers;
}
