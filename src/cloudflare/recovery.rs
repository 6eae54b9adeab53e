//! Recovery from a panic. A panic makes the wasm instance unusable, so the next call needs a new instance.

use wasm_bindgen::{handler, prelude::*};
use worker::console_error;

use crate::log::LogEvent;

// `index.js` is the file that wasm-bindgen generates, so it imports this function from itself.
#[wasm_bindgen(raw_module = "./index.js")]
extern "C" {
    /// Creates a new instance of the module for every later call.
    #[wasm_bindgen(js_name = __wbg_reset_state)]
    fn make_instance();
}

/// Installs handlers that log a panic and replace the instance.
///
/// Call this at the first request of an instance and not in a `start` function. `worker` sets the same two handlers in
/// its own `start` function, and the order of `start` functions is not defined.
///
/// The new instance is created at once. `worker` uses `handler::schedule_reinit`, which creates it in the next call. If
/// that call resumes a task, the generated code checks the task's instance before it creates the new one. It would then
/// resume a task of the old instance in the memory of the new one.
///
/// The handler makes no other call, because the old instance traps when its first call of JavaScript returns.
pub fn recover_from_panics() {
    std::panic::set_hook(Box::new(|panic| {
        // Without the message, which can quote a text that was sent.
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let event = LogEvent::Panicked { location };
        console_error!("{}", event.line().text);
    }));
    handler::set_on_abort(make_instance);
}
