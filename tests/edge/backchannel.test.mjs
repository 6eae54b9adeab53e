// The delivery of logout tokens to a relying party's server (OpenID Connect Back-Channel Logout 1.0).
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { createLocalJWKSet, decodeJwt, jwtVerify } from "jose";
import { Browser, putClient, putUser, redeem, successJson } from "./browser.mjs";
import { ISSUER, start, until } from "./harness.mjs";

let postern;
let server;
let jwks;
let origin;
/** The forms that the server got: path, content type and logout token. */
let forms = [];
/** The status of the next responses by path; 0 for none. */
const statuses = new Map();

before(async () => {
  postern = await start({ vars: { ALLOW_LOOPBACK: "true" } });
  server = http.createServer(async (request, response) => {
    const body = new URLSearchParams(await text(request));
    forms.push({ path: request.url, method: request.method, type: request.headers["content-type"], token: body.get("logout_token") });
    const status = statuses.get(request.url) ?? 200;
    if (status !== 0) response.writeHead(status).end("a text");
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  origin = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  await putUser(postern.operator, "alice");
  jwks = { keys: await postern.keysMade() };
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await postern.close();
});

/** Signs alice in to clients with these paths for logout tokens, and out. Returns the claims of the ID token of each. */
async function signInAndOut(...paths) {
  const browser = new Browser(postern.fetch);
  const idTokens = [];
  for (const path of paths) {
    const id = path.slice(1);
    const app = await putClient(postern.operator, id, { trusted: true, backchannel_logout_uri: `${origin}${path}` });
    const code = await browser.codeFor(app, "alice");
    idTokens.push(decodeJwt((await successJson(await redeem(postern.fetch, app, code))).id_token));
  }
  forms = [];
  const { body } = await browser.get("/auth/account");
  const form = body.split("<form").find((part) => part.includes("/auth/signout"));
  const [, token] = /name="token" value="([^"]*)"/.exec(form) ?? assert.fail(body);
  assert.equal((await browser.post("/auth/signout", { token })).status, 200);
  return idTokens;
}

const waiting = async () => (await postern.env.DB.prepare("SELECT count(*) AS count FROM logout_deliveries").first()).count;
const errors = async () =>
  (await postern.env.DB.prepare("SELECT client_id, tries, last_error FROM logout_deliveries ORDER BY client_id").all()).results;

test("a sign-out sends a logout token that a relying party can verify", async () => {
  const [idToken] = await signInAndOut("/app");
  const [form] = await until(() => forms, ({ length }) => length > 0);
  assert.deepEqual([form.path, form.method, form.type], ["/app", "POST", "application/x-www-form-urlencoded"]);
  const { payload } = await jwtVerify(form.token, createLocalJWKSet(jwks), { issuer: ISSUER, audience: "app", typ: "logout+jwt" });
  assert.deepEqual([payload.sub, payload.sid], [idToken.sub, idToken.sid]);
  assert.deepEqual(payload.events, { "http://schemas.openid.net/event/backchannel-logout": {} });
  assert.equal(payload.nonce, undefined);
  assert.equal(await until(waiting, (count) => count === 0), 0);
  assert.equal(forms.length, 1);
});

// The harness answers 500 for a redirect, so tests/it/backchannel.rs has those.
test("clients that hang, refuse or fail delay no other one", async () => {
  statuses.set("/hangs", 0).set("/refuses", 400).set("/fails", 500);
  await signInAndOut("/hangs", "/refuses", "/fails", "/works");
  // The row of the one that works ends together with those of its round, after the timeout of the one that hangs.
  const left = await until(errors, (rows) => rows.length === 3 && rows.every(({ last_error: error }) => error !== null));
  assert.deepEqual(left.map(({ client_id: id, tries, last_error: error }) => `${id} ${tries} ${error}`), [
    "fails 1 status 500", "hangs 1 no answer", "refuses 1 status 400",
  ]);
  assert.deepEqual([forms.length, new Set(forms.map(({ path }) => path))], [4, new Set(["/fails", "/hangs", "/refuses", "/works"])]);
  await postern.env.DB.prepare("DELETE FROM logout_deliveries").run();
});

test("a relying party that was down for two hours gets its token by the maintenance, once", async () => {
  statuses.set("/down", 503);
  const [idToken] = await signInAndOut("/down");
  await until(errors, ([row]) => row?.last_error === "status 503");
  for (let seconds = 300; seconds <= 7_200; seconds += 300) {
    await postern.setClockAhead(seconds);
    await postern.maintain();
  }
  assert.deepEqual([forms.length, await waiting()], [7, 1]);
  statuses.delete("/down");
  forms = [];
  for (let hours = 3; hours <= 12; hours += 1) {
    await postern.setClockAhead(hours * 3_600);
    await postern.maintain();
  }
  assert.deepEqual(forms.map(({ token }) => decodeJwt(token).sid), [idToken.sid]);
  assert.equal(await waiting(), 0);
  await postern.takeCounts();
});
