// Compares two builds of Postern round by round: this checkout's and another's.
import { join, relative } from "node:path";
import { root, step } from "../scripts/steps.mjs";
import { POSTERN } from "./contenders.mjs";
import { measure, ratio } from "./rounds.mjs";
import { table } from "./table.mjs";
import { bundleAll, readDocuments, chosen, countsOf, openAll, stopAll } from "./run.mjs";
import { makeTokens } from "./routes.mjs";
import { startStores } from "./stores.mjs";

const ENTRY = join("src", "cloudflare", "entry.mjs");

/** Returns a table of each route's CPU in this build and in the build of the checkout in `folder`. */
export async function measurePair(plan, folder) {
  const other = { ...POSTERN, name: "before", entry: relative(root, join(folder, ENTRY)) };
  const contenders = [other, POSTERN];
  const counts = countsOf(plan);
  const stores = startStores();
  try {
    const documents = await step("reading Postern's documents", () => readDocuments(stores));
    const bundles = await step("bundling both", () => bundleAll(contenders, documents));
    const tokens = await step("signing tokens", async () => makeTokens({
      fresh: counts.get("userinfo-new").inAll, forged: counts.get("userinfo-forged").inAll, users: plan.users,
    }));
    const contents = { users: plan.users, redeemable: counts.get("redeem").inAll };
    const targets = await step("starting them", () =>
      openAll({ documents, bundles, tokens, stores }, contents, contenders), { shows: true });
    const rows = [];
    for (const route of chosen(plan)) {
      const cells = await step(route.title, () => measure(targets, route, counts.get(route.name)));
      const { before, [POSTERN.name]: after } = cells;
      const { median, low, high } = ratio(after, before);
      const digits = (value) => value.toFixed(2);
      rows.push([
        route.title, Math.round(before.cpu.median), Math.round(after.cpu.median),
        `${digits(median)} (${digits(low)}–${digits(high)})`,
      ]);
    }
    await stopAll(targets);
    return table(["CPU, µs a request", "before", "after", "after / before (quartiles)"], rows);
  } finally {
    stores.close();
  }
}
