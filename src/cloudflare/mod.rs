//! The platform: the export of the module, and the ports on D1, KV and SubtleCrypto.
//!
//! The only place that names JavaScript or `worker`, reads the clock or draws randomness. `worker` gives the
//! environment, KV, `waitUntil`, the console and the types of D1 and of the rate limiter; `platform.mjs` does what
//! would cost too much through it.
#![allow(unsafe_code, reason = "the bindings that wasm-bindgen generates")]
#![allow(clippy::disallowed_methods, reason = "here the clock and the random source come in")]

mod cache;
mod crypto;
mod database;
mod env;
mod fetch;
mod platform;
mod rate_limit;
mod recovery;
mod request;
mod response;
mod task;

use js_sys::Promise;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::worker_sys::Context;
use worker::{D1Database, Env, KvStore, RateLimiter, console_error, console_log};

use crate::cloudflare::env::Binding;
use crate::cloudflare::request::EdgeRequest;
use crate::ports::DATABASE;
use crate::{DeferredTask, RandomnessError, finish, handle};

/// The bindings, and the keys that were imported. One an isolate.
struct Edge {
    database: Binding<D1Database>,
    keys: crypto::Keys,
    kv: Binding<KvStore>,
    sign_in_limit: Binding<RateLimiter>,
}

impl Edge {
    fn new(env: &Env) -> Self {
        Self {
            database: Binding::find(env, DATABASE, Env::d1),
            keys: crypto::Keys::default(),
            kv: Binding::find(env, "KV", Env::kv),
            sign_in_limit: Binding::find(env, "SIGN_IN_LIMIT", Env::rate_limiter),
        }
    }
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
    fn for_env(env: &Env) -> Rc<Self> {
        ISOLATE
            .with_borrow_mut(|slot| Rc::clone(slot.get_or_insert_with(|| Rc::new(Self::new(env)))))
    }

    fn new(env: &Env) -> Self {
        recovery::recover_from_panics();
        let core = crate::Isolate::new(|name| env::variable(env, name));
        Self { core, edge: Edge::new(env) }
    }
}

/// The `fetch` handler. The answer comes as a `Response` when all that it needs is warm, and as a
/// promise of one when something must be waited for.
#[wasm_bindgen]
pub fn fetch(request: JsValue, env: Env, context: Context) -> JsValue {
    task::run(answer(request, env, context))
}

async fn answer(request: JsValue, env: Env, context: Context) -> JsValue {
    let isolate = Isolate::for_env(&env);
    let request = EdgeRequest::new(request);
    #[cfg(feature = "provoke-panic")]
    provoke_panic(crate::http::Request::path(&request)).await;

    let begin = js_sys::Date::now();
    let now = seconds(begin);
    let reply = handle(&isolate.core, &isolate.edge, now, &random, &request).await;

    if reply.log.should_write() {
        let line = reply.log.line(js_sys::Date::now() - begin);
        if reply.log.is_fault() {
            console_error!("{line}");
        } else {
            console_log!("{line}");
        }
    }
    if !reply.deferred.is_empty() {
        let deferred = do_deferred(Rc::clone(&isolate), reply.deferred);
        wait_until(&context, &task::run(deferred));
    }
    response::to_response(&reply.response)
}

/// Panics at once, or in the middle of a request.
#[cfg(feature = "provoke-panic")]
async fn provoke_panic(path: &str) {
    assert_ne!(path, "/provoke-panic/at-once");
    let _ = task::wait(Promise::resolve(&JsValue::NULL)).await;
    assert_ne!(path, "/provoke-panic/later");
}

/// Milliseconds since 1970 as whole seconds.
#[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
fn seconds(milliseconds: f64) -> i64 {
    (milliseconds / 1_000.0) as i64
}

/// Fills a buffer from the platform's random source.
fn random(bytes: &mut [u8]) -> Result<(), RandomnessError> {
    getrandom::fill(bytes).map_err(|error| RandomnessError { detail: error.to_string() })
}

async fn do_deferred(isolate: Rc<Isolate>, deferred: Vec<DeferredTask>) -> JsValue {
    let now = seconds(js_sys::Date::now());
    let notes = finish(&isolate.core, &isolate.edge, now, &random, deferred).await;
    if !notes.is_empty() {
        let line = serde_json::json!({ "after_response": "failed", "notes": notes });
        console_error!("{line}");
    }
    JsValue::UNDEFINED
}

/// Keeps the request's context alive until the work is done. `worker::Context::wait_until` would panic if the
/// context refused.
fn wait_until(context: &Context, work: &JsValue) {
    // Work that had to wait for nothing is done already.
    if let Some(promise) = work.dyn_ref::<Promise>() {
        // A context that refuses has ended. A later request finds the work missing, and defers it again.
        let _ = context.wait_until(promise);
    }
}
