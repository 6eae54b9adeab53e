// The measurement itself: the contenders in turn, round by round.
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../scripts/steps.mjs";
import { Load, ask } from "./load.mjs";
import { quantile, spread } from "./statistics.mjs";

/** A worker that runs, and how far its numbered requests are. */
export class Visit {
  next = new Map();
  /** How many requests were sent in rounds. */
  sent = 0;

  constructor(contender, worker, store, given) {
    Object.assign(this, given, { contender, worker, store });
    this.name = contender.name;
  }

  /** The next requests for a route; no number is used twice. */
  requests(route, count) {
    if (route.isStatic) return new Array(count).fill(route.make(this));
    const begin = this.next.get(route.name) ?? 0;
    this.next.set(route.name, begin + count);
    return Array.from({ length: count }, (_, index) => route.make(this, begin + index));
  }

  ask(bytes) {
    return ask(this.worker.port, bytes);
  }
}

/** Loads every visit in turn, after some requests to warm up, and tells each cell's rounds. */
export async function measure(visits, route, { rounds, count, warmUp, connections }) {
  const cells = new Map(visits.map((visit) => [visit.name, { rounds: [], counts: undefined }]));
  const loads = new Map(visits.map((visit) => [visit, new Load(visit.worker.port, connections)]));
  const run = async (visit, count) => {
    const requests = visit.requests(route, count);
    visit.sent += count;
    const before = visit.worker.cpu();
    const { seconds, latencies } = await loads.get(visit).run(requests, route.status).catch((error) => {
      throw new Failure(`${visit.name}, ${route.title}: ${error.message}\n${visit.worker.errors()}`);
    });
    // What is still done when the last answer is out belongs to the requests.
    await sleep(5);
    return {
      cpu: (visit.worker.cpu() - before) / count, rate: count / seconds,
      p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99),
    };
  };
  for (const visit of visits) {
    if (warmUp > 0) await run(visit, warmUp);
    await visit.store.take();
  }
  const begin = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < visits.length; turn++) {
      // Nobody is always the first.
      const visit = visits[(turn + round) % visits.length];
      cells.get(visit.name).rounds.push(await run(visit, count));
    }
  }
  for (const visit of visits) {
    const { d1, statements, reads, texts } = await visit.store.take();
    const cell = cells.get(visit.name);
    const asked = rounds * count;
    const seconds = (performance.now() - begin) / 1000;
    Object.assign(cell, {
      d1: d1 / asked, statements: statements / asked, reads: reads / asked, readsInAll: reads, seconds, texts,
    });
    for (const figure of ["cpu", "rate", "p50", "p99"]) {
      const all = cell.rounds.map((round) => round[figure]);
      cell[figure] = { ...spread(all), rounds: all };
    }
    delete cell.rounds;
    loads.get(visit).close();
  }
  return Object.fromEntries(cells);
}

/** The spread of a ratio of two cells, round by round; of what is above the floor, where there is one. */
export function ratio(cell, other, floor) {
  const above = ({ cpu }, round) => cpu.rounds[round] - (floor ? floor.cpu.rounds[round] : 0);
  return spread(cell.cpu.rounds.map((_, round) => above(cell, round) / above(other, round)));
}
