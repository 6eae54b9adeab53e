// Dovecot of Debian: an IMAP server that introspects the access token of each login.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { install } from "./install.mjs";
import { freePort, runProgram, startServer } from "./programs.mjs";
import { startProvider } from "./provider.mjs";

const { bin } = await install("dovecot");
const provider = await startProvider();
const USERINFO = `${provider.issuer}/auth/userinfo`;
const REDIRECT_URI = "http://localhost/callback";

const server = await provider.putClient("mail-server", {
  client_name: "Mail server", redirect_uris: [REDIRECT_URI], application_type: "native",
  introspection_resources: [USERINFO],
});
const app = await provider.putClient("mail-app", {
  client_name: "Mail", redirect_uris: [REDIRECT_URI], application_type: "native",
  grant_types: ["authorization_code", "refresh_token"],
});

const root = mkdtempSync(join(tmpdir(), "postern-dovecot-"));
after(() => rmSync(root, { recursive: true, force: true }));
chmodSync(root, 0o755);
const id = async (flag) => Number((await runProgram("id", [flag, "mail"])).stdout);
const [uid, gid] = [await id("-u"), await id("-g")];
mkdirSync(join(root, "mail"));
chownSync(join(root, "mail"), uid, gid);
const port = await freePort();

// The settings of docs/revocation.md.
writeFileSync(join(root, "dovecot-oauth2.conf.ext"), `
introspection_mode = post
introspection_url = ${provider.issuer.replace("://", `://${server.client_id}:${server.client_secret}@`)}/auth/introspect
username_attribute = username
active_attribute = active
active_value = true
scope = openid email
`);
writeFileSync(join(root, "dovecot.conf"), `
protocols = imap
listen = 127.0.0.1
base_dir = ${root}/run
state_dir = ${root}/state
log_path = /dev/stderr
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = oauthbearer xoauth2
passdb {
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = ${root}/dovecot-oauth2.conf.ext
}
userdb {
  driver = static
  args = uid=${uid} gid=${gid} home=${root}/mail/%u
}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
`);
const { output } = await startServer(port, bin("dovecot"), ["-F", "-c", join(root, "dovecot.conf")]);

/** The messages of the two mechanisms (RFC 7628, and Google's). */
const MECHANISMS = {
  OAUTHBEARER: (login, token) => `n,a=${login},\x01host=localhost\x01port=${port}\x01auth=Bearer ${token}\x01\x01`,
  XOAUTH2: (login, token) => `user=${login}\x01auth=Bearer ${token}\x01\x01`,
};

/** Logs in. Returns the last line of the server. */
async function login(mechanism, name, token) {
  const socket = net.connect(port, "127.0.0.1");
  await once(socket, "connect");
  const send = (line) => socket.write(`${line}\r\n`);
  const message = Buffer.from(MECHANISMS[mechanism](name, token)).toString("base64");
  try {
    for await (const line of createInterface({ input: socket })) {
      if (line.startsWith("* OK")) send(`a AUTHENTICATE ${mechanism} ${message}`);
      // The server's reason, which the client confirms.
      else if (line.startsWith("+ ")) send(Buffer.from("\x01").toString("base64"));
      else if (line.startsWith("a ")) return line;
    }
    return "the connection has ended";
  } finally {
    socket.destroy();
  }
}

const isIn = async (mechanism, name, token, why) => {
  const line = await login(mechanism, name, token);
  assert.match(line, /^a OK/, `${why}\n${output()}\n${provider.log.join("\n")}`);
};
const isRefused = async (mechanism, name, token, why) => {
  const line = await login(mechanism, name, token);
  assert.match(line, /^a NO \[AUTHENTICATIONFAILED\]/, `${why}\n${output()}`);
};

/** Sends a form of the mail application. Returns the JSON of the response. @returns {Promise<any>} */
const send = async (path, parameters) => {
  const body = new URLSearchParams({ client_id: app.client_id, client_secret: app.client_secret, ...parameters });
  const response = await fetch(`${provider.issuer}${path}`, { method: "POST", body });
  assert.equal(response.status, 200);
  return response.json();
};

async function tokens(scope) {
  const query = new URLSearchParams({
    response_type: "code", client_id: app.client_id, redirect_uri: REDIRECT_URI, scope, prompt: "consent",
  });
  const code = (await provider.signIn(`${provider.issuer}/auth/authorize?${query}`)).searchParams.get("code");
  return send("/auth/token", { grant_type: "authorization_code", code, redirect_uri: REDIRECT_URI });
}

for (const mechanism of Object.keys(MECHANISMS)) {
  test(`a login by ${mechanism} succeeds with an access token, and not after its revocation`, async () => {
    const { access_token: first, refresh_token: refresh } = await tokens("openid email offline_access");
    await isIn(mechanism, "alice", first, "a new token");
    await send("/auth/revoke", { token: first });
    await isRefused(mechanism, "alice", first, "a revoked token");
    const { access_token: second, refresh_token: next } = await send("/auth/token", {
      grant_type: "refresh_token", refresh_token: refresh,
    });
    await isIn(mechanism, "alice", second, "a refreshed token");
    await send("/auth/revoke", { token: next });
    await isRefused(mechanism, "alice", second, "a token of a revoked grant");
  });

  test(`a login by ${mechanism} needs the user's own token with the scopes`, async () => {
    const { access_token: token, id_token: idToken } = await tokens("openid email");
    await isIn(mechanism, "alice", token, "alice");
    await isRefused(mechanism, "bob", token, "another user");
    await isRefused(mechanism, "alice", idToken, "an ID token");
    await isRefused(mechanism, "alice", "forged", "no token");
    await isRefused(mechanism, "alice", (await tokens("openid")).access_token, "without the scope email");
  });
}
