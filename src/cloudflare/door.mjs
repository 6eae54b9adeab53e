// The module's thin door: it calls the wasm exports, and makes a new instance after a panic.

/** The handlers of a module built by wasm-bindgen. */
export function door(wasm) {
  // A panic aborts the instance: what was in flight there is lost, and nothing may run in it again.
  const instance = wasm.__worker_init_state();
  addEventListener("error", (event) => {
    if (event.error instanceof WebAssembly.RuntimeError) instance.criticalError = true;
  });

  return {
    fetch(request, env, context) {
      if (instance.criticalError) {
        wasm.__wbg_reset_state();
        instance.criticalError = false;
      }
      return wasm.fetch(request, env, context);
    },
  };
}
