// The help for the command line, a family of commands, and a command.
import { COMMANDS, COMMON_OPTIONS, commandOf, familyOf } from "./commands.mjs";

const HEAD = `npx postern COMMAND

Manages the users, sessions, clients, tokens and signing keys of a Postern.
`;

const FOOT = `
npx postern COMMAND --help shows the operands and options of a command.

At a terminal a command prints a table, otherwise JSON, one object a line. Errors are one line on standard error, and
the exit code is 1.

A command manages the worker that npm start serves, with the ADMIN_TOKEN of .dev.vars; PORT chooses the port. To manage
another provider, set POSTERN_URL to its issuer and ADMIN_TOKEN to its token in the environment.

Run npx postern inside the checkout only: elsewhere npx looks for a package of this name on the public registry.`;

/**
 * Returns the help, if the arguments request it: with help, --help or -h, or without a command.
 *
 * @param {string[]} args
 */
export function requestedHelp(args) {
  const end = args.indexOf("--");
  const options = end < 0 ? args : args.slice(0, end);
  const words = args.filter((arg) => !arg.startsWith("-"));
  if (words[0] === "help") return helpFor(words.slice(1));
  if (options.includes("--help") || options.includes("-h")) return helpFor(words.slice(0, 3));
  const isCommand = COMMANDS.some(({ name }) => name === words[0]);
  return args.length <= 1 && !isCommand ? helpFor(args) : undefined;
}

/**
 * Returns the help that these words name: a command, a family or all commands.
 *
 * @param {string[]} words
 * @returns {string | undefined}
 */
function helpFor(words) {
  if (words.length === 0) return `${HEAD}\n${overview(COMMANDS)}\n${FOOT}`;
  const command = commandOf(words);
  if (command) return commandHelp(command);
  const family = familyOf(words[0]);
  if (words.length > 1 || family.length === 0) return undefined;
  return `npx postern ${words[0]} COMMAND\n\n${overview(family)}\n
npx postern ${words[0]} COMMAND --help shows the operands and options of a command.`;
}

function overview(commands) {
  return columns(commands.map((command) => [signature(command), command.summary]));
}

const signature = ({ name, operands }) => [name, ...operands].join(" ");

/** @param {import("./commands.mjs").Command} command */
function commandHelp(command) {
  const { summary, details, input, options = {}, examples = [] } = command;
  const usage = `npx postern ${signature(command)} [OPTIONS]${input ? ` < ${input}` : ""}`;
  const sentence = `${summary[0].toUpperCase()}${summary.slice(1)}.`;
  const rows = Object.entries({ ...options, ...COMMON_OPTIONS })
    .map(([name, { value, help }]) => [`--${name}${value ? ` ${value}` : ""}`, help]);
  const parts = [usage, [sentence, details].filter((part) => part).join("\n"), columns(rows)];
  if (examples.length > 0) parts.push(`For example:\n\n${examples.map((example) => `  ${example}`).join("\n")}`);
  return parts.join("\n\n");
}

function columns(rows) {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}
