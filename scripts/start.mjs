// npm start: installs what is missing, builds, and serves the worker on http://localhost:8787 with a demo application
// to sign in to and a token to try. PORT chooses another port.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { RELEASE, buildIfChanged } from "./build.mjs";
import { DEMO_SUBS, demoUsers } from "./demo/users.mjs";
import { createSecrets, localWorker } from "./local.mjs";
import { operatorApi } from "./operator_api.mjs";
import { checkPort, holdPort, portInUse } from "./ports.mjs";
import { printable } from "./printable.mjs";
import {
  Failure, WRANGLER, environment, hasCode, onStopSignal, onWindows, parseOptions, prepare, root, step, wrangler,
} from "./steps.mjs";

const USAGE = `npm start

Builds Postern if its sources changed, and serves it on http://localhost:8787 with a demo application. The issuer is
the worker's URL, or ISSUER in .dev.vars. All other variables are read from wrangler.toml and .dev.vars: start it again
after a change to them.

  PORT=9000 npm start    serves it on another port, with separate data`;

parseOptions(USAGE);
const { port, state } = localWorker();
await checkPort(port);
await prepare();
// Held during the build, too, so that a second npm start fails at once.
const releasePort = await holdPort(port);
await buildIfChanged(RELEASE);
const created = createSecrets();
if (created.length > 0) console.error(`· made ${created.join(", ")} in .dev.vars`);
await step("migrating the local database", async () => {
  await wrangler(["d1", "migrations", "apply", "DB", "--local", "--persist-to", state]);
});

const worker = localWorker();
await releasePort();
const server = serve(worker);
const discovery = await step("starting the worker", () => Promise.race([waitUntilReady(worker, server), server.failed]));
const request = operatorApi(worker.url, worker.adminToken, `the worker at ${worker.url} does not answer`);
const scopes = await userinfoScopes(worker, discovery);
const users = await ensureUsers(request, discovery);
const demoLogins = await giveDemoPasswords(request, worker.demoPassword);
// Imported here because its packages may be missing before prepare().
const { serveDemo } = await import("./demo/app.mjs");
const demo = await step("starting the demo application", () =>
  serveDemo({ issuer: discovery.issuer, worker: worker.url, admin: request, port: worker.port + 1, scopes }));
const sub = users.includes("alice") ? "alice" : users[0];
const token = sub && await mintToken(request, sub, scopes);
console.log(welcome({ discovery, demo, demoLogins, sub, token, users }));
server.showLog();
await server.failed;

/** Runs wrangler dev. It ends when this process ends. */
function serve({ port, issuer, state }) {
  // --var overrides .dev.vars. An ISSUER from there is the `issuer` here.
  const args = ["dev", "--local", "--port", String(port), "--persist-to", state, "--var", `ISSUER:${issuer}`];
  // The demo application is on this machine, and gets logout tokens.
  args.push("--var", "ALLOW_LOOPBACK:true");
  // 0 lets the system choose the inspector's port. wrangler would choose the same one for two processes that start at
  // the same time.
  args.push("--inspector-port", "0");
  // A process group of its own, so that Ctrl-C reaches it once, through this process, and its children can be killed.
  const child = spawn("wrangler", [...args, "--show-interactive-dev-session=false"], {
    cwd: root, env: environment(WRANGLER), stdio: ["ignore", "pipe", "pipe"], detached: !onWindows, shell: onWindows,
  });
  process.on("exit", () => {
    try {
      process.kill(onWindows ? child.pid : -child.pid, "SIGKILL");
    } catch {
      // All have ended.
    }
  });
  let isStopping = false;
  onStopSignal(async () => {
    isStopping = true;
    child.kill("SIGTERM");
    await Promise.race([once(child, "exit"), sleep(5_000)]);
    process.exit();
  });

  const output = [];
  let onLine = (/** @type {string} */ line) => { output.push(line); };
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on("line", (line) => onLine(line));
  return {
    /** Returns whether wrangler listens. Before that, another program may answer at its port. */
    isListening: () => output.some((line) => line.includes("Ready on ")),
    /** Rejects when wrangler ends by itself. */
    failed: new Promise((_, reject) => {
      child.on("error", reject);
      child.on("close", (code) => {
        if (isStopping) return;
        const text = output.join("\n");
        const isInUse = text.includes("Address already in use");
        reject(isInUse ? portInUse(port) : new Failure(`wrangler dev ended with ${code}\n${text}`));
      });
    }),
    /** Prints the log from now on, without wrangler's line for each request: the module logs one, too. */
    showLog() {
      onLine = (line) => { if (!line.startsWith("[wrangler:info]")) console.log(printable(line)); };
    },
  };
}

/** Waits for the worker and returns its discovery document. */
async function waitUntilReady({ url }, server) {
  for (let tries = 0; tries < 600; tries += 1, await sleep(100)) {
    if (!server.isListening()) continue;
    const response = await fetch(`${url}/.well-known/openid-configuration`).catch(() => undefined);
    if (response?.ok) return response.json();
    if (response?.status === 500) {
      const { error_description: description } = await response.json();
      throw new Failure(`the worker does not start: ${description}`);
    }
  }
  throw new Failure(`no answer from the worker at ${url} within a minute`);
}

/**
 * Returns the scopes of userinfo's access tokens, from its protected resource metadata (RFC 9728 section 3.1).
 * Discovery also lists the scopes of the operator's APIs, which no token for userinfo can have.
 */
async function userinfoScopes({ origin }, { userinfo_endpoint: userinfo }) {
  const url = `${origin}/.well-known/oauth-protected-resource${new URL(userinfo).pathname}`;
  const response = await fetch(url);
  if (!response.ok) throw new Failure(`GET ${url} failed with ${response.status}`);
  const { scopes_supported: scopes } = /** @type {{ scopes_supported: string[] }} */ (await response.json());
  return scopes;
}

/** Returns the first users of the local database. Stores the demo users if it has none. */
async function ensureUsers(request, discovery) {
  const firstUsers = async () => (await request("GET", "/users?limit=3")).users.map(({ sub }) => sub);
  const users = await firstUsers();
  if (users.length > 0) return users;
  const lines = demoUsers(discovery.claims_supported);
  const { refused } = await step("storing the demo users", () => request("POST", "/users", lines));
  // The provider refuses the sub of a deleted user.
  for (const { line, error } of refused) console.error(`  ${DEMO_SUBS[line - 1]} is not stored: ${error}`);
  return firstUsers();
}

/**
 * Sets the password of .dev.vars for the demo users without one, and returns the demo users' logins. A password that
 * the developer set is kept.
 */
async function giveDemoPasswords(request, password) {
  const found = await Promise.all(DEMO_SUBS.map((sub) => request("GET", `/users/${sub}`).catch((error) => {
    if (!hasCode(error, "not_found")) throw error;
  })));
  const users = found.filter((user) => user !== undefined);
  for (const { sub } of users.filter(({ has_password: has }) => !has)) {
    await request("PUT", `/users/${sub}/password`, JSON.stringify({ password })).catch((error) => {
      if (hasCode(error, "invalid_request")) error.message = `DEMO_PASSWORD in .dev.vars is refused: ${error.message}`;
      throw error;
    });
  }
  return users.map(({ login }) => login);
}

/** Returns an access token for userinfo with all its scopes. It expires after an hour. */
async function mintToken(request, sub, scopes) {
  const body = JSON.stringify({ sub, scope: scopes.join(" "), ttl: 3_600 });
  const { access_token: token } = await request("POST", "/tokens", body).catch((error) => {
    // .dev.vars is lost or changed, but the local data is still there.
    const hint = `\nput the old KEY_ENCRYPTION_KEY back into .dev.vars, or delete ${worker.state} to start without data`;
    if (error.message.includes("KEY_ENCRYPTION_KEY")) error.message += hint;
    throw error;
  });
  return token;
}

function welcome({ discovery, demo, demoLogins, sub, token, users }) {
  const { issuer, jwks_uri: keys, userinfo_endpoint: userinfo } = discovery;
  const localUrl = (url) => url.replace(issuer, worker.url);
  // Without PORT the command line uses the default port.
  const postern = `${process.env.PORT ? `PORT=${worker.port} ` : ""}npx postern`;
  return `
Postern serves the issuer ${issuer}

Sign in: open ${demo.origin} in a browser
${signInHint({ postern, demoLogins, users })}

  discovery  ${worker.url}/.well-known/openid-configuration
  keys       ${localUrl(keys)}
  userinfo   ${localUrl(userinfo)}

Users: ${users.slice(0, 2).join(", ") || "none"}${users.length > 2 ? ", …" : ""} (${postern} manages them)
${token ? `The claims of ${sub}, with a token that expires after an hour:

curl -H 'Authorization: Bearer ${token}' ${localUrl(userinfo)}
` : ""}
Start it again after a change to wrangler.toml or .dev.vars, because they are checked at the start. Ctrl-C ends it.
The log, one line a request:
`;
}

/** Returns a line that says which user can sign in. */
function signInHint({ postern, demoLogins, users }) {
  if (demoLogins.length > 0) {
    return `  as ${demoLogins.join(" or ")}, with the password ${worker.demoPassword} unless you changed it`;
  }
  if (users.length > 0) return `  as a user with a password (${postern} user password SUB sets one)`;
  return `  as a new user: echo '{"name": "Alice"}' | ${postern} user put alice --generate`;
}
