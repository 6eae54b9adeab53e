// npm start: whatever this machine lacks, and then the worker on http://localhost:8787, with an application to
// sign in to and a token to try. PORT changes the port.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { RELEASE, buildIfChanged } from "./build.mjs";
import { client } from "./client.mjs";
import { DEMO_SUBS, demoUsers } from "./demo/users.mjs";
import { createSecrets, localWorker } from "./local.mjs";
import { checkPort, holdPort, taken } from "./ports.mjs";
import {
  Failure, WRANGLER, environment, onWindows, parseOptions, prepare, root, step, whenAsked, wrangler,
} from "./steps.mjs";

const USAGE = `npm start

Builds Postern if its sources changed, and serves it on http://localhost:8787, with a demo application beside it.
The issuer is the worker's URL, unless .dev.vars names another ISSUER. Everything else is read from wrangler.toml
and .dev.vars.

  PORT=9000 npm start    serves it on another port, with data of its own`;

parseOptions(USAGE);
const { port, state } = localWorker();
await checkPort(port);
await prepare();
// During a long build too: whatever else would listen there fails at once.
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
const discovery = await step("starting the worker", () => Promise.race([ready(worker, server), server.failed]));
const request = client(worker.url, worker.adminToken, `the worker at ${worker.url} does not answer`);
const scopes = await userinfoScopes(worker, discovery);
const users = await peopled(request, discovery);
const people = await giveDemoPasswords(request, worker.demoPassword);
// What it stands on is only installed by now.
const { serveDemo } = await import("./demo/app.mjs");
const demo = await step("starting the demo application", () =>
  serveDemo({ issuer: discovery.issuer, worker: worker.url, admin: request, port: worker.port + 1, scopes }));
const sub = users.includes("alice") ? "alice" : users[0];
const token = sub && await mintToken(request, sub, scopes);
console.log(welcome({ discovery, demo, people, sub, token, users }));
server.showLog();
await server.failed;

/** Runs wrangler dev, which ends with this process however that ends. */
function serve({ port, issuer, state }) {
  // What stands in .dev.vars would lose against --var; an ISSUER that does is passed as well.
  const args = ["dev", "--local", "--port", String(port), "--persist-to", state, "--var", `ISSUER:${issuer}`];
  // Two that start at once would choose the same port for the inspector; the system does not.
  args.push("--inspector-port", "0");
  // A process group of its own: Ctrl-C reaches it through us, once, and what it leaves can be ended.
  const child = spawn("wrangler", [...args, "--show-interactive-dev-session=false"], {
    cwd: root, env: environment(WRANGLER), stdio: ["ignore", "pipe", "pipe"], detached: !onWindows, shell: onWindows,
  });
  process.on("exit", () => {
    try {
      process.kill(onWindows ? child.pid : -child.pid, "SIGKILL");
    } catch {
      // Nothing is left.
    }
  });
  let isStopping = false;
  whenAsked(async () => {
    isStopping = true;
    child.kill("SIGTERM");
    await Promise.race([once(child, "exit"), sleep(5_000)]);
    process.exit();
  });

  const held = [];
  let tell = (line) => held.push(line);
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on("line", (line) => tell(line));
  return {
    /** Whether wrangler listens. Before that, what answers at its port is another program. */
    isListening: () => held.some((line) => line.includes("Ready on ")),
    /** Rejects when wrangler ends by itself. */
    failed: new Promise((_, reject) => {
      child.on("error", reject);
      child.on("close", (code) => {
        if (isStopping) return;
        const said = held.join("\n");
        reject(said.includes("Address already in use") ? taken(port) : new Failure(`wrangler dev ended with ${code}\n${said}`));
      });
    }),
    /** Shows what is logged from now on: the module's lines, which wrangler's own only double. */
    showLog() {
      tell = (line) => { if (!line.startsWith("[wrangler:info]")) console.log(line); };
    },
  };
}

/** Waits for the worker and returns its discovery document. */
async function ready({ url }, server) {
  for (let tries = 0; tries < 600; tries += 1, await sleep(100)) {
    if (!server.isListening()) continue;
    const response = await fetch(`${url}/.well-known/openid-configuration`).catch(() => undefined);
    if (response?.ok) return response.json();
    if (response?.status === 500) {
      const { error_description: description } = await response.json();
      throw new Failure(`the worker does not start: ${description}`);
    }
  }
  throw new Failure(`the worker has not answered at ${url} for a minute`);
}

/**
 * Returns the scopes of userinfo's access tokens, from its protected resource metadata (RFC 9728 section 3.1).
 * Discovery also lists the scopes of the operator's APIs, which no token for userinfo can have.
 */
async function userinfoScopes({ origin }, { userinfo_endpoint: userinfo }) {
  const url = `${origin}/.well-known/oauth-protected-resource${new URL(userinfo).pathname}`;
  const response = await fetch(url);
  if (!response.ok) throw new Failure(`GET ${url} was answered ${response.status}`);
  const { scopes_supported: scopes } = await response.json();
  return scopes;
}

/** Returns the first users of the local database. Stores the demo users if it has none. */
async function peopled(request, discovery) {
  const list = async () => (await request("GET", "/users?limit=3")).users.map(({ sub }) => sub);
  const users = await list();
  if (users.length > 0) return users;
  const lines = demoUsers(discovery.claims_supported);
  const { refused } = await step("storing the demo users", () => request("POST", "/users", lines));
  // A deleted user's sub is never given again, so this database may have to do without them.
  for (const { line, error } of refused) console.error(`  ${DEMO_SUBS[line - 1]} is not stored: ${error}`);
  return list();
}

/** Gives the demo users the password of .dev.vars, where they have none: one that somebody set stays. */
async function giveDemoPasswords(request, password) {
  const found = await Promise.all(DEMO_SUBS.map((sub) => request("GET", `/users/${sub}`).catch((error) => {
    if (error.code !== "not_found") throw error;
  })));
  const people = found.filter((user) => user !== undefined);
  for (const { sub } of people.filter(({ has_password: has }) => !has)) {
    await request("PUT", `/users/${sub}/password`, JSON.stringify({ password })).catch((error) => {
      if (error.code === "invalid_request") error.message = `DEMO_PASSWORD in .dev.vars is refused: ${error.message}`;
      throw error;
    });
  }
  return people.map(({ login }) => login);
}

/** Returns an access token of this user for userinfo, with all scopes, which expires after an hour. */
async function mintToken(request, sub, scopes) {
  const order = JSON.stringify({ sub, scope: scopes.join(" "), ttl: 3_600 });
  const { access_token: token } = await request("POST", "/tokens", order).catch((error) => {
    // .dev.vars was lost or changed, and the local state was not.
    const hint = `\nput the KEY_ENCRYPTION_KEY back into .dev.vars, or delete ${worker.state} to begin anew`;
    if (error.message.includes("KEY_ENCRYPTION_KEY")) error.message += hint;
    throw error;
  });
  return token;
}

function welcome({ discovery, demo, people, sub, token, users }) {
  const { issuer, jwks_uri: keys, userinfo_endpoint: userinfo } = discovery;
  const here = (url) => url.replace(issuer, worker.url);
  // Without PORT the command line talks to the default port.
  const admin = `${process.env.PORT ? `PORT=${worker.port} ` : ""}npm run -s admin`;
  return `
Postern serves the issuer ${issuer}

Sign in: open ${demo.origin} in a browser
${signInHint({ admin, people, users })}

  discovery  ${worker.url}/.well-known/openid-configuration
  keys       ${here(keys)}
  userinfo   ${here(userinfo)}

Users: ${users.slice(0, 2).join(", ") || "none"}${users.length > 2 ? ", …" : ""} (more with: ${admin})
${token ? `The claims of ${sub}, with a token for an hour:

curl -H 'Authorization: Bearer ${token}' ${here(userinfo)}
` : ""}
Ctrl-C ends it. A line a request:
`;
}

/** Says as whom to sign in. */
function signInHint({ admin, people, users }) {
  if (people.length > 0) {
    return `  as ${people.join(" or ")}, with the password ${worker.demoPassword} unless another was set before`;
  }
  if (users.length > 0) return `  as a user to whom you gave a password (${admin} -- user password SUB)`;
  return `  as a user whom you store first (${admin} -- user put SUB --password PASSWORD < claims.json)`;
}
