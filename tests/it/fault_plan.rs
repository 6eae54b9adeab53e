//! A fault of one port: which of its calls it hits, and what happens to them.

use postern::error::Internal;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// The parts of the platform that can fail. The timer and Unicode's tables cannot.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Port {
    Cache,
    Crypto,
    Database,
    Fetch,
    Randomness,
    RateLimit,
}

/// The effect of a fault on a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// It is carried out, and its answer is lost.
    AnswerIsLost,
    /// It is not carried out.
    Fails,
    /// Its answer is not what was written: a replica of the database that lags has no row yet, the cache has a damaged text,
    /// and the server of a client has an error. Other calls are not hit.
    Odd,
    /// It takes long.
    Slow,
}

#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub port: Port,
    /// The number of the first call that it hits, from 1.
    pub call: u32,
    /// Whether it hits all later calls, too.
    pub lasts: bool,
    pub effect: Effect,
    /// By how many seconds the clock goes on during the first of these calls.
    pub seconds: i64,
}

impl Fault {
    /// Whether the call is carried out, and so is the one that repeats it within the request, but neither has an answer.
    pub fn is_lost_twice(&self) -> bool {
        self.effect == Effect::AnswerIsLost && self.lasts
    }
}

/// The text of every fault, for the log. No response may have it.
pub const DETAIL: &str = "injected fault at /secret/path";

/// Counts the calls of each port, and hits those of a fault.
#[derive(Default)]
pub struct FaultPlan {
    fault: Cell<Option<Fault>>,
    calls: RefCell<BTreeMap<Port, u32>>,
    hits: Cell<u32>,
    delay: Cell<i64>,
}

/// A call of a port.
pub struct Call {
    effect: Option<Effect>,
    /// How many seconds it takes.
    pub seconds: i64,
}

impl FaultPlan {
    /// Sets the fault, if there is one, and counts anew.
    pub fn set(&self, fault: Option<Fault>) {
        self.fault.set(fault);
        self.calls.take();
        self.hits.set(0);
    }

    /// The number of calls of each port.
    pub fn calls(&self) -> BTreeMap<Port, u32> {
        self.calls.borrow().clone()
    }

    /// How many calls were hit.
    pub fn hits(&self) -> u32 {
        self.hits.get()
    }

    /// By how many seconds the clock went on during calls, since the last call of [`FaultPlan::take_delay`].
    pub fn delay(&self) -> i64 {
        self.delay.get()
    }

    pub fn take_delay(&self) -> i64 {
        self.delay.take()
    }

    /// Counts a call that takes `longest` seconds at most. `can_be_odd` says whether it has an odd answer.
    pub fn call(&self, port: Port, can_be_odd: bool, longest: i64) -> Call {
        let mut calls = self.calls.borrow_mut();
        let number = calls.entry(port).or_default();
        *number += 1;
        let is_hit = |fault: &Fault| {
            fault.port == port
                && (fault.call == *number || fault.lasts && fault.call < *number)
                && (can_be_odd || fault.effect != Effect::Odd)
        };
        let Some(fault) = self.fault.get().filter(is_hit) else {
            return Call { effect: None, seconds: 0 };
        };
        self.hits.set(self.hits.get() + 1);
        let seconds = if fault.call == *number { fault.seconds.min(longest) } else { 0 };
        self.delay.set(self.delay.get() + seconds);
        Call { effect: Some(fault.effect), seconds }
    }
}

impl Call {
    /// Fails if the call is not carried out.
    pub fn begin(&self, what: &'static str) -> Result<(), Internal> {
        self.fail_by(Effect::Fails, what)
    }

    /// Fails if the answer to the call is lost.
    pub fn end(&self, what: &'static str) -> Result<(), Internal> {
        self.fail_by(Effect::AnswerIsLost, what)
    }

    pub fn is_odd(&self) -> bool {
        self.effect == Some(Effect::Odd)
    }

    /// Whether the call has no answer, whether or not it is carried out.
    pub fn has_no_answer(&self) -> bool {
        matches!(self.effect, Some(Effect::AnswerIsLost | Effect::Fails))
    }

    fn fail_by(&self, effect: Effect, what: &'static str) -> Result<(), Internal> {
        if self.effect != Some(effect) {
            return Ok(());
        }
        Err(Internal::Unavailable { what, detail: DETAIL.to_owned() })
    }
}
