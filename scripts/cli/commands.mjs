// The commands, and how the arguments name one.
import { parseArgs } from "node:util";
import { Failure, firstSentence } from "../steps.mjs";
import { AUDIT_COMMANDS } from "./audit.mjs";
import { CLIENT_COMMANDS } from "./clients.mjs";
import { KEY_COMMANDS } from "./keys.mjs";
import { LOGOUT_COMMANDS } from "./logouts.mjs";
import { GRANT_COMMANDS, SESSION_COMMANDS } from "./sessions.mjs";
import { STATUS_COMMANDS } from "./status.mjs";
import { TOKEN_COMMANDS } from "./tokens.mjs";
import { USER_COMMANDS } from "./users.mjs";

/**
 * An option: `value` is the name of its value in the help.
 *
 * @typedef {{ type: "string" | "boolean", value?: string, help: string }} Option
 */

/**
 * @typedef {object} Call
 * @property {import("./provider.mjs").Provider} provider
 * @property {string[]} operands
 * @property {Record<string, any>} options
 * @property {import("./output.mjs").Output} output
 */

/**
 * @typedef {object} Command
 * @property {string} name
 * @property {string[]} operands    Their names; an optional one is in brackets.
 * @property {string} [input]       An example of a file for standard input.
 * @property {string} summary
 * @property {string} [details]
 * @property {Record<string, Option>} [options]
 * @property {string[]} [examples]
 * @property {(call: Call) => Promise<void>} run
 */

/** @type {Command[]} */
export const COMMANDS = [
  ...USER_COMMANDS, ...SESSION_COMMANDS, ...GRANT_COMMANDS, ...CLIENT_COMMANDS, ...TOKEN_COMMANDS, ...KEY_COMMANDS,
  ...LOGOUT_COMMANDS, ...AUDIT_COMMANDS, ...STATUS_COMMANDS,
];

/** @type {Record<string, Option>} */
export const COMMON_OPTIONS = {
  json: { type: "boolean", help: "print JSON at a terminal, too" },
  help: { type: "boolean", help: "show this help" },
};

/**
 * An id that begins with a hyphen, which is not an option: names of sessions and of initial access tokens are parts of hashes
 * in base64url, and key ids are hashes. Names of options have small letters only. Another operand can follow `--`.
 */
const ID = /^-(?=.*[^a-z-])[\w-]{11,}$/;

/** Returns the commands that begin with this word. */
export function familyOf(/** @type {string} */ word) {
  return COMMANDS.filter(({ name }) => name.split(" ")[0] === word);
}

/**
 * Returns the command whose name the words begin with, if there is one: the one with the longest name.
 *
 * @param {string[]} words
 */
export function commandOf(words) {
  return [3, 2, 1].map((count) => words.slice(0, count).join(" "))
    .map((name) => COMMANDS.find((command) => command.name === name))
    .find((command) => command);
}

/**
 * Returns the command that the arguments name, and the arguments after its name. Fails with a suggestion if there is
 * none.
 *
 * @param {string[]} args
 */
export function findCommand(args) {
  const command = commandOf(args);
  if (command) return { command, rest: args.slice(command.name.split(" ").length) };
  const [family, word] = args;
  const names = familyOf(family).map(({ name }) => name.slice(family.length + 1));
  if (names.length === 0) {
    const known = [...COMMANDS.map(({ name }) => name), ...new Set(COMMANDS.map(({ name }) => name.split(" ")[0]))];
    const suggestion = suggest(args.slice(0, 2).join(" "), known) || suggest(family, known);
    throw new Failure(`there is no command ${family}${suggestion}: npx postern --help lists the commands`);
  }
  const suggestion = suggest(word, names, `${family} `);
  const list = `the commands of ${family} are ${names.join(", ")}`;
  throw new Failure(`there is no command ${family} ${word}${suggestion}: ${list}`);
}

/**
 * Returns the operands and options of a command. Fails for what it does not take.
 *
 * @param {Command} command
 * @param {string[]} args
 */
export function parseArguments({ name, operands, options = {} }, args) {
  const seeHelp = `npx postern ${name} --help shows how`;
  const known = { ...options, ...COMMON_OPTIONS };
  const types = Object.fromEntries(Object.entries(known).map(([option, { type }]) => [option, { type }]));
  let texts, values;
  try {
    const separated = separate(args, types);
    texts = separated.texts;
    ({ values } = parseArgs({ args: separated.given, options: types }));
  } catch (error) {
    const message = firstSentence(error);
    const unknown = /^Unknown option '(--[^']*)'/.exec(message)?.[1];
    const suggestion = unknown ? suggest(unknown, Object.keys(known).map((option) => `--${option}`)) : "";
    throw new Failure(`${message}${suggestion}: ${seeHelp}`);
  }
  const required = operands.filter((operand) => !operand.startsWith("[")).length;
  if (texts.length < required || texts.length > operands.length) {
    throw new Failure(`${name} takes ${operands.join(" ") || "no operand"}: ${seeHelp}`);
  }
  return { operands: texts, options: values };
}

/**
 * Separates the options, each with its value in the same argument, from the operands. What is after `--` is an operand. A
 * value may begin with a hyphen, unless it is an option itself. Fails for an option without its value.
 *
 * @param {string[]} args
 * @param {Record<string, { type: string }>} types
 */
function separate(args, types) {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const isKnown = (/** @type {string} */ arg) =>
    arg.startsWith("--") && Object.hasOwn(types, arg.slice("--".length).split("=")[0]);
  const texts = [];
  const given = [];
  for (let i = 0; i < end; i += 1) {
    const takesValue = isKnown(args[i]) && types[args[i].slice("--".length)]?.type === "string";
    if (!/^-./.test(args[i]) || ID.test(args[i])) texts.push(args[i]);
    else if (!takesValue) given.push(args[i]);
    else if (i + 1 < end && !isKnown(args[i + 1])) given.push(`${args[i]}=${args[i += 1]}`);
    else throw new Failure(`${args[i]} needs a value`);
  }
  return { given, texts: [...texts, ...args.slice(end + 1)] };
}

/** Returns " (did you mean …?)" if a known name differs from the word in one or two places, and otherwise "". */
function suggest(word, known, prefix = "") {
  const distances = known.map((name) => ({ name, distance: editDistance(word, name) }));
  const [nearest] = distances.sort((a, b) => a.distance - b.distance);
  const isNear = nearest.distance <= Math.min(2, Math.floor(nearest.name.length / 2));
  return isNear ? ` (did you mean ${prefix}${nearest.name}?)` : "";
}

/** Returns how many characters must be inserted, deleted or replaced to turn one text into the other. */
function editDistance(one, other) {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const replaced = row[j - 1] + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[other.length];
}
