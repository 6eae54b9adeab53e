// The limits of password guesses, in miniature: their statements on real D1, from two isolates.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { PASSWORD, Browser, authorizePath, formOf, isLogin, putClient, putUser } from "./browser.mjs";
import { startIsolates } from "./harness.mjs";

const FOUR_HOURS = 4 * 3_600;
/** Addresses in a hundred networks, half of them of IPv6. */
const NETWORKS = Array.from({ length: 100 }, (_, n) => (n % 2 ? `10.0.${n}.1` : `2001:db8:${n}::1`));

let isolates, database, path;
before(async () => {
  isolates = await startIsolates(2);
  const [{ operator, env }] = isolates;
  database = env.DB;
  for (const sub of ["alice", "bob"]) await putUser(operator, sub);
  path = authorizePath(await putClient(operator), { prompt: "login" });
});

/** Guesses a password at once from each address, with one form. Returns how many guesses were looked at. */
async function guessFrom(addresses, login) {
  const mallory = new Browser(isolates[0].fetch);
  const { action, fields } = formOf(await mallory.get(path));
  const pages = await Promise.all(addresses.map((address, index) => {
    const browser = new Browser(isolates[index % isolates.length].fetch, { address });
    for (const cookie of mallory.cookies) browser.cookies.set(...cookie);
    return browser.post(action, { ...fields, login, password: "a guess" });
  }));
  for (const { status, headers, body } of pages) {
    assert.ok(status === 403 || status === 429 && Number(headers.get("retry-after")) >= 1, `${status} ${body}`);
  }
  return pages.filter(({ status }) => status === 403).length;
}

/** Types a password in a browser. */
async function typeIn(browser, password, login = "alice") {
  const { action, fields } = formOf(await browser.get(path));
  return browser.post(action, { ...fields, login, password });
}

test("of a hundred networks at once, the account's counter has about twenty guesses looked at", async () => {
  const [{ fetch, operator }] = isolates;
  const known = new Browser(fetch);
  assert.ok(!isLogin(await known.signInOn(await known.get(path), "alice")));
  const begin = Date.now();
  const lookedAt = await guessFrom(NETWORKS, "alice");
  // After twenty, one a second is.
  const seconds = Math.ceil((Date.now() - begin) / 1_000);
  assert.ok(lookedAt >= 20 && lookedAt <= 20 + seconds, `${lookedAt} in ${seconds} s`);
  const { rows } = await database.prepare("SELECT count(*) AS rows FROM sign_in_attempts").first();
  assert.ok(rows <= 8, `${rows} rows for one login`);

  // As after ninety guesses.
  await database.prepare("UPDATE sign_in_attempts SET failures = 90, next_at = 0 WHERE failures >= 20").run();
  const lasts = await guessFrom(NETWORKS, "alice");
  assert.equal(lasts, 1);
  const stranger = new Browser(fetch, { address: "192.0.2.1" });
  const refused = await typeIn(stranger, PASSWORD);
  assert.equal(refused.status, 429);
  const wait = Number(refused.headers.get("retry-after"));
  assert.ok(wait > FOUR_HOURS - 60 && wait <= FOUR_HOURS, `${wait} s`);
  assert.match(refused.body, /wait 4 hours/);

  // The owner signs in in the known browser, and is admitted to a new one by the operator.
  assert.equal((await typeIn(known, PASSWORD)).status, 303);
  assert.equal((await typeIn(stranger, PASSWORD)).status, 429, "a success elsewhere changes nothing");
  const { status } = await operator("PUT", "/admin/users/alice/password", { password: PASSWORD });
  assert.equal(status, 200);
  assert.equal((await typeIn(stranger, PASSWORD)).status, 303);
});

test("the networks in one /48 network of IPv6 have five guesses looked at together", async () => {
  const begin = Date.now();
  const lookedAt = await guessFrom(NETWORKS.map((_, n) => `2001:db8:ffff:${n}::1`), "bob");
  const seconds = Math.ceil((Date.now() - begin) / 1_000);
  assert.ok(lookedAt >= 5 && lookedAt <= 5 + Math.log2(seconds + 1), `${lookedAt} in ${seconds} s`);
  const elsewhere = new Browser(isolates[0].fetch, { address: "192.0.2.1" });
  assert.equal((await typeIn(elsewhere, PASSWORD, "bob")).status, 303);
});
