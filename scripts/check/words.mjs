// node scripts/check/words.mjs [--list]: measures the language of comments and documents, and fails where it
// leaves plain English. `--list` prints every sentence that counts, also where the limits are kept.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { extname } from "node:path";

/** Openings that leave out the subject, so that the reader waits for it until the end of the sentence. */
const HEADLESS = /^(What|Who|Where|Whom|Whose|Those|Until)\b/;
const HEADLESS_SHARE = 0.01;

/** Verbs of people. Programs send, require and return. */
const PERSONIFYING = /\b(ask|asks|asked|asking|tell|tells|told|telling|stand|stands|stood|standing)\b/gi;
const PERSONIFYING_PER_10_000 = 5;

/**
 * Turns of phrase to avoid, each with the reason and a better way.
 *
 * @type {[RegExp, string][]}
 */
const AVOIDED = [
  [/\bis none that\b/i, 'is a riddle: say what it is instead, or "is not"'],
  [/\bany more\b/i, 'is vague about time: "no longer", or the moment'],
  [/\bin the same breath\b/i, 'is a metaphor: "in the same statement" or "in the same request"'],
  [/\bby nothing\b/i, "hides the subject: name what does not do it"],
  [/\bthe truth\b/i, "is grand: name the record that decides"],
  [/\bbut for\b/i, 'is read twice: "except"'],
  [/\bwhatever\b/i, 'is vague: "any", "every", or the list'],
  [/\bwhoever\b/i, 'is vague: "anybody who", or the role'],
  [/\bnobody('s)? [a-z]+ is\b/i, "is inverted: put the subject first"],
  [/\bit is (he|she|they) who\b/i, "is inverted: put the subject first"],
  [/\bmembers?\b/i, 'is not the word of the specifications: "claim", "metadata field", "parameter" or "JWK field"'],
];

/**
 * The texts that are measured together.
 *
 * @type {[string, RegExp][]}
 */
const GROUPS = [
  ["src", /^src\/.*\.rs$|^build\.rs$/],
  ["tests", /^tests\/.*\.(rs|mjs)$/],
  ["scripts", /^(scripts|tools|fuzz)\/.*\.(mjs|rs)$/],
  ["bench", /^bench\/.*\.mjs$/],
  ["documents", /^(?!bench\/results|tests\/).*\.md$/],
];

const isListing = process.argv.includes("--list");
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" });
let isPlain = true;

for (const [name, pattern] of GROUPS) {
  const sentences = files.split("\n").filter((file) => pattern.test(file)).flatMap(sentencesOf);
  const words = sentences.reduce((sum, { text }) => sum + text.split(/\s+/).length, 0);
  const headless = sentences.filter(({ text }) => HEADLESS.test(text));
  const personifying = sentences.filter(({ text }) => text.match(PERSONIFYING));
  const uses = personifying.reduce((sum, { text }) => sum + text.match(PERSONIFYING).length, 0);
  const share = headless.length / Math.max(sentences.length, 1);
  const rate = (uses * 10_000) / Math.max(words, 1);

  console.log(
    `${name}: ${sentences.length} sentences, ${words} words; ${(share * 100).toFixed(2)} % open with ` +
      `What/Who/Where/Whom/Whose/Those/Until; ask/tell/stand ${rate.toFixed(1)} in 10,000 words`,
  );
  report(share > HEADLESS_SHARE, headless, "opens without a subject: begin with the subject and say what it does");
  report(rate > PERSONIFYING_PER_10_000, personifying, 'asks, tells or stands: "requires", "requests", "returns", "is"');
  for (const [phrase, reason] of AVOIDED) {
    const found = sentences.filter(({ text }) => phrase.test(text));
    report(found.length > 0, found, `${phrase.source.replaceAll("\\b", "")} ${reason}`);
  }
}
if (!isPlain) process.exitCode = 1;

/** Prints the sentences, and fails if they are too many. */
function report(isTooMany, found, reason) {
  if (isTooMany) isPlain = false;
  if (!isTooMany && !isListing) return;
  for (const { file, line, text } of found) console.log(`  ${file}:${line}: ${reason}\n    ${text}`);
}

/** The names of tests as sentences: they are prose, too. */
function testNamesOf(lines) {
  return lines.flatMap((text, index) => {
    const native = /#\[test\]/.test(lines[index - 1] ?? "") && text.match(/^\s*fn (\w+)/)?.[1];
    const name = native ? native.replaceAll("_", " ") : text.match(/^\s*(?:await )?test\(\s*["'`]([^"'`]+)/)?.[1];
    return name ? [{ line: index + 1, text: name[0].toUpperCase() + name.slice(1) }] : [];
  });
}

/** The sentences of a file's comments and test names, or of a document without its code and tables. */
function sentencesOf(file) {
  const lines = readFileSync(file, "utf8").split("\n");
  const paragraphs = extname(file) === ".md" ? proseOf(lines) : [...commentsOf(lines), ...testNamesOf(lines)];
  return paragraphs.flatMap(({ line, text }) => {
    const plain = text
      .replace(/`[^`]*`/g, "code")
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replace(/[*_]{1,2}([^*_]+)[*_]{1,2}/g, "$1");
    const parts = plain.split(/(?<=[.!?:;])\s+(?=[A-Z])/).map((part) => part.trim());
    return parts.filter((part) => /[a-z]{2}/.test(part)).map((part) => ({ file, line, text: part }));
  });
}

/** Consecutive comment lines as one paragraph; a list item and a blank comment line begin another. */
function commentsOf(lines) {
  const comments = lines.map((text) => {
    const match = text.match(/^\s*(?:\/\/[/!]?|\/\*\*?|\*(?!\/))\s?(.*?)(?:\*\/)?$/);
    return match ? match[1] : text.match(/\s\/\/ (.*)$/)?.[1];
  });
  return paragraphsOf(comments);
}

/** Paragraphs and list items of Markdown. Code and tables are left out: their cells are no sentences. */
function proseOf(lines) {
  let isCode = false;
  return paragraphsOf(
    lines.map((text) => {
      if (/^\s*(```|~~~)/.test(text)) isCode = !isCode;
      return isCode || /^\s*(```|~~~|\||<)/.test(text) ? undefined : text.replace(/^\s*(#+|>|\d+\.)\s*/, "");
    }),
  );
}

function paragraphsOf(lines) {
  const paragraphs = [];
  let isOpen = false;
  lines.forEach((text, index) => {
    const isItem = /^\s*[-*] /.test(text ?? "");
    const isHeading = /^# /.test(text ?? "");
    const words = text?.replace(/^\s*[-*] /, "").trim();
    if (!words || isHeading) isOpen = false;
    if (isOpen && words && !isItem) paragraphs.at(-1).text += ` ${words}`;
    else if (words) paragraphs.push({ line: index + 1, text: words });
    if (words && !isHeading) isOpen = true;
  });
  return paragraphs;
}
