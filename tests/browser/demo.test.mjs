// The demo application of npm start, on the same loopback addresses.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { serveDemo } from "../../scripts/demo/app.mjs";
import { look } from "./look.mjs";
import { press, signIn, start } from "./world.mjs";

const { issuer, worker, visitor } = await start("loopback");

/** Sends a request to /admin, as scripts/operator_api.mjs does. */
const admin = async (method, path, body) => {
  const { status, body: answer } = await worker.operator(method, `/admin${path}`, body);
  if (status !== 200) throw Object.assign(new Error(answer.error_description), { code: answer.error });
  return answer;
};

const serve = async (port = 0) => {
  const scopes = ["openid", "profile", "email", "groups"];
  const demo = await serveDemo({ issuer, worker: issuer, admin, port, scopes });
  after(() => demo.close());
  return demo;
};
const { origin } = await serve();

/** What the page says of a claim. */
const claim = (page, section, name) => page
  .getByRole("region", { name: section })
  .locator("div").filter({ has: page.getByText(name, { exact: true }) })
  .locator("dd").first().innerText();

async function signedIn(options) {
  const page = await visitor(options);
  await page.goto(origin);
  await page.getByRole("link", { name: "Sign in" }).click();
  await signIn(page);
  await press(page, "Allow");
  await page.getByRole("heading", { name: "Hello, Alice Liddell" }).waitFor();
  return page;
}

test("the demo shows the ID token and userinfo of who signs in", async () => {
  const page = await visitor();
  await page.goto(origin);
  await look(page, "demo");
  await signedIn().then(async (page) => {
    assert.equal(await claim(page, "ID token", "iss"), issuer);
    assert.equal(await claim(page, "ID token", "sub"), "alice");
    assert.equal(await claim(page, "ID token", "aud"), "postern-demo");
    assert.equal(await claim(page, "Userinfo", "email"), "alice@example.com");
    await look(page, "demo-signed-in");
  });
});

test("the demo needs no JavaScript", async () => {
  const page = await signedIn({ javaScriptEnabled: false });
  assert.equal(await claim(page, "ID token", "sub"), "alice");
});

test("the demo refreshes, and signs in again without a question", async () => {
  const page = await signedIn();
  assert.match(await claim(page, "ID token", "nonce"), /./);
  await press(page, "Refresh tokens");
  // Core section 12.2: what came by a refresh has no nonce.
  await page.getByText("nonce", { exact: true }).waitFor({ state: "detached" });
  await page.getByRole("link", { name: "Sign in again" }).click();
  await page.getByText("nonce", { exact: true }).waitFor();
  assert.equal(page.url(), `${origin}/`);
});

test("in the demo another account can be taken", async () => {
  const page = await signedIn();
  await page.getByRole("link", { name: "Use another account" }).click();
  await press(page, "Use another account");
  await signIn(page, "bob");
  await press(page, "Allow");
  await page.getByRole("heading", { name: "Hello, Bob Cratchit" }).waitFor();
});

test("what is withdrawn on the account page ends in the demo at once", async () => {
  const page = await signedIn();
  await page.getByRole("link", { name: "Your account" }).click();
  await page.getByRole("button", { name: /Withdraw access/ }).click();
  await page.getByText("No application has access to your account.").waitFor();
  await page.goto(origin);
  await page.getByRole("region", { name: "Userinfo" }).getByText("invalid_token").waitFor();
  await look(page, "demo-withdrawn");
  await press(page, "Refresh tokens");
  await page.getByText("invalid_grant").waitFor();
  await page.getByRole("link", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Allow" }).waitFor();
});

test("who denies is told by the demo that they are not signed in", async () => {
  const page = await visitor();
  await page.goto(`${origin}/sign-in`);
  await signIn(page);
  await press(page, "Deny");
  await page.getByRole("heading", { name: "You are not signed in" }).waitFor();
  await page.getByText("access_denied").waitFor();
  await look(page, "demo-denied");
});

test("the demo takes no answer to a sign-in that was begun in another browser", async () => {
  const [mine, theirs] = [await visitor(), await visitor()];
  await mine.goto(`${origin}/sign-in`);
  await signIn(mine);
  // The answer on its way to my browser.
  const answer = mine.waitForRequest(`${origin}/callback**`);
  await press(mine, "Allow");
  await theirs.goto((await answer).url());
  await theirs.getByText("This sign-in was started in another browser, or has ended.").waitFor();
});

test("a demo that starts again has another secret, and another port where its own is taken", async () => {
  const again = await serve(Number(new URL(origin).port));
  assert.notEqual(again.origin, origin);
  const page = await visitor();
  await page.goto(`${again.origin}/sign-in`);
  await signIn(page, "bob");
  await press(page, "Allow");
  await page.getByRole("heading", { name: "Hello, Bob Cratchit" }).waitFor();
});
