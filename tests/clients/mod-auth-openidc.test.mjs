// mod_auth_openidc of Debian: as a client that registers itself, and with the settings of docs/clients.md.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startApache, variablesOf } from "./apache.mjs";
import { documentedSettings } from "./documented.mjs";
import { formOf } from "../edge/browser.mjs";
import { install } from "./install.mjs";
import { AUTHORITY, startProvider } from "./provider.mjs";

const { bin } = await install("mod-auth-openidc");
const provider = await startProvider({ tls: true, vars: { REGISTRATION: "open" } });

const registering = await startApache(bin("apache2"), (origin, folder) => `
OIDCMetadataDir ${folder}
OIDCRedirectURI ${origin}/protected/redirect_uri
OIDCCryptoPassphrase a-passphrase-of-this-test
OIDCScope "openid profile email offline_access"
OIDCClientName Intranet
OIDCPKCEMethod S256
OIDCCABundlePath ${AUTHORITY}
OIDCRemoteUserClaim preferred_username
OIDCRefreshAccessTokenBeforeExpiry 3600
<Location /protected>
  AuthType openid-connect
  Require valid-user
</Location>`);

const registered = await startApache(bin("apache2"), async (origin) => {
  const urls = { "https://www.example.com": origin, "https://login.example.com": provider.issuer };
  const metadata = documentedSettings("Apache mod_auth_openidc", "json", urls);
  const { client_id: id, client_secret: secret } = await provider.putClient("intranet", JSON.parse(metadata));
  const settings = documentedSettings("Apache mod_auth_openidc", "apache", {
    ...urls, CLIENT_ID: id, CLIENT_SECRET: secret, A_LONG_RANDOM_TEXT: "a-passphrase-of-this-test",
  });
  return `${settings}\nOIDCCABundlePath ${AUTHORITY}\n`;
});

const loggingOut = await startApache(bin("apache2"), async (origin) => {
  const urls = { "https://www.example.com": origin, "https://login.example.com": provider.issuer };
  const metadata = JSON.parse(documentedSettings("Apache mod_auth_openidc", "json", urls, 1));
  const { client_id: id, client_secret: secret } = await provider.putClient("logout", metadata);
  const settings = documentedSettings("Apache mod_auth_openidc", "apache", {
    ...urls, CLIENT_ID: id, CLIENT_SECRET: secret, A_LONG_RANDOM_TEXT: "a-passphrase-of-this-test",
  });
  const endpoint = documentedSettings("Apache mod_auth_openidc", "apache", {}, 1);
  return `${settings}\n${endpoint}\nOIDCCABundlePath ${AUTHORITY}\n`;
});

/** Asserts that the browser is at the page, signed in. Returns the access token. */
function assertSignedIn(page, apache) {
  assert.equal(page.url.href, apache.page, `${page.body}\n${apache.output()}\n${provider.log.join("\n")}`);
  const { REMOTE_USER: user, OIDC_CLAIM_name: name, OIDC_CLAIM_email: email, OIDC_access_token: token } = variablesOf(page);
  assert.deepEqual([user, name, email], ["alice", "Alice Adams", "alice@example.com"]);
  return token;
}

test("it registers itself, shows the user and the e-mail, and refreshes", async () => {
  const browser = provider.browser();
  // The module's page for the choice of a provider is a form for its issuer.
  const { body } = await browser.visit(registering.page);
  const [, action] = /<form method="get" action="([^"]*)"/.exec(body) ?? assert.fail(body);
  const hidden = [...body.matchAll(/type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]);
  const chosen = `${action}?${new URLSearchParams({ ...Object.fromEntries(hidden), iss: provider.issuer })}`;
  const token = assertSignedIn(await browser.visit(chosen), registering);

  const [file] = readdirSync(registering.folder).filter((name) => name.endsWith(".client"));
  const client = JSON.parse(readFileSync(join(registering.folder, file), "utf8"));
  assert.deepEqual(client.redirect_uris, [`${registering.origin}/protected/redirect_uri`]);
  assert.equal(client.client_name, "Intranet");

  // A token that expires within the hour of OIDCRefreshAccessTokenBeforeExpiry is refreshed at once.
  assert.notEqual(assertSignedIn(await browser.visit(registering.page), registering), token);
});

test("with the documented settings it requires a group", async () => {
  assertSignedIn(await provider.browser().visit(registered.page), registered);
  await provider.putUser("bob", { name: "Bob Brown", preferred_username: "bob", groups: ["guests"] });
  const { status } = await provider.browser().visit(registered.page, { login: "bob" });
  assert.ok([401, 403].includes(status), `${status} for a user who is not in the group`);
});

/** @param {{ url: URL, body?: string }} page */
const isAtSignIn = ({ url, body }) => url.origin === provider.issuer && body.includes('name="password"');

test("its logout signs the user out of Postern, and leads back", async () => {
  const browser = provider.browser();
  assertSignedIn(await browser.visit(loggingOut.page), loggingOut);
  const after = `${loggingOut.origin}/signed-out.html`;
  const target = `${loggingOut.origin}/protected/redirect_uri?${new URLSearchParams({ logout: after })}`;
  // Its own front-channel URL is loaded in a frame before.
  const page = await browser.visit(target);
  assert.equal(page.url.href.split("?")[0], after, `${page.status} ${page.body}\n${provider.log.join("\n")}`);
  assert.ok(isAtSignIn(await browser.visit(loggingOut.page, { login: "nobody" })));
});

test("its session ends by the frame if the user signs out at Postern", async () => {
  const browser = provider.browser();
  assertSignedIn(await browser.visit(loggingOut.page), loggingOut);
  const account = await browser.visit(`${provider.issuer}/auth/account`);
  const { action, fields } = formOf(account);
  const page = await browser.send({ url: new URL(action), method: "POST", form: fields });
  const [, frame] = /<iframe src="([^"]*)"/.exec(page.body) ?? assert.fail(page.body);
  const url = new URL(frame.replaceAll("&#38;", "&"));
  assert.deepEqual([...url.searchParams.keys()], ["logout", "iss", "sid"]);
  const response = await browser.send({ url });
  assert.equal(response.status, 200, response.body);
  assert.ok(isAtSignIn(await browser.visit(loggingOut.page, { login: "nobody" })));
});
