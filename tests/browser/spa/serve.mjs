// Serves the single-page app, with the library as it comes from npm.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const read = (name) => readFileSync(new URL(name, import.meta.url));
const library = createRequire(import.meta.url).resolve("oidc-client-ts").replace(/umd.oidc-client-ts\.js$/, "browser/oidc-client-ts.min.js");

/** A handler of requests, for the app that signs in at `authority`. */
export function singlePageApp(authority) {
  const files = {
    "/": ["text/html", read("index.html")],
    "/app.mjs": ["text/javascript", read("app.mjs")],
    "/oidc-client-ts.js": ["text/javascript", readFileSync(library)],
    "/settings.json": ["application/json", JSON.stringify({ authority })],
  };
  return (request, response) => {
    const [type, content] = files[new URL(request.url, authority).pathname] ?? [];
    response.writeHead(content ? 200 : 404, type && { "content-type": type }).end(content);
  };
}
