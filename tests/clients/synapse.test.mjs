// Synapse, with the settings of docs/clients.md: it reads the claims of the ID token.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { documentedSettings } from "./documented.mjs";
import { install } from "./install.mjs";
import { freePort, runProgram, startServer } from "./programs.mjs";
import { AUTHORITY, startProvider } from "./provider.mjs";

const { bin } = await install("synapse");
const provider = await startProvider({ tls: true });
const port = await freePort();
const origin = `http://localhost:${port}`;
const folder = mkdtempSync(join(tmpdir(), "postern-synapse-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const urls = { "https://matrix.example.com": origin, "https://login.example.com": provider.issuer };
const metadata = documentedSettings("Synapse", "json", urls);
const { client_id: id, client_secret: secret } = await provider.putClient("matrix", JSON.parse(metadata));
const settings = join(folder, "homeserver.yaml");
writeFileSync(settings, configuration());
const command = ["-m", "synapse.app.homeserver", "--config-path", settings];
const env = { SSL_CERT_FILE: AUTHORITY };
const made = await runProgram(bin("python"), [...command, "--generate-keys"], { env, cwd: folder });
assert.equal(made.code, 0, made.output);
const synapse = await startServer(port, bin("python"), command, { env, cwd: folder });

function configuration() {
  return `
server_name: localhost
public_baseurl: ${origin}/
report_stats: false
suppress_key_server_warning: true
trusted_key_servers: []
pid_file: ${folder}/homeserver.pid
signing_key_path: ${folder}/signing.key
media_store_path: ${folder}/media
macaroon_secret_key: a-secret-of-this-test
form_secret: a-secret-of-this-test
listeners:
  - {port: ${port}, type: http, tls: false, bind_addresses: ["127.0.0.1"], resources: [{names: [client]}]}
database:
  name: sqlite3
  args: {database: "${folder}/homeserver.db"}
sso:
  client_whitelist: ["https://app.example.net/"]
${documentedSettings("Synapse", "yaml", { ...urls, CLIENT_ID: id, CLIENT_SECRET: secret })}
`;
}

/** Sends a request of a Matrix client. Returns the JSON. */
async function matrix(path, { token = undefined, body = undefined } = {}) {
  const response = await fetch(`${origin}/_matrix/client/v3${path}`, {
    method: body ? "POST" : "GET",
    headers: { ...(token && { authorization: `Bearer ${token}` }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const json = /** @type {any} */ (await response.json());
  assert.equal(response.status, 200, `${JSON.stringify(json)}\n${synapse.output()}`);
  return json;
}

test("a user signs in, with a display name and an e-mail address", async () => {
  const start = `${origin}/_matrix/client/v3/login/sso/redirect/oidc-postern?redirectUrl=https://app.example.net/`;
  const isEnd = ({ hostname }) => hostname === "app.example.net";
  const page = await provider.browser().visit(start, { isEnd });
  const loginToken = page.url.searchParams.get("loginToken");
  assert.ok(loginToken, `${page.url.href} ${page.body}\n${synapse.output()}\n${provider.log.join("\n")}`);

  const { user_id: user, access_token: token } =
    await matrix("/login", { body: { type: "m.login.token", token: loginToken } });
  assert.equal(user, "@alice:localhost");
  assert.equal((await matrix(`/profile/${user}/displayname`, { token })).displayname, "Alice Adams");
  const { threepids: [email] } = await matrix("/account/3pid", { token });
  assert.deepEqual([email.medium, email.address], ["email", "alice@example.com"]);
});
