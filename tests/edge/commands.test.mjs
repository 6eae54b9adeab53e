// Runs the commands of the documents. Blocks marked `sh` run in order, in one shell for each document, against a worker
// and in an empty folder. Blocks marked `console` do not run here, because they need more than a worker: each of their
// commands is in a table with the reason, and SQL for D1 runs on the worker's database.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ADMIN_TOKEN, forward, start } from "./harness.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DOCUMENTS = [
  "README.md", "CONTRIBUTING.md", "SECURITY.md", "ARCHITECTURE.md",
  ...readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`),
];
const D1_COMMAND = /^npx wrangler d1 execute DB --remote --command\s+"([^"]+)"$/;

/** The commands of `console` blocks, each with its test or with the reason why it has none. */
const NOT_RUN_HERE = [
  [/^npm start$/, "start.test.mjs runs it"],
  [/^npm test$/, ".ci/run runs it"],
  [/^npm run deploy$/, "deploy.test.mjs runs it"],
  [D1_COMMAND, "the test below runs its SQL"],
  [/^npx wrangler (login|rollback|secret (put|bulk|delete)|tail|d1 (create|export|execute postern))\b/, "needs a Cloudflare account"],
  [/^export (POSTERN_URL|ADMIN_TOKEN)=/, "is the environment of the commands in sh blocks"],
  [/^npx postern key rotate --compromised KID$/, "keys.test.mjs runs it, with the kid of a key"],
  [/^npx postern user list$/, "is in an sh block too, with other variables"],
  [/^curl "\$POSTERN_URL\/auth\/token" -u "\$CLIENT_ID:\$CLIENT_SECRET" /, "resources.test.mjs sends the request"],
  [/^curl .*"\$POSTERN_URL\/auth\/(device|token)".* -d client_id=CLIENT_ID /, "tests/clients/openid-client-device.test.mjs sends the requests"],
  [/^curl "\$POSTERN_URL\/auth\/(revoke|introspect)" /, "tests/clients/openid-client.test.mjs sends the requests"],
  [/^curl .*"\$POSTERN_URL\/auth\/logout\?/, "tests/clients/oauth2-proxy.test.mjs sends the request"],
  [/^openssl rand -base64 32 \| tr /, "needs OpenSSL, and any random text of this length will do"],
  [/^sudo -u www-data php occ /, "needs a Nextcloud"],
  [/^gitea admin auth add-oauth /, "needs a Gitea"],
  [/^eval "\$\(oidc-agent\)"$|^oidc-(gen|token) /, "tests/clients/oidc-agent.test.mjs runs the program"],
  [/^(pip install "mcp>=2"|python server\.py|npx -p mcp-remote )/, "needs packages that tests/clients installs"],
  [/^(openfga run|--authn-oidc-subjects=|TOKEN=\$\(curl|curl http:\S+\/stores )/, "tests/clients/openfga.test.mjs runs it"],
];

/** The fenced blocks of a document, with the language and without the indentation of lists. */
function blocksOf(document) {
  const markdown = readFileSync(join(ROOT, document), "utf8");
  return [...markdown.matchAll(/^( *)```(\w*)\n(.*?)^ *```$/gms)].map(([, indentation, language, lines]) => ({
    language, lines: lines.replaceAll(new RegExp(`^${indentation}`, "gm"), ""),
  }));
}

const scriptOf = (document) =>
  blocksOf(document).filter(({ language }) => language === "sh").map(({ lines }) => lines).join("");

/** The commands of a document's `console` blocks. A backslash continues a line. */
const consoleCommandsOf = (document) => blocksOf(document).filter(({ language }) => language === "console")
  .flatMap(({ lines }) => lines.replaceAll("\\\n", "").trimEnd().split("\n"));

let worker;
let issuer;
let folder;
let server;
before(async () => {
  // The issuer has the port of this server, because a worker needs its issuer before it starts.
  server = http.createServer((request, response) => forward(worker.url, request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  issuer = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  const [, resources] = /^RESOURCES = '(.*)'$/m.exec(readFileSync(join(ROOT, "docs/apis.md"), "utf8"));
  worker = await start({ vars: { ISSUER: issuer, RESOURCES: resources } });
  folder = mkdtempSync(join(tmpdir(), "postern-commands-"));
  // npx.test.mjs runs npx itself, which costs a second a command.
  mkdirSync(join(folder, "bin"));
  const npx = `#!/bin/sh\n[ "$1" = postern ] && shift && exec node "${join(ROOT, "scripts/postern.mjs")}" "$@"\n`;
  writeFileSync(join(folder, "bin", "npx"), npx, { mode: 0o755 });
  mkdirSync(join(folder, "work"));
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await worker.close();
  rmSync(folder, { recursive: true });
});

/** Runs a script in the empty folder. Every command must succeed. */
async function runScript(script) {
  assert.doesNotMatch(script, /\bwrangler\b/, "wrangler needs an account: mark the block as console");
  // Without the settings that npm gives to npm test, and without an account of Cloudflare.
  const isOwn = (name) => !/^(npm_|CLOUDFLARE_)/i.test(name);
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => isOwn(name)));
  const path = [join(folder, "bin"), dirname(process.execPath), process.env.PATH];
  const child = spawn("bash", ["-euo", "pipefail", "-v", "-c", script], {
    cwd: join(folder, "work"), stdio: ["ignore", "pipe", "pipe"],
    env: { ...inherited, POSTERN_URL: issuer, ADMIN_TOKEN, PATH: path.join(delimiter) },
  });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  assert.equal(code, 0, `${err}\n${out}`);
  return out;
}

const skip = process.platform === "win32" && "the documents' shell is POSIX";

for (const document of DOCUMENTS.filter((name) => scriptOf(name) !== "")) {
  test(`the commands of ${document} run`, { skip }, async () => {
    await runScript(scriptOf(document));
  });
}

test("a command that fails is noticed by these tests", { skip }, async () => {
  await assert.rejects(runScript("npx postern user get nobody\ntrue\n"), /nobody/);
});

test("every command that does not run here has a reason", () => {
  for (const document of DOCUMENTS) {
    for (const { language } of blocksOf(document)) {
      assert.ok(!["", "bash", "shell", "zsh"].includes(language), `${document}: mark commands as sh or console`);
    }
    for (const command of consoleCommandsOf(document)) {
      assert.ok(NOT_RUN_HERE.some(([pattern]) => command.match(pattern)), `${document}: ${command}`);
    }
  }
});

test("the SQL of the documents runs on the migrated database", async () => {
  const commands = DOCUMENTS.flatMap(consoleCommandsOf).map((command) => D1_COMMAND.exec(command)).filter(Boolean);
  assert.ok(commands.length > 0);
  for (const [, sql] of commands) {
    for (const statement of sql.split(";")) await worker.env.DB.prepare(statement).run();
  }
});
