// Finds the function that each statement comes from, in the Rust source.
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { root } from "../scripts/steps.mjs";

/** A literal, a macro's opening, a bracket, or a name. */
const TOKEN = /"((?:[^"\\]|\\[^])*)"|(\w+)!\s*\(|([()])|(\w+)/g;

/**
 * Every `Statement::new` of the source, as the function that it is in and a pattern of its text. Another macro than
 * `concat!` can be any text that has the SQL in its arguments.
 *
 * @returns {{ place: string, pattern: RegExp, length: number }[]}
 */
export function statementsOfSource() {
  const entries = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
  return entries.filter((path) => path.endsWith(".rs")).sort().flatMap((path) => {
    const source = readFileSync(join(root, "src", path), "utf8");
    return [...source.matchAll(/Statement::new\(/g)].map(({ index, 0: { length } }) => {
      const [, name] = [...source.slice(0, index).matchAll(/\bfn (\w+)/g)].at(-1) ?? [];
      const parts = partsOf(source, index + length);
      const escaped = parts.map((part) => part?.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&") ?? "[^]*");
      return {
        place: `${basename(path, ".rs")}::${name}`, pattern: new RegExp(`^${escaped.join("")}$`), length: parts.join("").length,
      };
    });
  });
}

/** The literals of an argument that begins at this place, with `undefined` for each macro, and around what is SQL in its own arguments. */
function partsOf(source, begin) {
  const parts = [];
  /** The macros and brackets that are open: what the literals in them are. */
  const open = ["text"];
  for (const [, literal, macro, bracket, name] of source.slice(begin).matchAll(TOKEN)) {
    const kind = open.at(-1);
    if (literal !== undefined) {
      if (kind === "text") parts.push(unescape(literal));
      // Others are numbers of parameters, and names.
      else if (kind === "argument" && literal.includes(" ")) parts.push(undefined, unescape(literal), undefined);
    } else if (macro) {
      const isConcat = macro === "concat";
      if (kind === "text" && !isConcat) parts.push(undefined);
      open.push(kind === "text" && !isConcat ? "argument" : kind);
    } else if (bracket === "(") open.push("");
    else if (bracket === ")") {
      open.pop();
      if (open.length === 0) return parts;
    } else if (kind === "text") parts.push(constantOf(source, name));
  }
  return parts;
}

/** The text of a constant of the same file. */
function constantOf(source, name) {
  const [, literal] = new RegExp(`const ${name}: &str = "((?:[^"\\\\]|\\\\[^])*)"`).exec(source) ?? [];
  return literal && unescape(literal);
}

/** The text of a Rust literal. */
const unescape = (literal) => literal.replaceAll(/\\\n\s*|\\(.)/g, (_, sign = "") => sign);

/** The function of each text, which is the one with the longest literals that match. */
export function placesOf(texts) {
  const statements = statementsOfSource().sort((one, other) => other.length - one.length);
  return new Map(texts.map((sql) => [sql, statements.find(({ pattern }) => pattern.test(sql))?.place]));
}

/** The functions of statements that none of the texts comes from. */
export const unusedPlaces = (texts) =>
  statementsOfSource().filter(({ pattern }) => !texts.some((sql) => pattern.test(sql))).map(({ place }) => place);
