// The table in docs/d1-requests.md: reads it, compares it with measured counts, and writes them into it.

/** @typedef {Record<string, number>} Counts The counts of a step, by the name of a column. */

/** The columns of a step, in the order of the table. Each has two cells: before, and now. */
export const COLUMNS = [
  { name: "requests", label: "D1 requests" },
  { name: "rowsRead", label: "rows read" },
  { name: "rowsWritten", label: "rows written" },
  { name: "kv", label: "KV operations" },
];

/** A row with a cell for the step, and two for each column. `–` is a count that was not measured. */
const ROW = new RegExp(`^\\| ([^|]+) ${"\\| (\\d+|–) ".repeat(2 * COLUMNS.length)}\\|$`, "gm");
const UNKNOWN = "–";

const rowsOf = (/** @type {string} */ text) => [...text.matchAll(ROW)].map(([, step, ...cells]) => ({ step, cells }));

/**
 * The counts of each step in the columns "now", by step.
 *
 * @param {string} text
 * @returns {Map<string, Counts>}
 */
export function statedCounts(text) {
  const countsOf = (cells) => Object.fromEntries(COLUMNS.map(({ name }, index) => [name, Number(cells[2 * index + 1])]));
  return new Map(rowsOf(text).map(({ step, cells }) => [step, countsOf(cells)]));
}

/**
 * A sentence for each count that differs from the table.
 *
 * @param {Map<string, Counts>} stated
 * @param {Map<string, Counts>} measured
 */
export function differences(stated, measured) {
  const found = [];
  for (const [step, counts] of measured) {
    const limits = stated.get(step);
    if (!limits) found.push(`${step}: is not in the table`);
    else for (const { name, label } of COLUMNS) {
      const [limit, count] = [limits[name], counts[name]];
      if (count > limit) found.push(`${step}: ${label}: ${count}, and the table allows ${limit}`);
      if (count < limit) found.push(`${step}: ${label}: ${count}, fewer than the table's ${limit}: update the table`);
    }
  }
  for (const step of stated.keys()) if (!measured.has(step)) found.push(`${step}: is in the table, but was not measured`);
  return found;
}

/**
 * The document with these counts in the columns "now". The columns "before" stay as they are.
 *
 * @param {string} text
 * @param {Map<string, Counts>} measured
 */
export function withCounts(text, measured) {
  const before = new Map(rowsOf(text).map(({ step, cells }) => [step, cells.filter((_, index) => index % 2 === 0)]));
  const rows = [...measured].map(([step, counts]) => {
    const cells = COLUMNS.flatMap(({ name }, index) => [before.get(step)?.[index] ?? UNKNOWN, counts[name]]);
    return `| ${[step, ...cells].join(" | ")} |`;
  });
  const [first, ...others] = text.matchAll(ROW);
  const last = others.at(-1) ?? first;
  return text.slice(0, first.index) + rows.join("\n") + text.slice(last.index + last[0].length);
}

/**
 * The beginnings of the steps that the document gives a reason for: the items of a list with a bold opening.
 *
 * @param {string} text
 */
export const stepsWithReason = (text) => [...text.matchAll(/^- \*\*(.+?)\*\*/gm)].map(([, step]) => step);
