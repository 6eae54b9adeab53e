// Two builds of Postern beside each other: this checkout's and another's, round by round.
import { join, relative } from "node:path";
import { root, step } from "../scripts/steps.mjs";
import { POSTERN } from "./contenders.mjs";
import { measure, ratio } from "./rounds.mjs";
import { table } from "./table.mjs";
import { readDocuments, chosen, countsOf, openAll, stopAll } from "./run.mjs";
import { makeTokens } from "./routes.mjs";
import { startStores } from "./stores.mjs";
import { bundle } from "./workerd.mjs";

const ENTRY = join("src", "cloudflare", "entry.mjs");

/** The CPU of each route against that of the build in another checkout's folder, as a table. */
export async function measurePair(plan, folder) {
  const before = { ...POSTERN, name: "before", entry: relative(root, join(folder, ENTRY)) };
  const contenders = [before, POSTERN];
  const counts = countsOf(plan);
  const stores = startStores();
  try {
    const documents = await step("asking Postern for its documents", () => readDocuments(stores));
    const bundles = await step("bundling both", async () => new Map(await Promise.all(
      contenders.map(async ({ name, entry }) => [name, await bundle(name, entry, documents)]))));
    const tokens = await step("signing tokens", () => makeTokens({
      fresh: counts.get("userinfo-new").inAll, forged: counts.get("userinfo-forged").inAll, users: plan.users,
    }));
    const contents = { users: plan.users, redeemable: counts.get("redeem").inAll };
    const visits = await step("starting them", () =>
      openAll({ documents, bundles, tokens, stores }, contents, contenders));
    const rows = [];
    for (const route of chosen(plan)) {
      const cells = await step(route.title, () => measure(visits, route, counts.get(route.name)));
      const { before, [POSTERN.name]: after } = cells;
      const { median, low, high } = ratio(after, before);
      const digits = (value) => value.toFixed(2);
      rows.push([
        route.title, Math.round(before.cpu.median), Math.round(after.cpu.median),
        `${digits(median)} (${digits(low)}–${digits(high)})`,
      ]);
    }
    await stopAll(visits);
    return table(["CPU, µs a request", "before", "after", "after / before (quartiles)"], rows);
  } finally {
    stores.close();
  }
}
