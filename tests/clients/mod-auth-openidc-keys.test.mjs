// mod_auth_openidc of Debian while the signing keys rotate by the operator's command. Every user signs in anew, so that
// it verifies an ID token of each key.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeProtectedHeader } from "jose";
import { startApache, variablesOf } from "./apache.mjs";
import { documentedSettings } from "./documented.mjs";
import { install } from "./install.mjs";
import { AUTHORITY, startProvider } from "./provider.mjs";

/** How soon a new key signs at the earliest: without caches on the way, so that it is soon enough for this test. */
const AHEAD = 1_140;
const ROTATIONS = 3;
/** The clock of Apache cannot be moved. It takes ID tokens from an hour ahead at most. */
const LARGEST_SLACK = 3_600;

const { bin } = await install("mod-auth-openidc");
const provider = await startProvider({
  tls: true,
  vars: {
    CACHE_MAX_AGE: "0", CACHE_STALE_WHILE_REVALIDATE: "0", CACHE_STALE_IF_ERROR: "0", KEY_AHEAD_SECONDS: String(AHEAD),
  },
});

const apache = await startApache(bin("apache2"), async (origin) => {
  const urls = { "https://www.example.com": origin, "https://login.example.com": provider.issuer };
  const metadata = documentedSettings("Apache mod_auth_openidc", "json", urls);
  const { client_id: id, client_secret: secret } = await provider.putClient("intranet", JSON.parse(metadata));
  const settings = documentedSettings("Apache mod_auth_openidc", "apache", {
    ...urls, CLIENT_ID: id, CLIENT_SECRET: secret, A_LONG_RANDOM_TEXT: "a-passphrase-of-this-test",
  });
  return `${settings}\nOIDCCABundlePath ${AUTHORITY}\nOIDCIDTokenIatSlack ${LARGEST_SLACK}\nOIDCPassIDTokenAs serialized\n`;
});

/** Signs alice in with a new browser. Returns the key of the ID token that the module has verified. */
async function keyOfSignIn() {
  const { url, body } = await provider.browser().visit(apache.page);
  assert.equal(url.href, apache.page, `${body}\n${apache.output()}\n${provider.log.join("\n")}`);
  const { REMOTE_USER: user, OIDC_id_token: token } = variablesOf({ body });
  assert.equal(user, "alice");
  return decodeProtectedHeader(token).kid;
}

async function command(...args) {
  const { code, out, err } = await provider.command(args);
  assert.equal(code, 0, `${out}${err}`);
}

test(`it verifies the ID tokens of every key while keys rotate ${ROTATIONS} times, and after one is withdrawn`, async () => {
  const kids = [await keyOfSignIn()];
  for (let rotation = 0; rotation < ROTATIONS; rotation += 1) {
    await command("key", "rotate");
    // The new key is published, and the old one signs.
    assert.equal(await keyOfSignIn(), kids.at(-1));
    await provider.worker.setClockAhead((rotation + 1) * (AHEAD + 1));
    kids.push(await keyOfSignIn());
    assert.equal(await keyOfSignIn(), kids.at(-1));
  }
  assert.equal(new Set(kids).size, ROTATIONS + 1);

  await command("key", "rotate", "--compromised", kids.at(-1), "--yes");
  const kid = await keyOfSignIn();
  assert.ok(!kids.includes(kid), `${kid} of ${kids.join()}`);
});
