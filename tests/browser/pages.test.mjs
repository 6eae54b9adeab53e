// Every page of the provider, in Chromium, under https: looked at by axe in light and dark, and walked through.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import { listen } from "../edge/party.mjs";
import { look } from "./look.mjs";
import { PASSWORD, press, signIn, start } from "./world.mjs";

const { issuer, origin, serve, client, visitor, takeComplaints } = await start("https");

const CALLBACK = `${origin}/callback`;
serve((request, response) => {
  response.writeHead(200, { "content-type": "text/html" });
  response.end("<!DOCTYPE html><title>The shop</title>");
});
// The provider fetches it, which does not know the name that the application has in this browser.
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

/** A PNG of 48 by 48 pixels: a green square with a white disc. */
function logo() {
  const rows = Array.from({ length: 48 }, (_, y) => [0, ...Array.from({ length: 48 }, (_, x) =>
    (Math.hypot(x - 23.5, y - 23.5) < 14 ? [255, 255, 255] : [0, 170, 119])).flat()]);
  const chunk = (type, content) => {
    const body = Buffer.concat([Buffer.from(type), content]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(content.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.from([0, 0, 0, 48, 0, 0, 0, 48, 8, 2, 0, 0, 0]);
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  const pixels = deflateSync(Buffer.from(rows.flat()));
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", pixels), chunk("IEND", Buffer.alloc(0))]);
}

const REQUEST = {
  client_id: "shop", redirect_uri: CALLBACK, response_type: "code", scope: "openid profile email", state: "s",
};
const authorize = (parameters = {}) =>
  `${issuer}/auth/authorize?${new URLSearchParams({ ...REQUEST, ...parameters })}`;

/** What the application was told, once the browser is there. */
async function answer(page) {
  await page.waitForURL(`${CALLBACK}?**`);
  return Object.fromEntries(new URL(page.url()).searchParams);
}

test("a person signs in, allows and is at the application", async () => {
  const page = await visitor();
  await page.goto(authorize({ scope: "openid profile email address phone groups offline_access" }));
  await look(page, "login");
  await signIn(page);
  assert.match(await page.getByRole("heading", { level: 1 }).innerText(), /Allow The Corner Shop/);
  await look(page, "consent");
  await press(page, "Allow");
  const { code, state, iss } = await answer(page);
  assert.match(code, /^[\w-]{43}$/);
  assert.deepEqual({ state, iss }, { state: "s", iss: issuer });
});

test("the session's cookie is Secure, HttpOnly, of this host alone, and another one at each sign-in", async () => {
  const page = await visitor();
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

test("a person signs in by Tab and Enter alone", async () => {
  const page = await visitor();
  const focused = () => page.evaluate(() => document.activeElement.name || document.activeElement.value);
  await page.goto(authorize());
  // The form is ready to be typed into.
  assert.equal(await focused(), "login");
  await page.keyboard.type("alice");
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Allow" }).waitFor();
  // Past the way to another account, and on to the answer; one sees where one is.
  const seen = [];
  for (let tabs = 0; tabs < 2; tabs += 1) {
    await page.keyboard.press("Tab");
    seen.push(await page.evaluate(() => document.activeElement.value));
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none");
  }
  assert.deepEqual(seen, ["switch", "allow"]);
  await page.keyboard.press("Enter");
  assert.equal((await answer(page)).state, "s");
});

test("a wrong password is said to whoever cannot see it, and the right one is taken after it", async () => {
  const page = await visitor();
  await page.goto(authorize());
  await signIn(page, "alice", "not my password");
  await page.getByRole("alert").waitFor();
  assert.equal(await page.getByRole("alert").innerText(), "The user name or password is not right. Please try again.");
  assert.equal(await page.getByLabel("User name").inputValue(), "alice");
  assert.equal(await page.getByLabel("Password").inputValue(), "");
  assert.equal(await page.evaluate(() => document.activeElement.id), "password");
  await look(page, "login-wrong-password");
  await signIn(page);
  await press(page, "Allow");
  assert.ok((await answer(page)).code);
});

test("who denies is at the application, which learns that access was denied", async () => {
  const page = await visitor();
  await page.goto(authorize());
  await signIn(page);
  await press(page, "Deny");
  const { error, state, iss, code } = await answer(page);
  assert.deepEqual({ error, state, iss, code }, { error: "access_denied", state: "s", iss: issuer, code: undefined });
});

test("who is signed in chooses an account, and may take another", async () => {
  const page = await visitor();
  await page.goto(authorize());
  await signIn(page);
  await press(page, "Allow");
  await answer(page);

  await page.goto(authorize({ prompt: "select_account" }));
  await look(page, "choose-account");
  await press(page, "Continue as Alice Liddell (alice)");
  assert.ok((await answer(page)).code);

  await page.goto(authorize({ prompt: "select_account" }));
  await press(page, "Use another account");
  await signIn(page, "bob");
  await page.getByText("Bob Cratchit").waitFor();
  await press(page, "Allow");
  assert.ok((await answer(page)).code);
});

test("at the question for consent a person can take another account", async () => {
  const page = await visitor();
  await page.goto(authorize());
  await signIn(page);
  await press(page, "Use another account");
  await signIn(page, "bob");
  await page.getByText("Bob Cratchit").waitFor();
  await press(page, "Allow");
  assert.ok((await answer(page)).code);
});

test("on their own page a person withdraws what they allowed, and signs out", async () => {
  const page = await visitor();
  await page.goto(authorize());
  await signIn(page);
  await press(page, "Allow");
  await answer(page);

  await page.goto(`${issuer}/auth/account`);
  await page.getByText("The Corner Shop").first().waitFor();
  await look(page, "account");
  await page.getByRole("button", { name: /Withdraw access.*The Corner Shop/ }).click();
  await page.getByText("No application has access to your account.").waitFor();
  await look(page, "account-empty");

  // It is asked again.
  await page.goto(authorize());
  await page.getByRole("button", { name: "Allow" }).waitFor();

  await page.goto(`${issuer}/auth/account`);
  await press(page, "Sign out");
  await page.getByRole("heading", { name: "You are signed out" }).waitFor();
  await look(page, "signed-out");
  await page.goto(`${issuer}/auth/account`);
  await page.getByLabel("Password").waitFor();
  await look(page, "login-account");
  await signIn(page);
  await page.getByText("No application has access to your account.").waitFor();
});

test("the page for an unknown client says what to do", async () => {
  const page = await visitor();
  const response = await page.goto(authorize({ client_id: "nobody" }));
  assert.equal(response.status(), 400);
  await page.getByText("invalid_client").waitFor();
  await look(page, "error");
});

test("a form that was shown to another browser is not taken", async () => {
  const [mine, theirs] = [await visitor(), await visitor()];
  await mine.goto(authorize());
  await theirs.goto(authorize());
  const token = await mine.locator("input[name=token]").inputValue();
  await theirs.locator("input[name=token]").evaluate((input, value) => { input.value = value; }, token);
  await signIn(theirs);
  assert.equal(await theirs.getByRole("alert").innerText(), "This form has expired. Please try again.");
  await look(theirs, "login-expired");
});

const LANGUAGES = [["de", "Anmelden"], ["es", "Iniciar sesión"], ["fr", "Se connecter"], ["nl", "Aanmelden"]];
for (const [locale, button] of LANGUAGES) {
  test(`the browser's language is heeded: ${locale}`, async () => {
    const page = await visitor({ locale });
    await page.goto(authorize());
    assert.equal(await page.locator("html").getAttribute("lang"), locale);
    await page.getByRole("button", { name: button }).waitFor();
    await look(page, `login-${locale}`);
  });
}

test("what a policy forbids is noticed by these tests", async () => {
  const page = await visitor();
  await page.goto(authorize());
  await page.evaluate(() => document.body.setAttribute("style", "background: red"));
  await page.waitForTimeout(200);
  assert.match(takeComplaints().join(), /Content Security Policy/);
});
