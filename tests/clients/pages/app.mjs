// A single-page application in Chromium: a page with a library that gets responses in the fragment.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { press, signIn, start } from "../../browser/test_provider.mjs";

/**
 * Starts the provider and an application of `NAME.html` with its library, which requests `scope`. Returns `open`, which
 * opens the application, signs in as alice and returns the page with what it shows, and `deny`.
 */
export async function startApp(name, library, scope) {
  const { issuer, origin, serve, client, newPage } = await start("loopback");
  serve(pageOf(name, readFileSync(library), { authority: issuer, scope }));
  await client("spa", {
    client_name: "A single-page app", token_endpoint_auth_method: "none", redirect_uris: [`${origin}/`],
    grant_types: ["authorization_code", "refresh_token"], post_logout_redirect_uris: [`${origin}/signed-out`],
  });
  return {
    async open() {
      const page = await newPage();
      const fragments = [];
      page.on("framenavigated", (frame) => {
        const { origin: at, hash } = new URL(frame.url());
        if (at === origin && hash) fragments.push(hash);
      });
      await page.goto(origin);
      await signIn(page);
      await press(page, "Allow");
      await page.waitForURL(`${origin}/**`);
      const shown = await outcome(page);
      return { page, shown, fragments };
    },
    /** Opens the application and denies consent. Returns what it shows. */
    async deny() {
      const page = await newPage();
      await page.goto(origin);
      await signIn(page, "bob");
      await press(page, "Deny");
      await page.waitForURL(`${origin}/**`);
      return outcome(page);
    },
  };
}

/** The request handler of an application: the page `NAME.html`, its library and its settings. */
export function pageOf(name, library, settings) {
  const files = {
    "/": ["text/html", readFileSync(new URL(`${name}.html`, import.meta.url))],
    "/signed-out": ["text/html", readFileSync(new URL("signed-out.html", import.meta.url))],
    "/library.js": ["text/javascript", library],
    "/settings.json": ["application/json", JSON.stringify(settings)],
    "/favicon.ico": ["image/x-icon", ""],
  };
  return (request, response) => {
    const [type, content] = files[new URL(request.url, "http://localhost").pathname] ?? [];
    response.writeHead(content === undefined ? 404 : 200, type && { "content-type": type }).end(content);
  };
}

/** Waits until the page shows its outcome. Returns it. */
export const outcome = async (page) =>
  JSON.parse(await page.locator("#outcome").filter({ hasText: /./ }).innerText());

/** Asserts that alice is signed in, with her e-mail, by a response in the fragment. */
export function assertSignedIn({ shown, fragments }) {
  assert.deepEqual([shown.sub, shown.userinfo?.email], ["alice", "alice@example.com"], JSON.stringify(shown));
  assert.ok(fragments.some((hash) => /[#&]code=/.test(hash)), fragments.join());
}
