// postern session …, postern grant …
import { Failure } from "../steps.mjs";
import { confirm } from "./input.mjs";
import { note } from "./output.mjs";
import { fetchAll, pathOf } from "./provider.mjs";
import { timeOf } from "./times.mjs";

/** @type {Record<string, import("./commands.mjs").Option>} */
const FILTER = {
  user: { type: "string", value: "SUB", help: "those of a user" },
  client: { type: "string", value: "CLIENT_ID", help: "those of a client" },
};

/** @type {Record<string, import("./commands.mjs").Option>} */
const YES = { yes: { type: "boolean", help: "skip the confirmation" } };

const SESSION_COLUMNS = [
  { title: "SESSION", value: ({ session }) => session },
  { title: "USER", value: ({ sub }) => sub },
  { title: "SIGNED_IN", value: ({ signed_in_at: at }) => timeOf(at) },
  { title: "USED", value: ({ used_at: at }) => timeOf(at) },
  { title: "CLIENTS", value: ({ clients }) => clients.map(({ client_id: id }) => id).join(" ") },
];

const GRANT_COLUMNS = [
  { title: "GRANT", value: ({ grant_id: id }) => id },
  { title: "USER", value: ({ sub }) => sub },
  { title: "CLIENT", value: ({ client_id: id }) => id },
  { title: "STATE", value: ({ state }) => state },
  { title: "MADE", value: ({ created_at: at }) => timeOf(at) },
  { title: "USED", value: ({ used_at: at }) => timeOf(at) },
  { title: "SESSION", value: ({ session }) => session },
  { title: "SCOPE", value: ({ scope }) => scope },
];

/** @type {import("./commands.mjs").Command[]} */
export const SESSION_COMMANDS = [
  {
    name: "session list",
    operands: [],
    summary: "show the sessions: who is signed in, since when, and to which clients",
    details: `SIGNED_IN is when the user last typed the password, and USED when a client last signed the user in. With --json
each client has the sid of its ID tokens.`,
    options: FILTER,
    examples: ["npx postern session list --user alice"],
    run: ({ provider, options, output }) =>
      fetchAll(provider, "sessions", output.list(SESSION_COLUMNS, (session) => session), note, filterOf(options)),
  },
  {
    name: "session end",
    operands: ["SESSION"],
    summary: "end a session",
    details: `SESSION is what session list shows. It is not a secret. It changes when the user types the password again in the
same browser. Grants with offline_access go on: see grant revoke.`,
    options: YES,
    run: endSession,
  },
];

/** @type {import("./commands.mjs").Command[]} */
export const GRANT_COMMANDS = [
  {
    name: "grant list",
    operands: [],
    summary: "show the grants of a user or a client",
    details: `A grant is active, expired, revoked, or user_disabled. USED is when it last got tokens. --user or --client is
required, and both together show the grants of the user at the client.`,
    options: FILTER,
    examples: ["npx postern grant list --user alice"],
    run: listGrants,
  },
  {
    name: "grant revoke",
    operands: ["[GRANT_ID]"],
    summary: "revoke a grant and all its tokens, or all grants of a user or a client",
    details: `GRANT_ID is the claim grant_id of an access token, and grant list shows it. --user revokes all grants of a user,
--client all of a client, and both together those of the user at the client. The user can sign in to the client
again; to prevent that, disable the user or delete the client.`,
    options: { ...FILTER, ...YES },
    examples: ["npx postern grant revoke --user alice", "npx postern grant revoke --client wiki --yes"],
    run: revokeGrants,
  },
];

/**
 * Returns the parameters of a listing.
 *
 * @param {Record<string, any>} options
 * @returns {[string, string][]}
 */
function filterOf({ user, client }) {
  return Object.entries({ user, client }).filter(([, value]) => value !== undefined);
}

/** @param {import("./commands.mjs").Call} call */
async function endSession({ provider, operands: [session], options, output }) {
  await confirm("session end", `End the session ${session} at ${provider.url}?`, options);
  await output.show(await provider.request("DELETE", pathOf("sessions", session)));
}

/** @param {import("./commands.mjs").Call} call */
async function listGrants({ provider, options, output }) {
  const filter = filterOf(options);
  if (filter.length === 0) throw new Failure("grant list needs --user or --client: there may be millions of grants");
  await fetchAll(provider, "grants", output.list(GRANT_COLUMNS, (grant) => grant), note, filter);
}

/** @param {import("./commands.mjs").Call} call */
async function revokeGrants({ provider, operands: [id], options, output }) {
  const filter = filterOf(options);
  if ((id === undefined) === (filter.length === 0)) {
    throw new Failure("grant revoke takes a GRANT_ID, or --user and --client: npx postern grant revoke --help shows how");
  }
  if (id !== undefined) {
    await confirm("grant revoke", `Revoke the grant ${id} at ${provider.url}?`, options);
    return output.show(await provider.request("DELETE", pathOf("grants", id)));
  }
  const whose = filter.map(([name, value]) => `${name} ${value}`).join(" and the ");
  await confirm("grant revoke", `Revoke all grants of the ${whose} at ${provider.url}?`, options);
  await output.show(await provider.request("POST", "/grants/revoke", JSON.stringify(Object.fromEntries(filter))));
}
