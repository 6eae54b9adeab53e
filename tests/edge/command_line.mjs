// Runs scripts/postern.mjs as an operator does: in a pipe, or at a terminal.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("../../scripts/postern.mjs", import.meta.url));

export const TOKEN = "the-operators-own-token-0123456789abcdef";

/** Why a test that needs a terminal is skipped, or false. Other systems have a program of this name with other options. */
export const WITHOUT_SCRIPT =
  /util-linux/.test(spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "") ? false : "needs script of util-linux";

/** Returns a function that runs a command against a provider and returns its output and exit code. */
export const commandsAt = (url, token = TOKEN) => async (args, input = "", env = {}) => {
  const child = spawn(process.execPath, [SCRIPT, ...args], { env: environment(url, token, env) });
  // A command that fails early does not read its input.
  child.stdin.on("error", () => {}).end(input);
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { out, err, code };
};

/**
 * Returns a function that runs a command at a terminal, by script of util-linux, and returns what the terminal shows
 * and the exit code. `answers` are pairs of a prompt and the keys to press after it. `redirect` is shell text, for
 * example "< /dev/null".
 */
export const terminalAt = (url, token = TOKEN) => async (args, answers = [], redirect = "") => {
  const command = [process.execPath, SCRIPT, ...args].map((arg) => `'${arg}'`).join(" ");
  const child = spawn("script", ["-qec", `${command} ${redirect}`, "/dev/null"], { env: environment(url, token) });
  child.stdin.on("error", () => {});
  const pending = [...answers];
  let screen = "";
  let seen = 0;
  child.stdout.setEncoding("utf8").on("data", (data) => {
    screen += data;
    while (pending.length > 0 && screen.includes(pending[0][0], seen)) {
      seen = screen.length;
      child.stdin.write(pending.shift()[1]);
    }
  });
  const [code] = await once(child, "close");
  return { screen: screen.replaceAll("\r\n", "\n"), code, unanswered: pending.length };
};

function environment(url, token, extra = {}) {
  const { npm_lifecycle_event: _, PORT: __, ...inherited } = process.env;
  return { ...inherited, TERM: "xterm", POSTERN_URL: url, ADMIN_TOKEN: token, ...extra };
}

/**
 * Serves /admin and the provider metadata for the tests of the command line. Stores users, clients and pages of the audit
 * trail in memory, and checks nothing.
 */
export async function startStandIn() {
  const stored = { users: new Map(), clients: new Map(), damaged: [], pages: [] };
  const requests = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    if (request.url.startsWith("/admin")) requests.push({ method: request.method, path: request.url, body });
    const answer = respond(stored, request.method, new URL(request.url, "http://localhost").pathname, body);
    const refusal = { error: "not_found", error_description: `nothing is at ${decodeURIComponent(request.url)}` };
    const [status, document] = answer ?? [404, refusal];
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(document));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`,
    ...stored,
    /** Returns the requests to /admin since the last call. */
    requests: () => requests.splice(0),
    close: () => server.closeAllConnections() ?? server.close(),
  };
}

function respond({ users, clients, damaged, pages }, method, path, body) {
  if (path === "/.well-known/openid-configuration") {
    return [200, { scopes_supported: ["openid", "profile"], claims_supported: ["sub", "name", "email"] }];
  }
  const [, , collection, id, field] = path.split("/");
  if (collection === "audit") return [200, pages.shift() ?? { events: [] }];
  if (["sessions", "grants", "initial-access-tokens"].includes(collection) && method === "GET") {
    return [200, pages.shift() ?? { [collection.replaceAll("-", "_")]: [] }];
  }
  const items = { users, clients }[collection];
  if (!items) return [200, { path }];
  if (field && field !== "password") return [200, { sub: id, claims: {} }];
  if (id === undefined && method === "GET") return [200, { [collection]: [...items.values()], damaged }];
  if (id === undefined && collection === "clients") return [200, { ...JSON.parse(body), client_id: "new", client_secret: "s" }];
  if (method === "PUT" && collection === "users") {
    const { password, ...user } = JSON.parse(body);
    items.set(id, { sub: id, login: id, claims: {}, has_password: true, ...items.get(id), ...(!field && user) });
  } else if (method === "PUT") {
    items.set(id, { client_id: id, ...JSON.parse(body) });
  }
  const item = items.get(id);
  if (method === "DELETE" && !field) items.delete(id);
  return item && [200, item];
}
