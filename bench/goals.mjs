// Judges the goals by the measured figures.
import { ratio } from "./rounds.mjs";

const KB = 1000;

/** Returns every goal with its limit, its figure and whether it is met. */
export function judge({ routes, modules, starts }) {
  const goals = [];
  // A goal without a figure is missed: a contender has failed.
  const goal = (what, limit, figure, unit, isMet) =>
    goals.push({ what, limit, figure, unit, isMet: figure !== undefined && isMet });
  /** Calls `judge` for each measured route of these names. */
  const each = (names, judge) => {
    for (const { name, cells } of routes.filter(({ name }) => names.includes(name))) {
      const { bare, "hono + jose": hono, postern } = cells;
      judge(name, { bare, hono, postern });
    }
  };
  /** The median of `ratio`, or undefined if a contender has failed. */
  const medianOf = (...cells) => (cells.every(Boolean) ? ratio(...cells).median : undefined);

  each(["discovery", "discovery-304", "jwks", "jwks-304"], (name, { bare, postern }) => {
    const median = medianOf(postern, bare);
    goal(`${name}: CPU against bare`, "at most 1.15", median, "×", median <= 1.15);
  });
  const limits = { "userinfo-new": 0.8, "userinfo-seen": 0.35 };
  each(Object.keys(limits), (name, { bare, hono, postern }) => {
    const median = medianOf(postern, hono, bare);
    const limit = limits[name];
    goal(`${name}: CPU above the floor against hono + jose`, `at most ${limit}`, median, "×", median <= limit);
  });
  each(["userinfo-forged"], (name, { hono, postern }) => {
    const median = medianOf(postern, hono);
    goal(`${name}: CPU against hono + jose`, "under 1", median, "×", median < 1);
    goal(`${name}: D1 statements a request`, "0", postern?.statements, "", postern?.statements === 0);
    const refreshes = Math.floor((postern?.seconds ?? 0) / 10) + 1;
    goal(`${name}: KV reads in total`, `one in 10 s, so ${refreshes}`, postern?.readsInAll, "",
      postern?.readsInAll <= refreshes);
  });
  each(["redeem", "refresh"], (name, { bare, hono, postern }) => {
    const median = medianOf(postern, hono, bare);
    goal(`${name}: CPU above the floor against hono + jose`, "under 1", median, "×", median < 1);
  });
  const size = modules.postern.gzipped / KB;
  goal("gzipped module", "at most 450 KB", size, "KB", size <= 450);
  if (starts) {
    const later = starts.postern?.laterThanBare?.median;
    goal("cold start to the first response, later than bare", "at most 15 ms", later, "ms", later <= 15);
  }
  return goals;
}
