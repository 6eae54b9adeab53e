// The settings of an application in docs/clients.md, so that a test follows them to the letter.
import { readFileSync } from "node:fs";

const page = readFileSync(new URL("../../docs/clients.md", import.meta.url), "utf8");

/**
 * Returns a block of code in this language in the section of an application.
 *
 * @param {string} title
 * @param {string} language
 * @param {Record<string, string>} [replacements]  What stands for the examples' URLs and credentials.
 * @param {number} [index]  Of the block among those of the language.
 */
export function documentedSettings(title, language, replacements = {}, index = 0) {
  const [, section] = page.split(`\n### ${title}\n`);
  const text = section?.split(/\n##+ /)[0].split(`\n\`\`\`${language}\n`)[index + 1]?.split("\n```")[0];
  if (!text) throw new Error(`docs/clients.md has no block ${index} of ${language} below ${title}`);
  return Object.entries(replacements).reduce((filled, [example, value]) => filled.replaceAll(example, value), text);
}

/** Returns the value of RESOURCES in the section of an application. */
export function documentedResources(title) {
  const [, value] = /^RESOURCES = '(.*)'$/.exec(documentedSettings(title, "toml")) ?? [];
  return JSON.parse(value);
}
