// Copies the checkout, so that a script runs unchanged and writes to no file of the developer.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The files that scripts read: the build, the sources that its fingerprint covers, and configuration. */
const COPIED = [
  "Cargo.lock", "Cargo.toml", "build.rs", "rust-toolchain.toml", "scripts", "src", "templates", "tools",
  "build/fingerprint", "build/index.js", "build/index_bg.wasm", "build/snippets",
  "migrations", "package-lock.json", "package.json", "wrangler.toml",
];
/** Installed programs and packages. Scripts only read them while they are up to date. */
const SHARED = [".tools", "node_modules"];

/** Copies the checkout and its build, without .dev.vars and .wrangler, to a new folder. Returns the folder. */
export function copyCheckout() {
  const read = (file) => readFileSync(join(ROOT, file), "utf8");
  const installed = read("node_modules/.postern-lock");
  assert.equal(installed, read("package-lock.json"), "run npm run build first: it installs the packages");
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "postern-checkout-")));
  for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  for (const name of SHARED) symlinkSync(join(ROOT, name), join(folder, name), "junction");
  return folder;
}

/** Replaces the variables under [vars] in the copy's wrangler.toml by these lines. */
export function configure(folder, lines) {
  const file = join(folder, "wrangler.toml");
  const [, head, rest] = /^(.*?^\[vars\]\n).*?(^\[(?!vars\.).*)$/ms.exec(readFileSync(file, "utf8"));
  writeFileSync(file, `${head}${lines}\n\n${rest}`);
}
