import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PANIC, buildIfChanged } from "../../scripts/build.mjs";
import { start, until } from "./harness.mjs";

let postern;
before(async () => {
  // So that this file, when it is run by itself, does not test a module of older sources.
  await buildIfChanged(PANIC);
  postern = await start({ config: "wrangler.panic.toml" });
});
after(() => postern.close());

/** The status of a response. An exception of the worker's reaches the caller as itself or as the platform's 500. */
const statusOf = (response) => response.then(({ status }) => status, () => 500);

async function aliceToken() {
  await postern.putAlice();
  return (await postern.mint()).access_token;
}

/** How many instances of the module were made since the last order. */
const instancesMade = async () => (await postern.watch()).instances;

for (const moment of ["at-once", "later"]) {
  test(`a panic ${moment} does not break the request after it`, async () => {
    const token = await aliceToken();
    for (let round = 0; round < 3; round++) {
      assert.equal((await postern.userinfo(token)).status, 200, `before panic ${round}`);
      assert.equal(await statusOf(postern.ask(`/provoke-panic/${moment}`)), 500);
      assert.equal((await postern.userinfo(token)).status, 200, `after panic ${round}`);
      assert.equal((await postern.ask("/auth/jwks.json")).status, 200);
    }
  });

  test(`a panic ${moment} fails the requests in flight, and they leave the next instance alone`, async () => {
    const token = await aliceToken();
    await postern.keysMade();
    assert.equal((await postern.userinfo(token)).status, 200);

    await postern.hold("DB");
    const inFlight = Array.from({ length: 20 }, () => statusOf(postern.userinfo(token)));
    let waiting = 0;
    await until(async () => (waiting += (await postern.hold("DB")).DB), () => waiting >= inFlight.length);
    assert.equal(waiting, inFlight.length);
    assert.equal(await statusOf(postern.ask(`/provoke-panic/${moment}`)), 500);
    // D1 answers: the first to go on after the panic is a request of the instance that ended.
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
