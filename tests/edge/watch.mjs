// Runs in workerd: puts a worker behind bindings that count what they are asked and can be told to fail,
// counts the answers that had to be waited for, and can put the clock ahead.
const ASKING = new Set(["all", "batch", "first", "get", "getWithMetadata", "put", "raw", "run"]);
const MAKING = new Set(["bind", "prepare", "withSession"]);
const { now } = Date;

export function watch(worker) {
  let counts = {};
  let failing = [];
  let spared = 0;
  const originals = new WeakMap();
  const original = (value) => originals.get(value) ?? value;

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
      const told = counts;
      counts = {};
      let ahead;
      ({ failing = [], spared = 0, ahead = 0 } = await request.json());
      Date.now = () => now() + ahead * 1_000;
      return Response.json(told);
    },
  };
}
