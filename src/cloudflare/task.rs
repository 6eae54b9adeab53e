//! Futures that wait for JavaScript promises.
//!
//! `drive` in `platform.mjs` polls a [`Task`]. A poll returns the promise that the task waits for, and `drive` passes
//! the promise's outcome to the next poll. A task waits for one promise at a time.
//!
//! JavaScript owns the task and drops it together with the request. It refuses to poll a task of an instance that a
//! panic has ended.

use js_sys::Promise;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use wasm_bindgen::prelude::*;

use crate::cloudflare::platform::drive;

/// A promise that was rejected.
pub struct Failure {
    /// The message of the JavaScript error.
    pub message: String,
}

pub type Outcome = Result<JsValue, Failure>;

thread_local! {
    /// The promise that the polled task waits for.
    static AWAITED: Cell<Option<Promise>> = const { Cell::new(None) };
    /// The outcome of the promise that the polled task waited for.
    static OUTCOME: Cell<Option<Outcome>> = const { Cell::new(None) };
}

/// Waits for a promise of `platform.mjs`. A future of the `worker` crate cannot be awaited, because a task has no waker.
pub async fn wait(promise: Promise) -> Outcome {
    AWAITED.set(Some(promise));
    poll_fn(|_| OUTCOME.take().map_or(Poll::Pending, Poll::Ready)).await
}

/// A future that JavaScript polls.
#[wasm_bindgen]
pub struct Task(Pin<Box<dyn Future<Output = JsValue>>>);

#[wasm_bindgen]
impl Task {
    /// Resumes the task with the promise's value or the message of its error. Returns the next promise or the task's
    /// value.
    pub fn resume(&mut self, value: JsValue, error: Option<String>) -> JsValue {
        OUTCOME.set(Some(match error {
            None => Ok(value),
            Some(message) => Err(Failure { message }),
        }));
        match self.poll() {
            Poll::Ready(value) => value,
            Poll::Pending => AWAITED.take().into(),
        }
    }

    fn poll(&mut self) -> Poll<JsValue> {
        self.0.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
}

/// Polls a future. Returns its value if it is ready at once, otherwise a promise of the value.
pub fn run(future: impl Future<Output = JsValue> + 'static) -> JsValue {
    let mut task = Task(Box::pin(future));
    match task.poll() {
        Poll::Ready(value) => value,
        Poll::Pending => AWAITED.take().map_or(JsValue::UNDEFINED, |promise| drive(task, promise)),
    }
}
