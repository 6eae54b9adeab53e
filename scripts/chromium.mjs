// The browser for tests/browser: a Chromium or Chrome that this machine has. None is ever downloaded.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const onWindows = process.platform === "win32";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/** The browser's program, or undefined. CHROMIUM names one that is elsewhere. */
export function findChromium() {
  return process.env.CHROMIUM || [...inPath(), ...standardPlaces()].find(isProgram);
}

function inPath() {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, onWindows ? `${name}.exe` : name)));
}

/** Where their installers put them on systems that have no such PATH. */
function standardPlaces() {
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
