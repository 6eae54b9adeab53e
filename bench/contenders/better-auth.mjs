// better-auth on Workers with its OAuth provider, as in its documentation, and with D1 as the database. Each request makes
// an instance: requests that share one wait for each other's promises, which Workers cancels. It leaves the pages for
// login and consent to its user; a script in them sends their forms to it as JSON.
import { betterAuth } from "better-auth";
import { optionsOf } from "./better-auth-options.mjs";

/** A form whose fields a script sends as JSON. */
const form = (action, inputs) => `<form data-json method="post" action="/api/auth/${action}">${inputs}</form>`;
const PAGES = {
  "/sign-in": form("sign-in/email", '<input name="email"><input name="password" type="password"><button>Sign in</button>'),
  "/consent": form("oauth2/consent", '<button name="accept">Allow</button>'),
};

export default {
  fetch(request, { ISSUER, SECRET, DB }) {
    const page = PAGES[new URL(request.url).pathname];
    if (page) return new Response(page, { headers: { "content-type": "text/html", "cache-control": "no-store" } });
    return betterAuth(optionsOf({ issuer: ISSUER, secret: SECRET, database: DB })).handler(request);
  },
};
