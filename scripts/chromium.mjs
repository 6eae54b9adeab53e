// Finds the browser for tests/browser: a Chromium or Chrome of this machine. Nothing downloads one.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const onWindows = process.platform === "win32";

/** The headless shells first: the same engine without the rest of a browser needs a third of the CPU for a page. */
const NAMES = [
  "chromium-headless-shell", "chrome-headless-shell", "chromium", "chromium-browser", "google-chrome",
  "google-chrome-stable", "chrome",
];

/**
 * Returns the path of the browser's program: the one that CHROMIUM names, or the first name that is found.
 *
 * @returns {string | undefined}
 */
export function findChromium() {
  return process.env.CHROMIUM || [...programsInPath(), ...installedPrograms()].find(isProgram);
}

/** The programs in PATH, by the order of the names. */
function programsInPath() {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, onWindows ? `${name}.exe` : name)));
}

/** The places to which the installers of macOS and Windows put a browser, which are not in PATH. */
function installedPrograms() {
  const { HOME = "", LOCALAPPDATA, PROGRAMFILES, "PROGRAMFILES(X86)": PROGRAMFILES_X86 } = process.env;
  if (process.platform === "darwin") {
    return ["", HOME].flatMap((folder) => ["Google Chrome", "Chromium"].map((name) =>
      join(folder, "/Applications", `${name}.app`, "Contents/MacOS", name)));
  }
  if (!onWindows) return [];
  return [PROGRAMFILES, PROGRAMFILES_X86, LOCALAPPDATA].filter((folder) => folder).flatMap((folder) =>
    [["Google", "Chrome"], ["Chromium"]].map((name) => join(folder, ...name, "Application", "chrome.exe")));
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
