// A relying party's own server, and its keys.
import http from "node:http";
import { exportJWK, generateKeyPair } from "jose";

/** A server on this machine: what it answers by path, and which paths were asked for. */
export async function listen() {
  const pages = new Map();
  const asked = [];
  const server = http.createServer((request, response) => {
    asked.push(request.url);
    const page = pages.get(request.url);
    if (page) page(response);
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  const serve = (path, content, type) =>
    pages.set(path, (response) => response.writeHead(200, { "content-type": type }).end(content));
  return {
    port, pages, serve, url: (path) => `http://127.0.0.1:${port}${path}`,
    /** The paths since the last time. */
    asked: () => asked.splice(0),
    json: (path, value, type = "application/json") => serve(path, JSON.stringify(value), type),
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

export async function makeKey(alg, kid) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: "sig", alg } };
}
