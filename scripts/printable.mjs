// Makes texts of strangers harmless to the terminal that shows them: a client chooses its own name.

/**
 * The characters that a terminal obeys or does not show, or that change the direction of writing. Not the joiners, which
 * some languages need between letters, and the variation selectors of emoji and names.
 */
const UNPRINTABLE = /(?![\p{Join_C}\p{VS}])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{DI}]/gu;

/** Escapes the characters of a text that are not printable, as JSON does. */
export function printable(/** @type {string} */ text) {
  return text.replace(UNPRINTABLE, (character) => character.split("").map(escape).join(""));
}

/** The same for a text of several lines. */
export function printableLines(/** @type {string} */ text) {
  return text.split("\n").map(printable).join("\n");
}

function escape(/** @type {string} */ unit) {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
