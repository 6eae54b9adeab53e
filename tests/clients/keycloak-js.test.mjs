// keycloak-js with a provider that is not Keycloak. By default it gets the response in the fragment.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { install } from "./install.mjs";
import { assertSignedIn, startApp } from "./pages/app.mjs";

const { folder } = await install("keycloak-js");
const { open, deny } = await startApp("keycloak-js", join(folder, "node_modules/keycloak-js/lib/keycloak.js"));

test("keycloak-js signs in, shows the e-mail and refreshes", async () => {
  const app = await open();
  assertSignedIn(app);
  const [before, isRefreshed, after] = await app.page.evaluate(async () => {
    const { keycloak } = /** @type {any} */ (globalThis);
    const { token } = keycloak;
    return [token, await keycloak.updateToken(-1), keycloak.token];
  });
  assert.equal(isRefreshed, true);
  assert.notEqual(after, before);
});

test("keycloak-js shows access_denied after the user denies consent", async () => {
  assert.equal((await deny()).error, "access_denied");
});
