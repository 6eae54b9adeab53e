// Installs Python packages, each client into a virtual environment of its own.
import { join } from "node:path";
import { run } from "../../../scripts/steps.mjs";

/** Installs these packages into the folder. A name can have extras: `matrix-synapse[oidc]`. */
export async function install(folder, packages) {
  await run("python3", ["-m", "venv", folder]);
  const exact = Object.entries(packages).map(([name, version]) => `${name}==${version}`);
  await run(program(folder, "python"), ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...exact]);
}

/** The path of a program of these packages. */
export const program = (folder, name) => join(folder, "bin", name);
