import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PANIC, buildIfChanged } from "../../scripts/build.mjs";
import { start, until } from "./harness.mjs";

let postern;
before(async () => {
  // For a run of this file alone: the module must be of today's sources.
  await buildIfChanged(PANIC);
  postern = await start({ config: "wrangler.panic.toml" });
});
after(() => postern.close());

/** The status of a response. An exception in the worker rejects the promise or becomes the platform's 500. */
const statusOf = (response) => response.then(({ status }) => status, () => 500);

async function aliceToken() {
  await postern.putAlice();
  return (await postern.mint()).access_token;
}

/** The number of instances of the module since the last command. */
const instancesMade = async () => (await postern.takeCounts()).instances;

for (const moment of ["at-once", "later"]) {
  test(`a panic ${moment} does not break the request after it`, async () => {
    const token = await aliceToken();
    for (let round = 0; round < 3; round++) {
      assert.equal((await postern.userinfo(token)).status, 200, `before panic ${round}`);
      assert.equal(await statusOf(postern.fetch(`/provoke-panic/${moment}`)), 500);
      assert.equal((await postern.userinfo(token)).status, 200, `after panic ${round}`);
      assert.equal((await postern.fetch("/auth/jwks.json")).status, 200);
    }
  });

  test(`a panic ${moment} fails the requests in flight, which do not affect the next instance`, async () => {
    const token = await aliceToken();
    await postern.keysMade();
    assert.equal((await postern.userinfo(token)).status, 200);

    await postern.holdBindings("DB");
    const inFlight = Array.from({ length: 20 }, () => statusOf(postern.userinfo(token)));
    let waiting = 0;
    await until(async () => (waiting += (await postern.holdBindings("DB")).DB), () => waiting >= inFlight.length);
    assert.equal(waiting, inFlight.length);
    assert.equal(await statusOf(postern.fetch(`/provoke-panic/${moment}`)), 500);
    // D1 responds again: the first request to continue after the panic belongs to the ended instance.
    const instancesAtOnce = await instancesMade();
    assert.deepEqual(await Promise.all(inFlight), inFlight.map(() => 500));

    for (let round = 0; round < 20; round++) {
      const response = await postern.userinfo(token);
      assert.equal(response.status, 200, `request ${round} after the panic`);
      assert.equal((await response.json()).sub, "alice");
    }
    assert.equal(instancesAtOnce + (await instancesMade()), 1, "instances made after one panic");
  });
}
