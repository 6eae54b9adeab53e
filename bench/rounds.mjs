// Measures the contenders in turn, round by round.
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../scripts/steps.mjs";
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

  /** `data` is the content of requests: DEFAULTS in routes.mjs, the tokens and the ETags. */
  constructor(contender, worker, store, data) {
    Object.assign(this, data, { contender, worker, store });
    this.name = contender.name;
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

/** Measures every target in turn, after some requests to warm up. Returns a cell of figures for each, by name. */
export async function measure(targets, route, { rounds, count, warmUp, connections }) {
  const cells = new Map(targets.map((target) => [target.name, { rounds: [], counts: undefined }]));
  const loads = new Map(targets.map((target) => [target, new Load(target.worker.port, connections)]));
  const run = async (target, count) => {
    const requests = target.requests(route, count);
    target.sent += count;
    const before = target.worker.cpu();
    const { seconds, latencies } = await loads.get(target).run(requests, route.status).catch((error) => {
      throw new Failure(`${target.name}, ${route.title}: ${error.message}\n${target.worker.errors()}`);
    });
    // Work after the last response belongs to the requests.
    await sleep(5);
    return {
      cpu: (target.worker.cpu() - before) / count, rate: count / seconds,
      p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99),
    };
  };
  for (const target of targets) {
    if (warmUp > 0) await run(target, warmUp);
    await target.store.take();
  }
  const begin = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < targets.length; turn++) {
      // Another target is the first in each round.
      const target = targets[(turn + round) % targets.length];
      cells.get(target.name).rounds.push(await run(target, count));
    }
  }
  for (const target of targets) {
    const { d1, statements, reads, texts } = await target.store.take();
    const cell = cells.get(target.name);
    const requests = rounds * count;
    const seconds = (performance.now() - begin) / 1000;
    Object.assign(cell, {
      d1: d1 / requests, statements: statements / requests, reads: reads / requests, readsInAll: reads, seconds, texts,
    });
    for (const figure of ["cpu", "rate", "p50", "p99"]) {
      const all = cell.rounds.map((round) => round[figure]);
      cell[figure] = { ...spread(all), rounds: all };
    }
    delete cell.rounds;
    loads.get(target).close();
  }
  return Object.fromEntries(cells);
}

/** The spread of the ratio of two cells, round by round. With a floor, both are reduced by it. */
export function ratio(cell, other, floor = undefined) {
  const above = ({ cpu }, round) => cpu.rounds[round] - (floor ? floor.cpu.rounds[round] : 0);
  return spread(cell.cpu.rounds.map((_, round) => above(cell, round) / above(other, round)));
}
