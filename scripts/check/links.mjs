// Checks the links of every document: relative ones must lead to a file that is in the repository, and anchors to a
// heading. Addresses elsewhere are not fetched, so that the check works offline.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { Failure, isMain, parseOptions, root, run } from "../steps.mjs";

/** Blanks a document's code, in which brackets are no links and `#` begins no heading. Lines keep their numbers. */
const withoutCode = (text) =>
  text.replace(/^( *)(```+|~~~+)[\s\S]*?^ *\2 *$|(`+)(?!`)[^\n]*?[^`\n]\3(?!`)/gm, (code, _, fence) =>
    (fence ? code.replace(/[^\n]/g, "") : code.replace(/[[\]()]/g, "")));

/** The anchor that GitHub gives a heading: lower case, without punctuation, and with hyphens for spaces. */
const slug = (heading) =>
  heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").trim().toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "").replaceAll(" ", "-");

/** The anchors of a document. A heading that occurs again gets a number. */
function anchorsOf(file) {
  const text = withoutCode(readFileSync(join(root, file), "utf8"));
  const seen = new Map();
  const anchors = new Set([...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, name]) => name));
  for (const [, heading] of text.matchAll(/^#{1,6} +(.*?) *#*$/gm)) {
    const name = slug(heading);
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    anchors.add(count === 0 ? name : `${name}-${count}`);
  }
  return anchors;
}

/** The links of a document with their line numbers: inline ones, references and the attributes of HTML. */
function* linksOf(file) {
  const text = withoutCode(readFileSync(join(root, file), "utf8"));
  const forms = /\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?\s*$|\b(?:href|src|srcset)="([^"]+)"/gm;
  for (const found of text.matchAll(forms)) {
    const target = found.slice(1).find((group) => group !== undefined);
    yield { target, line: text.slice(0, found.index).split("\n").length };
  }
}

/** The reason why a link is broken, or undefined. */
function faultOf(file, target) {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined;
  if (target.startsWith("/")) return "an absolute path: use one that is relative to the document";
  const [path, anchor] = target.split("#").map(decodeURIComponent);
  const to = path === "" ? file : join(dirname(file), path);
  if (to.startsWith("..") || !existsSync(join(root, to))) return `there is no ${to}`;
  if (anchor === undefined || !to.endsWith(".md") || anchorsOf(to).has(anchor)) return undefined;
  return `${relative(dirname(file), to) || to} has no heading #${anchor}`;
}

/** Fails if a link of a document leads nowhere. Returns how many were checked. */
export async function checkLinks() {
  const listed = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"]);
  const files = listed.split("\n").filter((file) => file !== "" && existsSync(join(root, file)));
  const faults = [];
  let count = 0;
  for (const file of files) {
    for (const { target, line } of linksOf(file)) {
      const fault = faultOf(file, target);
      if (fault) faults.push(`${file}:${line}: ${target}: ${fault}`);
      count += 1;
    }
  }
  if (faults.length > 0) throw new Failure(`broken links:\n${faults.join("\n")}`);
  return `${count} links in ${files.length} documents`;
}

if (isMain(import.meta.url)) {
  parseOptions("node scripts/check/links.mjs\n\nChecks the relative links and the anchors of every document.");
  console.log(await checkLinks());
}
