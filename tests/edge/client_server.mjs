// A relying party's own HTTP server and keys.
import { once } from "node:events";
import http from "node:http";
import { exportJWK, generateKeyPair } from "jose";

/** Starts a server on this machine. It answers by `pages` and records the paths of requests. */
export async function listen() {
  const pages = new Map();
  const paths = [];
  const server = http.createServer((request, response) => {
    paths.push(request.url);
    const page = pages.get(request.url);
    if (page) page(response);
    else response.writeHead(404).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const serve = (path, content, type) =>
    pages.set(path, (response) => response.writeHead(200, { "content-type": type }).end(content));
  return {
    port, pages, serve, url: (path) => `http://127.0.0.1:${port}${path}`,
    /** The paths of the requests since the last call. */
    takePaths: () => paths.splice(0),
    json: (path, value, type = "application/json") => serve(path, JSON.stringify(value), type),
    /** Serves a client metadata document, and returns it. Its server does not keep the process alive. */
    client(path, metadata) {
      server.unref();
      const client_id = `http://127.0.0.1:${port}${path}`;
      const document = {
        client_id, client_name: "The Tool", redirect_uris: ["https://app.example/cb"], token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token"], ...metadata,
      };
      serve(path, JSON.stringify(document), "application/json");
      return document;
    },
    closeAllConnections: () => server.closeAllConnections(),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export async function makeKey(alg, kid) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: "sig", alg } };
}
