#!/usr/bin/env node
// npx postern …, or npm run -s admin -- …: the operator's command line. It uses only what Node contains, so that it
// works before anything is installed.
import { findCommand, parseArguments } from "./cli/commands.mjs";
import { requestedHelp } from "./cli/help.mjs";
import { makeOutput, print } from "./cli/output.mjs";
import { selectProvider } from "./cli/provider.mjs";

// A reader that needs no more lines, such as head, closes the pipe. That is not an error.
process.stdout.on("error", (error) => process.exit("code" in error && error.code === "EPIPE" ? 0 : 1));
await main(process.argv.slice(2));

/** @param {string[]} args */
async function main(args) {
  const help = requestedHelp(args);
  if (help) return print([help]);
  const { command, rest } = findCommand(args[0] === "help" ? args.slice(1) : args);
  const { operands, options } = parseArguments(command, rest);
  const output = makeOutput({ isTerminal: process.stdout.isTTY === true, json: options.json === true });
  return command.run({ provider: selectProvider(), operands, options, output });
}
