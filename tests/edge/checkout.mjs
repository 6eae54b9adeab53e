// A copy of the checkout, in which a script runs unchanged and writes nothing of a developer's.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What the scripts read: the build with the sources that its fingerprint covers, and the rest. */
const COPIED = [
  "Cargo.lock", "Cargo.toml", "build.rs", "rust-toolchain.toml", "scripts", "src", "templates", "tools",
  "build/fingerprint", "build/index.js", "build/index_bg.wasm", "build/snippets",
  "migrations", "package-lock.json", "package.json", "wrangler.toml",
];
/** What is installed. The scripts only read it where it is up to date. */
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

/** Gives the copy's wrangler.toml these lines as the only ones of [vars]. */
export function configure(folder, lines) {
  const file = join(folder, "wrangler.toml");
  const [, head, rest] = /^(.*?^\[vars\]\n).*?(^\[(?!vars\.).*)$/ms.exec(readFileSync(file, "utf8"));
  writeFileSync(file, `${head}${lines}\n\n${rest}`);
}
