//! What a request may know of the world: the time, randomness, and a place for what it notices and
//! for what it leaves to be done.

use base64ct::{Base64UrlUnpadded, Encoding};
use std::cell::{Cell, RefCell};

use crate::error::Internal;
use crate::jose::jwk::Algorithm;
use crate::ports;

/// Fills a buffer with random bytes from a cryptographic source, or says why it cannot.
pub type Randomness<'a> = &'a dyn Fn(&mut [u8]) -> Result<(), String>;

/// Work for after the response: nobody waits for it, and what of it fails is asked for again when it
/// is missed.
#[derive(Debug)]
pub enum Chore {
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
    /// When it is to be forgotten, in seconds from now (at least 60).
    pub ttl: u32,
}

/// The context of one request, or of the chores that it left. Nothing else in the core reads a clock or a
/// random source.
pub struct Cx<'a> {
    /// The time of the request, in Unix seconds. It stands still while the request is answered.
    pub now: i64,
    randomness: Randomness<'a>,
    notes: RefCell<Vec<String>>,
    refusal: Cell<Option<&'static str>>,
    database_failed: Cell<bool>,
    chores: RefCell<Vec<Chore>>,
}

impl<'a> Cx<'a> {
    /// A context at `now` (Unix seconds) that draws from `randomness`.
    pub fn new(now: i64, randomness: Randomness<'a>) -> Self {
        Self {
            now,
            randomness,
            notes: RefCell::default(),
            refusal: Cell::new(None),
            database_failed: Cell::new(false),
            chores: RefCell::default(),
        }
    }

    /// `N` random bytes.
    ///
    /// # Errors
    /// [`Internal::Unavailable`] when the platform's random source fails.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], Internal> {
        let mut bytes = [0; N];
        (self.randomness)(&mut bytes)
            .map_err(|detail| Internal::Unavailable { what: "randomness", detail })?;
        Ok(bytes)
    }

    /// A new id: 128 random bits, as base64url that does not begin with a hyphen: on a command line it would
    /// look like an option.
    ///
    /// # Errors
    /// As [`Cx::random`].
    pub fn random_id(&self) -> Result<String, Internal> {
        let id = Base64UrlUnpadded::encode_string(&self.random::<16>()?);
        Ok(if id.starts_with('-') { id.replacen('-', "A", 1) } else { id })
    }

    /// Notes something for the request's log line: a fault that the answer survived. Never a token,
    /// a claim, a secret or a query string.
    pub fn note(&self, note: impl Into<String>) {
        self.notes.borrow_mut().push(note.into());
    }

    /// Notes a fault for the request's log line.
    pub fn note_fault(&self, fault: &Internal) {
        if matches!(fault, Internal::Unavailable { what: ports::DATABASE, .. }) {
            self.database_failed.set(true);
        }
        self.note(fault.detail());
    }

    /// Whether the database failed in this request.
    pub(crate) fn database_failed(&self) -> bool {
        self.database_failed.get()
    }

    /// Tells the log by which code the request was refused, where the response is no error itself: a
    /// redirection that carries one, or a form that is shown again.
    pub fn log_refusal(&self, code: &'static str) {
        self.refusal.set(Some(code));
    }

    /// Leaves something to be done after the response has been sent.
    pub fn leave(&self, chore: Chore) {
        self.chores.borrow_mut().push(chore);
    }

    pub(crate) fn take_notes(&self) -> Vec<String> {
        self.notes.take()
    }

    pub(crate) fn refusal(&self) -> Option<&'static str> {
        self.refusal.get()
    }

    pub(crate) fn take_chores(&self) -> Vec<Chore> {
        self.chores.take()
    }
}
