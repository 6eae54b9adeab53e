// Builds the wasm module into build/ with cargo, wasm-bindgen (tools/bindgen) and wasm-opt. wrangler bundles the result
// with src/cloudflare/entry.mjs.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { join } from "node:path";
import { isMain, parseOptions, prepare, root, run, step } from "./steps.mjs";

/**
 * A build of the module.
 *
 * @typedef {object} Variant
 * @property {string} what      Its name in messages.
 * @property {string} out       The folder for the result.
 * @property {string} profile   The profile of cargo.
 * @property {string[]} features
 * @property {boolean} [hasNames] Whether the functions keep their names.
 */

/**
 * The module for production.
 *
 * @type {Variant}
 */
export const RELEASE = { what: "the module", out: "build", profile: "release", features: [] };

/**
 * The module for production, with the names of its functions, for a profiler.
 *
 * @type {Variant}
 */
export const NAMED = {
  what: "the module with names", out: "build/named", profile: "release", features: [], hasNames: true,
};

/**
 * The module with a path that panics, for a test. Its profile compiles fast and optimizes little.
 *
 * @type {Variant}
 */
export const PANIC = {
  what: "the module that panics", out: "build/panic", profile: "panic-test", features: ["provoke-panic"],
};

export const TARGET = "wasm32-unknown-unknown";

/** Arguments for tools/bindgen. It has its own target directory because cargo locks one during a build. */
const BINDGEN = [
  "--package", "postern-bindgen", "--profile", "tools", "--target-dir", join(root, ".tools", "target"), "--locked",
];

/** Installs the wasm target if rustup lacks it. */
export async function addWasmTarget() {
  const targets = await run("rustup", ["target", "list", "--installed"]);
  if (targets.split(/\s+/).includes(TARGET)) return;
  await step(`adding the Rust target ${TARGET}`, () => run("rustup", ["target", "add", TARGET]));
}

const stampOf = (variant) => join(root, variant.out, "fingerprint");

/** Returns a digest of everything that a variant is built from. */
function fingerprint(variant) {
  const files = ["Cargo.lock", "Cargo.toml", "build.rs", "rust-toolchain.toml", "scripts/build.mjs"];
  for (const folder of ["migrations", "src", "templates", "tools"]) {
    const entries = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
    for (const entry of entries) files.push(join(folder, entry));
  }
  const hash = createHash("sha256").update(JSON.stringify(variant));
  for (const file of files.sort()) {
    const path = join(root, file);
    if (statSync(path).isFile()) hash.update(`\0${file}\0`).update(readFileSync(path));
  }
  return hash.digest("hex");
}

/**
 * Builds a variant unless its result is up to date.
 *
 * @param {Variant} variant
 */
export async function buildIfChanged(variant) {
  const stamp = stampOf(variant);
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== fingerprint(variant)) await build(variant);
}

/**
 * Builds a variant into its folder.
 *
 * @param {Variant} variant
 */
export async function build(variant) {
  const { what, profile, features, hasNames = false } = variant;
  const out = join(root, variant.out);
  mkdirSync(out, { recursive: true });
  // Computed before the build and written after it, so that a source that changes in between is built the next time.
  const built = fingerprint(variant);
  rmSync(stampOf(variant), { force: true });

  await addWasmTarget();
  await step(`compiling ${what}`, async () => {
    await Promise.all([
      run("cargo", [
        "rustc", "--profile", profile, "--lib", "--crate-type", "cdylib", "--target", TARGET, "--locked",
        ...features.flatMap((feature) => ["--features", feature]),
      ]),
      run("cargo", ["build", ...BINDGEN]),
    ]);
  });
  await step(`binding ${what}`, async () => {
    const metadata = await run("cargo", ["metadata", "--no-deps", "--format-version", "1", "--locked"]);
    const compiled = join(JSON.parse(metadata).target_directory, TARGET, profile, "postern.wasm");
    await run("cargo", ["run", "--quiet", ...BINDGEN, "--", compiled, out]);
  });
  if (profile === "release") {
    await step(`optimizing ${what}`, async () => {
      const module = join(out, "index_bg.wasm");
      // Without this limit Binaryen inlines every function with one caller. The large functions that result cost time
      // in a new isolate, which compiles a whole function at its first call.
      const inlining = ["--one-caller-inline-max-function-size", "100"];
      const names = hasNames ? ["-g"] : [];
      // Node 24 cannot read compact imports, and configuration.mjs runs the module in Node.
      const instructions = ["--all-features", "--disable-compact-imports"];
      await run("wasm-opt", ["-O3", ...inlining, ...names, ...instructions, "-o", module, module]);
      return sizeOf(module);
    });
  }
  writeFileSync(stampOf(variant), built);
}

function sizeOf(file) {
  const kilobytes = (bytes) => `${Math.round(bytes / 1000)} KB`;
  return `${kilobytes(statSync(file).size)}, ${kilobytes(gzipSync(readFileSync(file)).length)} gzipped`;
}

if (isMain(import.meta.url)) {
  parseOptions("npm run build\n\nBuilds the module into build/, even if its sources did not change.");
  await prepare();
  await build(RELEASE);
}
