// idpyoidc: it registers itself, reads userinfo as a signed JWT, and refreshes.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { install } from "./install.mjs";
import { here, runSignIn } from "./programs.mjs";
import { startProvider } from "./provider.mjs";

const { bin } = await install("idpyoidc");
const provider = await startProvider({ vars: { REGISTRATION: "open" } });
const callback = "http://localhost:8090/authz_cb/postern";
// It stores its keys in the working directory.
const cwd = mkdtempSync(join(tmpdir(), "postern-idpyoidc-"));
after(() => rmSync(cwd, { recursive: true, force: true }));

const run = (...args) => runSignIn(
  bin("python"), [here("python/idpyoidc_rp.py"), provider.issuer, callback, ...args], provider.signIn, { cwd },
);

test("it registers itself and reads the claims", async () => {
  const { registered, id_token: idToken, userinfo } = await run();
  assert.deepEqual(registered.redirect_uris, [callback]);
  assert.equal(registered.token_endpoint_auth_method, "client_secret_basic");
  // It refuses an answer with several scopes that it did not register.
  assert.equal(registered.scope, undefined);
  assert.deepEqual([idToken.iss, idToken.sub], [provider.issuer, "alice"]);
  assert.deepEqual([userinfo.name, userinfo.email], ["Alice Adams", "alice@example.com"]);
  assert.equal(userinfo.iss, provider.issuer, "userinfo is a signed JWT, as registered");
});

test("it refreshes as the operator's client", async () => {
  const client = await provider.putClient("idpyoidc", {
    client_name: "RP", redirect_uris: [callback], grant_types: ["authorization_code", "refresh_token"],
  });
  const { client_id: id, client_secret: secret } = client;
  const { userinfo, refreshed } = await run(JSON.stringify({ client_id: id, client_secret: secret }));
  assert.equal(userinfo.email, "alice@example.com");
  assert.equal(refreshed.token_type, "Bearer");
  assert.ok(refreshed.access_token && refreshed.refresh_token, JSON.stringify(refreshed));
});
