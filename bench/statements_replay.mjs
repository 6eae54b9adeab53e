// Measures how long each recorded statement takes, in SQLite on a copy of the database.
import { DatabaseSync } from "node:sqlite";
import { Failure } from "../scripts/steps.mjs";
import { spread } from "./statistics.mjs";

/** The repetitions of a step, if they fit into the time, in milliseconds. */
const REPETITIONS = 31;
const LONGEST = 3_000;
const FEWEST = 3;

/**
 * Runs the recorded requests in order. A step's requests are first repeated and rolled back, so that each repetition does
 * the same work, and then committed, so that the next step finds the rows that it found when it was recorded.
 *
 * Each repetition begins with an empty page cache: every page is read from the file, which the system has in memory.
 *
 * @param {string} file
 * @param {{ step?: string, requests: any[][] }[]} recorded
 * @returns {Map<string, { time: any, statements: any[] }>} For each step its time in microseconds, and its statements'.
 */
export function replay(file, recorded) {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF");
  const prepared = new Map();
  const run = ({ sql, params, rows }) => {
    if (!prepared.has(sql)) prepared.set(sql, database.prepare(sql));
    const begin = performance.now();
    const { length } = prepared.get(sql).all(...params);
    const microseconds = (performance.now() - begin) * 1_000;
    if (length !== rows) throw new Failure(`${length} rows instead of ${rows}: ${sql}`);
    return microseconds;
  };
  /** Runs the statements in one transaction. Returns the time of each. */
  const runAll = (statements, end) => {
    database.exec("PRAGMA shrink_memory; BEGIN");
    const times = statements.map(run);
    database.exec(end);
    return times;
  };

  const measured = new Map();
  for (const { step, requests } of recorded) {
    const statements = requests.flat();
    if (step !== undefined) {
      // The first one, which also prepares the statements, does not count.
      runAll(statements, "ROLLBACK");
      const begin = performance.now();
      const repetitions = [];
      while (repetitions.length < FEWEST || (repetitions.length < REPETITIONS && performance.now() - begin < LONGEST)) {
        repetitions.push(runAll(statements, "ROLLBACK"));
      }
      measured.set(step, {
        time: spread(repetitions.map((times) => times.reduce((sum, time) => sum + time, 0))),
        statements: statements.map((_, index) => ({ time: spread(repetitions.map((times) => times[index])) })),
      });
    }
    runAll(statements, "COMMIT");
  }
  database.close();
  return measured;
}
