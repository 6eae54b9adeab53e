// Draws the results as SVG: CPU per request, with a group of bars for each route.
import { drawing } from "./svg.mjs";

const COLOURS = ["#9aa3ad", "#e07a5f", "#5fa8d3", "#3d5a80", "#d9a441", "#8d6a9f"];
const BAR = 16;
const GAP = 18;
const LEFT = 210;
const WIDTH = 860;

export function chart({ routes: measured, modules, plan }) {
  // The hash of a password needs many times the CPU of everything else.
  const routes = measured.filter(({ name }) => name !== "login");
  const all = Object.keys(modules);
  // Postern is the last bar and has its own colour.
  const colour = (name) => (name === "postern" ? "#2a6f4f" : COLOURS[all.indexOf(name) % COLOURS.length]);
  // One contender needs several times the CPU of the others. Its bars are cut at the largest of theirs.
  const largest = Math.max(...routes.flatMap(({ cells }) =>
    Object.values(cells).map(({ cpu }) => cpu.high).toSorted((one, other) => one - other).slice(0, -1)));
  const x = (value) => LEFT + (Math.min(value, largest) / largest) * (WIDTH - LEFT - 90);
  const { parts, text, svg } = drawing();
  text(16, 28, "CPU per request, µs: less is better", 'font-size="17" font-weight="600"');
  text(16, 48, `D1 and KV outside each process, data in memory on Node; medians of ${plan.rounds} rounds, lines are quartiles; ` +
    "an arrow: the bar is cut", 'font-size="12" fill="#57606a"');
  let legend = 16;
  for (const name of all) {
    parts.push(`<rect x="${legend}" y="60" width="12" height="12" rx="2" fill="${colour(name)}"/>`);
    text(legend + 18, 71, name, 'font-size="12"');
    legend += 34 + name.length * 7;
  }
  let y = 92;
  for (const { title, cells } of routes) {
    text(LEFT - 12, y + (Object.keys(cells).length * BAR) / 2 + 4, title, 'font-size="13" text-anchor="end"');
    for (const [name, { cpu }] of Object.entries(cells)) {
      const middle = y + BAR / 2 - 1;
      parts.push(`<rect x="${LEFT}" y="${y}" width="${(x(cpu.median) - LEFT).toFixed(1)}" height="${BAR - 2}" rx="2" fill="${colour(name)}"/>`);
      parts.push(`<path d="M${x(cpu.low).toFixed(1)} ${middle}H${x(cpu.high).toFixed(1)}" stroke="#1f2328" stroke-width="1.5"/>`);
      text(x(cpu.high) + 6, y + BAR - 4, `${Math.round(cpu.median)}${cpu.high > largest ? " →" : ""}`, 'font-size="11" fill="#57606a"');
      y += BAR;
    }
    y += GAP;
  }
  return svg(WIDTH, y, "CPU per request of each contender, by route");
}
