// npm run deploy: deploys the module, the database and the secrets to Cloudflare.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { RELEASE, buildIfChanged } from "./build.mjs";
import { checkVariables, readConfiguration } from "./configuration.mjs";
import { SECRETS, randomSecret } from "./local.mjs";
import { Failure, isMain, parseOptions, prepare, root, step, wrangler } from "./steps.mjs";

const USAGE = `npm run deploy

Builds Postern, checks its variables in wrangler.toml, and deploys it with its database and its secrets. README.md
lists the variables.

  --dry-run    do everything that needs no account, and send nothing`;

if (isMain(import.meta.url)) {
  const { "dry-run": isDry } = parseOptions(USAGE, { "dry-run": { type: "boolean" } });
  await prepare();
  await (isDry ? dryRun() : deploy());
}

/** Builds, checks the variables, and packs the upload. Accepts an empty ISSUER, which a new checkout has. */
export async function dryRun() {
  const { vars, triggers } = await readConfiguration();
  await buildIfChanged(RELEASE);
  const checked = { ...vars, ISSUER: vars.ISSUER || "https://login.example.com" };
  await step("checking the variables", () => checkVariables(checked));
  if (!vars.ISSUER) console.error("· ISSUER in wrangler.toml is empty: npm run deploy will fail without it");
  await step("packing it for Cloudflare", async () => {
    const output = await wrangler(["deploy", "--dry-run"]);
    return output.match(/Total Upload: .*/)?.[0];
  });
  console.error(`· cron: ${triggers.crons?.join(", ") || "none, so no key rotates and no row is deleted"}`);
}

async function deploy() {
  const { vars, triggers, d1_databases: databases } = await readConfiguration();
  if (!triggers.crons?.length) {
    throw new Failure("[triggers] in wrangler.toml has no crons: without them no key rotates and no row is deleted. " +
      'Add: crons = ["*/5 * * * *"]');
  }
  if (!vars.ISSUER) {
    throw new Failure("ISSUER in wrangler.toml is empty: set it to the public URL of the provider, for example " +
      "https://login.example.com or https://postern.YOUR-SUBDOMAIN.workers.dev");
  }
  await buildIfChanged(RELEASE);
  await step("checking the variables", () => checkVariables(vars));
  const { database_name: name } = databases.find(({ binding }) => binding === "DB");
  const hasDatabase = await step(`looking for the database ${name}`, () => databaseExists(name));

  // Migrate before the new code is deployed, because it needs the new schema. So each migration must also suit the
  // code that still runs. At the first deployment wrangler makes the database while it deploys; nobody can use the
  // worker before its secrets are set.
  if (hasDatabase) await migrate();
  await step("deploying", () => wrangler(["deploy"], { show: true }), { shows: true });
  if (!hasDatabase) await migrate();
  await createSecrets();
  console.log(`Postern serves the issuer ${vars.ISSUER}: see ${vars.ISSUER}/.well-known/openid-configuration`);
}

async function databaseExists(name) {
  const databases = await wrangler(["d1", "list", "--json"]).catch((error) => {
    throw new Failure(`${error.message.trim()}\n\nTo log in: npx wrangler login, or set CLOUDFLARE_API_TOKEN`);
  });
  return JSON.parse(databases).some((database) => database.name === name);
}

async function migrate() {
  await step("migrating the database", async () => {
    await wrangler(["d1", "migrations", "apply", "DB", "--remote"]);
  });
}

/** Makes the missing secrets. An existing one is kept, because no stored signing key can be opened without its key. */
async function createSecrets() {
  const present = JSON.parse(await wrangler(["secret", "list"])).map(({ name }) => name);
  const missing = SECRETS.filter((name) => !present.includes(name));
  if (missing.length === 0) return;
  const secrets = Object.fromEntries(missing.map((name) => [name, randomSecret()]));
  // Before they are sent: afterwards nobody can read them, so that they would be lost if this failed.
  handOver(missing.map((name) => `${name}=${secrets[name]}\n`).join(""));
  await step(`making ${missing.join(" and ")}`, async () => {
    // On standard input, because arguments are visible in the process list.
    await wrangler(["secret", "bulk"], { input: JSON.stringify(secrets) });
  });
}

/**
 * Shows the secrets at a terminal, and otherwise writes them to a file that only this user can read: the output may go
 * to a log. A CI job can have a terminal, whose output is a log, too.
 *
 * @param {string} lines
 */
function handOver(lines) {
  if (process.stdout.isTTY && !process.env.CI) {
    console.log(`\nThese secrets cannot be read again. Keep a copy in a safe place:\n\n${lines}`);
    return;
  }
  const file = join(root, `.deployed-secrets-${new Date().toISOString().replaceAll(/\W/g, "")}`);
  // "x" fails if there is such a file or link, which somebody else may have made.
  writeFileSync(file, lines, { flag: "wx", mode: 0o600 });
  console.log(`\nThe new secrets cannot be read again, and are in ${file}: move it to a safe place.\n`);
}
