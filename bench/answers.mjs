// Whether the contenders answer alike where they can: a fast wrong answer is none.
import assert from "node:assert/strict";
import { ROUTES } from "./routes.mjs";

const json = ({ body }) => JSON.parse(body);

/** Compares each route's answers with Postern's. */
export async function checkAnswers(visits) {
  const postern = visits.find(({ name }) => name === "postern");
  for (const route of ROUTES) {
    const [ours] = postern.requests(route, 1);
    const expected = await postern.ask(ours);
    assert.equal(expected.status, route.status, `postern, ${route.title}: ${expected.head}\n${expected.body}`);
    for (const visit of visits) {
      if (visit === postern || !visit.contender.routes.includes(route.name)) continue;
      const [bytes] = visit.requests(route, 1);
      const answer = await visit.ask(bytes);
      const where = `${visit.name}, ${route.title}: ${answer.head}\n${answer.body}`;
      assert.equal(answer.status, route.status, where);
      compare(route.name, answer, expected, visit.contender, where);
    }
  }
}

function compare(name, answer, expected, { answers = {} }, where) {
  const differs = answers[name];
  if (differs) {
    assert.ok(differs(json(answer)), where);
  } else if (["discovery", "jwks", "userinfo-new", "userinfo-seen"].includes(name)) {
    assert.deepEqual(json(answer), json(expected), where);
  } else if (name.endsWith("304")) {
    assert.equal(answer.body, "", where);
  } else if (["redeem", "refresh"].includes(name)) {
    assert.deepEqual(Object.keys(json(answer)).sort(), Object.keys(json(expected)).sort(), where);
  } else {
    assert.equal(json(answer).error, json(expected).error, where);
  }
}
