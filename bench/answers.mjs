// Compares the contenders' responses, so that no contender is fast because it is wrong.
import assert from "node:assert/strict";
import { ROUTES } from "./routes.mjs";

const json = ({ body }) => JSON.parse(body);

/** Compares the responses of each route with Postern's. */
export async function checkAnswers(targets) {
  const postern = targets.find(({ name }) => name === "postern");
  for (const route of ROUTES) {
    const [ours] = postern.requests(route, 1);
    const expected = await postern.send(ours);
    assert.equal(expected.status, route.status, `postern, ${route.title}: ${expected.head}\n${expected.body}`);
    for (const target of targets) {
      if (target === postern || !target.contender.routes.includes(route.name)) continue;
      const [bytes] = target.requests(route, 1);
      const response = await target.send(bytes);
      const where = `${target.name}, ${route.title}: ${response.head}\n${response.body}`;
      assert.equal(response.status, route.status, where);
      compare(route.name, response, expected, target.contender, where);
    }
  }
}

function compare(name, response, expected, { answers = {} }, where) {
  const differs = answers[name];
  if (differs) {
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
