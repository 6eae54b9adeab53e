import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { start } from "./harness.mjs";

let postern;
before(async () => { postern = await start({ config: "wrangler.panic.toml" }); });
after(() => postern.close());

test("a panic does not break the request after it", async () => {
  await postern.putAlice();
  const { access_token: token } = await postern.mint();
  for (let round = 0; round < 3; round++) {
    assert.equal((await postern.userinfo(token)).status, 200, `before panic ${round}`);
    assert.ok((await postern.ask("/provoke-panic")).status >= 500);
    assert.equal((await postern.userinfo(token)).status, 200, `after panic ${round}`);
    assert.equal((await postern.ask("/auth/jwks.json")).status, 200);
  }
});
