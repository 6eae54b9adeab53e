// Compares the contenders' responses, so that no contender is fast because it is wrong.
import assert from "node:assert/strict";
import { Failure } from "../scripts/steps.mjs";
import { destinationOf, locationIn } from "./browser.mjs";
import { CLIENT } from "./fixtures.mjs";
import { ROUTES } from "./routes.mjs";

const json = ({ body }) => JSON.parse(body);

/**
 * Compares the responses of each route with Postern's. Returns the targets without those that failed, or whose response
 * is wrong.
 */
export async function checkAnswers(targets, failures) {
  const postern = targets.find(({ name }) => name === "postern");
  if (!postern) throw new Failure("postern did not start, so there is nothing to compare with");
  for (const route of ROUTES) {
    await postern.prepare(route, 1);
    const [ours] = postern.requests(route, 1);
    const expected = await postern.send(ours);
    assert.equal(expected.status, route.status, `postern, ${route.title}: ${expected.head}\n${expected.body}`);
    for (const target of targets) {
      if (target === postern || failures.has(target.name) || !target.contender.routes.includes(route.name)) continue;
      await failures.attempt(target.name, route.title, () => check(target, route, expected));
    }
  }
  const failed = targets.filter(({ name }) => failures.has(name));
  for (const { worker } of failed) worker.kill();
  return targets.filter((target) => !failed.includes(target));
}

async function check(target, route, expected) {
  await target.prepare(route, 1);
  const [bytes] = target.requests(route, 1);
  const response = await target.send(bytes);
  const where = `${target.name}, ${route.title}: ${response.head}\n${response.body}`;
  assert.equal(response.status, target.status(route), where);
  compare(route.name, response, expected, target.contender, where);
}

function compare(name, response, expected, { answers = {} }, where) {
  const differs = answers[name];
  if (["authorize", "login"].includes(name)) {
    checkRedirect(name, response, where);
  } else if (differs) {
    assert.ok(differs(json(response)), where);
  } else if (["discovery", "jwks", "userinfo-new", "userinfo-seen"].includes(name)) {
    assert.deepEqual(json(response), json(expected), where);
  } else if (name.endsWith("304")) {
    assert.equal(response.body, "", where);
  } else if (["redeem", "refresh"].includes(name)) {
    assert.deepEqual(new Set(Object.keys(json(response))), new Set(Object.keys(json(expected))), where);
  } else {
    assert.equal(json(response).error, json(expected).error, where);
  }
}

/** A signed-in user goes to the client with a code; a login begins a session or leads to a code. */
function checkRedirect(name, { head, body }, where) {
  const destination = destinationOf({ location: locationIn(head), body });
  assert.ok(destination, where);
  const hasCode = destination.startsWith(`${CLIENT.redirectUri}?`) && new URL(destination).searchParams.has("code");
  const hasSession = name === "login" && /\r\nset-cookie: *[^=]*session/i.test(head);
  assert.ok(hasCode || hasSession, where);
}
