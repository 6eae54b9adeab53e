import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PANIC, buildIfChanged } from "../../scripts/build.mjs";
import { start } from "./harness.mjs";

let postern;
before(async () => {
  // So that this file, when it is run by itself, does not test a module of older sources.
  await buildIfChanged(PANIC);
  postern = await start({ config: "wrangler.panic.toml" });
});
after(() => postern.close());

for (const moment of ["at-once", "later"]) {
  test(`a panic ${moment} does not break the request after it`, async () => {
    await postern.putAlice();
    const { access_token: token } = await postern.mint();
    for (let round = 0; round < 3; round++) {
      assert.equal((await postern.userinfo(token)).status, 200, `before panic ${round}`);
      // An exception of the worker's reaches the caller as itself or as the platform's 500.
      const outcome = await postern.ask(`/provoke-panic/${moment}`).then(({ status }) => status, () => 500);
      assert.equal(outcome, 500);
      assert.equal((await postern.userinfo(token)).status, 200, `after panic ${round}`);
      assert.equal((await postern.ask("/auth/jwks.json")).status, 200);
    }
  });
}
