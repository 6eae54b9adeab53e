// A resource server on Workers. It knows the provider by its issuer and checks access tokens by the published keys
// alone.
import { Hono } from "hono";
import { createRemoteJWKSet, customFetch, jwtVerify } from "jose";

/** @type {Hono<any>} */
const app = new Hono();

app.use(async (c, next) => {
  const { ISSUER, AUDIENCE, POSTERN } = c.env;
  const keys = createRemoteJWKSet(new URL(`${ISSUER}/auth/jwks.json`), {
    [customFetch]: (url, options) => POSTERN.fetch(url, options),
  });
  const [, token] = /^Bearer (\S+)$/.exec(c.req.header("authorization") ?? "") ?? [];
  try {
    const expected = { issuer: ISSUER, audience: AUDIENCE, typ: "at+jwt", algorithms: ["ES256"] };
    c.set("token", (await jwtVerify(token, keys, expected)).payload);
  } catch (error) {
    return c.json({ error: "invalid_token", code: error.code }, 401);
  }
  await next();
});

app.get("/orders", (c) => {
  const { sub, client_id, scope } = c.get("token");
  if (!scope.split(" ").includes("orders:read")) return c.json({ error: "insufficient_scope" }, 403);
  return c.json({ sub, client_id, is_machine: sub === client_id });
});

export default app;
