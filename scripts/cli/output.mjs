// The output of a command: a table for a terminal, JSON for a pipe.
import { printable } from "../printable.mjs";

/**
 * A column of a list.
 *
 * @typedef {{ title: string, value: (item: any) => unknown }} Column
 */

/**
 * @typedef {object} Output
 * @property {(value: object) => Promise<void>} show
 *   Prints an object.
 * @property {(secret: string, value: object) => Promise<void>} showSecret
 *   Prints the secret alone, so that a shell can assign it to a variable; the whole object with --json.
 * @property {(columns: Column[], toJson: (item: any) => object) => (items: any[]) => Promise<void>} list
 *   Returns a function that prints the next items of a list.
 */

/**
 * @param {{ isTerminal: boolean, json: boolean }} options
 * @returns {Output}
 */
export function makeOutput({ isTerminal, json }) {
  const isTable = isTerminal && !json;
  return {
    show: (value) => print(isTable ? table(fields(value)) : [line(value)]),
    showSecret: (secret, value) => print([json ? line(value) : printable(secret)]),
    list: isTable ? listAsTable : (_, toJson) => (items) => print(items.map((item) => line(toJson(item)))),
  };
}

/** Prints a line on standard error. Replaces the progress of a load, if that is shown there. */
export function note(/** @type {string} */ text) {
  const shown = printable(text);
  process.stderr.write(process.stderr.isTTY ? `\r${shown}\x1b[K\n` : `${shown}\n`);
}

/**
 * Prints lines on standard output, and waits while its reader is slower.
 *
 * @param {string[]} lines
 * @returns {Promise<void>}
 */
export function print(lines) {
  if (lines.length === 0) return Promise.resolve();
  return new Promise((done) => process.stdout.write(`${lines.join("\n")}\n`, () => done()));
}

/** The value is the same for a program that reads it: only the way in which JSON writes it differs. */
function line(value) {
  return printable(JSON.stringify(value));
}

/** The names and values of an object, those of objects in it after their own name and a dot. */
function fields(value, prefix = "") {
  return Object.entries(value).flatMap(([name, field]) =>
    isObject(field) ? fields(field, `${prefix}${name}.`) : [[prefix + name, text(field, name)]]);
}

/** Whether a value has named fields. A number that was kept as it was written is an object of another kind. */
function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) && !("rawJSON" in value);
}

function text(value, name) {
  if (typeof value === "number" && value > 0 && name.endsWith("_at")) {
    return new Date(value * 1_000).toISOString().replace(/\.000Z$/, "Z");
  }
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value.join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Prints a list as a table. The columns are aligned with those of the lines before. */
function listAsTable(columns) {
  const widths = [];
  let head = [columns.map(({ title }) => title)];
  return (items) => {
    const rows = items.map((item) => columns.map(({ value }) => value(item) ?? ""));
    const lines = table([...head, ...rows], widths);
    head = [];
    return print(lines);
  };
}

/** Returns the lines of a table. Raises `widths`, those of the columns so far, to what these rows need. */
function table(rows, widths = []) {
  const cells = rows.map((row) => row.map((cell) => printable(String(cell))));
  for (const row of cells) {
    row.forEach((cell, column) => { widths[column] = Math.max(widths[column] ?? 0, cell.length); });
  }
  return cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd());
}
