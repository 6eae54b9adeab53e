// oidc-client-ts with response_mode=fragment. tests/browser has it with its default, the query.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { install } from "./install.mjs";
import { assertSignedIn, startApp } from "./pages/app.mjs";

const { folder } = await install("oidc-client-ts");
const library = join(folder, "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js");
const { open, deny } = await startApp("oidc-client-ts", library, "openid profile email offline_access");

test("oidc-client-ts signs in by a response in the fragment, shows the e-mail and refreshes", async () => {
  const app = await open();
  assertSignedIn(app);
  const [before, after] = await app.page.evaluate(async () => {
    const { manager } = /** @type {any} */ (globalThis);
    const { access_token: token } = await manager.getUser();
    return [token, (await manager.signinSilent()).access_token];
  });
  assert.notEqual(after, before);
});

test("oidc-client-ts revokes its tokens", async () => {
  const app = await open();
  assertSignedIn(app);
  const statuses = await app.page.evaluate(async () => {
    const { manager } = /** @type {any} */ (globalThis);
    const { access_token: token } = await manager.getUser();
    const headers = { authorization: `Bearer ${token}` };
    const { userinfo_endpoint: url } = await manager.metadataService.getMetadata();
    const userinfo = async () => (await fetch(url, { headers })).status;
    const before = await userinfo();
    await manager.revokeTokens();
    return [before, await userinfo()];
  });
  assert.deepEqual(statuses, [200, 401]);
});

test("oidc-client-ts shows access_denied after the user denies consent", async () => {
  assert.equal((await deny()).error, "access_denied");
});

test("oidc-client-ts signs out by signoutRedirect, and gets the response with its state", async () => {
  const { page } = await open();
  const { origin } = new URL(page.url());
  await page.evaluate(() => {
    const { manager, location } = /** @type {any} */ (globalThis);
    // The page is left before the promise is fulfilled.
    void manager.signoutRedirect({ post_logout_redirect_uri: `${location.origin}/signed-out`, state: "of the app" });
  });
  await page.waitForURL(`${origin}/signed-out**`);
  assert.deepEqual([...new URL(page.url()).searchParams.keys()], ["state"]);
  // The next sign-in needs the password again.
  await page.goto(origin);
  await page.getByLabel("Password").waitFor();
});

test("oidc-client-ts signs out by signoutSilent in a frame, although the provider gets no cookies there", async () => {
  const { page } = await open();
  const { origin } = new URL(page.url());
  await page.evaluate(() => {
    const { manager, location } = /** @type {any} */ (globalThis);
    return manager.signoutSilent({ post_logout_redirect_uri: `${location.origin}/signed-out`, state: "of the app" });
  });
  assert.equal(page.url().split(/[?#]/)[0], `${origin}/`);
  await page.goto(origin);
  await page.getByLabel("Password").waitFor();
});
