// The tests of the MCP SDK for Python, in each of its versions: a client and a protected server of the same version.
// The client discovers the provider by the server's metadata (RFC 9728), registers itself, and opens a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { install } from "./install.mjs";
import { claimsOf, freePort, here, runForJson, runProgram, startServer } from "./programs.mjs";
import { startProvider } from "./provider.mjs";

/** `rootSlash`: whether the client puts a slash behind a resource without a path. */
export async function testMcpOfPython(name, { rootSlash }) {
  const { bin } = await install(name);
  const python = bin("python");
  const ports = {};
  for (const server of ["root", "unscoped", "stepUp", "closed"]) ports[server] = await freePort();
  const root = `http://127.0.0.1:${ports.root}`;
  const [unscoped, stepUp, closed] = ["unscoped", "stepUp", "closed"].map((server) =>
    `http://127.0.0.1:${ports[server]}/mcp`);
  const provider = await startProvider({ vars: {
    REGISTRATION: "open",
    RESOURCES: {
      [root]: { scopes: ["root:use"], open: true },
      [unscoped]: { scopes: ["unscoped:use", "unscoped:more"], open: true },
      [stepUp]: { scopes: ["step:use", "step:admin"], open: true },
      [closed]: ["closed:use"],
    },
  } });

  const serve = (port, resource, options) => startServer(
    port, python, ["-W", "ignore", here("python/mcp_server.py"), `${port}`, provider.issuer, resource, JSON.stringify(options)],
  );
  const call = async (port, ...args) => {
    const { env, errors } = await provider.programThatOpens();
    const command = [here("python/mcp_client.py"), `http://127.0.0.1:${port}/mcp`, ...args];
    return { command, env, errors };
  };
  const succeed = async (port, ...args) => {
    const { command, env, errors } = await call(port, ...args);
    const result = await runForJson(python, command, { env });
    assert.deepEqual(errors, []);
    return result;
  };

  test("it calls a tool of an open API and refreshes, with the resource spelled as the client does", async () => {
    await serve(ports.root, root, { scopes: ["root:use"] });
    const { results, requests, tokens } = await succeed(ports.root);
    assert.deepEqual(results, { add: "3", refreshed: "7" });
    assert.equal(requests.length, 1, "the user signed in once");
    assert.equal(requests[0].resource, rootSlash ? `${root}/` : root);
    assert.equal(tokens.length, 2);
    for (const { access_token: token } of tokens) {
      const { aud, sub, scope } = claimsOf(token);
      assert.deepEqual([aud, sub, scope], [root, "alice", "root:use"]);
    }
    assert.notEqual(tokens[0].access_token, tokens[1].access_token);
  });

  test("a server that names no scopes gets a token with those of its API", async () => {
    await serve(ports.unscoped, unscoped, {});
    const { results, requests, tokens } = await succeed(ports.unscoped);
    assert.deepEqual(results, { add: "3", refreshed: "7" });
    assert.equal(requests[0].resource, unscoped);
    for (const { access_token: token } of tokens) {
      assert.deepEqual(claimsOf(token).scope.split(" ").sort(), ["unscoped:more", "unscoped:use"]);
    }
  });

  test("it gets the scope of a challenge, and another one at insufficient_scope", async () => {
    await serve(ports.stepUp, stepUp, { challenge: "step:use", admin: "step:admin" });
    const { results, requests, tokens } = await succeed(ports.stepUp, "admin");
    assert.deepEqual(results, { add: "3", refreshed: "7", admin: "done" });
    assert.deepEqual(requests.map(({ scope }) => scope.split(" ").filter((one) => one.startsWith("step:"))), [
      ["step:use"], ["step:use", "step:admin"],
    ]);
    const granted = tokens.map(({ access_token: token }) => claimsOf(token).scope);
    assert.deepEqual(granted, ["step:use", "step:use", "step:use step:admin"]);
  });

  test("it gets no token for an API that is not open", async () => {
    await serve(ports.closed, closed, { scopes: ["closed:use"] });
    const { command, env } = await call(ports.closed);
    const { code, output } = await runProgram(python, command, { env });
    assert.notEqual(code, 0);
    // Without a scope that is left it cannot register itself; with `offline_access` beside it is refused later.
    assert.match(output, /"error":"invalid_client_metadata","error_description":"scope: |'error': 'invalid_target'/);
  });
}
