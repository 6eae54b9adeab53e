//! The context of one request, or of the tasks that it deferred: configuration, platform, time, randomness, log notes
//! and deferred tasks.
#![warn(missing_docs)]

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Serialize;
use std::cell::{Cell, RefCell};

use crate::config::Config;
use crate::error::Internal;
use crate::jose::jwk::Algorithm;
use crate::log::LogEvent;
use crate::ports::{self, NormalizationForm, Unicode};
use crate::protocol::client::client_id_url;
use crate::protocol::description::Description;

/// Fills a buffer with random bytes from a cryptographic source.
pub type Randomness<'a> = &'a dyn Fn(&mut [u8]) -> Result<(), RandomnessError>;

/// Returns the [network](crate::http::network_of) of a request.
pub type NetworkOfRequest<'a> = &'a dyn Fn() -> String;

/// The platform's random source failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RandomnessError {
    /// The platform's message, for the log.
    pub detail: String,
}

/// Work to do after the response. No request waits for it. A task that fails is not retried: the next request that
/// needs its result defers it again.
#[derive(Debug)]
pub enum DeferredTask {
    /// Deliver logout tokens of the sessions that an end of this id has ended.
    DeliverLogoutTokens {
        /// The id of the end.
        end_id: String,
    },
    /// Deliver logout tokens of a client that are due.
    DeliverLogoutTokensTo {
        /// The client.
        client_id: String,
    },
    /// Generate the first key of an algorithm.
    MakeKey(Algorithm),
    /// Write a document to the cache.
    Publish(Publication),
    /// Delete expired rows.
    Sweep,
}

/// A text to write to the cache.
#[derive(Debug)]
pub struct Publication {
    /// The cache key.
    pub key: String,
    /// The value.
    pub text: String,
    /// The lifetime in seconds; KV requires at least 60.
    pub ttl: u32,
}

/// The client of a request that was refused, or taken only in part, as the log line names it.
#[derive(Serialize)]
pub(crate) struct RefusedClient {
    client_id: String,
    description: String,
}

/// The context of one request, or of the tasks that it deferred.
///
/// It is the only source of time and randomness outside `cloudflare`, so that tests can fix both.
pub struct Context<'a, P> {
    /// The configuration.
    pub config: &'a Config,
    /// The platform.
    pub platform: &'a P,
    /// The time of the request or of its deferred tasks, in Unix seconds. It is read once per context.
    pub now: i64,
    randomness: Randomness<'a>,
    network: Option<NetworkOfRequest<'a>>,
    notes: RefCell<Vec<String>>,
    warnings: RefCell<Vec<String>>,
    events: RefCell<Vec<LogEvent>>,
    refusal: Cell<Option<&'static str>>,
    refused_client: RefCell<Option<RefusedClient>>,
    database_failed: Cell<bool>,
    deferred: RefCell<Vec<DeferredTask>>,
}

impl<'a, P> Context<'a, P> {
    /// Creates a context at `now` (Unix seconds) that draws from `randomness`.
    pub fn new(config: &'a Config, platform: &'a P, now: i64, randomness: Randomness<'a>) -> Self {
        Self {
            config,
            platform,
            now,
            randomness,
            network: None,
            notes: RefCell::default(),
            warnings: RefCell::default(),
            events: RefCell::default(),
            refusal: Cell::new(None),
            refused_client: RefCell::default(),
            database_failed: Cell::new(false),
            deferred: RefCell::default(),
        }
    }

    /// Sets the network of the request, for [`Context::network`].
    #[must_use]
    pub fn from_network(self, network: NetworkOfRequest<'a>) -> Self {
        Self { network: Some(network), ..self }
    }

    /// Returns the network that the request came from, for the audit trail. `None` if there is no request: the provider does
    /// something by itself. It is read from the header each time, because most requests do not need it.
    pub fn network(&self) -> Option<String> {
        self.network.map(|network| network())
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

    /// Draws a secret: 256 random bits as base64url. Callers hand it out once and store only its hash.
    ///
    /// # Errors
    /// As [`Context::random`].
    pub fn random_text(&self) -> Result<String, Internal> {
        Ok(Base64UrlUnpadded::encode_string(&self.random::<32>()?))
    }

    /// Draws an identifier: 128 random bits as base64url. It never begins with a hyphen, because on a command line it
    /// would look like an option.
    ///
    /// # Errors
    /// As [`Context::random`].
    pub fn random_id(&self) -> Result<String, Internal> {
        let id = Base64UrlUnpadded::encode_string(&self.random::<16>()?);
        Ok(if id.starts_with('-') { id.replacen('-', "A", 1) } else { id })
    }

    /// Returns a text in NFC. Callers need not call it for ASCII.
    pub fn nfc(&self, text: &str) -> String
    where
        P: Unicode,
    {
        self.platform.normalize(text, NormalizationForm::Nfc)
    }

    /// Returns a text in NFKC. Callers need not call it for ASCII.
    pub fn nfkc(&self, text: &str) -> String
    where
        P: Unicode,
    {
        self.platform.normalize(text, NormalizationForm::Nfkc)
    }

    /// Adds a note to the request's log line, which marks the line as a fault of the provider or its platform. The note
    /// must not contain a token, a claim, a secret or a query string. A failure that a stranger can cause is a warning.
    pub fn log_note(&self, note: impl Into<String>) {
        self.notes.borrow_mut().push(note.into());
    }

    /// Adds a failure at a client's server to the request's log line. Any stranger can have such a server, so nobody
    /// should be woken by it. The text is limited like that of [`Context::log_note`].
    pub fn log_warning(&self, warning: impl Into<String>) {
        self.warnings.borrow_mut().push(warning.into());
    }

    /// Adds an internal error to the request's log line, for a request that succeeds in spite of it, and its event.
    pub fn log_fault(&self, fault: &Internal) {
        if matches!(fault, Internal::Unavailable { what: ports::DATABASE, .. }) {
            self.database_failed.set(true);
        }
        let event = match fault {
            Internal::Broken { .. } => Some(LogEvent::InternalFault {}),
            Internal::Misconfigured { variable, .. } => Some(LogEvent::Misconfigured { variable }),
            Internal::Unavailable { what: ports::KEY_TABLE, .. } => None,
            Internal::Unavailable { what: ports::DATABASE, detail } if ports::is_full(detail) => {
                Some(LogEvent::DatabaseFull {})
            }
            Internal::Unavailable { what, .. } => {
                Some(LogEvent::PlatformUnavailable { part: what })
            }
        };
        if let Some(event) = event {
            self.log_event(event);
        }
        self.log_note(fault.detail());
    }

    /// Calls the platform, and once more if the part that it needs is unavailable. The first fault is logged. Returns whether
    /// the call was made twice.
    ///
    /// # Errors
    /// The error of the call: of the second one, if there is one.
    pub async fn at_most_twice<T>(
        &self,
        call: impl AsyncFn() -> Result<T, Internal>,
    ) -> Result<(T, bool), Internal> {
        match call().await {
            Err(fault @ Internal::Unavailable { .. }) => {
                self.log_fault(&fault);
                Ok((call().await?, true))
            }
            result => Ok((result?, false)),
        }
    }

    /// Logs an event, once if the same one happens again in the request.
    pub fn log_event(&self, event: LogEvent) {
        let mut events = self.events.borrow_mut();
        if !events.contains(&event) {
            events.push(event);
        }
    }

    /// Sets the error code in the request's log line if the response itself is not an error: a redirect with an error,
    /// or a form that is shown again.
    pub fn log_refusal(&self, code: &'static str) {
        self.refusal.set(Some(code));
    }

    /// Adds a client to the request's log line, with the description of what was refused or left out. An identifier that
    /// is too long to be one is cut, because anybody can send it.
    pub fn log_client(&self, client_id: &str, description: &Description) {
        let (client_id, _) =
            client_id.split_at(client_id.floor_char_boundary(client_id_url::LIMIT));
        let client =
            RefusedClient { client_id: client_id.to_owned(), description: description.to_string() };
        self.refused_client.replace(Some(client));
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

    pub(crate) fn take_events(&self) -> Vec<LogEvent> {
        self.events.take()
    }

    pub(crate) fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    pub(crate) fn refusal(&self) -> Option<&'static str> {
        self.refusal.get()
    }

    pub(crate) fn take_refused_client(&self) -> Option<RefusedClient> {
        self.refused_client.take()
    }

    pub(crate) fn take_deferred(&self) -> Vec<DeferredTask> {
        self.deferred.take()
    }
}
