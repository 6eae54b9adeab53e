//! Postern: an OpenID Connect provider that runs as one WebAssembly module on Cloudflare Workers.
//!
//! [`handle`] answers a request, and [`finish`] does what the request deferred until after the response. The other
//! modules stand on floors: each imports only from the floors below its own, and a test holds them to it.
//!
//! 12. `cloudflare`: the platform, and the exports of the module; only under wasm32
//! 11. [`router`]: from a request to its endpoint, and what every response has in common
//! 10. [`endpoint`]: one file per endpoint, in rooms by who calls it
//! 9. [`grant`]: one file per grant type of the token endpoint
//! 8. [`provider`], [`routes`]: what endpoints and grants are given; the table of all that is served
//! 7. [`fetched`]: everything that a client makes the provider fetch
//! 6. [`keys`], [`interaction`], [`limits`]: signing keys; what a browser is in the middle of; limits
//! 5. [`store`], [`crypto`], [`documents`]: SQL; seals and codes; documents that are rendered once
//! 4. [`ports`], [`context`]: the traits of the platform; the context of one request
//! 3. [`error`], [`config`], [`pages`]: faults and refusals; the environment; what a user sees
//! 2. [`protocol`]: OAuth 2.0 and OpenID Connect without I/O
//! 1. [`http`], [`jose`], [`secret`], [`digest`], [`lifetimes`], [`bounded_map`]: requests and responses; JSON, JWK,
//!    JWS; secrets; digests; policy times; a map that cannot grow

pub mod bounded_map;
pub mod config;
pub mod context;
pub mod crypto;
pub mod digest;
pub mod documents;
pub mod endpoint;
pub mod error;
pub mod fetched;
pub mod grant;
pub mod http;
pub mod interaction;
pub mod jose;
pub mod keys;
pub mod lifetimes;
pub mod limits;
pub mod pages;
pub mod ports;
pub mod protocol;
pub mod provider;
pub mod router;
pub mod routes;
pub mod secret;
pub mod store;

#[cfg(target_arch = "wasm32")]
mod cloudflare;

use serde::Serialize;

pub use crate::context::{DeferredTask, Publication, Randomness, RandomnessError};

use crate::config::{Config, ConfigError};
use crate::context::Context;
use crate::error::Internal;
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::provider::{Memory, Provider};
use crate::routes::Endpoint;
use crate::store::sweep;

/// What one isolate keeps between requests: the configuration, and its memory.
pub struct Isolate {
    config: Result<Config, ConfigError>,
    memory: Memory,
}

impl Isolate {
    /// An isolate configured by `variable`, which gives the text of a variable or secret. While the configuration is
    /// wrong, every request is answered with what is wrong.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self { config: Config::parse(variable), memory: Memory::default() }
    }
}

/// The outcome of a request.
pub struct Reply {
    /// The response.
    pub response: Response,
    /// The tasks to [`finish`] once the response is on its way.
    pub deferred: Vec<DeferredTask>,
    /// The line for the log.
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
    /// Whether the line is to be written. A document that was served as it should be is not logged, because HTTP
    /// caches answer most of those requests unseen.
    pub fn should_write(&self) -> bool {
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
        serde_json::to_string(&Line { log: self, io_ms }).unwrap_or_else(|error| error.to_string())
    }

    /// Whether something was noted that an operator should see.
    pub fn is_fault(&self) -> bool {
        !self.notes.is_empty()
    }
}

/// Answers a request at `now` (Unix seconds).
pub async fn handle(
    isolate: &Isolate,
    platform: &impl Platform,
    now: i64,
    randomness: Randomness<'_>,
    request: &impl Request,
) -> Reply {
    let Isolate { config, memory } = isolate;
    let config = match config {
        Ok(config) => config,
        Err(error) => return misconfigured(error),
    };
    let context = Context::new(config, platform, now, randomness);
    let provider = Provider { context, memory };
    let answer = router::answer(&provider, request).await;
    if provider.must_sweep() {
        provider.context.defer(DeferredTask::Sweep);
    }
    let context = &provider.context;
    let log = Log {
        endpoint: answer.endpoint.map_or("none", Endpoint::name),
        status: answer.response.status,
        error: answer.error.or_else(|| context.refusal()),
        notes: context.take_notes(),
        is_document: answer.endpoint.is_some_and(Endpoint::is_document),
    };
    Reply { response: answer.response, deferred: context.take_deferred(), log }
}

/// The reply to every request while the configuration is wrong.
fn misconfigured(error: &ConfigError) -> Reply {
    let description = error.to_string();
    let response = router::misconfigured(&description);
    let log = Log {
        endpoint: "none",
        status: response.status,
        error: Some("server_error"),
        notes: vec![description],
        is_document: false,
    };
    Reply { response, deferred: Vec::new(), log }
}

/// Does what a request deferred, in a context of its own. Returns what went wrong, for the log.
pub async fn finish(
    isolate: &Isolate,
    platform: &impl Platform,
    now: i64,
    randomness: Randomness<'_>,
    deferred: Vec<DeferredTask>,
) -> Vec<String> {
    let Isolate { config, memory } = isolate;
    // Without a configuration no request defers anything.
    let Ok(config) = config else { return Vec::new() };
    let provider = Provider { context: Context::new(config, platform, now, randomness), memory };
    for task in deferred {
        finish_one(&provider, task).await;
    }
    if provider.must_sweep() {
        finish_one(&provider, DeferredTask::Sweep).await;
    }
    provider.context.take_notes()
}

async fn finish_one(provider: &Provider<'_, impl Platform>, task: DeferredTask) {
    let Provider { context, memory } = provider;
    let outcome: Result<(), Internal> = match task {
        DeferredTask::MakeKey(alg) => memory.published_keys.make_claimed(alg, context).await,
        DeferredTask::Publish(publication) => {
            documents::publish(context.platform, &publication).await
        }
        DeferredTask::Sweep => sweep::all(context.platform, context.now).await,
    };
    if let Err(fault) = outcome {
        context.log_fault(&fault);
    }
}
