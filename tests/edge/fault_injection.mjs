// Runs in workerd, around the worker under test. Counts the calls of its bindings, the responses that are promises and
// the instances of the module. On command, bindings fail or hold their results back, and the clock is set ahead.
import { instancesMade, memoryBytes } from "./instances.mjs";

const SENDING = new Set(["all", "batch", "first", "get", "getWithMetadata", "put", "raw", "run"]);
const CHAINING = new Set(["bind", "prepare", "withSession"]);
const { now } = Date;

/** A worker that runs `worker`, and takes commands at /test/faults. Each command replaces the one before. */
export function withFaultInjection(worker) {
  let counts = {};
  let instancesBefore = instancesMade();
  let failing = [];
  let callsBeforeFailure = 0;
  let held = [];
  const originals = new WeakMap();
  const original = (value) => originals.get(value) ?? value;

  /** Waits while a binding is held. It polls, because a request must not wait for a promise of another request. */
  const release = async (binding) => {
    while (held.includes(binding)) await scheduler.wait(5);
  };

  const instrument = (binding, target) => {
    const proxy = new Proxy(target, {
      get(_, property) {
        const name = String(property);
        const method = target[property];
        if (typeof method !== "function" || name === "constructor") return method;
        return (...parameters) => {
          if (SENDING.has(name)) {
            counts[binding] = (counts[binding] ?? 0) + 1;
            if (failing.includes(binding) && callsBeforeFailure-- <= 0) {
              return Promise.reject(new Error(`injected fault of ${binding} at /secret/path`));
            }
          }
          const plain = parameters.map((value) => (Array.isArray(value) ? value.map(original) : value));
          if (SENDING.has(name) && held.includes(binding)) {
            return release(binding).then(() => method.apply(target, plain));
          }
          const result = method.apply(target, plain);
          return CHAINING.has(name) ? instrument(binding, result) : result;
        };
      },
    });
    originals.set(proxy, target);
    return proxy;
  };

  // One for the isolate's life, as the platform's own env is.
  let instrumentedEnv;
  return {
    async fetch(request, env, context) {
      instrumentedEnv ??= { ...env, DB: instrument("DB", env.DB), KV: instrument("KV", env.KV) };
      if (new URL(request.url).pathname !== "/test/faults") {
        const response = worker.fetch(request, instrumentedEnv, context);
        if (response instanceof Promise) counts.promises = (counts.promises ?? 0) + 1;
        return response;
      }
      const report = { ...counts, instances: instancesMade() - instancesBefore, memory: memoryBytes() };
      counts = {};
      instancesBefore = instancesMade();
      let ahead;
      ({ failing = [], callsBeforeFailure = 0, held = [], ahead = 0 } = await request.json());
      Date.now = () => now() + ahead * 1_000;
      return Response.json(report);
    },
  };
}
