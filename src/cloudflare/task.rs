//! Waiting for JavaScript: whoever polls a task is told the promise that it waits for, and polls it again with
//! what came of that.
//!
//! A task waits for one promise at a time. It belongs to JavaScript, which forgets it with the request it
//! answers, and refuses to poll it when a panic has ended the instance it was made in.

use js_sys::Promise;
use js_sys::futures::future_to_promise;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use wasm_bindgen::prelude::*;

use crate::cloudflare::platform::drive;

/// A promise that was rejected.
pub struct Failure {
    /// The message of the error.
    pub message: String,
}

/// The outcome of a promise: its value, or its failure.
pub type Outcome = Result<JsValue, Failure>;

thread_local! {
    /// What the task that is polled waits for.
    static ASKED: Cell<Option<Promise>> = const { Cell::new(None) };
    /// What came of what it waited for.
    static OUTCOME: Cell<Option<Outcome>> = const { Cell::new(None) };
}

/// Waits for a promise.
pub async fn wait(promise: Promise) -> Outcome {
    ASKED.set(Some(promise));
    poll_fn(|_| OUTCOME.take().map_or(Poll::Pending, Poll::Ready)).await
}

/// Waits for a future of `worker`'s, such as a read of KV.
///
/// A task has no waker that such a future could wake, so the executor of `js_sys` polls it. That costs several
/// crossings, so a call on a busy path belongs in `platform.mjs`, and its promise in [`wait`].
pub async fn wait_for(future: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Outcome {
    wait(future_to_promise(AssertUnwindSafe(future))).await
}

/// A future that waits.
#[wasm_bindgen]
pub struct Task(Pin<Box<dyn Future<Output = JsValue>>>);

#[wasm_bindgen]
impl Task {
    /// Goes on with what came of the promise. Returns the next one, or the value.
    pub fn resume(&mut self, value: JsValue, error: Option<String>) -> JsValue {
        OUTCOME.set(Some(match error {
            None => Ok(value),
            Some(message) => Err(Failure { message }),
        }));
        match self.poll() {
            Poll::Ready(value) => value,
            Poll::Pending => ASKED.take().into(),
        }
    }

    fn poll(&mut self) -> Poll<JsValue> {
        self.0.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
}

/// The value of a future where it has to wait for nothing, otherwise a promise of the value.
pub fn run(future: impl Future<Output = JsValue> + 'static) -> JsValue {
    let mut task = Task(Box::pin(future));
    match task.poll() {
        Poll::Ready(value) => value,
        Poll::Pending => ASKED.take().map_or(JsValue::UNDEFINED, |promise| drive(task, promise)),
    }
}
