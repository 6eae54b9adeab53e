// The goals, each judged by what was measured.
import { ratio } from "./rounds.mjs";

const KB = 1000;

/** Every goal: what it says, the figure, and whether it is met. */
export function judge({ routes, modules, starts }) {
  const goals = [];
  const goal = (what, limit, figure, unit, isMet) => goals.push({ what, limit, figure, unit, isMet });
  const cells = (name) => {
    const { bare, "hono + jose": hono, postern } = routes.find((route) => route.name === name).cells;
    return { bare, hono, postern };
  };

  for (const name of ["discovery", "discovery-304", "jwks", "jwks-304"]) {
    const { bare, postern } = cells(name);
    const { median } = ratio(postern, bare);
    goal(`${name}: CPU against bare`, "at most 1.15", median, "×", median <= 1.15);
  }
  for (const [name, limit] of [["userinfo-new", 0.8], ["userinfo-seen", 0.35]]) {
    const { bare, hono, postern } = cells(name);
    const { median } = ratio(postern, hono, bare);
    goal(`${name}: CPU above the floor against hono + jose`, `at most ${limit}`, median, "×", median <= limit);
  }
  {
    const { hono, postern } = cells("userinfo-forged");
    const { median } = ratio(postern, hono);
    goal("userinfo-forged: CPU against hono + jose", "under 1", median, "×", median < 1);
    goal("userinfo-forged: D1 statements a request", "0", postern.statements, "", postern.statements === 0);
    const refreshes = Math.floor(postern.seconds / 10) + 1;
    goal("userinfo-forged: KV reads, all in all", `one in 10 s, so ${refreshes}`, postern.readsInAll, "",
      postern.readsInAll <= refreshes);
  }
  for (const name of ["redeem", "refresh"]) {
    const { bare, hono, postern } = cells(name);
    const { median } = ratio(postern, hono, bare);
    goal(`${name}: CPU above the floor against hono + jose`, "under 1", median, "×", median < 1);
  }
  const size = modules.postern.gzipped / KB;
  goal("gzipped module", "at most 300 KB", size, "KB", size <= 300);
  const later = starts.postern.laterThanBare.median;
  goal("cold start to the first answer, later than bare", "at most 10 ms", later, "ms", later <= 10);
  return goals;
}
