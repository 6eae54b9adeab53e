// postern registration token, postern token, postern grant revoke
import { Failure } from "../steps.mjs";
import { confirm } from "./input.mjs";
import { pathOf } from "./provider.mjs";

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
  {
    name: "grant revoke",
    operands: ["GRANT_ID"],
    summary: "revoke a grant and all its tokens",
    details: "GRANT_ID is the claim grant_id of an access token.",
    options: { yes: { type: "boolean", help: "skip the confirmation" } },
    run: revokeGrant,
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
async function revokeGrant({ provider, operands: [id], options, output }) {
  await confirm("grant revoke", `Revoke the grant ${id} at ${provider.url}?`, options);
  await output.show(await provider.request("DELETE", pathOf("grants", id)));
}

/** Returns the number of an option, or undefined if it is not given. */
function wholeNumber(option, text) {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new Failure(`--${option} must be a whole number`);
  return Number(text);
}
