//! Cloudflare Workers: the `fetch` and `scheduled` handlers, and the ports on D1, KV, SubtleCrypto, strings and the rate limiter.
//!
//! No other module depends on JavaScript or `worker`, reads the clock or draws randomness. `worker` provides the
//! environment, `waitUntil`, the console and the types of D1 and of the rate limiter. `platform.mjs` does the work
//! that would need too many calls of JavaScript through `worker`.
#![allow(unsafe_code, reason = "the bindings that wasm-bindgen generates")]
#![allow(clippy::disallowed_methods, reason = "only this module reads clock and random source")]

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
mod timer;
mod unicode;

use js_sys::Promise;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::worker_sys::Context;
use worker::{D1Database, Env, RateLimiter, console_error, console_log, console_warn};

use crate::cloudflare::env::Binding;
use crate::cloudflare::request::EdgeRequest;
use crate::ports::DATABASE;
use crate::{DeferredTask, Level, Line, RandomnessError, finish, handle, maintain};

/// The bindings and imported keys of an isolate.
struct Edge {
    database: Binding<D1Database>,
    keys: crypto::Keys,
    kv: Binding<JsValue>,
    sign_in_limit: Binding<RateLimiter>,
}

impl Edge {
    fn new(env: &Env) -> Self {
        Self {
            database: Binding::find(env, DATABASE, Env::d1),
            keys: crypto::Keys::default(),
            kv: Binding::find(env, "KV", env::value),
            sign_in_limit: Binding::find(env, "SIGN_IN_LIMIT", Env::rate_limiter),
        }
    }
}

/// An isolate: the provider's state, and the platform.
struct Isolate {
    core: crate::Isolate,
    edge: Edge,
}

thread_local! {
    static ISOLATE: RefCell<Option<Rc<Isolate>>> = const { RefCell::new(None) };
}

impl Isolate {
    /// Returns the isolate's instance, which is created at the first request. Every later request has the same `env`.
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

/// The `fetch` handler. Returns a `Response` if nothing must be waited for, for example because all data is in memory.
/// Otherwise returns a promise of one.
///
/// The request goes on if its caller disconnects. Otherwise a stranger who disconnects could begin fetches of a client's
/// keys again and again, whose results would be lost, until no other request may fetch them.
#[wasm_bindgen]
pub fn fetch(request: JsValue, env: Env, context: Context) -> JsValue {
    let context = Rc::new(context);
    let response = task::run(answer(request, env, Rc::clone(&context)));
    wait_until(&context, &response);
    response
}

async fn answer(request: JsValue, env: Env, context: Rc<Context>) -> JsValue {
    let isolate = Isolate::for_env(&env);
    let begin = js_sys::Date::now();
    let request = EdgeRequest::new(request, begin);
    #[cfg(feature = "provoke-panic")]
    provoke_panic(crate::http::Request::path(&request)).await;

    let now = seconds(begin);
    let reply = handle(&isolate.core, &isolate.edge, now, &random, &request).await;

    if reply.log.should_write() {
        write(&Line {
            level: reply.log.level(),
            text: reply.log.line(js_sys::Date::now() - begin),
        });
    }
    reply.events.iter().for_each(write);
    if !reply.deferred.is_empty() {
        let deferred = do_deferred(Rc::clone(&isolate), reply.deferred);
        wait_until(&context, &task::run(deferred));
    }
    response::to_response(&reply.response)
}

/// The `scheduled` event: runs the maintenance. The platform waits for the promise that it returns.
#[wasm_bindgen]
pub fn scheduled(_event: JsValue, env: Env, _context: Context) -> JsValue {
    task::run(async move {
        let isolate = Isolate::for_env(&env);
        let clock = || seconds(js_sys::Date::now());
        let log = maintain(&isolate.core, &isolate.edge, &clock, &random).await;
        write(&Line { level: log.level(), text: log.line() });
        log.events.iter().for_each(write);
        JsValue::UNDEFINED
    })
}

/// Panics at once or after a wait, for the test of the recovery.
#[cfg(feature = "provoke-panic")]
async fn provoke_panic(path: &str) {
    assert_ne!(path, "/provoke-panic/at-once");
    let _ = task::wait(Promise::resolve(&JsValue::NULL)).await;
    assert_ne!(path, "/provoke-panic/later");
}

/// Converts milliseconds to whole seconds.
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
    finish(&isolate.core, &isolate.edge, now, &random, deferred).await.iter().for_each(write);
    JsValue::UNDEFINED
}

/// Writes a line of the log.
fn write(Line { level, text }: &Line) {
    match level {
        Level::Error => console_error!("{text}"),
        Level::Information => console_log!("{text}"),
        Level::Warning => console_warn!("{text}"),
    }
}

/// Keeps the request's context alive until the work is done. `worker::Context::wait_until` is not used, because it
/// panics if JavaScript throws.
fn wait_until(context: &Context, work: &JsValue) {
    // A value instead of a promise means that the work is already done.
    if let Some(promise) = work.dyn_ref::<Promise>() {
        // JavaScript throws if the context has ended. The next request that needs the result defers the work again.
        let _ = context.wait_until(promise);
    }
}
