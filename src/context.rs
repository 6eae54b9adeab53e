//! The context of one request, or of the tasks that it deferred: configuration, platform, time, randomness, the log,
//! and what is deferred until after the response.

use base64ct::{Base64UrlUnpadded, Encoding};
use std::cell::{Cell, RefCell};

use crate::config::Config;
use crate::error::Internal;
use crate::jose::jwk::Algorithm;
use crate::ports;

/// Fills a buffer with random bytes from a cryptographic source.
pub type Randomness<'a> = &'a dyn Fn(&mut [u8]) -> Result<(), RandomnessError>;

/// The platform's random source failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RandomnessError {
    /// What the platform said, for the log.
    pub detail: String,
}

/// Work for after the response. No request waits for it; a task that fails is deferred again by the next request
/// that needs its result.
#[derive(Debug)]
pub enum DeferredTask {
    /// Make the first key of an algorithm.
    MakeKey(Algorithm),
    /// Put a document into the cache.
    Publish(Publication),
    /// Delete expired rows.
    Sweep,
}

/// A text to put into the cache under a key.
#[derive(Debug)]
pub struct Publication {
    /// The key.
    pub key: String,
    /// The text.
    pub text: String,
    /// When the cache may forget it, in seconds from now (at least 60).
    pub ttl: u32,
}

/// The context of one request, or of the tasks that it deferred. Nothing else in the core reads a clock or a random
/// source.
pub struct Context<'a, P> {
    /// The configuration.
    pub config: &'a Config,
    /// The platform.
    pub platform: &'a P,
    /// The time of the request, in Unix seconds. It does not change while the request is answered.
    pub now: i64,
    randomness: Randomness<'a>,
    notes: RefCell<Vec<String>>,
    refusal: Cell<Option<&'static str>>,
    database_failed: Cell<bool>,
    deferred: RefCell<Vec<DeferredTask>>,
}

impl<'a, P> Context<'a, P> {
    /// A context at `now` (Unix seconds) that draws from `randomness`.
    pub fn new(config: &'a Config, platform: &'a P, now: i64, randomness: Randomness<'a>) -> Self {
        Self {
            config,
            platform,
            now,
            randomness,
            notes: RefCell::default(),
            refusal: Cell::new(None),
            database_failed: Cell::new(false),
            deferred: RefCell::default(),
        }
    }

    /// Draws `N` random bytes.
    ///
    /// # Errors
    /// [`Internal::Unavailable`] when the platform's random source fails.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], Internal> {
        let mut bytes = [0; N];
        (self.randomness)(&mut bytes).map_err(|RandomnessError { detail }| {
            Internal::Unavailable { what: "randomness", detail }
        })?;
        Ok(bytes)
    }

    /// Draws a secret: 256 random bits as base64url. It is given out once and stored as its hash.
    ///
    /// # Errors
    /// As [`Context::random`].
    pub fn random_text(&self) -> Result<String, Internal> {
        Ok(Base64UrlUnpadded::encode_string(&self.random::<32>()?))
    }

    /// Draws an id: 128 random bits as base64url. It does not begin with a hyphen, because on a command line it would
    /// look like an option.
    ///
    /// # Errors
    /// As [`Context::random`].
    pub fn random_id(&self) -> Result<String, Internal> {
        let id = Base64UrlUnpadded::encode_string(&self.random::<16>()?);
        Ok(if id.starts_with('-') { id.replacen('-', "A", 1) } else { id })
    }

    /// Adds a note to the request's log line, which makes the line one of a fault. The text never holds a token, a
    /// claim, a secret or a query string.
    pub fn log_note(&self, note: impl Into<String>) {
        self.notes.borrow_mut().push(note.into());
    }

    /// Adds a fault that the response survived to the request's log line.
    pub fn log_fault(&self, fault: &Internal) {
        if matches!(fault, Internal::Unavailable { what: ports::DATABASE, .. }) {
            self.database_failed.set(true);
        }
        self.log_note(fault.detail());
    }

    /// Sets the error code of the request's log line where the response is not an error itself: a redirect with an
    /// error, or a form that is shown again.
    pub fn log_refusal(&self, code: &'static str) {
        self.refusal.set(Some(code));
    }

    /// Defers a task until after the response.
    pub fn defer(&self, task: DeferredTask) {
        self.deferred.borrow_mut().push(task);
    }

    pub(crate) fn database_failed(&self) -> bool {
        self.database_failed.get()
    }

    pub(crate) fn take_notes(&self) -> Vec<String> {
        self.notes.take()
    }

    pub(crate) fn refusal(&self) -> Option<&'static str> {
        self.refusal.get()
    }

    pub(crate) fn take_deferred(&self) -> Vec<DeferredTask> {
        self.deferred.take()
    }
}
