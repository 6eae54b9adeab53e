// oidc-agent of Debian: it registers itself as a web application with a custom scheme beside loopback, and stores a
// refresh token.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { formOf } from "../edge/browser.mjs";
import { until } from "../edge/harness.mjs";
import { install } from "./install.mjs";
import { claimsOf, runProgram } from "./programs.mjs";
import { AUTHORITY, startProvider } from "./provider.mjs";

const { bin } = await install("oidc-agent");
const provider = await startProvider({ tls: true, vars: { REGISTRATION: "open" } });
const home = mkdtempSync(join(tmpdir(), "postern-oidc-agent-"));
const { env: browser, pages, errors } = await provider.programThatOpens();
const env = { ...browser, HOME: home, OIDC_CONFIG_DIR: home, OIDC_ENCRYPTION_PW: "a password" };

const agent = await runProgram(bin("oidc-agent"), ["--json", "--quiet"], { env });
const { socket, dpid } = JSON.parse(agent.stdout);
Object.assign(env, { OIDC_SOCK: socket, OIDCD_PID: `${dpid}` });
after(async () => {
  await runProgram(bin("oidc-agent"), ["--kill"], { env });
  rmSync(home, { recursive: true, force: true });
});

const succeed = async (program, args) => {
  const { code, stdout, output } = await runProgram(bin(program), args, { env });
  assert.equal(code, 0, `${output}\n${provider.log.join("\n")}`);
  return stdout.trim();
};

const generate = (account, ...options) => succeed("oidc-gen", [
  account, "--issuer", provider.issuer, "--cp", AUTHORITY, "--flow", "code",
  "--prompt=none", "--confirm-yes", "--pw-env", ...options,
]);

/** Asserts that the account gets an access token, and another one by its refresh token. */
async function assertTokens(account, scope) {
  const refreshes = () => provider.log.filter((line) => line.startsWith("POST /auth/token 200")).length;
  const token = await succeed("oidc-token", [account]);
  const before = refreshes();
  const another = await succeed("oidc-token", ["--force-new", account]);
  assert.equal(refreshes(), before + 1);
  assert.notEqual(another, token);
  for (const one of [token, another]) {
    const { iss, sub, scope: granted } = claimsOf(one);
    assert.deepEqual([iss, sub, granted.split(" ").sort()], [provider.issuer, "alice", scope.split(" ").sort()]);
  }
}

test("it registers itself, signs in by a port of its own, and refreshes", async () => {
  const scope = "openid profile email offline_access";
  await generate("postern", "--scope", scope);
  assert.deepEqual(errors, []);
  assert.match(pages.at(-1).body, /Successfully performed code exchange/);
  await assertTokens("postern", scope);
});

test("it signs in by its own scheme, with every scope", async () => {
  const opened = pages.length;
  await generate("schemed", "--scope=max", "--no-webserver");
  // The system gives the URL at which the browser stops to another oidc-gen.
  const { url: { href: code } } = await until(() => pages[opened], Boolean);
  assert.match(code, /^edu\.kit\.data\.oidc-agent:\/redirect\?code=/);
  await succeed("oidc-gen", [`--codeExchange=${code}`, "--pw-env", "--prompt=none", "--confirm-yes"]);
  await assertTokens("schemed", "openid profile email address phone offline_access groups");
});

test("it signs in at another device", async () => {
  const scope = "openid profile email offline_access";
  const child = spawn(bin("oidc-gen"), [
    "on-a-server", "--issuer", provider.issuer, "--cp", AUTHORITY, "--flow", "device", "--scope", scope,
    "--prompt=none", "--confirm-yes", "--pw-env",
  ], { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => { output += text; });
  const ended = once(child, "close");
  const [code] = await until(() => /[A-Z]{4}-[A-Z]{4}/.exec(output), Boolean);
  const user = provider.browser();
  const { action, fields } = formOf(await user.visit(`${provider.issuer}/device`));
  const page = await user.visit(action, { form: { ...fields, user_code: code } });
  assert.match(page.body, /Your device is connected/);
  assert.deepEqual(await ended, [0, null], output);
  await assertTokens("on-a-server", scope);
});
