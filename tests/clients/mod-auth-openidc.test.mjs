// mod_auth_openidc of Debian in an Apache of its own: it registers itself, and passes the claims on to the page.
import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { install } from "./install.mjs";
import { freePort, here, runProgram, startServer } from "./programs.mjs";
import { AUTHORITY, startProvider } from "./provider.mjs";

const { bin } = await install("mod-auth-openidc");
const provider = await startProvider({ tls: true, vars: { REGISTRATION: "open" } });
const port = await freePort();
const origin = `https://app.example.net:${port}`;
const root = mkdtempSync(join(tmpdir(), "postern-apache-"));
after(() => rmSync(root, { recursive: true, force: true }));
const metadata = join(root, "metadata");
const isRoot = process.getuid() === 0;
const apache = await startApache();

async function startApache() {
  mkdirSync(metadata);
  mkdirSync(join(root, "site", "protected"), { recursive: true });
  // What the application behind the module gets.
  const variables = ["REMOTE_USER", "OIDC_CLAIM_name", "OIDC_CLAIM_email", "OIDC_access_token"];
  const page = variables.map((name) => `${name}=<!--#echo var="${name}" -->`).join("\n");
  writeFileSync(join(root, "site", "protected", "index.shtml"), page);
  if (isRoot) {
    const id = async (flag) => Number((await runProgram("id", [flag, "www-data"])).stdout);
    chownSync(metadata, await id("-u"), await id("-g"));
    chmodSync(root, 0o755);
  }
  writeFileSync(join(root, "apache.conf"), configuration());
  return startServer(port, bin("apache2"), ["-d", root, "-f", join(root, "apache.conf"), "-D", "FOREGROUND"]);
}

function configuration() {
  const modules = ["mpm_event", "authn_core", "authz_core", "authz_user", "socache_shmcb", "ssl", "mime", "include", "auth_openidc"];
  return `
${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join("\n")}
${isRoot ? "User www-data\nGroup www-data" : ""}
Listen 127.0.0.1:${port}
ServerName app.example.net:${port}
PidFile ${root}/pid
ErrorLog "|/bin/cat"
LogLevel warn auth_openidc:info
DocumentRoot ${root}/site
SSLEngine On
SSLCertificateFile ${here("tls/certificate.pem")}
SSLCertificateKeyFile ${here("tls/key.pem")}
AddOutputFilter INCLUDES .shtml
TypesConfig /dev/null
AddType text/html .shtml

OIDCMetadataDir ${metadata}
OIDCRedirectURI ${origin}/protected/redirect_uri
OIDCCryptoPassphrase a-passphrase-of-this-test
OIDCScope "openid profile email offline_access"
OIDCClientName Intranet
OIDCPKCEMethod S256
OIDCCABundlePath ${AUTHORITY}
OIDCRemoteUserClaim preferred_username
OIDCRefreshAccessTokenBeforeExpiry 3600

<Directory ${root}/site>
  Options +Includes
</Directory>
<Location /protected>
  AuthType openid-connect
  Require valid-user
</Location>
`;
}

const variablesOf = ({ body }) => Object.fromEntries(body.trim().split("\n").map((line) => line.split(/=(.*)/s)));

test("it registers itself, signs in, shows the user and the e-mail, and refreshes", async () => {
  const browser = provider.browser();
  // As its page of providers does, which is shown without a choice of the user.
  const target = `${origin}/protected/index.shtml`;
  const chosen = new URL(`${origin}/protected/redirect_uri`);
  const discovery = await browser.visit(target);
  assert.equal(discovery.status, 200);
  chosen.search = String(new URLSearchParams({ iss: provider.issuer, target_link_uri: target, ...hiddenFields(discovery) }));

  const page = await browser.visit(chosen);
  assert.equal(page.url.href, target, `${page.body}\n${apache.output()}\n${provider.log.join("\n")}`);
  const { REMOTE_USER: user, OIDC_CLAIM_name: name, OIDC_CLAIM_email: email, OIDC_access_token: token } = variablesOf(page);
  assert.deepEqual([name, email], ["Alice Adams", "alice@example.com"]);
  assert.match(user, /^alice(@|$)/);

  const [file] = readdirSync(metadata).filter((one) => one.endsWith(".client"));
  const client = JSON.parse(readFileSync(join(metadata, file), "utf8"));
  assert.deepEqual(client.redirect_uris, [`${origin}/protected/redirect_uri`]);
  assert.equal(client.client_name, "Intranet");

  const again = variablesOf(await browser.visit(target));
  assert.equal(again.OIDC_CLAIM_email, "alice@example.com");
  assert.notEqual(again.OIDC_access_token, token, `a new access token\n${apache.output()}`);
});

/** The parameter against forgery on the page of providers. */
function hiddenFields({ body }) {
  return Object.fromEntries([...body.matchAll(/name="(x_csrf)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]));
}
