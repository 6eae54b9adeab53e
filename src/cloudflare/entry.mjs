// The module's thin door: it calls the wasm exports, and makes a new instance after a panic.
import { __wbg_reset_state, __worker_init_state, fetch } from "../../build/index.js";

// A panic aborts the instance: whatever was in flight there is lost, and nothing may run in it again.
const instance = __worker_init_state();
addEventListener("error", (event) => {
  if (event.error instanceof WebAssembly.RuntimeError) instance.criticalError = true;
});

export default {
  fetch(request, env, context) {
    if (instance.criticalError) {
      __wbg_reset_state();
      instance.criticalError = false;
    }
    try {
      return fetch(request, env, context);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) instance.criticalError = true;
      throw error;
    }
  },
};
