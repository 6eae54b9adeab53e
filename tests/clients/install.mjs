// Installs clients of others from their registries, each into a folder of its own below build/clients. versions.json has
// the exact version of each, and a module of installers/ installs from a registry.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "../../scripts/steps.mjs";

/** The exit code of a test whose client could not be installed. It is not a failure: the registry may be the reason. */
export const NOT_INSTALLED = 75;

/** The beginnings of the lines before and after an installation. */
export const INSTALLING = "installing: ";
export const INSTALLED = "was installed: ";

/**
 * The clients by name. The fields of a client:
 *
 * - `registry`: the module of installers/ that installs it
 * - `packages`: the exact version of each package, in the registry's form
 * - `minutes`: how long the tests of this name may take, if five minutes are too short
 *
 * @type {Record<string, { registry: string, packages: Record<string, string>, minutes?: number }>}
 */
export const VERSIONS = JSON.parse(readFileSync(new URL("versions.json", import.meta.url), "utf8"));

/**
 * Installs a client unless it is installed in this version. Returns its folder and, for npm, `load`, which imports one
 * of its modules. If that fails, the process ends with NOT_INSTALLED.
 *
 * @param {string} name
 * @returns {Promise<{ folder: string, load: (module: string) => Promise<any>, bin: (program: string) => string }>}
 */
export async function install(name) {
  const client = VERSIONS[name];
  if (!client) throw new Error(`versions.json has no ${name}`);
  const folder = join(root, "build", "clients", name.replaceAll("/", "-"));
  const stamp = join(folder, "installed.json");
  const installer = await import(new URL(`installers/${client.registry}.mjs`, import.meta.url).href);
  const wanted = JSON.stringify({ ...client, minutes: undefined });
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    console.error(`${INSTALLING}${name}`);
    try {
      await installer.install(folder, client.packages);
    } catch (error) {
      console.error(`not installed: ${name}: ${reasonOf(error)}`);
      process.exit(NOT_INSTALLED);
    }
    writeFileSync(stamp, wanted);
    console.error(`${INSTALLED}${name}`);
  }
  return {
    folder,
    load: async (module) => (await import(pathToFileURL(join(folder, "load.mjs")).href)).load(module),
    bin: (program) => installer.program(folder, program),
  };
}

/** The reason of a failed installation: the package manager's first line that names an error, or its last line. */
function reasonOf({ message }) {
  const [command, ...lines] = message.split("\n").filter((line) => line.trim());
  return (lines.find((line) => /error|fail/i.test(line)) ?? lines.at(-1) ?? command).trim().slice(0, 300);
}
