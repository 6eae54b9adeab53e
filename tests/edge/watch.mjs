// Runs in workerd: puts a worker behind bindings that count what they are asked and can be told to fail or to
// hold their answers back, counts the answers that had to be waited for and the instances of the module that
// were made, tells the size of their memory, and can put the clock ahead.
import { instancesMade, memoryBytes } from "./instances.mjs";

const ASKING = new Set(["all", "batch", "first", "get", "getWithMetadata", "put", "raw", "run"]);
const MAKING = new Set(["bind", "prepare", "withSession"]);
const { now } = Date;

export function watch(worker) {
  let counts = {};
  let instancesBefore = instancesMade();
  let failing = [];
  let spared = 0;
  let held = [];
  const originals = new WeakMap();
  const original = (value) => originals.get(value) ?? value;

  /** Waits while a binding is held. It polls, because a request must not wait for a promise of another request. */
  const release = async (binding) => {
    while (held.includes(binding)) await scheduler.wait(5);
  };

  const watched = (binding, target) => {
    const proxy = new Proxy(target, {
      get(_, name) {
        const member = target[name];
        if (typeof member !== "function" || name === "constructor") return member;
        return (...parameters) => {
          if (ASKING.has(name)) {
            counts[binding] = (counts[binding] ?? 0) + 1;
            if (failing.includes(binding) && spared-- <= 0) {
              return Promise.reject(new Error(`${binding} was told to fail at /secret/path`));
            }
          }
          const plain = parameters.map((value) => (Array.isArray(value) ? value.map(original) : value));
          if (ASKING.has(name) && held.includes(binding)) {
            return release(binding).then(() => member.apply(target, plain));
          }
          const result = member.apply(target, plain);
          return MAKING.has(name) ? watched(binding, result) : result;
        };
      },
    });
    originals.set(proxy, target);
    return proxy;
  };

  // One for the isolate's life, as the platform's own env is.
  let watchedEnv;
  return {
    async fetch(request, env, context) {
      watchedEnv ??= { ...env, DB: watched("DB", env.DB), KV: watched("KV", env.KV) };
      if (new URL(request.url).pathname !== "/test/watch") {
        const answer = worker.fetch(request, watchedEnv, context);
        if (answer instanceof Promise) counts.promises = (counts.promises ?? 0) + 1;
        return answer;
      }
      const told = { ...counts, instances: instancesMade() - instancesBefore, memory: memoryBytes() };
      counts = {};
      instancesBefore = instancesMade();
      let ahead;
      ({ failing = [], spared = 0, held = [], ahead = 0 } = await request.json());
      Date.now = () => now() + ahead * 1_000;
      return Response.json(told);
    },
  };
}
