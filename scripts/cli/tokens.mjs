// postern registration token …, postern token
import { Failure } from "../steps.mjs";
import { confirm } from "./input.mjs";
import { note } from "./output.mjs";
import { fetchAll, pathOf } from "./provider.mjs";
import { timeOf } from "./times.mjs";

const COLUMNS = [
  { title: "TOKEN", value: ({ initial_access_token: token }) => token },
  { title: "USES_LEFT", value: ({ uses_left: left }) => left },
  { title: "USES", value: ({ uses }) => uses },
  { title: "MADE", value: ({ created_at: at }) => timeOf(at) },
  { title: "EXPIRES", value: ({ expires_at: at }) => timeOf(at) },
  { title: "RESOURCES", value: ({ resources }) => resources.join(" ") },
];

/** @type {import("./commands.mjs").Command[]} */
export const TOKEN_COMMANDS = [
  {
    name: "registration token",
    operands: [],
    summary: "print an initial access token, with which clients register themselves",
    options: {
      uses: { type: "string", value: "N", help: "how many clients it registers; 1 by default" },
      ttl: { type: "string", value: "SECONDS", help: "its lifetime; a day by default" },
      resources: { type: "string", value: "URIS", help: "APIs whose scopes the clients may register, with a space between" },
    },
    run: makeInitialAccessToken,
  },
  {
    name: "registration token list",
    operands: [],
    summary: "show the initial access tokens that can still register clients",
    details: "TOKEN is the beginning of the hash of a token. The audit trail has the same text.",
    run: ({ provider, output }) =>
      fetchAll(provider, "initial-access-tokens", output.list(COLUMNS, (token) => token), note),
  },
  {
    name: "registration token revoke",
    operands: ["[TOKEN]"],
    summary: "revoke an initial access token, or the registration access token of a client",
    details: `TOKEN is what registration token list shows. The clients that were registered with it stay.
With --client, a client that registered itself can no longer read or change its registration.`,
    options: {
      client: { type: "string", value: "CLIENT_ID", help: "the client whose registration access token is revoked" },
      yes: { type: "boolean", help: "skip the confirmation" },
    },
    run: revokeToken,
  },
  {
    name: "token",
    operands: [],
    summary: "print an access token of a user for userinfo",
    details: "It is for trying userinfo out. The scopes of the APIs in RESOURCES are not for this token.",
    options: {
      sub: { type: "string", value: "SUB", help: "the user; required" },
      scope: { type: "string", value: "SCOPES", help: "scopes with a space between; required" },
      ttl: { type: "string", value: "SECONDS", help: "its lifetime; 600 by default" },
    },
    examples: [`npx postern token --sub alice --scope "openid profile email"`],
    run: mintToken,
  },
];

/** @param {import("./commands.mjs").Call} call */
async function makeInitialAccessToken({ provider, options, output }) {
  const resources = options.resources?.split(" ").filter((uri) => uri !== "");
  const body = { uses: wholeNumber("uses", options.uses), ttl: wholeNumber("ttl", options.ttl), resources };
  const answer = await provider.request("POST", "/initial-access-tokens", JSON.stringify(body));
  await output.showSecret(answer.initial_access_token, answer);
}

/** @param {import("./commands.mjs").Call} call */
async function mintToken({ provider, options: { sub, scope, ttl }, output }) {
  if (sub === undefined || scope === undefined) {
    throw new Failure("token needs --sub and --scope: npx postern token --help shows how");
  }
  const body = { sub, scope, ttl: wholeNumber("ttl", ttl) };
  const answer = await provider.request("POST", "/tokens", JSON.stringify(body));
  await output.showSecret(answer.access_token, answer);
}

/** @param {import("./commands.mjs").Call} call */
async function revokeToken({ provider, operands: [token], options, output }) {
  const { client } = options;
  if ((token === undefined) === (client === undefined)) {
    throw new Failure("registration token revoke takes a TOKEN, or --client: npx postern registration token revoke --help shows how");
  }
  const [question, path] = client === undefined
    ? [`Revoke the initial access token ${token}`, pathOf("initial-access-tokens", token)]
    : [`Revoke the registration access token of the client ${client}`, pathOf("clients", client, "registration-token")];
  await confirm("registration token revoke", `${question} at ${provider.url}?`, options);
  await output.show(await provider.request("DELETE", path));
}

/** Returns the number of an option, or undefined if it is not given. */
function wholeNumber(option, text) {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new Failure(`--${option} must be a whole number`);
  return Number(text);
}
