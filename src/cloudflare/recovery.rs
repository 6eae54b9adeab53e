//! Recovery from a panic: it ends the wasm instance, and a new one answers the next call.

use wasm_bindgen::{handler, prelude::*};
use worker::console_error;

// The file that wasm-bindgen generates: it imports this function from itself.
#[wasm_bindgen(raw_module = "./index.js")]
extern "C" {
    /// Makes a new instance of the module, which answers every later call.
    #[wasm_bindgen(js_name = __wbg_reset_state)]
    fn make_instance();
}

/// Logs a panic, and replaces the instance that it ends.
///
/// Must be called at an instance's first request, not in a `start` function: `worker` has one of its own that sets
/// the same two handlers, and nothing defines which of the two would run last.
///
/// The new instance is made at once. `worker` uses `handler::schedule_reinit`, which would leave it to the next call.
/// When that call resumes a task, the generated code checks the task's instance before it makes the new one, and so
/// resumes a task of the old instance in the memory of the new one. The handler makes no other call, because an
/// instance that has ended traps when its first call of JavaScript returns.
pub fn recover_from_panics() {
    std::panic::set_hook(Box::new(|panic| console_error!("{panic}")));
    handler::set_on_abort(make_instance);
}
