// The platform's floor: constant responses, and the same D1 statements as Postern. It neither checks nor signs tokens.
import documents from "bench:documents";
import { CLIENT, IDLE, REDEEM, REFRESH, GRANT_STATUS } from "./statements.mjs";

const DOCUMENTS = new Map([
  ["/.well-known/openid-configuration", documents.discovery],
  ["/auth/jwks.json", documents.jwks],
]);
const PRIVATE = { "content-type": "application/json", "cache-control": "no-store" };
const { grantId, sub, clientId } = documents.sample;
const TOKENS = JSON.stringify(documents.tokens);

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
    if (path === "/auth/userinfo") {
      const [row] = await DB.prepare(GRANT_STATUS).bind(grantId, sub, clientId).raw();
      return new Response(row[1], { headers: PRIVATE });
    }
    const form = new URLSearchParams(await request.text());
    const now = Math.floor(Date.now() / 1000);
    await DB.prepare(CLIENT).bind(clientId, now).raw();
    if (form.get("grant_type") === "authorization_code") {
      const code = form.get("code");
      const [, redeemed] = await DB.batch([
        DB.prepare(REDEEM.begin).bind(code, clientId, now, `${code}.first`, now + IDLE, "offline_access"),
        DB.prepare(REDEEM.spend).bind(code, clientId, now),
        DB.prepare(REDEEM.read).bind(code, clientId),
      ]);
      if (redeemed.results.length === 0) return new Response(null, { status: 400 });
    } else {
      const token = form.get("refresh_token");
      const successor = `${token}.next`;
      const rows = await DB.prepare(REFRESH.find).bind(token, successor, clientId).raw();
      if (rows.length === 0) return new Response(null, { status: 400 });
      await DB.batch([
        DB.prepare(REFRESH.succeed).bind(token, successor, now + IDLE),
        DB.prepare(REFRESH.spend).bind(token, now),
        DB.prepare(REFRESH.look).bind(successor),
      ]);
    }
    return new Response(TOKENS, { headers: PRIVATE });
  },
};
