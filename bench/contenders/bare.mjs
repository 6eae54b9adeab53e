// The platform's floor: constant responses, and the D1 requests of Postern, as recorded by recording.mjs. It neither
// checks nor signs tokens.
import documents from "bench:documents";

const DOCUMENTS = new Map([
  ["/.well-known/openid-configuration", documents.discovery],
  ["/auth/jwks.json", documents.jwks],
]);
const PRIVATE = { "content-type": "application/json", "cache-control": "no-store" };
const { recorded } = documents;

/** Each parameter is a constant, or the parts of a text between which the digest is. */
const prepare = ({ requests }) => requests.map(({ isBatch, queries }) => ({
  isBatch, queries: queries.map(({ sql, params, rows }) => ({
    sql, rows, params: params.map((value) =>
      (typeof value === "string" && value.includes("{digest}") ? value.split("{digest}") : value)),
  })),
}));
const REQUESTS = Object.fromEntries(Object.entries(recorded ?? {}).map(([name, route]) => [name, prepare(route)]));

/** Repeats the D1 requests of a route. Responds with Postern's response if each statement has as many rows as there. */
async function repeat(DB, name, digest) {
  for (const { isBatch, queries } of REQUESTS[name]) {
    const statements = queries.map(({ sql, params }) =>
      DB.prepare(sql).bind(...params.map((value) => (Array.isArray(value) ? value.join(digest) : value))));
    const results = isBatch ? await DB.batch(statements) : [{ results: await statements[0].raw() }];
    if (results.some(({ results }, query) => results.length !== queries[query].rows)) {
      return new Response(null, { status: 400 });
    }
  }
  const { body, status, location } = recorded[name];
  return new Response(body, { status, headers: location ? { ...PRIVATE, location } : PRIVATE });
}

export default {
  async fetch(request, { DB }) {
    const { url } = request;
    const path = url.slice(url.indexOf("/", 8));
    const document = DOCUMENTS.get(path);
    if (document) {
      const { body, headers } = document;
      const isKnown = request.headers.get("if-none-match") === headers.etag;
      return isKnown ? new Response(null, { status: 304, headers }) : new Response(body, { headers });
    }
    if (path === "/auth/userinfo") return repeat(DB, "userinfo-new", "");
    if (path.startsWith("/auth/authorize?")) {
      return repeat(DB, "authorize", new URLSearchParams(path.slice(path.indexOf("?"))).get("state"));
    }
    const form = new URLSearchParams(await request.text());
    const code = form.get("code");
    return code ? repeat(DB, "redeem", code) : repeat(DB, "refresh", form.get("refresh_token"));
  },
};
