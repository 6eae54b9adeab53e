// The checks of npm test and npm run proof that cannot run on this machine. They are printed when they are found, and
// again at the end.
import { Failure } from "./steps.mjs";

export const NO_BROWSER = `SIGNING IN WITH A BROWSER. This machine has no Chromium or Chrome.
!! Install one (Debian: apt-get install chromium-headless-shell), or set CHROMIUM to its path, and run this again.`;

/** @type {string[]} */
const skipped = [];

/**
 * Reports a check that does not run, with the reason. With REQUIRE_ALL that is a failure, unless the network is the reason.
 *
 * @param {{ text: string, isOffline?: boolean }} check
 */
export function skip({ text, isOffline = false }) {
  if (process.env.REQUIRE_ALL && !isOffline) throw new Failure(`${notice(text)}REQUIRE_ALL is set, so this is a failure.`);
  skipped.push(text);
  console.error(notice(text));
}

/** Prints them again, for a reader of the last lines. */
export function repeatSkipped() {
  for (const text of skipped) console.error(notice(text));
}

function notice(/** @type {string} */ text) {
  return `\n!! NOT CHECKED: ${text}\n!! Everything else is.\n`;
}
