// A client metadata document (draft-ietf-oauth-client-id-metadata-document): its URL is the client_id.
import { after } from "node:test";
import { listen } from "../provider.mjs";

/** Serves a document over https. Returns its URL, and how often it was fetched. */
export async function serveDocument(metadata) {
  let fetches = 0;
  const { port, close } = await listen((request, response) => {
    if (request.url !== "/oauth/client.json") return response.writeHead(404).end();
    fetches += 1;
    response.writeHead(200, { "content-type": "application/json", "cache-control": "public, max-age=300" });
    return response.end(JSON.stringify({ client_id: url, ...metadata }));
  }, { tls: true });
  const url = `https://localhost:${port}/oauth/client.json`;
  after(close);
  return { url, fetches: () => fetches };
}
