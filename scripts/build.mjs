// Builds the wasm module into build/: cargo, wasm-bindgen, wasm-opt. wrangler bundles the result with
// src/cloudflare/entry.mjs. `npm run build -- --features provoke-panic` adds cargo features.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { join } from "node:path";
import { isMain, root, run, step } from "./steps.mjs";

const TARGET = "wasm32-unknown-unknown";
const tools = join(root, ".tools");
const wasmBindgen = join(tools, "bin", process.platform === "win32" ? "wasm-bindgen.exe" : "wasm-bindgen");

/** The version of a crate that Cargo.lock pins: the one place where it stands. */
function lockedVersion(crate) {
  const lock = readFileSync(join(root, "Cargo.lock"), "utf8");
  const found = lock.match(new RegExp(`name = "${crate}"\\nversion = "([^"]+)"`));
  if (!found) throw new Error(`Cargo.lock has no ${crate}: is the checkout whole?`);
  return found[1];
}

/** Installs what cargo does not bring: the wasm target and wasm-bindgen, under the project. */
export async function installBuildTools() {
  const targets = await run("rustup", ["target", "list", "--installed"]);
  if (!targets.split("\n").includes(TARGET)) {
    await step(`adding the Rust target ${TARGET}`, () => run("rustup", ["target", "add", TARGET]));
  }
  const version = lockedVersion("wasm-bindgen");
  const stamp = join(tools, "wasm-bindgen-version");
  if (existsSync(wasmBindgen) && existsSync(stamp) && readFileSync(stamp, "utf8") === version) return;
  await step(`installing wasm-bindgen ${version} (some minutes, once)`, async () => {
    await run("cargo", ["install", "wasm-bindgen-cli", "--version", version, "--locked", "--root", tools, "--force"]);
    writeFileSync(stamp, version);
  });
}

/** Builds the module into `out`, a folder under the project. */
export async function build({ out = "build", features = [] } = {}) {
  const directory = join(root, out);
  mkdirSync(directory, { recursive: true });
  const cargo = ["rustc", "--release", "--lib", "--crate-type", "cdylib", "--target", TARGET, "--locked"];
  if (features.length > 0) cargo.push("--features", features.join(","));
  // js-sys' futures instead of wasm-bindgen's own copy of them.
  await step("compiling the module", () => run("cargo", cargo, { env: { WASM_BINDGEN_USE_JS_SYS: "1" } }));
  await step("binding and optimizing it", async () => {
    const compiled = join(root, "target", TARGET, "release", "postern.wasm");
    await run(wasmBindgen, [
      "--target", "module", "--no-typescript", "--out-dir", directory, "--out-name", "index",
      // What the recovery after a panic in entry.mjs stands on.
      "--experimental-reset-state-function", "--force-enable-abort-handler",
      compiled,
    ]);
    const module = join(directory, "index_bg.wasm");
    await run("wasm-opt", ["-O3", "--all-features", "-o", module, module]);
    return sizeOf(module);
  });
}

function sizeOf(file) {
  const kilobytes = (bytes) => `${Math.round(bytes / 1000)} KB`;
  return `${kilobytes(statSync(file).size)}, ${kilobytes(gzipSync(readFileSync(file)).length)} gzipped`;
}

if (isMain(import.meta.url)) {
  const at = process.argv.indexOf("--features");
  await installBuildTools();
  await build({ features: at < 0 ? [] : [process.argv[at + 1]] });
}
