// Apache of Debian with mod_auth_openidc, with TLS, on a port and with files of its own.
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { freePort, here, runProgram, startServer } from "./programs.mjs";

const MODULES = [
  "mpm_event", "authn_core", "authz_core", "authz_user", "socache_shmcb", "ssl", "mime", "include", "auth_openidc",
];

/** What the page shows of what the module passes to applications. */
const VARIABLES = ["REMOTE_USER", "OIDC_CLAIM_name", "OIDC_CLAIM_email", "OIDC_access_token", "OIDC_id_token"];

/**
 * Starts an Apache, which stops after the file's tests. Its page shows some variables, below the path /protected.
 *
 * @param {string} program
 * @param {(origin: string, folder: string) => Promise<string> | string} settingsFor
 *   Returns the module's settings. The module may write to the folder.
 */
export async function startApache(program, settingsFor) {
  const root = mkdtempSync(join(tmpdir(), "postern-apache-"));
  after(() => rmSync(root, { recursive: true, force: true }));
  const port = await freePort();
  const origin = `https://app.example.net:${port}`;
  const folder = join(root, "metadata");
  mkdirSync(folder);
  mkdirSync(join(root, "site", "protected"), { recursive: true });
  const page = VARIABLES.map((name) => `${name}=<!--#echo var="${name}" -->\n`).join("");
  writeFileSync(join(root, "site", "protected", "index.shtml"), page);
  const user = await unprivilegedUser(root, folder);
  const configuration = `${basics(root, port, user)}\n${await settingsFor(origin, folder)}`;
  writeFileSync(join(root, "apache.conf"), configuration);
  const { output } = await startServer(port, program, ["-d", root, "-f", join(root, "apache.conf"), "-D", "FOREGROUND"]);
  return { origin, folder, output, page: `${origin}/protected/index.shtml` };
}

/** The directive for the user that Apache becomes if it starts as root. */
async function unprivilegedUser(root, folder) {
  if (process.getuid() !== 0) return "";
  const id = async (flag) => Number((await runProgram("id", [flag, "www-data"])).stdout);
  chownSync(folder, await id("-u"), await id("-g"));
  chmodSync(root, 0o755);
  return "User www-data\nGroup www-data";
}

const basics = (root, port, user) => `
${MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join("\n")}
${user}
Listen 127.0.0.1:${port}
ServerName app.example.net:${port}
PidFile ${root}/pid
ErrorLog "|/bin/cat"
LogLevel warn auth_openidc:info
DocumentRoot ${root}/site
SSLEngine On
SSLCertificateFile ${here("tls/certificate.pem")}
SSLCertificateKeyFile ${here("tls/key.pem")}
TypesConfig /dev/null
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
<Directory ${root}/site>
  Options +Includes
</Directory>
`;

/**
 * The variables that the page shows.
 *
 * @param {{ body?: string }} page
 */
export const variablesOf = ({ body }) =>
  Object.fromEntries(body.trim().split("\n").map((line) => line.split(/=(.*)/s)));
