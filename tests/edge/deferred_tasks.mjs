// Runs in workerd, around a worker. Follows the deferred tasks of its requests.

/** A proxy that has `methods` in place of the target's own. */
export const replacing = (target, methods) => new Proxy(target, {
  get(_, name) {
    const value = Object.hasOwn(methods, name) ? methods[name] : target[name];
    return typeof value === "function" && name !== "constructor" ? value.bind(target) : value;
  },
});

/** Follows deferred tasks: those of the contexts that `watch` returns. */
export function deferredTasks() {
  let running = 0;
  return {
    watch: (context) => replacing(context, {
      waitUntil(promise) {
        running += 1;
        context.waitUntil(promise.finally(() => { running -= 1; }));
      },
    }),
    /** The number of tasks that run. */
    running: () => running,
    /** Waits until no task runs. It polls, because a request must not wait for a promise of another request. */
    async ended() {
      while (running > 0) await scheduler.wait(1);
    },
  };
}
