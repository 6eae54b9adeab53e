// keycloak-js with a provider that is not Keycloak. By default it gets the response in the fragment.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { install } from "./install.mjs";
import { assertSignedIn, startApp } from "./pages/app.mjs";

const { folder } = await install("keycloak-js");
const library = join(folder, "node_modules/keycloak-js/lib/keycloak.js");
// It parses refresh tokens as JWTs and fails with any other, so it requests none.
const { open, deny } = await startApp("keycloak-js", library, "profile email");

test("keycloak-js signs in by a response in the fragment and shows the e-mail", async () => {
  const app = await open();
  assertSignedIn(app);
  // All its requests to the token endpoint have credentials, so that the browser must let it read errors, too.
  const error = await app.page.evaluate(async () => {
    const { keycloak } = /** @type {any} */ (globalThis);
    const body = new URLSearchParams({ grant_type: "refresh_token", client_id: "spa", refresh_token: "unknown" });
    const response = await fetch(keycloak.endpoints.token(), { method: "POST", credentials: "include", body });
    return /** @type {any} */ (await response.json()).error;
  });
  assert.equal(error, "invalid_grant");
});

test("keycloak-js shows access_denied after the user denies consent", async () => {
  assert.equal((await deny()).error, "access_denied");
});
