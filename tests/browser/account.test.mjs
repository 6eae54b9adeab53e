// The account page in Chromium: the sessions of a user, and the change of the password, with and without scripts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkPage, takeNarrowScreenshots } from "./page_checks.mjs";
import { PASSWORD, press, signIn, start } from "./test_provider.mjs";

const { issuer, origin, serve, client, newPage, worker } = await start("https");
serve((_, response) => {
  response.writeHead(200, { "content-type": "text/html" });
  response.end("<!DOCTYPE html><title>The shop</title>");
});
const CALLBACK = `${origin}/callback`;
await client("shop", { client_name: "The Corner Shop", redirect_uris: [CALLBACK], trusted: false });
const PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) " +
  "Version/26.0 Mobile/15E148 Safari/604.1";
const TABLET = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 " +
  "Chrome/130.0.0.0 Mobile Safari/537.36";

/** Stores a user, and signs in on the account page in a new browser. */
async function signedIn(login, options) {
  const page = await newPage(options);
  await page.goto(`${issuer}/auth/account`);
  await signIn(page, login);
  await page.getByRole("heading", { level: 1, name: "Your account" }).waitFor();
  return page;
}

async function user(login) {
  const { status } = await worker.operator("PUT", `/admin/users/${login}`, { login, password: PASSWORD, claims: {} });
  assert.equal(status, 200);
  return login;
}

const isSignedIn = async (page) => {
  await page.goto(`${issuer}/auth/account`);
  return await page.locator("input[name=password]").count() === 0;
};

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with" : "without";

  test(`${how} scripts a user ends one other session, and then all others`, async () => {
    const login = await user(`sessions-${how}`);
    const phone = await signedIn(login, { userAgent: PHONE });
    const tablet = await signedIn(login, { userAgent: TABLET });
    const curious = await signedIn(login, { userAgent: "curl/8" });
    const page = await signedIn(login, { javaScriptEnabled });
    const names = page.locator("section", { hasText: "Where you are signed in" }).locator("b");
    assert.deepEqual(
      (await names.allInnerTexts()).sort(),
      ["Chrome on Linux", "Safari on iPhone", "Samsung Internet on Android", "Unknown browser"],
    );
    if (javaScriptEnabled) await checkPage(page, "account-sessions");
    await page.getByText("Samsung Internet on Android").first().click();
    if (javaScriptEnabled) {
      await checkPage(page, "account-session-open");
      await takeNarrowScreenshots(page, "account-session-open");
    }
    await page.getByRole("button", { name: /Sign out there.*Samsung Internet on Android/ }).click();
    const notice = page.getByRole("status");
    assert.match(await notice.innerText(), /^The other browser is signed out\./);
    if (javaScriptEnabled) assert.ok(await notice.evaluate((element) => element === document.activeElement));
    assert.deepEqual([await isSignedIn(tablet), await isSignedIn(phone)], [false, true]);

    await press(page, "Sign out everywhere else");
    assert.match(await notice.innerText(), /^All other browsers are signed out\./);
    assert.deepEqual(await names.allInnerTexts(), ["Chrome on Linux"]);
    assert.deepEqual([await isSignedIn(phone), await isSignedIn(curious)], [false, false]);
    // A reload of the page after a form leads to the page itself.
    await page.goto(page.url());
    assert.equal(page.url(), `${issuer}/auth/account`);
  });

  test(`${how} scripts a user changes the password, and mistypes it before`, async () => {
    const login = await user(`password-${how}`);
    const other = await signedIn(login);
    const page = await signedIn(login, { javaScriptEnabled });
    await page.goto(`${issuer}/.well-known/change-password`);
    assert.equal(page.url(), `${issuer}/auth/account#password`);
    const [current, next] = ["Current password", "New password"].map((label) => page.getByLabel(label, { exact: true }));
    await current.waitFor();
    if (javaScriptEnabled) {
      await checkPage(page, "account-password");
      await takeNarrowScreenshots(page, "account-password");
    }
    await current.fill("not the password");
    await next.fill("tortoise lantern gravel");
    await page.keyboard.press("Enter");
    const alert = page.getByRole("alert");
    assert.equal(await alert.innerText(), "The current password is not right. Please try again.");
    assert.equal(await page.title(), "Error: Your account");
    assert.equal(await current.inputValue() + await next.inputValue(), "");
    if (javaScriptEnabled) {
      assert.ok(await current.evaluate((element) => element === document.activeElement));
      await checkPage(page, "account-wrong-password");
    }

    await page.getByLabel("Also end the access of all applications").check();
    await press(page, "Show passwords");
    await page.getByText("Your passwords can be seen while you type.").waitFor();
    assert.equal(await next.getAttribute("type"), "text");
    assert.ok(await page.getByLabel("Also end the access of all applications").isChecked());
    if (javaScriptEnabled) await checkPage(page, "account-visible-passwords");
    await press(page, "Hide passwords");
    assert.equal(await next.getAttribute("type"), "password");

    await current.fill(PASSWORD);
    await next.fill("tortoise lantern gravel");
    await press(page, "Change your password");
    assert.match(await page.getByRole("status").innerText(), /^Your password is changed, and all other browsers are signed out\./);
    if (javaScriptEnabled) await checkPage(page, "account-changed-password");
    assert.deepEqual([await isSignedIn(page), await isSignedIn(other)], [true, false]);
    await other.goto(`${issuer}/auth/account`);
    await signIn(other, login, "tortoise lantern gravel");
    await other.getByRole("heading", { level: 1, name: "Your account" }).waitFor();
  });
}

test("a double click on the button changes the password and leaves the user signed in", async () => {
  const login = await user("double");
  const page = await signedIn(login);
  await page.goto(`${issuer}/auth/account#password`);
  await page.getByLabel("Current password").fill(PASSWORD);
  await page.getByLabel("New password", { exact: true }).fill("tortoise lantern gravel");
  await page.getByRole("button", { name: "Change your password" }).dblclick();
  await page.getByText("Your password is changed").waitFor();
  assert.ok(await isSignedIn(page));
});

for (const [language, heading] of [
  ["de", "Passwort ändern"], ["es", "Cambiar la contraseña"], ["fr", "Changer de mot de passe"], ["nl", "Wachtwoord wijzigen"],
]) {
  test(`the page fits the narrowest screen in ${language}, with everything open`, async () => {
    const login = await user(`narrow-${language}`);
    await signedIn(login, { userAgent: PHONE });
    const page = await newPage({ locale: language });
    await page.goto(`${issuer}/auth/account`);
    await page.locator("input[name=login]").fill(login);
    await page.locator("input[name=password]").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.locator("form[action$='/auth/signout']").waitFor();
    for (const summary of await page.locator("summary").all()) await summary.click();
    await page.getByRole("button", { name: heading }).waitFor();
    await takeNarrowScreenshots(page, `account-${language}`);
    await checkPage(page, `account-${language}`);
  });
}
