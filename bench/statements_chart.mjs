// Draws what `--growth` found: a line for each statement, and the times of each step.
import { atSizes, distinct, isGrowing } from "./statements_table.mjs";
import { drawing } from "./svg.mjs";
import { number } from "./table.mjs";

const WIDTH = 960;
const MARGIN = 24;
const CHART = { width: 428, top: 124, bottom: 364, labels: 66 };
const TABLE = { rowsRead: 470, times: 500, sizes: 560, row: 17 };

const [SAME, MORE, FAINT, LINE] = ["#2a6f4f", "#c2571a", "#57606a", "#d0d7de"];
/** The dots of a step, from the smallest size to the largest. */
const SHADES = ["#b7d3c4", "#6fa58a", SAME];
const TITLE = 'font-size="14" font-weight="600"';
const NORMAL = 'font-size="12"';
const SMALL = `font-size="11" fill="${FAINT}"`;
const CENTRED = 'text-anchor="middle"';
const ENDING = 'text-anchor="end"';

export function growthChart({ sizes, steps, machine }) {
  const picture = drawing();
  const { text } = picture;
  const users = sizes.map(({ users }) => users);
  const same = steps.filter((one) => !isGrowing(one));
  const [most, tokens] = [users.at(-1), sizes.at(-1).rows.refresh_tokens].map((count) => number(count));
  text(MARGIN, 32, `D1 statements in databases of up to ${most} users and ${tokens} refresh tokens`, 'font-size="18" font-weight="600"');
  text(MARGIN, 52, `${same.length} of ${steps.length} steps read the same number of rows at every size. Rows are counted by ` +
    `workerd's D1; times are of SQLite with an empty page cache; ${machine.cores} × ${machine.cpu}.`, SMALL);

  const statements = distinct(steps);
  legend(picture, statements);
  lines(picture, MARGIN, "Rows that each statement reads", { users, statements, values: ({ rowsRead }) => rowsRead,
    label: (value) => (value === 1 ? "0 or 1" : number(value)) });
  lines(picture, WIDTH - MARGIN - CHART.width, "Time of each statement", { users, statements, values: mediansOf, label: duration });

  const times = steps.flatMap(mediansOf);
  const across = scale(powerBelow(Math.min(...times)), powerAbove(Math.max(...times)), TABLE.times, WIDTH - MARGIN - 8);
  const end = table(picture, CHART.bottom + 68, "Steps that read the same rows at every size", same, { across, users });
  const last = table(picture, end + 24, "Steps that read more rows in a larger database", steps.filter(isGrowing), { across, users });
  return picture.svg(WIDTH, last + 12, "Rows read and time of each D1 statement and step, by the number of users");
}

const mediansOf = ({ time }) => time.map(({ median }) => median);
const powerAbove = (value) => 10 ** Math.ceil(Math.log10(value));
const powerBelow = (value) => 10 ** Math.floor(Math.log10(value));

/** A time in the largest unit in which it is at least one. */
function duration(microseconds) {
  if (microseconds < 1e3) return `${number(microseconds)} µs`;
  return microseconds < 1e6 ? `${number(microseconds / 1e3)} ms` : `${number(microseconds / 1e6)} s`;
}

/** A logarithmic scale between two powers of ten. A smaller value is at the beginning. */
function scale(low, high, from, to) {
  const [first, last] = [Math.log10(low), Math.log10(high)];
  return {
    at: (value) => from + ((Math.log10(Math.max(value, low)) - first) / (last - first)) * (to - from),
    ticks: Array.from({ length: Math.round(last - first) + 1 }, (_, index) => 10 ** (first + index)),
  };
}

/** The colours of the lines. */
function legend({ parts, text }, statements) {
  const more = statements.filter(isGrowing).length;
  let x = MARGIN;
  for (const [colour, content] of [
    [SAME, `${statements.length - more} statements read the same rows at every size`],
    [MORE, `${more} read more in a larger database, all of them in the steps at the end`],
  ]) {
    parts.push(`<path d="M${x} 76H${x + 18}" stroke="${colour}" stroke-width="2"/>`);
    text(x + 24, 80, content, NORMAL);
    x += 54 + content.length * 6.2;
  }
}

/** A chart with a line for each statement. The ones that read more are on top. */
function lines({ parts, text }, x, title, { users, statements, values, label }) {
  const { width, top, bottom, labels } = CHART;
  const [left, right] = [x + labels, x + width];
  const across = scale(users[0], users.at(-1), left, right);
  const up = scale(1, powerAbove(Math.max(...statements.flatMap(values))), bottom, top);
  text(x, top - 16, title, TITLE);
  for (const tick of up.ticks) {
    const y = Math.round(up.at(tick));
    parts.push(`<path d="M${left} ${y}H${right}" stroke="${LINE}" stroke-width="0.5"/>`);
    text(left - 8, y + 4, label(tick), `${SMALL} ${ENDING}`);
  }
  users.forEach((size, index) => {
    const [first, last] = [index === 0, index === users.length - 1];
    text(across.at(size), bottom + 18, first ? `${number(size)} users` : number(size), `${SMALL} ${first ? "" : last ? ENDING : CENTRED}`);
  });
  for (const [isMore, stroke] of [
    [false, `stroke="${SAME}" stroke-opacity="0.35"`], [true, `stroke="${MORE}" stroke-width="1.5"`],
  ]) {
    for (const statement of statements.filter((one) => isGrowing(one) === isMore)) {
      const points = values(statement).map((value, index) => `${across.at(users[index]).toFixed(1)} ${up.at(value).toFixed(1)}`);
      parts.push(`<path d="M${points.join("L")}" fill="none" ${stroke}/>`);
    }
  }
}

/** A row for each step: the rows that it reads, and its time at each size as a dot. Returns the end of the table. */
function table({ parts, text }, y, title, steps, { across, users }) {
  const end = y + 30 + steps.length * TABLE.row;
  text(MARGIN, y, title, TITLE);
  text(TABLE.rowsRead, y + 18, "rows read", `${SMALL} ${ENDING}`);
  const dot = (at, middle, size) =>
    parts.push(`<circle cx="${at.toFixed(1)}" cy="${middle}" r="4" fill="${SHADES[size % SHADES.length]}"/>`);
  users.forEach((size, index) => {
    const at = TABLE.sizes + index * 120;
    dot(at, y - 4, index);
    text(at + 8, y, `${number(size)} users`, SMALL);
  });
  for (const tick of across.ticks) {
    const at = across.at(tick);
    parts.push(`<path d="M${at.toFixed(1)} ${y + 24}V${end - 6}" stroke="${LINE}" stroke-width="0.5"/>`);
    text(at, y + 18, duration(tick), `${SMALL} ${CENTRED}`);
  }
  steps.forEach((one, index) => {
    const line = y + 38 + index * TABLE.row;
    text(MARGIN, line, one.step, NORMAL);
    const rows = [isGrowing(one) ? one.rowsRead[0] : one.rowsRead.at(-1), one.rowsRead.at(-1)];
    text(TABLE.rowsRead, line, atSizes(rows), `${NORMAL} ${ENDING}`);
    mediansOf(one).forEach((median, size) => dot(across.at(median), line - 4, size));
  });
  return end;
}
