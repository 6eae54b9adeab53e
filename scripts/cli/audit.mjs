// postern audit
import { Failure } from "../steps.mjs";
import { durationOf, timeOf } from "./times.mjs";

/** How many events a page has at most. */
const PAGE = 500;

const COLUMNS = [
  { title: "TIME", value: ({ at }) => timeOf(at) },
  { title: "KIND", value: ({ kind }) => kind },
  { title: "ACTOR", value: ({ actor }) => actor },
  { title: "USER", value: ({ sub }) => sub },
  { title: "CLIENT", value: ({ client_id: id }) => id },
  { title: "NETWORK", value: ({ network }) => network },
  { title: "DETAIL", value: ({ detail }) => detail && textOf(detail) },
];

/** @type {import("./commands.mjs").Command[]} */
export const AUDIT_COMMANDS = [
  {
    name: "audit",
    operands: [],
    summary: "show who did what, the newest event first",
    details: "A time is a date such as 2026-11-26, a date with a time such as 2026-11-26T08:00:00Z, or an age such as 12h, 7d or 2w.",
    options: {
      user: { type: "string", value: "SUB", help: "the events of a user" },
      client: { type: "string", value: "CLIENT_ID", help: "the events of a client" },
      kind: { type: "string", value: "KIND", help: "the events of a kind, such as grant.revoked" },
      since: { type: "string", value: "TIME", help: "not before this time" },
      until: { type: "string", value: "TIME", help: "before this time" },
      limit: { type: "string", value: "N", help: "how many events; 100 by default" },
    },
    examples: ["npx postern audit --user alice --since 7d", "npx postern audit --kind grant.revoked"],
    run: listEvents,
  },
];

/** @param {import("./commands.mjs").Call} call */
async function listEvents({ provider, options, output }) {
  const { user, client, kind } = options;
  const times = { since: secondsOf("since", options.since), until: secondsOf("until", options.until) };
  const filter = Object.entries({ user, client, kind, ...times }).filter(([, value]) => value !== undefined);
  const show = output.list(COLUMNS, (event) => event);
  let left = limitOf(options.limit);
  let next;
  do {
    const query = new URLSearchParams([...filter, ["limit", Math.min(left, PAGE)]]);
    if (next !== undefined) query.set("after", next);
    const page = await provider.request("GET", `/audit?${query}`);
    await show(page.events);
    left -= page.events.length;
    next = page.next;
  } while (next !== undefined && left > 0);
}

function limitOf(text = "100") {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Failure("--limit must be a whole number from 1");
  return Number(text);
}

/** Returns the time of an option in seconds since 1970, or undefined if it is not given. */
function secondsOf(option, text) {
  if (text === undefined) return undefined;
  const age = durationOf(text);
  // In this form alone, because Date.parse takes "7" for a month.
  const isDate = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$/.test(text);
  const date = isDate ? Math.floor(Date.parse(text) / 1_000) : Number.NaN;
  const seconds = age === undefined ? date : Math.floor(Date.now() / 1_000) - age;
  if (!(seconds >= 0)) {
    throw new Failure(`--${option} must be a date such as 2026-11-26, one with a time such as 2026-11-26T08:00Z, or an age such as 12h, 7d or 2w`);
  }
  return seconds;
}

/** Returns the fields of a detail in one line. */
function textOf(detail) {
  return Object.entries(detail)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`).join(" ");
}
