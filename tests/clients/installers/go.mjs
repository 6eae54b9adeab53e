// Builds programs of Go modules.
import { join } from "node:path";
import { run } from "../../../scripts/steps.mjs";

/** Builds the program of each package, for example `example.com/module/cmd/program`, in its version into the folder. */
export async function install(folder, packages) {
  for (const [path, version] of Object.entries(packages)) {
    await run("go", ["install", `${path}@${version}`], { env: { GOBIN: folder } });
  }
}

/** The path of a program. */
export const program = (folder, name) => join(folder, name);
