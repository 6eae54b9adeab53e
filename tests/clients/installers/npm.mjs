// Installs npm packages.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../scripts/steps.mjs";

/** Installs these packages into the folder, without the scripts of packages. */
export async function install(folder, packages) {
  const description = { private: true, type: "module", dependencies: packages };
  writeFileSync(join(folder, "package.json"), JSON.stringify(description, null, 2));
  // A module of the folder finds the packages of the folder.
  writeFileSync(join(folder, "load.mjs"), "export const load = (module) => import(module);\n");
  await run("npm", ["install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]);
}

/** The path of a program of these packages. */
export const program = (folder, name) => join(folder, "node_modules", ".bin", name);
