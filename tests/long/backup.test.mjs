// The drill of docs/operations.md: an export of a used D1 and the secrets become a working provider. The commands are those
// of the document, with wrangler's local D1 instead of Cloudflare's.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as jose from "jose";
import { keysMade } from "../edge/harness.mjs";
import {
  Browser, assertError, authorizePath, putClient, putUser, redeem, refresh, responseParameters, successJson,
} from "../edge/browser.mjs";
import { startDev, wrangler } from "../edge/wrangler_dev.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "postern-backup-"));
const machines = [];
after(async () => {
  for (const machine of machines) await machine.cutPower();
  rmSync(folder, { recursive: true });
});

/** The folder of an account: its configuration, and wrangler's local state beside it. */
function account(name) {
  const own = join(folder, name);
  mkdirSync(own);
  writeFileSync(join(own, "wrangler.toml"), `name = "postern"
main = ${JSON.stringify(join(root, "src/cloudflare/entry.mjs"))}
compatibility_date = "2026-10-20"

[[kv_namespaces]]
binding = "KV"
id = "kv"

[[d1_databases]]
binding = "DB"
database_name = "postern"
database_id = "db"
migrations_dir = ${JSON.stringify(join(root, "migrations"))}
`);
  return own;
}

/** Runs the command of docs/operations.md that begins like this, in the folder of an account. */
function documented(beginning, cwd) {
  const lines = readFileSync(join(root, "docs/operations.md"), "utf8").split("\n").map((line) => line.trim());
  const found = lines.filter((line) => line.startsWith(`npx wrangler ${beginning}`));
  assert.equal(found.length, 1, beginning);
  const args = found[0].replace("--remote", "--local").replace("backup.sql", join(folder, "backup.sql")).split(" ").slice(2);
  return wrangler([...args, "--config", join(cwd, "wrangler.toml")], cwd);
}

async function boot(cwd) {
  const machine = await startDev(["--local", "--config", join(cwd, "wrangler.toml")], cwd);
  machines.push(machine);
  return machine;
}

const skip = process.platform !== "linux" && "it finds workerd by /proc";

test("an export of D1, restored into an empty database with the same secrets, is a working provider", { skip }, async () => {
  const old = account("old");
  await wrangler(["d1", "migrations", "apply", "DB", "--local"], old);
  const first = await boot(old);
  const keys = await keysMade(first.fetch);
  await putUser(first.operator, "alice", { name: "Alice Adams", nickname: "it's; -- \"Al\"\u2028" });
  const app = await putClient(first.operator);
  const scope = "openid profile offline_access";
  const alice = new Browser(first.fetch);
  const code = await alice.codeFor(app, "alice", { scope, prompt: "consent" });
  const tokens = await successJson(await redeem(first.fetch, app, code));
  const unredeemed = await alice.codeFor(app, "alice", { scope });
  await documented("d1 export postern", old);
  await first.cutPower();

  const empty = account("new");
  await documented("d1 execute postern", empty);
  // As npm run deploy does: the export has the list of the migrations, so none runs twice.
  const applied = await wrangler(["d1", "migrations", "apply", "DB", "--local"], empty);
  assert.match(applied, /No migrations to apply/);
  const { fetch, operator } = await boot(empty);

  const userinfo = await fetch("/auth/userinfo", { headers: { authorization: `Bearer ${tokens.access_token}` } });
  assert.deepEqual(await successJson(userinfo), { sub: "alice", name: "Alice Adams", nickname: "it's; -- \"Al\"\u2028" });
  assert.deepEqual((await (await fetch("/auth/jwks.json")).json()).keys, keys);
  await successJson(await refresh(fetch, app, tokens.refresh_token));
  await successJson(await redeem(fetch, app, unredeemed));
  await assertError(await redeem(fetch, app, code), "invalid_grant");
  const other = await putClient(operator, "other");
  await assertError(await redeem(fetch, { ...app, client_secret: other.client_secret }, unredeemed), "invalid_client", 401);

  const restored = Object.assign(new Browser(fetch), { cookies: alice.cookies });
  const silent = responseParameters(await restored.get(authorizePath(app, { scope, prompt: "none" })));
  const ids = [
    await successJson(await redeem(fetch, app, silent.code)),
    await successJson(await redeem(fetch, app, await new Browser(fetch).codeFor(app, "alice", { scope }))),
  ].map(({ id_token: token }) => token);
  for (const id of ids) await jose.jwtVerify(id, jose.createLocalJWKSet({ keys }));
  const { sid } = jose.decodeJwt(tokens.id_token);
  assert.deepEqual(ids.map((id) => jose.decodeJwt(id).sid === sid), [true, false], "the session, and a new one");
});
