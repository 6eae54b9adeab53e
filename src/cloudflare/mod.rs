//! The platform: the exports of the module, and the ports on D1, KV and SubtleCrypto.
//!
//! The only place that names `worker`, reads the clock or draws randomness.
#![allow(unsafe_code, reason = "the bindings that wasm-bindgen generates")]
#![allow(clippy::disallowed_methods, reason = "here the clock and the random source come in")]

mod cache;
mod crypto;
mod database;
mod rate_limit;
mod request;

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::{Request, Response, ResponseInit, console};
use worker::worker_sys;

use crate::cloudflare::request::EdgeRequest;
use crate::error::Internal;
use crate::{Chore, Cx, Provider, finish, handle, http};

/// The bindings, and what is kept of them. One an isolate.
struct Edge {
    database: Result<database::Binding, String>,
    cache: Result<worker::kv::KvStore, String>,
    crypto: crypto::Keys,
    rate_limit: rate_limit::Binding,
}

/// One isolate: its provider and its platform.
struct Isolate {
    provider: Provider,
    edge: Edge,
}

thread_local! {
    static ISOLATE: RefCell<Option<Rc<Isolate>>> = const { RefCell::new(None) };
}

impl Isolate {
    /// The isolate's one, made at its first request: `env` is the same for as long as it lives.
    fn of(env: &JsValue) -> Rc<Self> {
        ISOLATE.with_borrow_mut(|slot| {
            Rc::clone(slot.get_or_insert_with(|| {
                Rc::new(Self {
                    provider: Provider::new(|name| variable(env, name)),
                    edge: Edge {
                        database: database::binding(env),
                        cache: cache::binding(env),
                        crypto: crypto::Keys::default(),
                        rate_limit: rate_limit::binding(env),
                    },
                })
            }))
        })
    }
}

/// A variable's text; one that `wrangler.toml` gives as a table comes as JSON.
fn variable(env: &JsValue, name: &str) -> Option<String> {
    let value = js_sys::Reflect::get(env, &name.into()).ok()?;
    if value.is_undefined() || value.is_null() {
        return None;
    }
    value.as_string().or_else(|| js_sys::JSON::stringify(&value).ok()?.as_string())
}

/// The `fetch` handler. The answer comes as a `Response` when all that it needs is warm, and as a
/// promise of one when something must be waited for.
#[wasm_bindgen]
pub fn fetch(request: Request, env: JsValue, context: worker_sys::Context) -> JsValue {
    let mut answer = Box::pin(answer(request, env, context));
    match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(response) => response,
        Poll::Pending => future_to_promise(async { Ok(answer.await) }).into(),
    }
}

async fn answer(request: Request, env: JsValue, context: worker_sys::Context) -> JsValue {
    let isolate = Isolate::of(&env);
    let request = EdgeRequest::new(request);
    #[cfg(feature = "provoke-panic")]
    provoke_panic(http::Request::path(&request)).await;

    let begin = js_sys::Date::now();
    let cx = context_at(begin);
    let reply = handle(&isolate.provider, &isolate.edge, &cx, &request).await;

    let line = JsValue::from(reply.log.line(js_sys::Date::now() - begin));
    if reply.log.is_fault() {
        console::error_1(&line);
    } else {
        console::log_1(&line);
    }
    if !reply.chores.is_empty() {
        let chores = do_chores(Rc::clone(&isolate), reply.chores);
        // A context that refuses has ended; the next isolate does it.
        let _ = context.wait_until(&future_to_promise(chores));
    }
    to_response(&reply.response).unwrap_or_else(|error| {
        console::error_1(&error);
        JsValue::from(Response::error())
    })
}

/// Panics at once, or in the middle of a request.
#[cfg(feature = "provoke-panic")]
async fn provoke_panic(path: &str) {
    assert_ne!(path, "/provoke-panic/at-once");
    let turn = js_sys::Promise::resolve(&JsValue::NULL);
    let _ = wasm_bindgen_futures::JsFuture::from(turn).await;
    assert_ne!(path, "/provoke-panic/later");
}

/// The context of what begins at a moment, in milliseconds since 1970.
fn context_at(begin: f64) -> Cx<'static> {
    #[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
    let now = (begin / 1_000.0) as i64;
    Cx::new(now, &|bytes| getrandom::fill(bytes).map_err(|error| error.to_string()))
}

async fn do_chores(isolate: Rc<Isolate>, chores: Vec<Chore>) -> Result<JsValue, JsValue> {
    let cx = context_at(js_sys::Date::now());
    let notes = finish(&isolate.provider, &isolate.edge, &cx, chores).await;
    if !notes.is_empty() {
        let line = serde_json::json!({ "after_response": "failed", "notes": notes });
        console::error_1(&line.to_string().into());
    }
    Ok(JsValue::UNDEFINED)
}

fn to_response(response: &http::Response) -> Result<JsValue, JsValue> {
    let headers = js_sys::Object::new();
    // An object holds a name once; cookies come one by one.
    let (cookies, others): (Vec<_>, Vec<_>) =
        response.headers.iter().partition(|(name, _)| *name == "set-cookie");
    for (name, value) in others {
        js_sys::Reflect::set(&headers, &(*name).into(), &JsValue::from_str(value))?;
    }
    let init = ResponseInit::new();
    init.set_status(response.status);
    init.set_headers(&headers);
    let body = (!response.body.is_empty()).then_some(&*response.body);
    let made = Response::new_with_opt_str_and_init(body, &init)?;
    for (name, value) in cookies {
        made.headers().append(name, value)?;
    }
    Ok(made.into())
}

/// A failure of a binding. Only its message is kept: what JavaScript prints of an error carries
/// stacks and paths.
fn unavailable(what: &'static str, error: &JsValue) -> Internal {
    let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    let detail = message.or_else(|| error.as_string()).unwrap_or_else(|| "no message".into());
    Internal::Unavailable { what, detail }
}
