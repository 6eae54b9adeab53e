// The back-channel logout endpoint of mod_auth_openidc, of Debian.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import https from "node:https";
import { after, test } from "node:test";
import { startApache, variablesOf } from "./apache.mjs";
import { documentedSettings } from "./documented.mjs";
import { install } from "./install.mjs";
import { AUTHORITY, listen, startProvider } from "./provider.mjs";

const { bin } = await install("mod-auth-openidc");
const provider = await startProvider({ tls: true });

// The worker does not know the authority of the test, so it reaches Apache through a proxy on loopback.
let apachePort;
const statuses = [];
const ca = readFileSync(AUTHORITY);
const proxy = await listen((request, response) => {
  const { method, url: path, headers } = request;
  const servername = "app.example.net";
  const options = { host: "127.0.0.1", port: apachePort, servername, ca, method, path, headers: { ...headers, host: `${servername}:${apachePort}` } };
  const forwarded = https.request(options, (received) => {
    statuses.push(received.statusCode);
    response.writeHead(received.statusCode, received.rawHeaders);
    received.pipe(response);
  });
  forwarded.on("error", () => response.destroy());
  request.pipe(forwarded);
});
after(proxy.close);

const apache = await startApache(bin("apache2"), async (origin) => {
  apachePort = new URL(origin).port;
  const urls = { "https://www.example.com": origin, "https://login.example.com": provider.issuer };
  const metadata = JSON.parse(documentedSettings("Apache mod_auth_openidc", "json", urls));
  const { client_id: id, client_secret: secret } = await provider.putClient("intranet", {
    ...metadata,
    backchannel_logout_uri: `http://127.0.0.1:${proxy.port}${new URL(metadata.redirect_uris[0]).pathname}?logout=backchannel`,
  });
  const settings = documentedSettings("Apache mod_auth_openidc", "apache", {
    ...urls, CLIENT_ID: id, CLIENT_SECRET: secret, A_LONG_RANDOM_TEXT: "a-passphrase-of-this-test",
  });
  const [, endpoint] = /```apache\n(.*?)```/s.exec(readFileSync(new URL("../../docs/logout.md", import.meta.url), "utf8"));
  return `${settings}\nOIDCCABundlePath ${AUTHORITY}\n${endpoint}`;
});

function assertSignedIn(page) {
  assert.equal(page.url.href, apache.page, `${page.body}\n${apache.output()}`);
  assert.equal(variablesOf(page).REMOTE_USER, "alice");
}

test("it ends its session when the user signs out of Postern, and not that of another browser", async () => {
  const [browser, other] = [provider.browser(), provider.browser()];
  for (const one of [browser, other]) {
    assertSignedIn(await one.visit(apache.page));
  }
  await provider.signOut(browser);
  await provider.logoutsDelivered("intranet");
  assert.deepEqual(statuses, [200], apache.output());
  const isProvider = ({ origin }) => origin === provider.issuer;
  assert.ok(isProvider((await browser.visit(apache.page, { isEnd: isProvider })).url), "its session has ended");
  assert.equal((await other.visit(apache.page, { isEnd: isProvider })).url.href, apache.page);
});
