// npm run -s admin -- …: the operator's command line. Results are JSON on standard output, errors one
// line on standard error. It runs on what Node brings, so that nothing need be installed.
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { client } from "./client.mjs";
import { importUsers } from "./import.mjs";
import { localWorker } from "./local.mjs";
import { Failure } from "./steps.mjs";

const USAGE = `npm run -s admin -- COMMAND

  user put SUB [--login LOGIN] [--password P] < claims.json
                                                 store a user, new or replaced; without --login the
                                                 login stays as it is, or is the sub
  user password SUB [--password P] [--none]      set a password, read from standard input unless
                                                 given (where a list of processes shows it); or take
                                                 it away
  user get SUB                                   show a user
  user list                                      show all, one a line, as user import reads them; damaged
                                                 ones are named on standard error
  user delete SUB                                delete a user; a sub is never given again
  user import [FILE] < users.ndjson              store users, each a line {"sub", "login", "claims",
                                                 "password_hash"}: the latter a PHC string of Argon2
  client create < metadata.json                  store a client under a new id; shows its secret, this once
  client put CLIENT_ID < metadata.json           store one under this id, new or replaced
  client get CLIENT_ID                           show a client
  client list                                    show all, one a line; damaged ones likewise
  client delete CLIENT_ID                        delete a client and revoke what it was granted
  registration token [--uses N] [--ttl SECONDS]  print an initial access token, by which so many clients
                                                 may register themselves: one, within a day, unless told
  token --sub SUB --scope SCOPE [--ttl SECONDS]  print an access token, good for 600 s unless told
  grant revoke GRANT_ID                          revoke a grant: what a token calls its grant_id

It talks to the worker that npm start serves (PORT is heeded) with the ADMIN_TOKEN of .dev.vars. To
another, where POSTERN_URL is set: its issuer's URL, with its ADMIN_TOKEN in the environment.`;

const COMMANDS = {
  "user put": {
    operands: ["SUB"],
    options: { login: { type: "string" }, password: { type: "string" } },
    act: putUser,
  },
  "user password": {
    operands: ["SUB"],
    options: { password: { type: "string" }, none: { type: "boolean" } },
    act: setPassword,
  },
  "user get": { operands: ["SUB"], act: (request, [sub]) => request("GET", pathOf("users", sub)) },
  "user list": {
    operands: [],
    act: (request) => list(request, "users", ({ sub, login, claims }) => ({ sub, login, claims })),
  },
  "user delete": { operands: ["SUB"], act: (request, [sub]) => request("DELETE", pathOf("users", sub)) },
  "user import": { operands: ["[FILE]"], act: loadUsers },
  "client create": {
    operands: [],
    act: async (request) => request("POST", "/clients", await document("the metadata")),
  },
  "client put": {
    operands: ["CLIENT_ID"],
    act: async (request, [id]) => request("PUT", pathOf("clients", id), await document("the metadata")),
  },
  "client get": { operands: ["CLIENT_ID"], act: (request, [id]) => request("GET", pathOf("clients", id)) },
  "client list": { operands: [], act: (request) => list(request, "clients", (client) => client) },
  "client delete": { operands: ["CLIENT_ID"], act: (request, [id]) => request("DELETE", pathOf("clients", id)) },
  "registration token": {
    operands: [],
    options: { uses: { type: "string" }, ttl: { type: "string" } },
    act: makeInitialAccessToken,
  },
  token: {
    operands: [],
    options: { sub: { type: "string" }, scope: { type: "string" }, ttl: { type: "string" } },
    act: mintToken,
  },
  "grant revoke": { operands: ["GRANT_ID"], act: (request, [id]) => request("DELETE", pathOf("grants", id)) },
};

// A reader that has seen enough, such as head, is no error.
process.stdout.on("error", (error) => process.exit(error.code === "EPIPE" ? 0 : 1));
await main(process.argv.slice(2));

async function main(args) {
  if (args.length === 0 || args.includes("--help") || args.includes("-h")) return print(USAGE);
  const name = [args.slice(0, 2).join(" "), args[0]].find((name) => Object.hasOwn(COMMANDS, name));
  if (!name) throw new Failure(`there is no command ${args.slice(0, 2).join(" ")}; --help shows those there are`);
  const { operands, options = {}, act } = COMMANDS[name];
  const { values, positionals } = parse(args.slice(name.split(" ").length), options);
  const least = operands.filter((operand) => !operand.startsWith("[")).length;
  if (positionals.length < least || positionals.length > operands.length) {
    throw new Failure(`${name} takes ${operands.join(" ") || "no operand"}; --help shows how`);
  }
  const result = await act(provider(), positionals, values);
  if (result !== undefined) await print(typeof result === "string" ? result : JSON.stringify(result));
}

function parse(args, options) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new Failure(error.message.split(". ")[0]);
  }
}

/** The provider that is meant. The token of .dev.vars is sent to the local one only. */
function provider() {
  const { POSTERN_URL, ADMIN_TOKEN } = process.env;
  if (!POSTERN_URL) {
    const { url, adminToken } = localWorker();
    if (!adminToken) throw new Failure("there is no ADMIN_TOKEN in .dev.vars: npm start makes one");
    return client(url, adminToken, `no worker answers at ${url}: npm start starts one`);
  }
  const url = URL.canParse(POSTERN_URL) ? new URL(POSTERN_URL) : { protocol: "" };
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLocal)) {
    throw new Failure("POSTERN_URL must be an https URL (http is for localhost): the ADMIN_TOKEN goes there");
  }
  if (!ADMIN_TOKEN) throw new Failure("ADMIN_TOKEN is not set in the environment, and POSTERN_URL needs its own");
  return client(url.origin + url.pathname.replace(/\/+$/, ""), ADMIN_TOKEN, `no answer from ${url.origin}`);
}

async function putUser(request, [sub], { login, password }) {
  const claims = await document("the claims");
  // The claims as they were written: the worker sees doubled members, and numbers keep their digits.
  const given = Object.entries({ login, password }).filter(([, value]) => value !== undefined);
  const members = [...given.map(([name, value]) => `"${name}":${JSON.stringify(value)}`), `"claims":${claims}`];
  return request("PUT", pathOf("users", sub), `{${members.join(",")}}`);
}

async function setPassword(request, [sub], { password, none }) {
  if (none && password !== undefined) throw new Failure("--none takes the password away, so give none");
  if (none) return request("DELETE", pathOf("users", sub, "password"));
  // A line, as echo or a person ends it.
  const line = password ?? (await text(input("the password"))).replace(/\r?\n$/, "");
  return request("PUT", pathOf("users", sub, "password"), JSON.stringify({ password: line }));
}

/** JSON from standard input, as it was written. */
async function document(what) {
  const json = await text(input(what));
  try {
    JSON.parse(json);
  } catch (error) {
    throw new Failure(`${what} must be JSON: ${error.message}`);
  }
  return json;
}

/** Prints all of a collection, one a line, a page at a time. A damaged row is named, and the list fails in the end. */
async function list(request, collection, shown) {
  let after = "";
  do {
    const page = await request("GET", `/${collection}?limit=500&after=${encodeURIComponent(after)}`);
    const lines = page[collection].map((one) => JSON.stringify(shown(one)));
    if (lines.length > 0) await print(lines.join("\n"));
    for (const id of page.damaged ?? []) {
      note(`${id} is damaged in the database and is left out: put it again, or delete it`);
      process.exitCode = 1;
    }
    after = page.next;
  } while (after !== undefined);
}

async function loadUsers(request, [file]) {
  const stream = file === undefined ? input("the users") : createReadStream(fileOf(file));
  const begin = Date.now();
  let done = 0;
  let shown = begin;
  const told = () => {
    const seconds = Math.max(Date.now() - begin, 1) / 1000;
    return `${done} lines done in ${seconds.toFixed(1)} s, ${Math.round(done / seconds)} a second`;
  };
  const total = await importUsers(request, stream, {
    refuse: (line, error) => note(`line ${line}: ${error}`),
    progress(lines) {
      done = lines;
      if (process.stderr.isTTY) process.stderr.write(`\r${told()}\x1b[K`);
      else if (Date.now() - shown >= 2_000) {
        note(told());
        shown = Date.now();
      }
    },
  }).catch((error) => {
    if (done > 0) note(told());
    // A file that cannot be read.
    throw error.syscall ? new Failure(error.message) : error;
  });
  note(told());
  if (total.refused > 0) process.exitCode = 1;
  return total;
}

async function makeInitialAccessToken(request, _, { uses, ttl }) {
  const order = { uses: wholeNumber("uses", uses), ttl: wholeNumber("ttl", ttl, "of seconds") };
  const { initial_access_token: token } = await request("POST", "/initial-access-tokens", JSON.stringify(order));
  return token;
}

async function mintToken(request, _, { sub, scope, ttl }) {
  if (sub === undefined || scope === undefined) throw new Failure("token takes --sub and --scope; --help shows how");
  const order = { sub, scope, ttl: wholeNumber("ttl", ttl, "of seconds") };
  const { access_token: token } = await request("POST", "/tokens", JSON.stringify(order));
  return token;
}

/** The number that an option gives, if it is given. */
function wholeNumber(option, text, what = "") {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new Failure(`--${option} must be a whole number ${what}`.trim());
  return Number(text);
}

function pathOf(...segments) {
  return `/${segments.map(encodeURIComponent).join("/")}`;
}

/** A file as it was named where npm was called: npm runs its scripts in the project's folder. */
function fileOf(name) {
  return resolve(process.env.npm_lifecycle_event === "admin" ? process.env.INIT_CWD : ".", name);
}

/** Standard input. */
function input(what) {
  if (process.stdin.isTTY) note(`reading ${what} from the terminal, up to Ctrl-D`);
  return process.stdin;
}

/** A line on standard error, in the place of the progress if that is shown. */
function note(line) {
  process.stderr.write(process.stderr.isTTY ? `\r${line}\x1b[K\n` : `${line}\n`);
}

/** A line on standard output, waiting while nobody reads. */
function print(line) {
  return new Promise((written) => process.stdout.write(`${line}\n`, written));
}
