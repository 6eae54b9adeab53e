//! The platform: the exports of the module, and the ports on D1, KV and SubtleCrypto.
//!
//! The only place that names JavaScript, reads the clock or draws randomness.
#![allow(unsafe_code, reason = "the bindings that wasm-bindgen generates")]
#![allow(clippy::disallowed_methods, reason = "here the clock and the random source come in")]

mod cache;
mod crypto;
mod database;
mod fetch;
mod platform;
mod rate_limit;
mod request;
mod task;

use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::{handler, prelude::*};

use crate::cloudflare::request::EdgeRequest;
use crate::error::Internal;
use crate::{DeferredTask, finish, handle, http};

/// The bindings, and the keys that were imported. One an isolate.
struct Edge {
    env: JsValue,
    keys: crypto::Keys,
}

/// One isolate: its provider and its platform.
struct Isolate {
    core: crate::Isolate,
    edge: Edge,
}

thread_local! {
    static ISOLATE: RefCell<Option<Rc<Isolate>>> = const { RefCell::new(None) };
}

impl Isolate {
    /// The isolate's one, made at its first request: `env` is the same for as long as it lives.
    fn of(env: JsValue) -> Rc<Self> {
        ISOLATE.with_borrow_mut(|slot| {
            Rc::clone(slot.get_or_insert_with(|| {
                Rc::new(Self {
                    core: crate::Isolate::new(|name| platform::variable(&env, name)),
                    edge: Edge { env, keys: crypto::Keys::default() },
                })
            }))
        })
    }
}

// The file that wasm-bindgen generates: it imports this function from itself.
#[wasm_bindgen(raw_module = "./index.js")]
extern "C" {
    /// Makes a new instance of the module, which answers every later call.
    #[wasm_bindgen(js_name = __wbg_reset_state)]
    fn make_instance();
}

/// Runs before anything else in each instance. A panic is logged, and a new instance replaces this one.
///
/// The new instance is made at once. `handler::schedule_reinit` would leave it to the next call; when that call
/// resumes a task, the generated code checks the task's instance before it makes the new one, and so resumes a
/// task of the old instance in the memory of the new one. The handler makes no other call: an instance that has
/// ended traps when its first call of JavaScript returns.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| platform::log(&panic.to_string(), true)));
    handler::set_on_abort(make_instance);
}

/// The `fetch` handler. The answer comes as a `Response` when all that it needs is warm, and as a
/// promise of one when something must be waited for.
#[wasm_bindgen]
pub fn fetch(request: JsValue, env: JsValue, context: JsValue) -> JsValue {
    task::run(answer(request, env, context))
}

async fn answer(request: JsValue, env: JsValue, context: JsValue) -> JsValue {
    let isolate = Isolate::of(env);
    let request = EdgeRequest::new(request);
    #[cfg(feature = "provoke-panic")]
    provoke_panic(http::Request::path(&request)).await;

    let begin = js_sys::Date::now();
    let now = seconds(begin);
    let reply = handle(&isolate.core, &isolate.edge, now, &random, &request).await;

    if reply.log.is_telling() {
        platform::log(&reply.log.line(js_sys::Date::now() - begin), reply.log.is_fault());
    }
    if !reply.deferred.is_empty() {
        let deferred = do_deferred(Rc::clone(&isolate), reply.deferred);
        platform::wait_until(&context, &task::run(deferred));
    }
    to_response(&reply.response)
}

/// Panics at once, or in the middle of a request.
#[cfg(feature = "provoke-panic")]
async fn provoke_panic(path: &str) {
    assert_ne!(path, "/provoke-panic/at-once");
    let _ = task::wait(js_sys::Promise::resolve(&JsValue::NULL)).await;
    assert_ne!(path, "/provoke-panic/later");
}

/// Milliseconds since 1970 as whole seconds.
#[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
fn seconds(milliseconds: f64) -> i64 {
    (milliseconds / 1_000.0) as i64
}

/// Fills a buffer from the platform's random source.
fn random(bytes: &mut [u8]) -> Result<(), String> {
    getrandom::fill(bytes).map_err(|error| error.to_string())
}

async fn do_deferred(isolate: Rc<Isolate>, deferred: Vec<DeferredTask>) -> JsValue {
    let now = seconds(js_sys::Date::now());
    let notes = finish(&isolate.core, &isolate.edge, now, &random, deferred).await;
    if !notes.is_empty() {
        let line = serde_json::json!({ "after_response": "failed", "notes": notes });
        platform::log(&line.to_string(), true);
    }
    JsValue::UNDEFINED
}

/// Fields whose values are one request's own: what has none of them is sent again just so.
const VARIABLE_FIELDS: [&str; 3] = ["content-security-policy", "location", "set-cookie"];

fn to_response(response: &http::Response) -> JsValue {
    let fields: Vec<_> =
        response.headers.iter().flat_map(|(name, value)| [*name, &**value]).collect();
    // The fields cross as lines: a value with a line break would become a field of its own.
    if fields.iter().any(|field| field.bytes().any(|byte| matches!(byte, b'\r' | b'\n'))) {
        platform::log("a response's header field has a line break; it was not sent", true);
        return platform::respond(500, "", None, false);
    }
    let body = (!response.body.is_empty()).then_some(&*response.body);
    let is_recurring = !response.headers.iter().any(|(name, _)| VARIABLE_FIELDS.contains(name));
    platform::respond(response.status, &fields.join("\n"), body, is_recurring)
}

/// A failure of a binding, by its message.
fn unavailable(what: &'static str, detail: String) -> Internal {
    Internal::Unavailable { what, detail }
}
