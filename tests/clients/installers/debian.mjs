// Installs packages of Debian with apt-get, unless this machine has them. Only root can: others read what to install.
import { existsSync } from "node:fs";
import { Failure, run } from "../../../scripts/steps.mjs";

/**
 * Installs these packages. A version is a prefix, because a distribution replaces its packages by security updates:
 * `2.4.12` stands for 2.4.12.3-2+deb12u5 too.
 */
export async function install(_folder, packages) {
  const missing = [];
  for (const [name, version] of Object.entries(packages)) {
    if (!(await installedVersion(name))?.startsWith(version)) missing.push(`${name}=${version}*`);
  }
  if (missing.length === 0) return;
  const command = ["install", "--yes", "--no-install-recommends", ...missing];
  if (process.getuid?.() !== 0) throw new Failure(`run as root: apt-get ${command.join(" ")}`);
  await run("apt-get", ["update", "--quiet"]);
  await run("apt-get", command, { env: { DEBIAN_FRONTEND: "noninteractive" } });
}

/** The version of an installed package. */
async function installedVersion(name) {
  const format = "--showformat=${db:Status-Status} ${Version}";
  const found = await run("dpkg-query", ["--show", format, name]).catch(() => "");
  const [status, version] = found.split(" ");
  return status === "installed" ? version : undefined;
}

/** The path of a program of these packages. */
export function program(_folder, name) {
  const path = ["/usr/bin", "/usr/sbin"].map((folder) => `${folder}/${name}`).find((one) => existsSync(one));
  if (!path) throw new Failure(`no package has installed ${name}`);
  return path;
}
