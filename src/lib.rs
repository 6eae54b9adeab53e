//! Postern: an OpenID Connect provider that runs as one WebAssembly module on Cloudflare Workers.
//!
//! [`handle`] answers a request, and [`finish`] does what it left for after the response; everything
//! else is in service of them:
//!
//! - [`routes`]: the table of all that is served
//! - [`router`]: from a request to its endpoint, and what every response has in common
//! - [`endpoint`]: one file per endpoint, each its specification's steps from top to bottom
//! - [`grant`]: one file per grant type of the token endpoint
//! - [`browser`]: what is known of the browser that asks: cookies, forms, attempts to sign in
//! - [`protocol`]: the vocabulary of OAuth 2.0 and OpenID Connect, free of I/O
//! - [`jose`]: JSON Web Keys and Signatures, strictly
//! - [`keys`]: which key is published and which signs; keys at rest and in memory
//! - [`pages`]: what a person sees
//! - [`opaque`]: secrets that are random texts
//! - [`store`]: the SQL
//! - [`publication`]: documents rendered once and served many times
//! - [`config`], [`context`], [`error`], [`http`]: what all of them speak
//! - [`ports`]: the traits through which the platform is seen
//! - `cloudflare`: the platform, and the exports of the module; only under wasm32

pub mod browser;
pub mod config;
pub mod context;
pub mod endpoint;
pub mod error;
pub mod grant;
pub mod http;
pub mod jose;
pub mod keys;
pub mod logos;
pub mod opaque;
pub mod outbound;
pub mod pages;
pub mod ports;
pub mod protocol;
pub mod publication;
pub mod router;
pub mod routes;
pub mod store;

#[cfg(target_arch = "wasm32")]
mod cloudflare;

use serde::Serialize;
use std::cell::Cell;

pub use crate::context::{Chore, Cx, Publication};

use crate::config::{Config, ConfigError};
use crate::error::Internal;
use crate::http::{Request, Response};
use crate::keys::client_keys::FetchedKeys;
use crate::keys::published::PublishedKeys;
use crate::keys::signing::SigningKeys;
use crate::keys::verified::VerifiedTokens;
use crate::logos::Logos;
use crate::ports::Platform;
use crate::publication::{Slot, publish};
use crate::routes::Endpoint;
use crate::store::sweep;

/// The provider as one isolate knows it: its configuration, and what it remembers.
pub struct Provider {
    config: Result<Config, ConfigError>,
    memory: Memory,
}

/// What an isolate remembers between requests. Bounded in size and age by each of its parts.
#[derive(Default)]
struct Memory {
    discovery: Slot,
    fetched_keys: FetchedKeys,
    logos: Logos,
    published_keys: PublishedKeys,
    resource_metadata: Slot,
    signing_keys: SigningKeys,
    /// Before this time, in Unix seconds, no sweep is left after a fault of the database.
    no_sweep_before: Cell<i64>,
    verified_tokens: VerifiedTokens,
}

/// For how many seconds an isolate leaves no further sweep: a database that is down need not hear of it with each
/// request.
const SWEEP_PAUSE: i64 = 10;

impl Provider {
    /// A provider configured by `variable`, which gives the text of a variable or secret. A wrong
    /// configuration is answered to every request.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self { config: Config::parse(variable), memory: Memory::default() }
    }

    /// Whether expired rows must be swept now, because the database failed: a full one fails until something is
    /// deleted, and nothing else may come by that deletes. At most once per [`SWEEP_PAUSE`].
    fn must_sweep(&self, cx: &Cx<'_>) -> bool {
        let must = cx.database_failed() && self.memory.no_sweep_before.get() <= cx.now;
        if must {
            self.memory.no_sweep_before.set(cx.now + SWEEP_PAUSE);
        }
        must
    }
}

/// What came of a request.
pub struct Reply {
    /// The response.
    pub response: Response,
    /// What to [`finish`] once the response is on its way.
    pub chores: Vec<Chore>,
    /// For the log.
    pub log: Log,
}

/// A request's line in the log. It never holds a token, a claim, a secret or a query string.
#[derive(Serialize)]
pub struct Log {
    endpoint: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip)]
    is_document: bool,
}

impl Log {
    /// Whether the line is to be written. Not for a document that was served as it should be: HTTP caches
    /// answer for most of those, unseen.
    pub fn is_telling(&self) -> bool {
        !self.is_document || self.error.is_some() || self.is_fault()
    }

    /// The line: one JSON object. `io_ms` is the time waited on I/O, in milliseconds.
    pub fn line(&self, io_ms: f64) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            #[serde(flatten)]
            log: &'a Log,
            io_ms: f64,
        }
        // Nothing in it can fail to be written.
        serde_json::to_string(&Line { log: self, io_ms }).unwrap_or_default()
    }

    /// Whether something was noted that an operator should see.
    pub fn is_fault(&self) -> bool {
        !self.notes.is_empty()
    }
}

/// Answers a request.
pub async fn handle(
    provider: &Provider,
    platform: &impl Platform,
    cx: &Cx<'_>,
    request: &impl Request,
) -> Reply {
    let (response, endpoint, error) = match &provider.config {
        Ok(config) => {
            let answer = router::answer(provider, config, platform, cx, request).await;
            (answer.response, answer.endpoint, answer.error)
        }
        Err(error) => {
            let description = error.to_string();
            let response = router::misconfigured(&description);
            cx.note(description);
            (response, None, Some("server_error"))
        }
    };
    if provider.must_sweep(cx) {
        cx.leave(Chore::Sweep);
    }
    let error = error.or_else(|| cx.refusal());
    let log = Log {
        endpoint: endpoint.map_or("none", Endpoint::name),
        status: response.status,
        error,
        notes: cx.take_notes(),
        is_document: endpoint.is_some_and(Endpoint::is_document),
    };
    Reply { response, chores: cx.take_chores(), log }
}

/// Does what a request left to be done, in a context of its own, and returns what went wrong, for the
/// log.
pub async fn finish(
    provider: &Provider,
    platform: &impl Platform,
    cx: &Cx<'_>,
    chores: Vec<Chore>,
) -> Vec<String> {
    for chore in chores {
        if let Err(fault) = finish_one(provider, platform, cx, chore).await {
            cx.note_fault(&fault);
        }
    }
    if provider.must_sweep(cx)
        && let Err(fault) = finish_one(provider, platform, cx, Chore::Sweep).await
    {
        cx.note_fault(&fault);
    }
    cx.take_notes()
}

async fn finish_one(
    provider: &Provider,
    platform: &impl Platform,
    cx: &Cx<'_>,
    chore: Chore,
) -> Result<(), Internal> {
    match (chore, &provider.config) {
        (Chore::MakeKey(alg), Ok(config)) => {
            provider.memory.published_keys.make_claimed(alg, config, platform, cx).await
        }
        (Chore::Publish(publication), Ok(_)) => publish(platform, &publication).await,
        (Chore::Sweep, Ok(_)) => sweep::all(platform, cx.now).await,
        // A provider without a configuration left nothing to be done.
        (_, Err(_)) => Ok(()),
    }
}
