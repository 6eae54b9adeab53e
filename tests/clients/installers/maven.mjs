// Downloads Java packages, with those that they depend on.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../scripts/steps.mjs";

const POM = (rest) => `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>postern.clients</groupId>
  <artifactId>client</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  ${rest}
</project>
`;

/**
 * Downloads the packages, which are named by group and artifact with a colon between. A package that has only the
 * versions of others, by Maven's convention `…-dependencies` or `…-bom`, decides those.
 *
 * @param {string} folder
 * @param {Record<string, string>} packages
 */
export async function install(folder, packages) {
  // The tests compile programs with the packages.
  await run("javac", ["-version"]);
  const isBom = (name) => /-(dependencies|bom)$/.test(name);
  const all = Object.entries(packages);
  const boms = all.filter(([name]) => isBom(name)).map(([name, version]) =>
    dependency(name, version, "<type>pom</type><scope>import</scope>"));
  const direct = all.filter(([name]) => !isBom(name)).map(([name, version]) => dependency(name, version));
  const pom = join(folder, "pom.xml");
  writeFileSync(pom, POM(`<dependencyManagement><dependencies>${boms.join("")}</dependencies></dependencyManagement>
  <dependencies>${direct.join("")}</dependencies>`));
  const quiet = ["--batch-mode", "--quiet", "--no-transfer-progress"];
  await run("mvn", [...quiet, "--file", pom, "dependency:copy-dependencies", "-DoutputDirectory=jars", "-DincludeScope=runtime"]);
}

function dependency(name, version, rest = "") {
  const [group, artifact] = name.split(":");
  return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>${rest}</dependency>`;
}

/** The class path of the packages. */
export const program = (folder) => join(folder, "jars", "*");
