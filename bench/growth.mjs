// What becomes of the figures as there is more: users, keys, connections.
import { step } from "../scripts/steps.mjs";
import { BARE, HONO, POSTERN } from "./contenders.mjs";
import { measure } from "./rounds.mjs";
import { makeTokens, route } from "./routes.mjs";

const ROUNDS = 11;
const COUNT = 100;
const WARM_UP = 300;
const IN_ALL = ROUNDS * COUNT + WARM_UP;

/** Each dimension: its steps, the routes that could feel it, and what a step means. */
const dimensions = ({ users, connections }, isFull) => [
  {
    what: "users", routes: ["userinfo-new", "redeem"], steps: [1_000, 100_000, ...(isFull ? [1_000_000] : [])],
    of: (users) => ({ users, connections, otherKeys: 0 }),
  },
  {
    what: "published keys", routes: ["jwks", "userinfo-new"], steps: [2, 16],
    // A key for each algorithm is always there.
    of: (keys) => ({ users, connections, otherKeys: keys - 2 }),
  },
  {
    what: "connections", routes: ["discovery", "userinfo-seen"], steps: [1, 8, 64],
    of: (connections) => ({ users, connections, otherKeys: 0 }),
  },
];

/** A table for each route and dimension. */
export async function grow(world, openAll, stopAll) {
  const tables = [];
  const contenders = [BARE, HONO, POSTERN];
  for (const { what, routes, steps, of } of dimensions(world.plan, world.plan.isFull)) {
    const growing = routes.map((name) => ({
      what, route: name, title: `${route(name).title}, by ${what}`, names: contenders.map(({ name }) => name), rows: [],
    }));
    for (const number of steps) {
      const label = `${number.toLocaleString("en")} ${what}`;
      await step(`growth: ${label}`, async () => {
        const { users, connections, otherKeys } = of(number);
        const redeemable = routes.includes("redeem") ? IN_ALL : 0;
        const tokens = makeTokens({ fresh: IN_ALL, forged: 1, users });
        const visits = await openAll({ ...world, tokens }, { users, redeemable, otherKeys }, contenders);
        for (const table of growing) {
          const plan = { rounds: ROUNDS, count: COUNT, warmUp: WARM_UP, connections };
          const cells = await measure(visits, route(table.route), plan);
          for (const cell of Object.values(cells)) delete cell.texts;
          table.rows.push({ number, label, cells });
        }
        await stopAll(visits);
      });
    }
    tables.push(...growing);
  }
  return tables;
}
