// postern logout …
import { confirm } from "./input.mjs";
import { note } from "./output.mjs";
import { fetchAll, pathOf } from "./provider.mjs";

const time = (seconds) => new Date(seconds * 1_000).toISOString().replace(/\.000Z$/, "Z");

const COLUMNS = [
  { title: "CLIENT_ID", value: ({ client_id: id }) => id },
  { title: "SID", value: ({ sid }) => sid },
  { title: "ENDED", value: ({ ended_at: at }) => time(at) },
  { title: "TRIES", value: ({ tries }) => tries },
  { title: "NEXT_TRY", value: ({ next_try_at: at }) => time(at) },
  { title: "LAST_ERROR", value: ({ last_error: error }) => error },
];

/** How many tokens the provider handles in one request. */
const AT_ONCE = 1_000;

/** @type {import("./commands.mjs").Command[]} */
export const LOGOUT_COMMANDS = [
  {
    name: "logout list",
    operands: [],
    summary: "show the logout tokens that clients have not accepted yet",
    details: `A client with a backchannel_logout_uri gets a logout token when a session of its user ends. If it does not
accept the token, the worker tries again for three days.`,
    run: ({ provider, output }) => fetchAll(provider, "logouts", output.list(COLUMNS, (logout) => logout), note),
  },
  {
    name: "logout retry",
    operands: ["CLIENT_ID"],
    summary: "send the logout tokens of a client again now",
    details: "The worker sends some of them at once, and the others within its next runs. Those that it sends by itself within two minutes are left to it.",
    run: retryLogouts,
  },
  {
    name: "logout drop",
    operands: ["CLIENT_ID"],
    summary: "give up the logout tokens of a client",
    details: "The sessions of the users at this client go on until the client ends them.",
    options: { yes: { type: "boolean", help: "skip the confirmation" } },
    run: dropLogouts,
  },
];

/** @param {import("./commands.mjs").Call} call */
async function retryLogouts({ provider, operands: [id], output }) {
  let retried = 0;
  for (let last = AT_ONCE; last === AT_ONCE; retried += last) {
    last = (await provider.request("POST", `${pathOf("logouts", id)}/retry`)).retried;
  }
  await output.show({ client_id: id, retried });
}

/** @param {import("./commands.mjs").Call} call */
async function dropLogouts({ provider, operands: [id], options, output }) {
  const question = `Give up the logout tokens of ${id} at ${provider.url}? Its users stay signed in there.`;
  await confirm("logout drop", question, options);
  let dropped = 0;
  for (let last = AT_ONCE; last === AT_ONCE; dropped += last) {
    try {
      last = (await provider.request("DELETE", pathOf("logouts", id))).dropped;
    } catch (error) {
      if (dropped === 0 || error.code !== "not_found") throw error;
      last = 0;
    }
  }
  await output.show({ client_id: id, dropped });
}
