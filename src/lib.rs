//! Postern: an OpenID Connect provider that runs as one WebAssembly module on Cloudflare Workers.
//!
//! [`handle`] answers a request. [`finish`] runs the tasks that the request deferred until after the response.
//!
//! The modules form floors. A module imports only from lower floors, and `tests/it/floors.rs` checks this.
//!
//! 12. `cloudflare`, only for wasm32: the exports of the module, and the ports on D1, KV and SubtleCrypto
//! 11. [`router`]: dispatches a request to its endpoint, and adds the headers that every response has
//! 10. [`endpoint`]: one file per endpoint, in folders by caller
//! 9. [`grant`], [`maintenance`]: one file per grant type of the token endpoint; what runs without a request
//! 8. [`provider`], [`routes`]: the argument of every endpoint and grant; the table of routes
//! 7. [`fetched`]: documents that the provider fetches from URLs in client metadata
//! 6. [`keys`], [`interaction`], [`limits`]: signing keys; the state of a browser's interaction; rate limits
//! 5. [`store`], [`crypto`], [`documents`]: SQL; sealed keys and MACs; documents that are rendered once
//! 4. [`ports`], [`context`]: the traits of the platform; the context of one request
//! 3. [`error`], [`config`], [`pages`], [`log`]: error types; the configuration; HTML pages; lines and events of the log
//! 2. [`protocol`]: OAuth 2.0 and OpenID Connect without I/O
//! 1. [`http`], [`jose`], [`secret`], [`digest`], [`lifetimes`], [`bounded_map`]: requests and responses; JSON, JWK
//!    and JWS; secrets; digests; times of the policy; a map of limited size

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
pub mod log;
pub mod maintenance;
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
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

pub use crate::context::{DeferredTask, Publication, Randomness, RandomnessError};
pub use crate::log::{Level, Line, log_line};

use crate::config::{Config, ConfigError};
use crate::context::{Context, RefusedClient};
use crate::error::Internal;
use crate::http::{Request, Response, address_of, network_of};
use crate::lifetimes::{CLOCK_SLACK_SECONDS, MAINTENANCE_LATE_SECONDS};
use crate::log::LogEvent;
use crate::maintenance::{Clock, Report, Step, logout_delivery};
use crate::ports::Platform;
use crate::provider::{Memory, Provider};
use crate::routes::Endpoint;
use crate::store::maintenance_runs::{self, MaintenanceRun};
use crate::store::sweep;

/// The state of one isolate between requests: the configuration, and the memory.
pub struct Isolate {
    config: Result<Config, ConfigError>,
    memory: RefCell<Rc<Memory>>,
    /// The latest time of a request or its deferred tasks, in Unix seconds, since the memory was empty.
    latest: Cell<i64>,
}

impl Isolate {
    /// Creates an isolate. `variable` returns the text of a variable or secret. If the configuration is invalid, every
    /// request is answered with a description of the error.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            config: Config::parse(variable),
            memory: RefCell::default(),
            latest: Cell::default(),
        }
    }
}

impl Isolate {
    /// Returns the memory for a request at `now`. It is emptied if the clock was set back, because it is full of times
    /// that would come only later.
    fn memory_at(&self, now: i64) -> Rc<Memory> {
        if now + CLOCK_SLACK_SECONDS < self.latest.get() {
            self.memory.take();
            self.latest.set(now);
        }
        self.latest.set(self.latest.get().max(now));
        Rc::clone(&self.memory.borrow())
    }
}

/// The outcome of a request.
pub struct Reply {
    /// The response.
    pub response: Response,
    /// The tasks for [`finish`], to run once the response is sent.
    pub deferred: Vec<DeferredTask>,
    /// The line for the log.
    pub log: Log,
    /// The lines of the events beside it.
    pub events: Vec<Line>,
}

/// A request's line in the log. It never contains a token, a claim, a secret or a query string.
#[derive(Serialize)]
pub struct Log {
    endpoint: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    refused_client: Option<RefusedClient>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip)]
    is_quiet: bool,
}

impl Log {
    /// Returns whether the line should be written.
    pub fn should_write(&self) -> bool {
        !self.is_quiet || self.error.is_some() || self.is_fault()
    }

    /// Formats the line as one JSON object. `io_ms` is the time spent waiting for I/O, in milliseconds.
    pub fn line(&self, io_ms: f64) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            #[serde(flatten)]
            log: &'a Log,
            io_ms: f64,
        }
        log_line(&Line { log: self, io_ms })
    }

    /// Returns the level of the line.
    pub fn level(&self) -> Level {
        match (self.is_fault(), self.warnings.is_empty()) {
            (true, _) => Level::Error,
            (false, false) => Level::Warning,
            (false, true) => Level::Information,
        }
    }

    fn is_fault(&self) -> bool {
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
    let config = match &isolate.config {
        Ok(config) => config,
        Err(error) => return misconfigured(error, &isolate.memory_at(now), now, request),
    };
    let memory = isolate.memory_at(now);
    let network = || network_of(&address_of(request));
    let context = Context::new(config, platform, now, randomness).from_network(&network);
    let provider = Provider { context, memory: &memory };
    let answer = router::answer(&provider, request).await;
    let adds_rows = answer.endpoint.is_some_and(Endpoint::adds_rows);
    if provider.must_free_space() || adds_rows && memory.must_sweep(now) {
        provider.context.defer(DeferredTask::Sweep);
    }
    let context = &provider.context;
    let log = Log {
        endpoint: answer.endpoint.map_or("none", Endpoint::name),
        status: answer.response.status,
        error: answer.error.or_else(|| context.refusal()),
        refused_client: context.take_refused_client(),
        notes: context.take_notes(),
        warnings: context.take_warnings(),
        is_quiet: answer.endpoint.is_some_and(Endpoint::is_quiet),
    };
    let events = memory.written_events.lines(context.take_events(), now);
    Reply { response: answer.response, deferred: context.take_deferred(), log, events }
}

/// The reply to every request if the configuration is invalid.
fn misconfigured(error: &ConfigError, memory: &Memory, now: i64, request: &impl Request) -> Reply {
    let description = error.to_string();
    let response = router::misconfigured(&description, now, request);
    let log = Log {
        endpoint: "none",
        status: response.status,
        error: Some("server_error"),
        refused_client: None,
        notes: vec![description],
        warnings: Vec::new(),
        is_quiet: false,
    };
    let event = LogEvent::Misconfigured { variable: error.variable };
    let events = memory.written_events.lines(vec![event], now);
    Reply { response, deferred: Vec::new(), log, events }
}

/// Runs deferred tasks in a context of their own. Returns lines for the log: of the failures, and of events.
pub async fn finish(
    isolate: &Isolate,
    platform: &impl Platform,
    now: i64,
    randomness: Randomness<'_>,
    deferred: Vec<DeferredTask>,
) -> Vec<Line> {
    // Without a configuration no request defers anything.
    let Ok(config) = &isolate.config else { return Vec::new() };
    let memory = isolate.memory_at(now);
    let context = Context::new(config, platform, now, randomness);
    let provider = Provider { context, memory: &memory };
    for task in deferred {
        finish_one(&provider, task).await;
    }
    if provider.must_free_space() {
        finish_one(&provider, DeferredTask::Sweep).await;
    }
    let context = &provider.context;
    let mut lines = memory.written_events.lines(context.take_events(), now);
    let notes = context.take_notes();
    if !notes.is_empty() {
        let text = log_line(&json!({ "after_response": "failed", "notes": notes }));
        lines.push(Line { level: Level::Error, text });
    }
    lines
}

async fn finish_one(provider: &Provider<'_, impl Platform>, task: DeferredTask) {
    let Provider { context, memory } = provider;
    let outcome: Result<(), Internal> = match task {
        DeferredTask::DeliverLogoutTokens { end_id } => {
            logout_delivery::after_session_end(provider, &end_id).await
        }
        DeferredTask::DeliverLogoutTokensTo { client_id } => {
            logout_delivery::after_retry(provider, client_id).await
        }
        DeferredTask::MakeKey(alg) => memory.published_keys.make_claimed(alg, context).await,
        DeferredTask::Publish(publication) => documents::publish(context, &publication).await,
        DeferredTask::Sweep => sweep::all(context.platform, context.now).await.map(|is_more| {
            if is_more {
                memory.continue_sweep(context.now);
            }
        }),
    };
    if let Err(fault) = outcome {
        context.log_fault(&fault);
    }
}

/// A run's line in the log, and its row in the table of runs.
#[derive(Default, Serialize)]
pub struct MaintenanceLog {
    /// The report of each step, by its name. A step that failed has none.
    steps: Report,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    /// The lines of the events beside it.
    #[serde(skip)]
    pub events: Vec<Line>,
}

impl MaintenanceLog {
    /// Formats the line as one JSON object.
    pub fn line(&self) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            maintenance: &'static str,
            #[serde(flatten)]
            log: &'a MaintenanceLog,
        }
        let maintenance = if self.notes.is_empty() { "done" } else { "failed" };
        log_line(&Line { maintenance, log: self })
    }

    /// Returns the level of the line.
    pub fn level(&self) -> Level {
        if self.notes.is_empty() { Level::Information } else { Level::Error }
    }

    /// Adds the notes and the events of a step. A step with faults is an event, also if it has done a part.
    fn add<P>(&mut self, step: &'static str, context: &Context<'_, P>, memory: &Memory) {
        let notes = context.take_notes();
        if !notes.is_empty() {
            context.log_event(LogEvent::MaintenanceFailed { step });
        }
        self.notes.extend(notes);
        self.events.extend(memory.written_events.lines(context.take_events(), context.now));
    }
}

/// Runs the maintenance, and records the run. `clock` returns the time now in Unix seconds.
pub async fn maintain(
    isolate: &Isolate,
    platform: &impl Platform,
    clock: Clock<'_>,
    randomness: Randomness<'_>,
) -> MaintenanceLog {
    let mut log = MaintenanceLog::default();
    let config = match &isolate.config {
        Ok(config) => config,
        Err(error) => {
            log.notes.push(error.to_string());
            log.events.push(LogEvent::Misconfigured { variable: error.variable }.line());
            return log;
        }
    };
    let started_at = clock();
    for step in Step::ALL {
        let now = clock();
        let memory = isolate.memory_at(now);
        let context = Context::new(config, platform, now, randomness);
        let provider = Provider { context, memory: &memory };
        match step.run(&provider, clock).await {
            Ok(report) => {
                log.steps.insert(step.name().to_owned(), report.into());
            }
            Err(fault) => provider.context.log_fault(&fault),
        }
        for task in provider.context.take_deferred() {
            finish_one(&provider, task).await;
        }
        log.add(step.name(), &provider.context, &memory);
    }
    let context = Context::new(config, platform, clock(), randomness);
    let run = MaintenanceRun { started_at, ended_at: context.now, report: log_line(&log) };
    match maintenance_runs::record(&context, &run).await {
        Ok(Some(before)) if started_at > before + MAINTENANCE_LATE_SECONDS => {
            context.log_event(LogEvent::MaintenanceLate { seconds: started_at - before });
        }
        Ok(_) => {}
        Err(fault) => context.log_fault(&fault),
    }
    log.add("record", &context, &isolate.memory_at(context.now));
    log
}
