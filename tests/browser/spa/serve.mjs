// Serves the single-page app and its library.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const read = (name) => readFileSync(new URL(name, import.meta.url));
// The build for a script element, which is not among the package's exports.
const module = createRequire(import.meta.url).resolve("oidc-client-ts");
const library = join(dirname(module), "../browser/oidc-client-ts.min.js");

/** The request handler of an app that signs in at `authority`. */
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
