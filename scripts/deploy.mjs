// npm run deploy: the module, the database and the secrets, on Cloudflare.
import { RELEASE, buildIfChanged } from "./build.mjs";
import { checkVariables, readConfiguration } from "./configuration.mjs";
import { SECRETS, randomSecret } from "./local.mjs";
import { Failure, isMain, parseOptions, prepare, step, wrangler } from "./steps.mjs";

const USAGE = `npm run deploy

Builds Postern, checks its variables, and deploys it with its database and its secrets. README.md tells what to set
before.

  --dry-run    does what can be done without an account, and sends nothing`;

if (isMain(import.meta.url)) {
  const { "dry-run": isDry } = parseOptions(USAGE, { "dry-run": { type: "boolean" } });
  await prepare();
  await (isDry ? dryRun() : deploy());
}

/** Builds, checks the variables, and packs what would be uploaded. A new checkout has no ISSUER, and passes. */
export async function dryRun() {
  const { vars } = await readConfiguration();
  await buildIfChanged(RELEASE);
  const checked = { ...vars, ISSUER: vars.ISSUER || "https://login.example.com" };
  await step("checking the variables", () => checkVariables(checked));
  if (!vars.ISSUER) console.error("· ISSUER in wrangler.toml is empty: without one, npm run deploy fails");
  await step("packing it for Cloudflare", async () => {
    const told = await wrangler(["deploy", "--dry-run"]);
    return told.match(/Total Upload: .*/)?.[0];
  });
}

async function deploy() {
  const { vars, d1_databases: databases } = await readConfiguration();
  if (!vars.ISSUER) {
    throw new Failure("ISSUER in wrangler.toml is empty: set it to the URL at which relying parties will know the " +
      "provider, such as https://login.example.com or https://postern.YOUR-SUBDOMAIN.workers.dev");
  }
  await buildIfChanged(RELEASE);
  await step("checking the variables", () => checkVariables(vars));
  const { database_name: name } = databases.find(({ binding }) => binding === "DB");
  const hasDatabase = await step(`looking for the database ${name}`, () => isThere(name));

  // The schema goes before the code that needs it, so a migration must leave room for the code that
  // still runs. Only the first time there is no database yet: wrangler makes it while it deploys, as the
  // configuration has it, and nobody uses the worker before it has its secrets.
  if (hasDatabase) await migrate();
  await step("deploying", () => wrangler(["deploy"], { show: true }), { shows: true });
  if (!hasDatabase) await migrate();
  await createSecrets();
  console.log(`Postern serves the issuer ${vars.ISSUER}: see ${vars.ISSUER}/.well-known/openid-configuration`);
}

async function isThere(name) {
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

/** Makes the secrets that are missing. One that is there stays: without its key, no signing key opens. */
async function createSecrets() {
  const present = JSON.parse(await wrangler(["secret", "list"])).map(({ name }) => name);
  const missing = SECRETS.filter((name) => !present.includes(name));
  if (missing.length === 0) return;
  const secrets = Object.fromEntries(missing.map((name) => [name, randomSecret()]));
  await step(`making ${missing.join(" and ")}`, async () => {
    // On its standard input, where no list of processes shows it.
    await wrangler(["secret", "bulk"], { input: JSON.stringify(secrets) });
  });
  const lines = missing.map((name) => `${name}=${secrets[name]}`).join("\n");
  console.log(`\nNobody can read these again; keep them where they are safe:\n\n${lines}\n`);
}
