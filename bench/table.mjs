// Writes the results as Markdown.
import { describe } from "./machine.mjs";
import { ratio } from "./rounds.mjs";

export const number = (value, digits = 0) =>
  value === undefined ? "–" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const withSpread = (cell, digits) =>
  (cell ? `${number(cell.median, digits)} (${number(cell.low, digits)}–${number(cell.high, digits)})` : "–");

/** A table whose first `texts` columns are texts. The others are figures. */
export const table = (head, rows, texts = 1) => {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, index) => (index < texts ? "---" : "--:"))), ...rows.map(line)].join("\n");
};

const LOGIN_NOTE = `

The hash of the password needs nearly all of a login's CPU, and each contender has its own default: Argon2id with 19 MiB
and two passes (postern), scrypt with N = 16,384 and r = 16 (better-auth) or r = 8 (OpenAuth, whose login leads to the
code).`;

/** The whole page. */
export function markdown(results) {
  const { plan, routes, modules, starts, memory, growth, simulated, goals, seconds, failures, phases } = results;
  const names = Object.keys(modules);
  const perRoute = (make) => routes.map((route) =>
    [route.title, ...names.map((name) => (route.cells[name] ? make(route.cells[name], route) : "–"))]);
  const figures = (figure, digits) => table(["", ...names], perRoute((cell) => withSpread(cell[figure], digits)));
  const against = (name) => table(["", ...names], perRoute((cell, { cells }) =>
    (cells[name] && cell !== cells[name] ? withSpread(ratio(cell, cells[name]), 2) : "–")));
  // Only for contenders with as many statements as bare, the floor, and in workerd, with D1.
  const others = names.filter((name) => name !== "bare" && modules[name].gzipped);
  const withD1 = routes.filter(({ cells }) => cells.bare?.statements > 0);
  const aboveFloor = table(["", ...others], withD1.map(({ title, cells }) => [title, ...others.map((name) => {
    const [cell, { bare, "hono + jose": hono }] = [cells[name], cells];
    return cell && hono && cell !== hono && cell.statements === bare.statements ? withSpread(ratio(cell, hono, bare), 2) : "–";
  })]));
  const missed = goals.filter(({ isMet }) => !isMet).length;
  const sections = [
    ["Goals", `${missed === 0 ? "All are met." : `${missed} of ${goals.length} are missed.`}\n\n${table(
      ["", "goal", "measured", ""],
      goals.map(({ what, limit, figure, unit, isMet }) =>
        [what, limit, `${number(figure, Number.isInteger(figure) ? 0 : 2)} ${figure === undefined ? "" : unit}`.trim(), isMet ? "met" : "**missed**"]),
    )}`],
    ...(failures.length > 0 ? [["Failures", failures.map(({ name, where, message }) =>
      `- ${name} takes no further part. ${where}: ${message.trim().split("\n")[0]}`).join("\n")]] : []),
    ["CPU, µs a request", `${figures("cpu", 0)}${routes.some(({ name }) => name === "login") ? LOGIN_NOTE : ""}`],
    ["CPU against bare", against("bare")],
    ...(withD1.length > 0 ? [["CPU above the floor, against hono + jose", aboveFloor]] : []),
    ["Requests a second", figures("rate", 0)],
    ["Median latency, ms", figures("p50", 2)],
    ["99th percentile, ms", figures("p99", 2)],
    ["D1 statements in D1 requests; KV reads and writes, a request",
      table(["", ...names], perRoute(({ d1, statements, reads, writes }) =>
        `${number(statements, 1)} in ${number(d1, 1)}; ${number(reads, 1)} and ${number(writes, 1)}`))],
    ["Size, start and memory", table(["", ...names], [
      ["module, KB gzipped", ...names.map((name) => number(modules[name].gzipped && modules[name].gzipped / 1000))],
      ...(starts ? [["start to first response, ms", ...names.map((name) => withSpread(starts[name], 0))]] : []),
      ...(memory ? [[`MB resident after ${number(memory.requests)} requests`,
        ...names.map((name) => number(memory.after[name] && memory.after[name] / 1e6))]] : []),
    ])],
    ...[...growth, simulated].filter(Boolean).map(({ title, names, rows }) => [`${title}, CPU µs a request`,
      table(["", ...names], rows.map(({ label, cells }) => [label, ...names.map((name) => withSpread(cells[name]?.cpu, 0))]))]),
    ["Duration", table(["", "s"], phases.map(({ what, seconds }) => [what, number(seconds, 1)]))],
  ];
  return `# What \`npm run bench${plan.isQuick ? " -- --quick" : ""}\` found

Written by the bench; [NOTES.md](../NOTES.md) explains it. Medians of ${plan.rounds} rounds, the quartiles in
parentheses; ${plan.connections} connections; ${number(plan.users)} users. ${number(seconds)} s in total.

${describe(results)}

${sections.map(([title, text]) => `## ${title}\n\n${text}\n`).join("\n")}`;
}

/** The end of a run in few lines: its duration, the goals and the failures. */
export function summary({ goals, seconds, failures, plan }) {
  const line = ({ what, limit, figure, unit }) => figure === undefined
    ? `  ${what}: not measured`
    : `  ${what}: ${number(figure, Number.isInteger(figure) ? 0 : 2)} ${unit}`.trimEnd() + ` (${limit})`;
  const [met, missed] = [true, false].map((isMet) => goals.filter((goal) => goal.isMet === isMet));
  return [
    `Goals met: ${met.length}`, ...met.map(line), `Goals missed: ${missed.length}`, ...missed.map(line),
    ...failures.map(({ name, where }) => `Failed: ${name} (${where})`),
    `The run took ${number(seconds)} s${plan.isFull ? "" : `, of ${BUDGET} at most`}.`,
  ].join("\n");
}

/** The longest run that the plan allows without a million users, in seconds. */
const BUDGET = 600;
