// Runs in workerd, around the worker under test. Counts the calls of its bindings and of the platform's functions, the
// responses that are promises and the instances of the module. On command, calls fail, are slow or hold their results back,
// and the clock is set ahead.
import { deferredTasks } from "./deferred_tasks.mjs";
import { handles, instancesMade, memoryBytes } from "./instances.mjs";

/**
 * A command. Each field is optional.
 *
 * @typedef {object} Command
 * @property {string[]} [failing]            The bindings whose calls fail before they are carried out.
 * @property {number} [callsBeforeFailure]   How many calls of these succeed first.
 * @property {{ part: string, call: number, fails?: "before" | "after", seconds?: number }} [fault]
 *   One call, counted from this command, of a binding, or of `fetch`, `getRandomValues` or `subtle`. It fails before it is
 *   carried out, or after, so that its result is lost. The clock goes on by `seconds` meanwhile.
 * @property {{ seed: number, share: number }} [weather]
 *   The share of D1 calls that fail at random, half of them after they were carried out.
 * @property {number} [lag]
 *   For how many seconds KV returns what it has returned once, by the clock of the worker: as a location that has a copy.
 * @property {string[]} [held]               The bindings that hold their results back until the next command.
 * @property {number} [ahead]                How many seconds the clock is ahead.
 * @property {boolean} [settled]             Waits for deferred tasks first, so that their calls count before it.
 */

const SENDING = new Set(["all", "batch", "first", "get", "getWithMetadata", "limit", "put", "raw", "run"]);
const CHAINING = new Set(["bind", "prepare", "withSession"]);
/** The functions of SubtleCrypto that the worker calls. */
const SUBTLE = ["exportKey", "generateKey", "importKey", "sign", "verify"];
const { now } = Date;

/** Returns numbers from 0 to 1 that follow from the seed alone: a linear congruential generator modulo 2^32. */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A worker that runs `worker`, and takes commands at /test/faults. Each command replaces the one before. */
export function withFaultInjection(worker) {
  let counts = {};
  let instancesBefore = instancesMade();
  let failing = [];
  let callsBeforeFailure = 0;
  let held = [];
  let lag = 0;
  let ahead = 0;
  /** What each read of KV returned last, and when. */
  const copies = new Map();
  let fault;
  let weather;
  let random;
  let faults = 0;
  const deferred = deferredTasks();
  const originals = new WeakMap();
  const original = (value) => originals.get(value) ?? value;

  /** Waits while a binding is held. It polls, because a request must not wait for a promise of another request. */
  const release = async (binding) => {
    while (held.includes(binding)) await scheduler.wait(5);
  };

  /** Decides whether a call fails, `"before"` it is carried out or `"after"`, and counts it. */
  const momentOfFault = (part) => {
    counts[part] = (counts[part] ?? 0) + 1;
    if (failing.includes(part) && callsBeforeFailure-- <= 0) return "before";
    if (fault?.part === part && fault.call === counts[part]) {
      ahead += fault.seconds ?? 0;
      if (!fault.fails) faults += 1;
      return fault.fails;
    }
    if (weather && part === "DB" && random() < weather.share) return random() < 0.5 ? "after" : "before";
    return undefined;
  };

  const injected = (part) => {
    faults += 1;
    return new Error(`injected fault of ${part} at /secret/path`);
  };

  /** Carries a call out, or lets it fail. */
  const carryOut = async (part, call) => {
    const moment = momentOfFault(part);
    if (moment === "before") throw injected(part);
    const result = await call();
    if (moment === "after") throw injected(part);
    return result;
  };

  /** Reads from KV, or repeats the result of an earlier read. */
  const readWithLag = async (name, parameters, read) => {
    const key = JSON.stringify([name, parameters]);
    const copy = copies.get(key);
    if (copy && Date.now() < copy.at + lag * 1_000) return copy.result;
    const result = await read();
    copies.set(key, { at: Date.now(), result });
    return result;
  };

  const instrument = (binding, target) => {
    const proxy = new Proxy(target, {
      get(_, property) {
        const name = String(property);
        const method = target[property];
        if (typeof method !== "function" || name === "constructor") return method;
        return (...parameters) => {
          const plain = parameters.map((value) => (Array.isArray(value) ? value.map(original) : value));
          if (CHAINING.has(name)) return instrument(binding, method.apply(target, plain));
          if (!SENDING.has(name)) return method.apply(target, plain);
          const call = () => (lag > 0 && name.startsWith("get")
            ? readWithLag(name, plain, () => method.apply(target, plain)) : method.apply(target, plain));
          return carryOut(binding, () => (held.includes(binding) ? release(binding).then(call) : call()));
        };
      },
    });
    originals.set(proxy, target);
    return proxy;
  };

  /** Replaces the platform's functions that the worker calls. */
  const instrumentPlatform = () => {
    const { fetch } = globalThis;
    globalThis.fetch = (...parameters) => carryOut("fetch", () => fetch(...parameters));
    for (const name of SUBTLE) {
      const method = crypto.subtle[name].bind(crypto.subtle);
      crypto.subtle[name] = (...parameters) => carryOut("subtle", () => method(...parameters));
    }
    const getRandomValues = crypto.getRandomValues.bind(crypto);
    crypto.getRandomValues = (array) => {
      if (momentOfFault("getRandomValues")) throw injected("getRandomValues");
      return getRandomValues(array);
    };
  };
  instrumentPlatform();

  // One for the isolate's life, as the platform's own env is.
  let instrumentedEnv;
  const instrumented = (env) => {
    if (!instrumentedEnv) {
      const bindings = ["DB", "KV", "SIGN_IN_LIMIT"].filter((name) => env[name]);
      instrumentedEnv = { ...env, ...Object.fromEntries(bindings.map((name) => [name, instrument(name, env[name])])) };
    }
    return instrumentedEnv;
  };
  return {
    scheduled: (event, env, context) => worker.scheduled(event, instrumented(env), context),
    async fetch(request, env, context) {
      if (new URL(request.url).pathname !== "/test/faults") {
        const response = worker.fetch(request, instrumented(env), deferred.watch(context));
        if (response instanceof Promise) counts.promises = (counts.promises ?? 0) + 1;
        return response;
      }
      /** @type {Command} */
      const command = await request.json();
      if (command.settled) await deferred.ended();
      const { SIGN_IN_LIMIT = 0, fetch = 0, getRandomValues = 0, subtle = 0, ...bindings } = counts;
      const others = { SIGN_IN_LIMIT, fetch, getRandomValues, subtle };
      const report = {
        ...bindings, others, instances: instancesMade() - instancesBefore, memory: memoryBytes(), handles: handles(), faults,
        deferred: deferred.running(),
      };
      counts = {};
      faults = 0;
      instancesBefore = instancesMade();
      ({ failing = [], callsBeforeFailure = 0, held = [], lag = 0, ahead = 0, fault, weather } = command);
      random = randomNumbers(weather?.seed);
      Date.now = () => now() + ahead * 1_000;
      return Response.json(report);
    },
  };
}
