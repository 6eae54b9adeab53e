// Every page of the provider in Chromium, under https, with the checks of axe.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { listen } from "../edge/client_server.mjs";
import { logo } from "./logo.mjs";
import { checkPage, takeScreenshots } from "./page_checks.mjs";
import { PASSWORD, press, signIn, start } from "./test_provider.mjs";

const WORDS = { "": "See your orders & invoices", de: "Ihre Bestellungen und Rechnungen sehen", fr: "Voir <b>tout</b>" };
const { issuer, origin, serve, client, newPage, takeComplaints } = await start("https", {
  CLIENT_DOCUMENTS: "127.0.0.1",
  RESOURCES: JSON.stringify({
    "https://api.example.com": { scopes: { "orders:read": WORDS, "orders:write": { de: "Bestellen" } }, open: true },
  }),
  SCOPES: JSON.stringify({ staff: { claims: ["staff_id"], words: { "": "Your staff number", de: "Ihre Personalnummer" } } }),
});

const CALLBACK = `${origin}/callback`;
/** RFC 7636 appendix B. */
const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
serve((request, response) => {
  response.writeHead(200, { "content-type": "text/html" });
  response.end("<!DOCTYPE html><title>The shop</title>");
});
// A server of its own, because the provider, which fetches the logo, cannot resolve the application's name.
const pictures = await listen();
after(() => pictures.close());
pictures.serve("/logo.png", logo(), "image/png");
await client("shop", {
  client_name: "The Corner Shop",
  client_uri: origin,
  logo_uri: pictures.url("/logo.png"),
  policy_uri: `${origin}/privacy`,
  tos_uri: `${origin}/terms`,
  redirect_uris: [CALLBACK],
  grant_types: ["authorization_code", "refresh_token"],
});

const REQUEST = {
  client_id: "shop", redirect_uri: CALLBACK, response_type: "code", scope: "openid profile email", state: "s",
};
const authorize = (parameters = {}) =>
  `${issuer}/auth/authorize?${new URLSearchParams({ ...REQUEST, ...parameters })}`;

/** Waits for the authorization response. Returns its parameters. */
async function response(page) {
  await page.waitForURL(`${CALLBACK}?**`);
  return Object.fromEntries(new URL(page.url()).searchParams);
}

test("a user signs in, allows, and the application gets a code", async () => {
  const page = await newPage();
  await page.goto(authorize({ scope: "openid profile email address phone groups offline_access" }));
  await checkPage(page, "login");
  await signIn(page);
  assert.match(await page.getByRole("heading", { level: 1 }).innerText(), /Allow The Corner Shop/);
  await checkPage(page, "consent");
  const gender = page.getByText("Your gender");
  assert.ok(!await gender.isVisible());
  await page.getByText("Your profile").click();
  assert.ok(await gender.isVisible());
  await checkPage(page, "consent-open");
  await press(page, "Allow");
  const { code, state, iss } = await response(page);
  assert.match(code, /^[\w-]{43}$/);
  assert.deepEqual({ state, iss }, { state: "s", iss: issuer });
});

test("the consent page has the operator's words for scopes in the user's language, and the name without words", async () => {
  const scope = "openid offline_access orders:read orders:write staff";
  for (const [language, words] of [
    ["en", [
      "The Corner Shop will be able to see", "Your staff number", "The Corner Shop will be able to",
      "See your orders & invoices orders:read https://api.example.com", "orders:write https://api.example.com",
    ]],
    ["de", [
      "Das zeigen Sie The Corner Shop", "Ihre Personalnummer", "Das erlauben Sie The Corner Shop",
      "Ihre Bestellungen und Rechnungen sehen orders:read https://api.example.com", "Bestellen orders:write https://api.example.com",
    ]],
    ["fr", [
      "The Corner Shop pourra voir", "Your staff number", "The Corner Shop pourra",
      "Voir <b>tout</b> orders:read https://api.example.com", "orders:write https://api.example.com",
    ]],
  ]) {
    const page = await newPage();
    await page.goto(authorize({ scope, ui_locales: language }));
    await page.locator("input[name=login]").fill("alice");
    await page.locator("input[name=password]").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.locator("button[value=allow]").waitFor();
    const shown = await page.locator("form h2, form li").allInnerTexts();
    const [openid, offline] = [shown.splice(1, 1), shown.pop()];
    assert.deepEqual(shown.map((text) => text.replaceAll(/\s+/g, " ")), words, `${openid} ${offline}`);
    await checkPage(page, `consent-words-${language}`);
  }
});

test("the session cookie is Secure, HttpOnly and host-only, and changes at each sign-in", async () => {
  const page = await newPage();
  const session = async () => (await page.context().cookies()).find(({ name }) => name === "__Host-postern-session");
  await page.goto(authorize());
  await signIn(page);
  const first = await session();
  const { domain, path, secure, httpOnly, sameSite } = first;
  assert.deepEqual({ domain, path }, { domain: "login.example.com", path: "/" });
  assert.deepEqual({ secure, httpOnly, sameSite }, { secure: true, httpOnly: true, sameSite: "Lax" });
  await page.goto(authorize({ prompt: "login" }));
  await signIn(page);
  await page.getByRole("button", { name: "Allow" }).waitFor();
  assert.notEqual((await session()).value, first.value);
});

test("a user signs in by keyboard alone", async () => {
  const page = await newPage();
  const focused = () => page.evaluate(() => {
    const { name, value } = /** @type {HTMLInputElement} */ (document.activeElement);
    return name || value;
  });
  await page.goto(authorize());
  // The first field has the focus.
  assert.equal(await focused(), "login");
  await page.keyboard.type("alice");
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Allow" }).waitFor();
  // Tab leads to the other account, the claims of the profile and then to Allow, and each has a visible focus.
  const seen = [];
  for (let tabs = 0; tabs < 3; tabs += 1) {
    await page.keyboard.press("Tab");
    seen.push(await page.evaluate(() => {
      const { value, localName } = /** @type {HTMLButtonElement} */ (document.activeElement);
      return value ?? localName;
    }));
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none");
  }
  assert.deepEqual(seen, ["switch", "summary", "allow"]);
  await page.keyboard.press("Enter");
  assert.equal((await response(page)).state, "s");
});

test("a wrong password shows an alert, and the right one signs the user in after it", async () => {
  const page = await newPage();
  await page.goto(authorize());
  await signIn(page, "alice", "not my password");
  await page.getByRole("alert").waitFor();
  assert.equal(await page.getByRole("alert").innerText(), "The user name or password is not right. Please try again.");
  assert.equal(await page.getByLabel("User name").inputValue(), "alice");
  assert.equal(await page.getByLabel("Password").inputValue(), "");
  assert.equal(await page.evaluate(() => document.activeElement.id), "password");
  await checkPage(page, "login-wrong-password");
  await signIn(page);
  await press(page, "Allow");
  assert.ok((await response(page)).code);
});

test("after the user denies consent, the application gets access_denied", async () => {
  const page = await newPage();
  await page.goto(authorize());
  await signIn(page);
  await press(page, "Deny");
  const { error, state, iss, code } = await response(page);
  assert.deepEqual({ error, state, iss, code }, { error: "access_denied", state: "s", iss: issuer, code: undefined });
});

test("a signed-in user chooses an account, or uses another", async () => {
  const page = await newPage();
  await page.goto(authorize());
  await signIn(page);
  await press(page, "Allow");
  await response(page);

  await page.goto(authorize({ prompt: "select_account" }));
  await checkPage(page, "choose-account");
  const { x, y, height } = await page.getByRole("button", { name: "Continue as" }).boundingBox();
  assert.equal(height, 64);
  // Its text begins at the left.
  assert.equal(await page.evaluate(([left, top]) => document.elementFromPoint(left, top).textContent, [x + 24, y + 22]), "Alice Liddell");
  await press(page, "Continue as Alice Liddell alice");
  assert.ok((await response(page)).code);

  await page.goto(authorize({ prompt: "select_account" }));
  await press(page, "Use another account");
  await signIn(page, "bob");
  await page.getByText("Bob Cratchit").waitFor();
  await press(page, "Allow");
  assert.ok((await response(page)).code);
});

test("a form of another account is shown again, and says so before Allow takes a press", async () => {
  const page = await newPage();
  await page.goto(authorize());
  await signIn(page);
  const other = await page.context().newPage();
  await other.goto(`${issuer}/auth/account`);
  await press(other, "Sign out");
  await other.getByRole("link", { name: "Sign in again" }).click();
  await signIn(other, "bob");
  await other.getByRole("button", { name: "Sign out", exact: true }).waitFor();

  await press(page, "Allow");
  await page.getByText("Bob Cratchit").waitFor();
  const notice = page.getByRole("alert");
  assert.match(await notice.innerText(), /^The account or the requested access has changed/);
  assert.ok(await notice.evaluate((element) => element === document.activeElement));
  const [above, heading] = await Promise.all([notice, page.getByRole("heading", { level: 1 })].map((one) => one.boundingBox()));
  assert.ok(above.y + above.height <= heading.y);
  await checkPage(page, "consent-changed");
  // The pointer stays where it was. A press after the usual time does nothing yet.
  await page.reload();
  const { x, y, width, height } = await page.getByRole("button", { name: "Allow" }).boundingBox();
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.waitForTimeout(1_500);
  await page.mouse.click(x + width / 2, y + height / 2);
  await page.waitForTimeout(500);
  assert.equal(new URL(page.url()).pathname, "/auth/consent");
  await page.waitForTimeout(4_000);
  await page.mouse.click(x + width / 2, y + height / 2);
  assert.ok((await response(page)).code);
});

test("the consent page offers another account", async () => {
  const page = await newPage();
  await page.goto(authorize());
  await signIn(page);
  await press(page, "Use another account");
  await signIn(page, "bob");
  await page.getByText("Bob Cratchit").waitFor();
  await press(page, "Allow");
  assert.ok((await response(page)).code);
});

test("on the account page a user withdraws access and signs out", async () => {
  const page = await newPage();
  await page.goto(authorize());
  await signIn(page);
  await press(page, "Allow");
  await response(page);

  await page.goto(`${issuer}/auth/account`);
  await page.getByText("The Corner Shop").first().waitFor();
  assert.match(await page.locator("summary").first().innerText(), /Last used on \d+ \w+ \d{4}\s+\d\spermissions$/);
  await checkPage(page, "account");
  await page.locator("summary").first().click();
  await checkPage(page, "account-open");
  await page.getByRole("button", { name: /Withdraw access.*The Corner Shop/ }).click();
  await page.getByText("No application has access to your account.").waitFor();
  const notice = page.getByRole("status");
  assert.equal(await notice.innerText(), "The Corner Shop no longer has access to your account. You may still be signed in there.");
  assert.ok(await notice.evaluate((element) => element === document.activeElement));
  await checkPage(page, "account-withdrawn");
  await page.goto(`${issuer}/.well-known/change-password`);
  assert.equal(page.url(), `${issuer}/auth/account#password`);
  await checkPage(page, "account-empty");

  // The next sign-in needs consent again.
  await page.goto(authorize());
  await page.getByRole("button", { name: "Allow" }).waitFor();

  await page.goto(`${issuer}/auth/account`);
  await press(page, "Sign out");
  await page.getByRole("heading", { name: "You are signed out" }).waitFor();
  assert.deepEqual(await page.locator("li bdi").allInnerTexts(), ["The Corner Shop"]);
  await checkPage(page, "signed-out");
  await page.getByRole("link", { name: "Sign in again" }).click();
  await page.getByLabel("Password").waitFor();
  await checkPage(page, "login-account");
  await signIn(page);
  await page.getByText("No application has access to your account.").waitFor();
});

test("the consent page of a client by document shows its host, and warns if the redirect URI is on this device", async () => {
  const redirect_uris = [CALLBACK, "http://127.0.0.1:3118/callback"];
  const { client_id } = pictures.client("/client.json", { client_name: "Some Tool", redirect_uris });
  const page = await newPage();
  await page.goto(authorize({ client_id, code_challenge: CHALLENGE, code_challenge_method: "S256" }));
  await signIn(page);
  const published = page.getByText("The application’s description was published by 127.0.0.1");
  const warning = page.getByText("This is an application on your own device.");
  await published.waitFor();
  assert.equal(await warning.count(), 0);
  await checkPage(page, "consent-document");
  await press(page, "Allow");
  assert.ok((await response(page)).code);

  const [, redirect_uri] = redirect_uris;
  await page.goto(authorize({ client_id, redirect_uri, code_challenge: CHALLENGE, code_challenge_method: "S256" }));
  await Promise.all([published.waitFor(), warning.waitFor()]);
  await checkPage(page, "consent-document-device");
  await page.goto(`${issuer}/auth/account`);
  await page.getByText("Some Tool").first().waitFor();
  await checkPage(page, "account-document");

  const gone = `${client_id}/${"very-long-path/".repeat(20)}client.json`;
  assert.equal((await page.goto(authorize({ client_id: gone }))).status(), 400);
  await page.getByText("client_id: the document does not exist").waitFor();
  await checkPage(page, "error-document");
});

for (const [locale, label] of [["en", `Go to ${new URL(origin).hostname}`], ["de", `Weiter zu ${new URL(origin).hostname}`]]) {
  const client_name = "Your session has expired. Reset your password here";
  const request = (id, parameters = {}) => {
    const { client_id } = pictures.client(`/${locale}/${id}.json`, { client_name, redirect_uris: [CALLBACK] });
    const challenge = { code_challenge: CHALLENGE, code_challenge_method: "S256" };
    return authorize({ client_id, prompt: "none", ...challenge, ...parameters });
  };

  test(`the error of a client by document waits until the user goes there: ${locale}`, async () => {
    const page = await newPage({ locale });
    assert.equal((await page.goto(`${request("link")}#access_token=evil`)).status(), 400);
    await page.getByText("login_required").waitFor();
    assert.equal(await page.getByText("Reset your password").count(), 0);
    await checkPage(page, `refused-request-${locale}`);
    await page.getByRole("link", { name: label, exact: true }).click();
    const { error, state } = await response(page);
    assert.deepEqual([error, state, new URL(page.url()).hash], ["login_required", "s", "#_"]);
  });

  test(`its error by form_post waits, too, and does not have the provider's origin: ${locale}`, async () => {
    const page = await newPage({ locale });
    await page.goto(request("form", { response_mode: "form_post" }));
    await checkPage(page, `refused-request-form-${locale}`);
    const posted = page.waitForRequest(CALLBACK);
    await page.getByRole("button", { name: label, exact: true }).click();
    const headers = await (await posted).allHeaders();
    assert.deepEqual([headers.origin, headers.referer], ["null", undefined]);
    assert.equal(new URLSearchParams((await posted).postData()).get("error"), "login_required");
  });

  test(`on the device of the user it has no host: ${locale}`, async () => {
    const redirect_uri = "http://127.0.0.1:3118/callback";
    const { client_id } = pictures.client(`/${locale}/device.json`, { client_name, redirect_uris: [redirect_uri] });
    const page = await newPage({ locale });
    await page.goto(authorize({ client_id, redirect_uri, scope: "no-such-scope" }));
    await page.locator("[data-to=client]").waitFor();
    await checkPage(page, `refused-request-device-${locale}`);
  });
}

test("in a frame, the error of a client by document is not shown and does not reach the client", async () => {
  const { client_id } = pictures.client("/framed.json", { client_name: "Framed", redirect_uris: [CALLBACK] });
  const page = await newPage();
  await page.goto(origin);
  const urls = [];
  page.on("request", (request) => urls.push(request.url()));
  const url = authorize({ client_id, prompt: "none", code_challenge: CHALLENGE, code_challenge_method: "S256" });
  await page.evaluate((src) => {
    const frame = Object.assign(document.createElement("iframe"), { src });
    document.body.append(frame);
    return new Promise((resolve) => { frame.onload = resolve; });
  }, url);
  assert.deepEqual(urls, [url]);
  assert.match(takeComplaints().join(), /in a frame|frame-ancestors/);
});

test("an error of the operator's client does not inherit the fragment of the link that led to it", async () => {
  const page = await newPage();
  await page.goto(`${authorize({ prompt: "none" })}#access_token=evil`);
  assert.equal((await response(page)).error, "login_required");
  assert.equal(new URL(page.url()).hash, "#_");
});

test("a user hides and shows the password without a script, and no page contains it", async () => {
  const page = await newPage({ javaScriptEnabled: false });
  await page.goto(authorize());
  await page.locator("#login").fill("alice");
  await page.locator("input[name=password]").fill("half a pass");
  await page.getByRole("button", { name: "Show password" }).click();
  await page.getByRole("status").waitFor();
  assert.equal(await page.locator("input[name=password]").getAttribute("type"), "text");
  assert.equal(await page.locator("input[name=password]").inputValue(), "");
  assert.equal(await page.locator("#login").inputValue(), "alice");
  assert.doesNotMatch(await page.content(), /half a pass/);
  await takeScreenshots(page, "login-visible-password");
  await page.getByRole("button", { name: "Hide password" }).click();
  await page.locator("input[type=password]").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.locator("button[value=allow]").waitFor();
});

test("the issuer's URL has a page for people", async () => {
  const page = await newPage();
  assert.equal((await page.goto(issuer)).status(), 200);
  // The RSA key is made after the first response.
  await page.getByText("RS256").or(page.getByText("ES256")).first().waitFor();
  await checkPage(page, "home");
  await page.getByRole("link", { name: "Go to your account" }).click();
  await page.getByLabel("Password").waitFor();
});

test("an address without a page leads to the start page", async () => {
  const page = await newPage();
  assert.equal((await page.goto(`${issuer}/nowhere`)).status(), 404);
  await checkPage(page, "not-found");
  await page.getByRole("link", { name: "Go to the start page" }).click();
  await page.getByText("For developers").waitFor();
});

test("an unknown client gets an error page", async () => {
  const page = await newPage();
  assert.equal((await page.goto(authorize({ client_id: "nobody" }))).status(), 400);
  await page.getByText("invalid_client").waitFor();
  await checkPage(page, "error");
});

test("a login form of another browser is refused", async () => {
  const [mine, theirs] = [await newPage(), await newPage()];
  await mine.goto(authorize());
  await theirs.goto(authorize());
  const token = await mine.locator("input[name=token]").inputValue();
  await theirs.locator("input[name=token]").evaluate((/** @type {HTMLInputElement} */ input, value) => {
    input.value = value;
  }, token);
  await signIn(theirs);
  assert.equal(await theirs.getByRole("alert").innerText(), "This form has expired. Please try again.");
  await checkPage(theirs, "login-expired");
});

for (const locale of ["de", "es", "fr", "nl"]) {
  test(`the consent page of a client by document is in the browser's language: ${locale}`, async () => {
    const client_name = "A Tool With A Long Name That Comes From Its Document";
    const { client_id } = pictures.client(`/${locale}/client.json`, { client_name, redirect_uris: [CALLBACK] });
    const page = await newPage({ locale });
    await page.goto(authorize({ client_id, code_challenge: CHALLENGE, code_challenge_method: "S256" }));
    await page.locator("input[name=login]").fill("alice");
    await page.locator("input[name=password]").fill(PASSWORD);
    await page.locator("button").first().click();
    await page.getByText("127.0.0.1").waitFor();
    await checkPage(page, `consent-document-${locale}`);
  });
}

const LANGUAGES = [["de", "Anmelden"], ["es", "Iniciar sesión"], ["fr", "Se connecter"], ["nl", "Aanmelden"]];
for (const [locale, button] of LANGUAGES) {
  test(`the login page is in the browser's language: ${locale}`, async () => {
    const page = await newPage({ locale });
    await page.goto(authorize());
    assert.equal(await page.locator("html").getAttribute("lang"), locale);
    await page.getByRole("button", { name: button }).waitFor();
    await checkPage(page, `login-${locale}`);
  });
}

test("these tests notice a violation of the content security policy", async () => {
  const page = await newPage();
  await page.goto(authorize());
  await page.evaluate(() => document.body.setAttribute("style", "background: red"));
  await page.waitForTimeout(200);
  assert.match(takeComplaints().join(), /Content Security Policy/);
});
