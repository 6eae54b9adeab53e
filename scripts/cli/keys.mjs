// postern key …
import { confirm } from "./input.mjs";
import { note } from "./output.mjs";
import { timeOf } from "./times.mjs";

/** A time of a key can be null, and 0 is before all others. */
const time = (seconds) => seconds && timeOf(seconds);

const COLUMNS = [
  { title: "KID", value: ({ kid }) => kid },
  { title: "ALG", value: ({ alg }) => alg },
  { title: "STATE", value: ({ state }) => state },
  { title: "MADE", value: ({ created_at: at }) => time(at) },
  { title: "SIGNS_FROM", value: ({ sign_from: at }) => time(at) },
  { title: "SIGNS_UNTIL", value: ({ sign_until: at }) => time(at) },
  { title: "RETIRES", value: ({ retire_at: at }) => time(at) },
];

/** @type {import("./commands.mjs").Command[]} */
export const KEY_COMMANDS = [
  {
    name: "key list",
    operands: [],
    summary: "show the signing keys",
    details: `A key is published before it signs, and retires when every token that it signed has expired. The worker makes
the next key of each algorithm by itself.`,
    run: listKeys,
  },
  {
    name: "key rotate",
    operands: [],
    summary: "make new signing keys, or withdraw a compromised one",
    details: `Without an option, new keys are published at once. They sign when every cache that obeys its headers has them.
With --compromised another key signs at once, and tokens of the withdrawn one fail: here within 16 minutes, and at
relying parties when they load the keys again.`,
    options: {
      compromised: { type: "string", value: "KID", help: "the key to withdraw" },
      yes: { type: "boolean", help: "skip the confirmation" },
    },
    examples: ["npx postern key rotate", "npx postern key rotate --compromised KID"],
    run: rotateKeys,
  },
];

/** @param {import("./commands.mjs").Call} call */
async function listKeys({ provider, output }) {
  await show(await provider.request("GET", "/keys"), output);
}

/** @param {import("./commands.mjs").Call} call */
async function rotateKeys({ provider, options, output }) {
  const { compromised } = options;
  if (compromised !== undefined) {
    const question = `Withdraw the key ${compromised} at ${provider.url}? Every token that it signed fails.`;
    await confirm("key rotate --compromised", question, options);
  }
  await show(await provider.request("POST", "/keys/rotate", JSON.stringify({ compromised })), output);
}

/** Prints the keys, and a note for each algorithm whose next key is overdue. */
async function show({ keys, rotation }, output) {
  await output.list(COLUMNS, (key) => key)(keys);
  for (const { alg, overdue_since: since } of rotation) {
    if (since !== null) note(`the next ${alg} key is overdue since ${time(since)}: does the maintenance run?`);
  }
}
