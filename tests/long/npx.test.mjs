// npx postern, in a copy of what it needs of the checkout. The name on the public registry is not this project's, so
// that no request may go there.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

let folder;
let registry;
const requests = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "postern-npx-"));
  for (const name of ["package.json", "package-lock.json", "scripts"]) {
    cpSync(join(ROOT, name), join(folder, "checkout", name), { recursive: true });
  }
  mkdirSync(join(folder, "checkout", "src"));
  registry = createServer((request, response) => {
    requests.push(request.url);
    response.writeHead(404).end("{}");
  });
  await once(registry.listen(0, "127.0.0.1"), "listening");
});
after(() => {
  registry.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs npx with a cache of its own and the registry above. */
async function npx(args, cwd) {
  const settings = {
    npm_config_registry: `http://127.0.0.1:${registry.address().port}/`,
    npm_config_cache: join(folder, "cache"),
    npm_config_update_notifier: "false",
  };
  // npm passes its own settings to npm test, and these would win.
  const inherited = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
  const child = spawn("npx", args, {
    cwd, env: { ...Object.fromEntries(inherited), ...settings }, shell: process.platform === "win32",
  });
  child.stdin.end();
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { out, err, code };
}

test("npx postern runs the checkout's command and requests nothing, before and after the installation", async () => {
  const checkout = join(folder, "checkout");
  for (const place of [checkout, join(checkout, "src")]) {
    const { code, out, err } = await npx(["postern", "user", "put", "--help"], place);
    assert.equal(code, 0, err);
    assert.match(out, /^npx postern user put SUB /);
  }
  assert.equal(existsSync(join(checkout, "node_modules")), false);

  symlinkSync(join(ROOT, "node_modules"), join(checkout, "node_modules"), "junction");
  const { code, err } = await npx(["postern", "user", "lst"], checkout);
  assert.equal(code, 1);
  assert.match(err, /^there is no command user lst /);
  assert.deepEqual(requests, []);
});

test("outside a checkout npx looks for the name on the registry, as the help says", async () => {
  mkdirSync(join(folder, "elsewhere"));
  assert.notEqual((await npx(["--yes", "postern"], join(folder, "elsewhere"))).code, 0);
  assert.ok(requests.includes("/postern"), requests.join());
});
