// Failures of contenders. A contender that fails takes no further part in the run, and the others go on.
import { Failure } from "../scripts/steps.mjs";

/** The longest time of one step of a contender, in seconds: a start with its data, or a turn. */
const LIMIT = 90;

/** Rejects, and calls `onTimeout`, if the promise does not settle within this number of seconds. */
export async function within(seconds, promise, onTimeout = () => {}) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new Failure(`did not finish within ${seconds} s`));
      onTimeout();
    }, seconds * 1000);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** The failures of one run. */
export class Failures {
  /** @type {{ name: string, where: string, message: string }[]} */
  list = [];

  constructor(limit = LIMIT) {
    this.limit = limit;
  }

  /** Does one step of a contender. Resolves with undefined if the step fails or takes longer than the limit and `more`. */
  async attempt(name, where, work, more = 0) {
    try {
      return await within(this.limit + more, work());
    } catch (error) {
      const message = error instanceof Failure ? error.message : String(error?.stack ?? error);
      this.list.push({ name, where, message });
      process.stderr.write(`! ${name} takes no further part. ${where}: ${message.trim()}\n`);
      return undefined;
    }
  }

  has(name) {
    return this.list.some((failure) => failure.name === name);
  }
}

/** For a measurement that needs every contender: the first failure ends it. */
export const NONE_ALLOWED = { attempt: (name, where, work) => within(LIMIT, work()) };
