// Writes what `--growth` found as Markdown.
import { describe } from "./machine.mjs";
import { GROWING } from "./statements_steps.mjs";
import { number, table } from "./table.mjs";

/** A few rows more or less are chance: whether a random key is the last one of an index. */
const CHANCE = 3;

/** Whether a step or a statement reads more rows in the largest database than in the smallest. */
export const isGrowing = ({ rowsRead }) => rowsRead.at(-1) > rowsRead[0] + CHANCE;

/** The steps that read more rows in a larger database, without a reason why they may. */
export const faults = ({ steps }) => steps.filter((one) => isGrowing(one) && !GROWING.has(one.step));

/** A figure at each size, or once if it does not change. */
export const atSizes = (figures) =>
  (new Set(figures).size === 1 ? number(figures[0]) : figures.map((figure) => number(figure)).join(" → "));

/** A time at each size, in microseconds. */
const times = (spreads) => spreads.map(({ median }) => number(median, median < 10 ? 1 : 0));

/** Each statement once: of the steps that send it, the one in which it reads the most rows. */
export function distinct(steps) {
  const statements = new Map();
  for (const { step, statements: all } of steps) {
    for (const statement of all) {
      const known = statements.get(statement.sql);
      if (!known || statement.rowsRead.at(-1) > known.rowsRead.at(-1)) statements.set(statement.sql, { ...statement, step });
    }
  }
  return [...statements.values()];
}

/** The verb and the table of a statement, and the function that it comes from. */
export function describeStatement({ sql, place }) {
  const [verb] = sql.split(" ", 1);
  const [, table] = /\b(?:FROM|INTO|UPDATE|JOIN) (?!json_each)(\w+)/.exec(sql) ?? [];
  return { action: `${verb} ${table}`, place: place ? `\`${place}\`` : "docs/operations.md" };
}

/** The whole page. */
export function growthPage({ sizes, steps, unused, machine, versions, seconds }) {
  const users = sizes.map(({ users }) => `${number(users)} users`);
  const flat = steps.filter((one) => !isGrowing(one));
  const isFault = new Set(faults({ steps }));
  const names = Object.keys(sizes[0].rows).filter((name) => sizes[0].rows[name] > 0);
  const contents = table(["rows", ...users, "bytes each, with indexes"], [
    ...names.map((name) => [`\`${name}\``, ...sizes.map(({ rows }) => number(rows[name])), number(sizes.at(-1).bytesEach[name])]),
    ["file, MB", ...sizes.map(({ bytes }) => number(bytes / 1e6)), ""],
  ]);
  const ofSteps = table(["step", "D1 requests", "rows read", "rows written", ...users.map((size) => `µs, ${size}`)],
    steps.map((one) => [
      isFault.has(one) ? `**${one.step}**` : one.step, one.requests, atSizes(one.rowsRead), atSizes(one.rowsWritten), ...times(one.time),
    ]));
  const ofStatements = table(["statement", "function", "indexes", "rows read", ...users.map((size) => `µs, ${size}`)],
    distinct(steps).map((one) => {
      const { action, place } = describeStatement(one);
      return [action, place, one.plan.join("; ") || "–", atSizes(one.rowsRead), ...times(one.time)];
    }), 3);
  const growing = steps.filter(isGrowing).map(({ step }) =>
    `- **${step}**: ${GROWING.get(step) ?? "no reason is known. A statement lacks an index, or its plan is wrong."}`);
  return [
    "# What `npm run bench -- --growth` found\n",
    "![Rows read and time of each statement, by the number of users](growth.svg)\n",
    `Written by the bench; [NOTES.md](../NOTES.md#growth-of-the-database) explains it. The run took ${number(seconds)} s.\n`,
    `${describe({ machine, versions })}\n`,
    `${flat.length} of ${steps.length} steps read as many rows with ${users.at(-1)} as with ${users[0]}. Arrows lead from the`,
    `smallest database to the largest; up to ${CHANCE} rows are chance.\n`,
    ...(growing.length > 0 ? ["These read more:\n", ...growing, ""] : []),
    ...(unused.length > 0 ? [`Statements that no step sends: ${unused.join(", ")}.\n`] : []),
    "## The databases\n", `${contents}\n`, "## The steps\n", `${ofSteps}\n`, "## The statements\n",
    "Each once, as in the step in which it reads the most rows. An index without a name is given by its table and columns;",
    "\"all of\" is a whole table.\n",
    ofStatements, "",
  ].join("\n");
}
