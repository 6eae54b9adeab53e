// Postern with its calls between JavaScript and wasm counted. /crossings returns the counts.
import { takeCrossings } from "./count.mjs";
import { fetch } from "../../build/named/index.js";

export default {
  fetch(request, env, context) {
    if (request.url.endsWith("/crossings")) return Response.json(takeCrossings());
    return fetch(request, env, context);
  },
};
