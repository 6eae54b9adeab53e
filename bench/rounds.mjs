// Measures the contenders in turn, round by round.
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../scripts/steps.mjs";
import { NONE_ALLOWED } from "./failures.mjs";
import { Load, send } from "./load.mjs";
import { quantile, spread } from "./statistics.mjs";

/** A running contender, with the number of its next request for each route. */
export class Target {
  next = new Map();
  /** The number of requests in rounds. */
  sent = 0;
  /** @type {any} */ contender;
  /** @type {any} */ worker;
  /** @type {any} */ store;
  /** @type {any} */ paths;
  /** @type {any} */ client;
  /** @type {any} */ tokens;
  /** @type {any} */ codes;
  /** @type {any} */ refreshTokens;
  /** @type {any} */ etags;
  /** @type {any} */ users;
  /** The browsers of signed-in users. @type {import("./browser.mjs").Browser[]} */
  browsers = [];
  /** The submissions of sign-in forms. @type {Buffer[]} */
  logins = [];

  /** `data` is the content of requests: DEFAULTS in routes.mjs, the tokens and the ETags. */
  constructor(contender, worker, store, data) {
    Object.assign(this, data, { contender, worker, store });
    this.name = contender.name;
  }

  /** The status of the expected responses. */
  status({ name, status }) {
    return this.contender.statuses?.[name] ?? status;
  }

  /** Makes the next requests for a route possible. */
  async prepare(route, count) {
    await route.prepare?.(this, count);
  }

  /** The next requests for a route. No number is used twice. */
  requests(route, count) {
    if (route.isStatic) {
      const request = route.make(this);
      return Array.from({ length: count }, () => request);
    }
    const begin = this.next.get(route.name) ?? 0;
    this.next.set(route.name, begin + count);
    return Array.from({ length: count }, (_, index) => route.make(this, begin + index));
  }

  send(bytes) {
    return send(this.worker.port, bytes);
  }
}

/** The fewest rounds of a route, however long they take. */
const LEAST_ROUNDS = 11;
/** The fewest requests of a turn. */
const LEAST_REQUESTS = 6;

/** This number of requests, or the share of it that a contender gets. */
const shareOf = (count, { share = 1 }) => Math.max(Math.round(count * share), Math.min(count, LEAST_REQUESTS));

/**
 * Measures every target in turn, after some requests to warm up. Returns a cell of figures for each, by name. The rounds
 * end after `seconds`. A target that fails has no cell, and its worker is killed.
 */
export async function measure(targets, route, plan, failures = NONE_ALLOWED) {
  const { rounds, count, warmUp, connections, seconds = Infinity } = plan;
  const runs = targets.map((target) => new Turns(target, route, shareOf(count, target.contender), connections));
  const isRunning = (one) => !one.hasFailed;
  for (const one of runs) {
    await one.attempt(failures, async () => {
      const first = shareOf(warmUp, one.target.contender);
      await one.target.prepare(route, first + rounds * one.count);
      if (first > 0) await one.run(first);
      await one.target.store.take();
    });
  }
  const begin = performance.now();
  const elapsed = () => (performance.now() - begin) / 1000;
  for (let round = 0; round < rounds && (round < LEAST_ROUNDS || elapsed() < seconds); round++) {
    const running = runs.filter(isRunning);
    for (let turn = 0; turn < running.length; turn++) {
      // Another target is the first in each round.
      const one = running[(turn + round) % running.length];
      await one.attempt(failures, async () => one.rounds.push(await one.run()));
    }
  }
  const cells = {};
  for (const one of runs.filter(isRunning)) {
    await one.attempt(failures, async () => { cells[one.target.name] = await one.cell(elapsed()); });
  }
  for (const { load } of runs) load.close();
  return cells;
}

/** The turns of one target on one route. */
class Turns {
  rounds = [];
  hasFailed = false;

  constructor(target, route, count, connections) {
    /** @type {any} */ this.target = target;
    /** @type {any} */ this.route = route;
    /** The number of requests of a turn. */
    this.count = count;
    this.load = new Load(target.worker.port, connections);
  }

  /** Does one step. If it fails, the target takes no further turns. */
  async attempt(failures, work) {
    const done = await failures.attempt(this.target.name, this.route.title, async () => {
      await work();
      return true;
    });
    if (done) return;
    this.hasFailed = true;
    this.target.worker.kill();
  }

  /** Sends the requests of a turn, or this number. Returns the figures. */
  async run(count = this.count) {
    const { target, route } = this;
    const requests = target.requests(route, count);
    target.sent += count;
    const before = target.worker.cpu();
    const { seconds, latencies } = await this.load.run(requests, target.status(route)).catch((error) => {
      throw new Failure(`${error.message}\n${target.worker.errors()}`);
    });
    // Work after the last response belongs to the requests.
    await sleep(5);
    return {
      cpu: (target.worker.cpu() - before) / count, rate: count / seconds,
      p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99),
    };
  }

  /** The figures of all rounds. */
  async cell(seconds) {
    const { d1, statements, reads, writes, texts } = await this.target.store.take();
    const requests = this.rounds.length * this.count;
    const figures = ["cpu", "rate", "p50", "p99"].map((figure) => {
      const all = this.rounds.map((round) => round[figure]);
      return [figure, { ...spread(all), rounds: all }];
    });
    return {
      d1: d1 / requests, statements: statements / requests, reads: reads / requests, writes: writes / requests,
      readsInAll: reads, seconds, texts,
      ...Object.fromEntries(figures),
    };
  }
}

/** The spread of the ratio of two cells, round by round. With a floor, both are reduced by it. */
export function ratio(cell, other, floor = undefined) {
  const above = ({ cpu }, round) => cpu.rounds[round] - (floor ? floor.cpu.rounds[round] : 0);
  return spread(cell.cpu.rounds.map((_, round) => above(cell, round) / above(other, round)));
}
