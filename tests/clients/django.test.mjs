// Django with mozilla-django-oidc and with django-allauth, each with the settings of docs/clients.md.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { documentedSettings } from "./documented.mjs";
import { install } from "./install.mjs";
import { freePort, here, startServer } from "./programs.mjs";
import { startProvider } from "./provider.mjs";

const { bin } = await install("django");
const provider = await startProvider();

/** The libraries in the order of the page, each with the path at which a sign-in begins. */
const LIBRARIES = [["mozilla", "/oidc/authenticate/"], ["allauth", "/accounts/oidc/postern/login/"]];

for (const [index, [library, path]] of LIBRARIES.entries()) {
  test(`${library}: a user signs in, with an e-mail address`, async () => {
    const port = await freePort();
    const origin = `http://localhost:${port}`;
    const urls = { "https://intranet.example.com": origin, "https://login.example.com": provider.issuer };
    const metadata = JSON.parse(documentedSettings("Django", "json", urls, index));
    const { client_id: id, client_secret: secret } = await provider.putClient(library, metadata);
    const credentials = { '"CLIENT_ID"': `"${id}"`, '"CLIENT_SECRET"': `"${secret}"` };
    const settings = documentedSettings("Django", "python", { ...urls, ...credentials }, index);
    const cwd = mkdtempSync(join(tmpdir(), "postern-django-"));
    after(() => rmSync(cwd, { recursive: true, force: true }));
    writeFileSync(join(cwd, "documented.py"), settings);
    const env = { OIDC_RP_CLIENT_ID: id, OIDC_RP_CLIENT_SECRET: secret };
    const command = [here("python/intranet.py"), library, `${port}`];
    const site = await startServer(port, bin("python"), command, { cwd, env });

    const page = await provider.browser().visit(`${origin}${path}`);
    assert.equal(page.url.href, `${origin}/`, `${page.status} ${page.body}\n${site.output()}\n${provider.log.join("\n")}`);
    assert.deepEqual(JSON.parse(page.body), { is_signed_in: true, email: "alice@example.com" });
  });
}
