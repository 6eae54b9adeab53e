// postern client …
import { Failure } from "../steps.mjs";
import { confirm, readDocument } from "./input.mjs";
import { note } from "./output.mjs";
import { fetchAll, pathOf } from "./provider.mjs";
import { durationOption } from "./times.mjs";

const METADATA = `The metadata are those of RFC 7591, and two of Postern's own. "trusted": true is for applications that need no
consent. "id_token_scope_claims": true is for those that read name, e-mail and groups from the ID token.`;
const SECRET = "The client_secret is printed when it is made, and by the same put for ten minutes.";

const COLUMNS = [
  { title: "CLIENT_ID", value: ({ client_id: id }) => id },
  { title: "CLIENT_NAME", value: ({ client_name: name }) => name },
  { title: "TRUSTED", value: ({ trusted }) => (trusted ? "yes" : "no") },
  { title: "REDIRECT_URIS", value: ({ redirect_uris: uris }) => uris?.join(" ") },
];

/** @type {import("./commands.mjs").Command[]} */
export const CLIENT_COMMANDS = [
  {
    name: "client create",
    operands: [],
    input: "metadata.json",
    summary: "store a client under a new client_id",
    details: `${METADATA}\n${SECRET}`,
    examples: [
      `echo '{"client_name": "Wiki", "redirect_uris": ["https://wiki.example.com/oidc/callback"]}' |
    npx postern client create`,
    ],
    run: createClient,
  },
  {
    name: "client put",
    operands: ["CLIENT_ID"],
    input: "metadata.json",
    summary: "store a client under this client_id, new or replaced",
    details: `${METADATA}\nThey REPLACE all metadata of the client; it keeps its secret. ${SECRET}`,
    examples: ["npx postern client get wiki > wiki.json; npx postern client put wiki < wiki.json"],
    run: putClient,
  },
  {
    name: "client get",
    operands: ["CLIENT_ID"],
    summary: "show a client, without its secret",
    run: getClient,
  },
  {
    name: "client list",
    operands: [],
    summary: "show all clients",
    run: ({ provider, output }) => fetchAll(provider, "clients", output.list(COLUMNS, (client) => client), note),
  },
  {
    name: "client secret",
    operands: ["CLIENT_ID"],
    summary: "give a client a new secret",
    details: `The new client_secret is printed this once. The old one still works for the overlap, so that you can change the
application meanwhile; an earlier one works until its own end. --end ends the overlap early, and makes no secret.`,
    options: {
      overlap: { type: "string", value: "DURATION", help: "how long the old secret works, such as 30m or 7d; 1d by default; 0 ends it at once" },
      end: { type: "boolean", help: "end the old secrets now" },
      yes: { type: "boolean", help: "skip the confirmation of --overlap 0 and --end" },
    },
    examples: ["npx postern client secret wiki --overlap 7d", "npx postern client secret wiki --end"],
    run: replaceSecret,
  },
  {
    name: "client delete",
    operands: ["CLIENT_ID"],
    summary: "delete a client and its grants",
    options: { yes: { type: "boolean", help: "skip the confirmation" } },
    run: deleteClient,
  },
];

/** @param {import("./commands.mjs").Call} call */
async function createClient({ provider, output }) {
  const { text, value } = await readDocument("the metadata");
  if (value?.client_id !== undefined) {
    throw new Failure(`client create makes a new client_id: remove client_id from the document, or use client put`);
  }
  await showStored(provider, await provider.request("POST", "/clients", text), output);
}

/** @param {import("./commands.mjs").Call} call */
async function putClient({ provider, operands: [id], output }) {
  const { text, value } = await readDocument("the metadata");
  if (value?.client_id !== undefined && value.client_id !== id) {
    throw new Failure(`the client_id of the document is ${value.client_id}, and the operand is ${id}`);
  }
  await showStored(provider, await provider.request("PUT", pathOf("clients", id), text), output);
}

/** @param {import("./commands.mjs").Call} call */
async function getClient({ provider, operands: [id], output }) {
  await output.show(await provider.request("GET", pathOf("clients", id)));
}

/** @param {import("./commands.mjs").Call} call */
async function replaceSecret({ provider, operands: [id], options, output }) {
  const overlap = durationOption("overlap", options.overlap);
  if (options.end && overlap !== undefined) throw new Failure("--end makes no new secret: give no --overlap for it");
  const question = `End the old secrets of the client ${id} at ${provider.url}? An application that has one of them fails.`;
  if (options.end) {
    await confirm("client secret --end", question, options);
    return output.show(await provider.request("DELETE", pathOf("clients", id, "previous-secrets")));
  }
  if (overlap === 0) await confirm("client secret --overlap 0", question, options);
  const answer = await provider.request("POST", pathOf("clients", id, "secret"), JSON.stringify({ overlap }));
  return output.show(answer);
}

/** @param {import("./commands.mjs").Call} call */
async function deleteClient({ provider, operands: [id], options, output }) {
  const question = `Delete the client ${id} at ${provider.url}? Its users cannot sign in to it after that.`;
  await confirm("client delete", question, options);
  await output.show(await provider.request("DELETE", pathOf("clients", id)));
}

/** Shows a client that was stored. Prints the warnings of the provider, and one for each scope that it does not serve. */
async function showStored(provider, { warnings = [], ...client }, output) {
  const { scopes_supported: served } = await provider.discover();
  await output.show(client);
  for (const warning of warnings) note(`warning: ${warning}`);
  if (!served || !client.scope) return;
  for (const scope of client.scope.split(" ").filter((scope) => !served.includes(scope))) {
    note(`warning: the provider has no scope ${JSON.stringify(scope)}: add it to SCOPES or RESOURCES, or leave it out`);
  }
}
