// postern user …
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { Failure } from "../steps.mjs";
import { importUsers } from "./import.mjs";
import { confirm, openInput, passwordOf, readDocument, readPassword } from "./input.mjs";
import { note } from "./output.mjs";
import { fetchAll, pathOf } from "./provider.mjs";

/** What `user get` prints and `user put` ignores: the provider decides these. */
const READ_ONLY = ["has_password", "created_at", "updated_at"];

/** @type {Record<string, import("./commands.mjs").Option>} */
const PASSWORD_OPTIONS = {
  password: { type: "string", value: "P", help: "the password; the process list of this machine shows it" },
  generate: { type: "boolean", help: "make a password, and print it this once" },
};

const COLUMNS = [
  { title: "SUB", value: ({ sub }) => sub },
  { title: "LOGIN", value: ({ login }) => login },
  { title: "NAME", value: ({ claims }) => claims.name },
  { title: "EMAIL", value: ({ claims }) => claims.email },
  { title: "PASSWORD", value: ({ has_password: has }) => (has ? "yes" : "no") },
  { title: "DISABLED", value: ({ disabled }) => (disabled ? "yes" : "no") },
];

/** @type {import("./commands.mjs").Command[]} */
export const USER_COMMANDS = [
  {
    name: "user put",
    operands: ["SUB"],
    input: "claims.json",
    summary: "store a user, new or changed",
    details: `The document is the user's claims, or a user as user get prints one. It REPLACES all claims of the user.
Without a document, at a terminal or with an empty standard input, --login, --password and --generate change
the login or the password and keep the claims. A new user without --login has the SUB as the login.`,
    options: { login: { type: "string", value: "LOGIN", help: "the name to sign in with" }, ...PASSWORD_OPTIONS },
    examples: [
      `echo '{"name": "Alice Adams"}' | npx postern user put alice --login alice@example.com --generate`,
      "npx postern user get alice > alice.json; npx postern user put alice < alice.json",
    ],
    run: putUser,
  },
  {
    name: "user get",
    operands: ["SUB"],
    summary: "show a user",
    run: getUser,
  },
  {
    name: "user list",
    operands: [],
    summary: "show all users",
    details: "In a pipe it prints a user a line, as user import reads them. No password is part of it.",
    examples: ["npx postern user list > users.ndjson"],
    run: listUsers,
  },
  {
    name: "user login",
    operands: ["SUB", "NEW_LOGIN"],
    summary: "change the login of a user",
    details: "The claims and the password stay as they are.",
    examples: ["npx postern user login alice alice.adams@example.com"],
    run: changeLogin,
  },
  {
    name: "user password",
    operands: ["SUB"],
    input: "password.txt",
    summary: "set or remove the password of a user",
    details: `At a terminal the password is typed twice, unseen. Otherwise it is read from standard input.
A new password ends the user's sessions. Applications with offline_access go on, unless --grants is given.`,
    options: {
      ...PASSWORD_OPTIONS,
      grants: { type: "boolean", help: "revoke all grants of the user, too" },
      none: { type: "boolean", help: "remove the password, so that the user cannot sign in" },
      yes: { type: "boolean", help: "skip the confirmation of --none" },
    },
    examples: ["npx postern user password alice --generate", "npx postern user password alice --generate --grants"],
    run: setPassword,
  },
  {
    name: "user signout",
    operands: ["SUB"],
    summary: "end all sessions of a user",
    details: "What came of the sessions ends with them, but not a grant with offline_access, unless --grants is given.",
    options: {
      grants: { type: "boolean", help: "revoke all grants of the user, too" },
      yes: { type: "boolean", help: "skip the confirmation" },
    },
    examples: ["npx postern user signout alice --grants"],
    run: signOut,
  },
  {
    name: "user disable",
    operands: ["SUB"],
    summary: "disable a user: no sign-in, and no token works",
    details: `Ends the user's sessions. The grants with offline_access stay, and work again when the user is enabled, if the
application keeps its tokens meanwhile.`,
    options: { yes: { type: "boolean", help: "skip the confirmation" } },
    run: disableUser,
  },
  {
    name: "user enable",
    operands: ["SUB"],
    summary: "enable a disabled user",
    run: enableUser,
  },
  {
    name: "user delete",
    operands: ["SUB"],
    summary: "delete a user",
    details: `Ends the grants and erases login, claims and password. No other user can get this SUB again.`,
    options: { yes: { type: "boolean", help: "skip the confirmation" } },
    run: deleteUser,
  },
  {
    name: "user import",
    operands: ["[FILE]"],
    input: "users.ndjson",
    summary: "store many users",
    details: `Each line is a user: {"sub", "login", "claims", "password_hash", "disabled"}. All but the sub are optional, and a field
that is left out keeps its value. password_hash is a PHC string of Argon2. A line that is refused is reported
with the reason; the others are stored, and the exit code is 1.`,
    examples: ["npx postern user list | npx postern user import"],
    run: loadUsers,
  },
];

/** @param {import("./commands.mjs").Call} call */
async function putUser({ provider, operands: [sub], options, output }) {
  const password = passwordOf(options);
  const isOptional = options.login !== undefined || password !== undefined;
  const document = await readDocument("the claims", { isOptional });
  const fields = { login: options.login, password };
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  const user = await provider.request("PUT", pathOf("users", sub), userJson(document, sub, given));
  await showUser(provider, options.generate ? { ...user, password } : user, output);
}

/** @param {import("./commands.mjs").Call} call */
async function getUser({ provider, operands: [sub], output }) {
  await showUser(provider, await provider.request("GET", pathOf("users", sub)), output);
}

/** Returns the JSON of a user. Claims are sent as they were written. */
function userJson(document, sub, given) {
  if (!document) return JSON.stringify(Object.fromEntries(given));
  const { text, value } = document;
  if (value?.sub === undefined) {
    const fields = given.map(([name, field]) => `"${name}":${JSON.stringify(field)}`);
    return `{${[...fields, `"claims":${text}`].join(",")}}`;
  }
  // No claim is called sub, so this is a user as user get prints one.
  if (value.sub !== sub) throw new Failure(`the sub of the document is ${value.sub}, and the operand is ${sub}`);
  const fields = Object.entries(value).filter(([name]) => !READ_ONLY.includes(name));
  return JSON.stringify(Object.fromEntries([...fields, ...given]));
}

/** @param {import("./commands.mjs").Call} call */
async function changeLogin({ provider, operands: [sub, login], output }) {
  // PUT alone would store a new user. No other user can get this sub in between.
  await provider.request("GET", pathOf("users", sub));
  await showUser(provider, await provider.request("PUT", pathOf("users", sub), JSON.stringify({ login })), output);
}

/** @param {import("./commands.mjs").Call} call */
async function setPassword({ provider, operands: [sub], options, output }) {
  const path = pathOf("users", sub, "password");
  const given = passwordOf(options);
  if (options.none) {
    if (given !== undefined) throw new Failure("--none removes the password: give no other option for it");
    if (options.grants) throw new Failure("--none revokes no grants: npx postern user signout SUB --grants does");
    await confirm("user password --none", `Remove the password of ${sub} at ${provider.url}?`, options);
    return showUser(provider, await provider.request("DELETE", path), output);
  }
  const password = given ?? await readPassword();
  const user = await provider.request("PUT", path, JSON.stringify({ password, grants: options.grants }));
  return showUser(provider, options.generate ? { ...user, password } : user, output);
}

/** @param {import("./commands.mjs").Call} call */
async function signOut({ provider, operands: [sub], options, output }) {
  const { grants = false } = options;
  const question = `End all sessions${grants ? " and grants" : ""} of ${sub} at ${provider.url}?`;
  await confirm("user signout", question, options);
  await output.show(await provider.request("POST", pathOf("users", sub, "signout"), JSON.stringify({ grants })));
}

/** @param {import("./commands.mjs").Call} call */
async function disableUser({ provider, operands: [sub], options, output }) {
  await confirm("user disable", `Disable ${sub} at ${provider.url}? No sign-in and no token of this user works then.`, options);
  await showUser(provider, await provider.request("PUT", pathOf("users", sub, "disabled")), output);
}

/** @param {import("./commands.mjs").Call} call */
async function enableUser({ provider, operands: [sub], output }) {
  await showUser(provider, await provider.request("DELETE", pathOf("users", sub, "disabled")), output);
}

/** @param {import("./commands.mjs").Call} call */
async function deleteUser({ provider, operands: [sub], options, output }) {
  const question = `Delete the user ${sub} at ${provider.url}? The sub can never be used again.`;
  await confirm("user delete", question, options);
  await output.show(await provider.request("DELETE", pathOf("users", sub)));
}

/** @param {import("./commands.mjs").Call} call */
async function listUsers({ provider, output }) {
  // An import keeps a user disabled without the field, but a new user would not be.
  const show = output.list(COLUMNS, ({ sub, login, claims, disabled }) =>
    ({ sub, login, claims, ...(disabled && { disabled }) }));
  const { claims_supported: released } = await provider.discover();
  const unreleased = new Map();
  await fetchAll(provider, "users", async (users) => {
    await show(users);
    for (const name of users.flatMap((user) => unreleasedClaims(user, released))) {
      unreleased.set(name, (unreleased.get(name) ?? 0) + 1);
    }
  }, note);
  for (const [name, count] of unreleased) warnOfClaim(name, count === 1 ? "1 user has" : `${count} users have`);
}

async function showUser(provider, user, output) {
  const { claims_supported: released } = await provider.discover();
  await output.show(user);
  for (const name of unreleasedClaims(user, released)) warnOfClaim(name, `${user.sub} has`);
}

/** Returns the stored claims that the provider does not list as supported. A claim may end in a language tag. */
function unreleasedClaims({ claims }, released) {
  if (!Array.isArray(released)) return [];
  return Object.keys(claims).filter((name) => !released.includes(name.split("#")[0]));
}

function warnOfClaim(name, owner) {
  note(`warning: no scope releases the claim ${JSON.stringify(name)}, which ${owner}: no client gets it, and user put ` +
    "and user import refuse it. Add it to a scope in SCOPES, or leave it out");
}

/** @param {import("./commands.mjs").Call} call */
async function loadUsers({ provider, operands: [file], output }) {
  const stream = file === undefined ? openInput("the users") : createReadStream(fileOf(file));
  const begin = Date.now();
  let done = 0;
  let lastNote = begin;
  const progress = () => {
    const seconds = Math.max(Date.now() - begin, 1) / 1000;
    return `${done} lines done in ${seconds.toFixed(1)} s, ${Math.round(done / seconds)} a second`;
  };
  const total = await importUsers(provider.request, stream, {
    onRefused: (line, error) => note(`line ${line}: ${error}`),
    onProgress(lines) {
      done = lines;
      if (process.stderr.isTTY) process.stderr.write(`\r${progress()}\x1b[K`);
      else if (Date.now() - lastNote >= 2_000) {
        note(progress());
        lastNote = Date.now();
      }
    },
  }).catch((error) => {
    if (done > 0) note(progress());
    // The file cannot be read.
    throw error.syscall ? new Failure(error.message) : error;
  });
  note(progress());
  if (total.refused > 0) process.exitCode = 1;
  await output.show(total);
}

/** Returns a file's path. npm runs its scripts in the project's folder, not in that of the command. */
function fileOf(name) {
  return resolve(process.env.npm_lifecycle_event === "admin" ? process.env.INIT_CWD : ".", name);
}
