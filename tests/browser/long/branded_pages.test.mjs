// The pages on which a user decides, with the name, logo and color of an operator, from the narrowest screen to a wide one.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { listen } from "../../edge/client_server.mjs";
import { logo } from "../logo.mjs";
import { checkPage, takeNarrowScreenshots } from "../page_checks.mjs";
import { press, signIn, start } from "../test_provider.mjs";

const { issuer, origin, serve, client, newPage } = await start("https", {
  NAME: "Acme Logistics",
  LOGO_URL: `data:image/png;base64,${logo().toString("base64")}`,
  COLOR: "#c83c14",
  SUPPORT_URL: "mailto:help@acme.example",
  PRIVACY_URL: "https://acme.example/privacy",
  RESOURCES: JSON.stringify({
    "https://api.acme.example": { scopes: { "orders:read": { "": "See your orders" }, "orders:write": { "": "Order in your name" } } },
  }),
});

const CALLBACK = `${origin}/callback`;
serve((request, response) => {
  response.writeHead(200, { "content-type": "text/html" });
  response.end("<!DOCTYPE html><title>The application</title>");
});
const pictures = await listen();
after(() => pictures.close());
pictures.serve("/logo.png", logo(), "image/png");
await client("orders", {
  client_name: "Orders dashboard", client_uri: origin, logo_uri: pictures.url("/logo.png"), redirect_uris: [CALLBACK],
  grant_types: ["authorization_code", "refresh_token"], scope: "openid profile email offline_access orders:read orders:write",
});
await client("long", {
  client_name: "Donaudampfschifffahrtsgesellschaftskapitänsmützenverwaltung of the Department of Everything Else",
  redirect_uris: [CALLBACK],
});

const authorize = (parameters) => `${issuer}/auth/authorize?${new URLSearchParams({
  redirect_uri: CALLBACK, response_type: "code", state: "s", ...parameters,
})}`;

/** Checks a page on the usual screens, and takes screenshots of the narrowest one. */
async function check(page, name) {
  assert.equal(await page.locator("header.provider").innerText(), "Acme Logistics");
  await checkPage(page, `branded-${name}`);
  await takeNarrowScreenshots(page, `branded-${name}`);
}

test("the consent page, the account page and those around them are the operator's", async () => {
  const page = await newPage();
  await page.goto(authorize({ client_id: "orders", scope: "openid profile email offline_access orders:read orders:write" }));
  await signIn(page);
  await page.getByRole("heading", { name: "Orders dashboard will be able to see" }).waitFor();
  await check(page, "consent");
  await press(page, "Allow");
  await page.waitForURL(`${CALLBACK}?code=**`);
  await page.goto(authorize({ client_id: "long", scope: "openid email" }));
  await check(page, "consent-long");
  await press(page, "Allow");
  await page.waitForURL(`${CALLBACK}?code=**`);

  await page.goto(authorize({ client_id: "orders", scope: "openid", prompt: "select_account" }));
  await check(page, "choose-account");

  await page.goto(`${issuer}/auth/account`);
  await page.locator("summary", { hasText: "Orders dashboard" }).click();
  await check(page, "account");
  await page.getByRole("button", { name: /Withdraw access.*Orders dashboard/ }).click();
  await page.getByRole("status").waitFor();
  await check(page, "account-withdrawn");

  await press(page, "Sign out");
  await page.getByRole("heading", { name: "You are signed out" }).waitFor();
  await check(page, "signed-out");
});
