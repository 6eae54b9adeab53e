// Downloads Go packages for a program of the tests.
import { cpSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../scripts/steps.mjs";

/** Makes the folder a module that has these packages, for example `example.com/module/package`, in their versions. */
export async function install(folder, packages) {
  await run("go", ["-C", folder, "mod", "init", "client"]);
  await run("go", ["-C", folder, "get", ...Object.entries(packages).map(([path, version]) => `${path}@${version}`)]);
  // Compiles them, because that takes longest.
  await run("go", ["-C", folder, "build", ...Object.keys(packages)]);
}

/** Builds the program of a Go file with these packages. Returns its path. */
export async function build(folder, file) {
  cpSync(file, join(folder, "main.go"));
  const path = program(folder, "client");
  await run("go", ["-C", folder, "build", "-o", path, "."]);
  return path;
}

/** The path of a program. */
export const program = (folder, name) => join(folder, name);
