// Verifies signatures by the module's own functions for SubtleCrypto, and sends the module documents, many at a time.
import { importKey, verify } from "../../src/cloudflare/platform.mjs";

const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

/** Imported keys by algorithm and JWK. */
const imported = new Map();

/** Returns "+" or "-", or the error that SubtleCrypto throws. */
async function verdict([alg, jwk, message, signature]) {
  try {
    const name = `${alg} ${jwk}`;
    if (!imported.has(name)) imported.set(name, await importKey(alg, jwk, "verify"));
    return await verify(imported.get(name), bytes(signature), bytes(message)) ? "+" : "-";
  } catch (error) {
    return String(error);
  }
}

/** Registers a client by the bytes of a document. */
async function register(env, document) {
  const headers = { "content-type": "application/json" };
  const init = { method: "POST", headers, body: bytes(document) };
  const response = await env.POSTERN.fetch("https://login.example.com/auth/register", init);
  return { status: response.status, body: await response.json() };
}

export default {
  /**
   * At `/verify`, takes vectors as `[alg, jwk, message, signature]` and returns the verdict about each. At `/register`,
   * takes documents and returns the response to each. Bytes are base64.
   */
  async fetch(request, env) {
    const all = await request.json();
    const isOfDocuments = new URL(request.url).pathname === "/register";
    return Response.json(await Promise.all(all.map((one) => (isOfDocuments ? register(env, one) : verdict(one)))));
  },
};
