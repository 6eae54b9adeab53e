// Builds the wasm module into build/: cargo, wasm-bindgen (tools/bindgen), wasm-opt. wrangler bundles the result with
// src/cloudflare/entry.mjs.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { join } from "node:path";
import { isMain, parseOptions, prepare, root, run, step } from "./steps.mjs";

/** The module as it is served. */
export const RELEASE = { what: "the module", out: "build", profile: "release", features: [] };

/** The module as it is served, but for the names of its functions: to be profiled. */
export const NAMED = { what: "the module with names", out: "build/named", profile: "release", features: [], hasNames: true };

/** The module with a path that panics, for a test. Built quickly rather than well. */
export const PANIC = {
  what: "the module that panics", out: "build/panic", profile: "panic-test", features: ["provoke-panic"],
};

export const TARGET = "wasm32-unknown-unknown";

/** tools/bindgen, compiled where it does not wait for the module: cargo locks a target directory. */
const BINDGEN = [
  "--package", "postern-bindgen", "--profile", "tools", "--target-dir", join(root, ".tools", "target"), "--locked",
];

/** Adds the wasm target, where rustup has not. */
export async function addWasmTarget() {
  const targets = await run("rustup", ["target", "list", "--installed"]);
  if (targets.split(/\s+/).includes(TARGET)) return;
  await step(`adding the Rust target ${TARGET}`, () => run("rustup", ["target", "add", TARGET]));
}

const stampOf = (variant) => join(root, variant.out, "fingerprint");

/** A digest of all that a variant is built from. */
function fingerprint(variant) {
  const files = ["Cargo.lock", "Cargo.toml", "build.rs", "rust-toolchain.toml", "scripts/build.mjs"];
  for (const folder of ["src", "templates", "tools"]) {
    for (const file of readdirSync(join(root, folder), { recursive: true })) files.push(join(folder, file));
  }
  const hash = createHash("sha256").update(JSON.stringify(variant));
  for (const file of files.sort()) {
    const path = join(root, file);
    if (statSync(path).isFile()) hash.update(`\0${file}\0`).update(readFileSync(path));
  }
  return hash.digest("hex");
}

/** Builds a variant, unless it stands there as its sources are now. */
export async function buildIfChanged(variant) {
  const stamp = stampOf(variant);
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== fingerprint(variant)) await build(variant);
}

/** Builds a variant into its folder. */
export async function build(variant) {
  const { what, profile, features, hasNames = false } = variant;
  const out = join(root, variant.out);
  mkdirSync(out, { recursive: true });
  // Taken before and written after: a source that changes in between is built the next time.
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
      // Binaryen would make one function of all that is called from one place, however large: an isolate
      // compiles a function when it first calls it, and whole.
      const apart = ["--one-caller-inline-max-function-size", "100"];
      const names = hasNames ? ["-g"] : [];
      // Node 24 cannot read compact imports, and the scripts ask the module about its configuration.
      const instructions = ["--all-features", "--disable-compact-imports"];
      await run("wasm-opt", ["-O3", ...apart, ...names, ...instructions, "-o", module, module]);
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
  parseOptions("npm run build\n\nBuilds the module into build/, whether or not its sources changed.");
  await prepare();
  await build(RELEASE);
}
