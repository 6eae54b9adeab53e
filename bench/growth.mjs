// Measures how the figures change with the number of users, keys and connections.
import { BARE, HONO, POSTERN } from "./contenders.mjs";
import { measure } from "./rounds.mjs";
import { makeTokens, route } from "./routes.mjs";

const ROUNDS = 11;
const COUNT = 100;
const WARM_UP = 300;
const IN_ALL = ROUNDS * COUNT + WARM_UP;

/** The dimensions: each has the routes that it could affect, its steps, and the settings of a step. */
const dimensions = ({ users, connections }, isFull) => [
  {
    what: "users", routes: ["userinfo-new", "redeem"], steps: [1_000, 100_000, ...(isFull ? [1_000_000] : [])],
    of: (users) => ({ users, connections, otherKeys: 0 }),
  },
  {
    what: "published keys", routes: ["jwks", "userinfo-new"], steps: [2, 16],
    // There is always one key for each algorithm.
    of: (keys) => ({ users, connections, otherKeys: keys - 2 }),
  },
  {
    what: "connections", routes: ["discovery", "userinfo-seen"], steps: [1, 8, 64],
    of: (connections) => ({ users, connections, otherKeys: 0 }),
  },
];

/** Returns a table for each route and dimension. */
export async function grow(bench, openAll, stopAll) {
  const tables = [];
  const contenders = [BARE, HONO, POSTERN];
  for (const { what, routes, steps, of } of dimensions(bench.plan, bench.plan.isFull)) {
    const growing = routes.map((name) => ({
      what, route: name, title: `${route(name).title}, by ${what}`, names: contenders.map(({ name }) => name), rows: [],
    }));
    for (const number of steps) {
      const label = `${number.toLocaleString("en")} ${what}`;
      await bench.phases.step(`growth: ${label}`, async () => {
        const { users, connections, otherKeys } = of(number);
        const redeemable = routes.includes("redeem") ? IN_ALL : 0;
        const tokens = makeTokens({ fresh: IN_ALL, forged: 1, users });
        const targets = await openAll({ ...bench, tokens }, { users, redeemable, otherKeys }, contenders);
        const running = () => targets.filter(({ name }) => !bench.failures.has(name));
        for (const table of growing) {
          const plan = { rounds: ROUNDS, count: COUNT, warmUp: WARM_UP, connections };
          const cells = await measure(running(), route(table.route), plan, bench.failures);
          for (const cell of Object.values(cells)) delete cell.texts;
          table.rows.push({ number, label, cells });
        }
        await stopAll(targets);
      }, { shows: true });
    }
    tables.push(...growing);
  }
  return tables;
}
