// oauth2-proxy with the configuration of docs/clients.md, before an application that sees the user in headers.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { until } from "../edge/harness.mjs";
import { documentedSettings } from "./documented.mjs";
import { install } from "./install.mjs";
import { freePort, startServer } from "./programs.mjs";
import { ALICE, listen, startProvider } from "./provider.mjs";

const SECTION = "oauth2-proxy";
const { bin } = await install("oauth2-proxy");
const provider = await startProvider();
await provider.putUser("bob", { email: "bob@example.com", email_verified: true });
await provider.putUser("eve", { email: "eve@example.com", email_verified: false, groups: ["staff"] });

/** The application: it responds with the headers that it sees. */
const application = await listen((request, response) => response.end(JSON.stringify(request.headers)), { host: "127.0.0.1" });
after(application.close);
const folder = mkdtempSync(join(tmpdir(), "postern-oauth2-proxy-"));
after(() => rmSync(folder, { recursive: true }));

/** Starts the proxy with the documented metadata and configuration, and with these changes. Returns its origin. */
async function startProxy(id, { metadata: more = {}, change = (text) => text } = {}) {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const metadata = JSON.parse(documentedSettings(SECTION, "json", { "https://app.example.com": origin }));
  const { client_secret: secret } = await provider.putClient(id, { ...metadata, ...more });
  const config = documentedSettings(SECTION, "toml", {
    "https://login.example.com": provider.issuer, "https://app.example.com": origin, CLIENT_ID: id, CLIENT_SECRET: secret,
    "32_RANDOM_BYTES": "0123456789abcdef0123456789abcdef", "127.0.0.1:8080": `127.0.0.1:${application.port}`,
  });
  // Without TLS, which the document leaves to the server before the proxy.
  const http = `http_address = "127.0.0.1:${port}"\ncookie_secure = false\n`;
  const file = join(folder, `${id}.toml`);
  writeFileSync(file, `${change(config)}\n${http}`);
  await startServer(port, bin("oauth2-proxy"), ["--config", file]);
  return origin;
}

/** Opens the application, beginning with the link on the proxy's own page. */
const open = (browser, origin, login = "alice") => browser.visit(`${origin}/oauth2/start?rd=/`, { login });

test("oauth2-proxy signs a user in, and the application sees name, e-mail and groups", async () => {
  const origin = await startProxy("plain", { change: (config) => `${config}\nskip_provider_button = true` });
  const page = await provider.browser().visit(`${origin}/`);
  assert.equal(page.status, 200, page.body);
  const headers = JSON.parse(page.body);
  assert.deepEqual(
    [headers["x-forwarded-email"], headers["x-forwarded-preferred-username"], headers["x-forwarded-groups"]],
    [ALICE.email, ALICE.preferred_username, ALICE.groups.join()],
  );
});

test("oauth2-proxy's sign-out ends the session of the user, by a request of its server", async () => {
  const logout = documentedSettings(SECTION, "toml", { "https://login.example.com": provider.issuer }, 2);
  const origin = await startProxy("logout", { change: (config) => `${config}\n${logout}` });
  const browser = provider.browser();
  assert.equal((await open(browser, origin)).status, 200);
  const account = () => browser.visit(`${provider.issuer}/auth/account`, { login: "nobody" });
  assert.match((await account()).body, /Your account/);
  await browser.visit(`${origin}/oauth2/sign_out`);
  assert.match((await account()).body, /action="[^"]*\/auth\/login"/);
  assert.deepEqual(provider.log.filter((line) => line.includes("/auth/logout")).map((line) => line.slice(-4)), [" 200"]);
});

test("oauth2-proxy lets in users of the allowed groups only, and none whose e-mail is not verified", async () => {
  const origin = await startProxy("staff", { change: (config) => `${config}\nallowed_groups = ["staff"]` });
  assert.equal((await open(provider.browser(), origin, "alice")).status, 200);
  assert.equal((await open(provider.browser(), origin, "bob")).status, 403, "bob is in no group");
  assert.equal((await open(provider.browser(), origin, "eve")).status, 403, "the e-mail of eve is not verified");
});

test("oauth2-proxy refreshes the session, and then knows the user's new groups", async () => {
  const refresh = documentedSettings(SECTION, "toml", { '"5m"': '"1s"' }, 1);
  const origin = await startProxy("refreshed", {
    metadata: { grant_types: ["authorization_code", "refresh_token"] },
    change: (config) => config.replace(/^scope = .*/m, refresh),
  });
  const groupsOfDora = (groups) => provider.putUser("dora", { email: "dora@example.com", email_verified: true, groups });
  await groupsOfDora(["staff"]);
  const browser = provider.browser();
  assert.equal((await open(browser, origin, "dora")).status, 200);
  await groupsOfDora(["alumni"]);
  const groups = async () => JSON.parse((await browser.visit(`${origin}/`)).body)["x-forwarded-groups"];
  assert.equal(await until(groups, (now) => now !== "staff"), "alumni");
  const tokenRequests = provider.log.filter((line) => line.startsWith("POST /auth/token")).slice(-2);
  assert.deepEqual(tokenRequests, Array(2).fill("POST /auth/token 200"));
});
