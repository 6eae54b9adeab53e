//! A provider with its platform, a clock that tests set, and repeatable randomness.

use postern::http::{BodyError, Request, Response};
use postern::ports::Document;
use postern::{
    Isolate, Line, Log, MaintenanceLog, RandomnessError, Reply, finish, handle, maintain,
};
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::fault_plan::{DETAIL, Port};
use crate::platform::{Native, copy};

pub const ISSUER: &str = "https://login.example.com";
pub const ADMIN_TOKEN: &str = "the-operators-own-token-0123456789abcdef";
/// 32 bytes with the value 7.
pub const KEY_ENCRYPTION_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
/// 2026-05-28.
pub const NOW: i64 = 1_780_000_000;

pub type Variables = Vec<(&'static str, String)>;

/// The variables that most tests use.
pub fn variables() -> Variables {
    vec![
        ("ISSUER", ISSUER.into()),
        ("ADMIN_TOKEN", ADMIN_TOKEN.into()),
        ("KEY_ENCRYPTION_KEY", KEY_ENCRYPTION_KEY.into()),
    ]
}

/// These variables with one changed or added; an empty text removes it.
pub fn variables_with(name: &'static str, text: &str) -> Variables {
    let mut variables = variables();
    variables.retain(|(known, _)| *known != name);
    variables.push((name, text.into()));
    variables
}

pub struct TestProvider {
    pub platform: Native,
    pub now: Cell<i64>,
    /// How long the bodies of requests take to arrive, in seconds after `now`.
    pub body_seconds: Cell<i64>,
    /// Whether isolates end with their response, so that deferred tasks do not run.
    pub skips_deferred_tasks: Cell<bool>,
    /// Whether random bytes look random. Otherwise each draw repeats one byte, as in the golden files.
    pub has_entropy: Cell<bool>,
    isolate: RefCell<Isolate>,
    variables: RefCell<Variables>,
    draws: Cell<u32>,
}

/// All that a provider has outside of its isolates.
pub struct Snapshot {
    pub database: Connection,
    cache: HashMap<String, String>,
    web: HashMap<String, Document>,
    form_statuses: HashMap<String, u16>,
    now: i64,
    draws: u32,
    generated: usize,
}

fn isolate(variables: &Variables) -> Isolate {
    Isolate::new(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone())
    })
}

impl TestProvider {
    pub fn new() -> Self {
        Self::configured(variables())
    }

    pub fn configured(variables: Variables) -> Self {
        Self {
            platform: Native::new(),
            now: Cell::new(NOW),
            body_seconds: Cell::new(0),
            skips_deferred_tasks: Cell::new(false),
            has_entropy: Cell::new(false),
            isolate: RefCell::new(isolate(&variables)),
            variables: RefCell::new(variables),
            draws: Cell::new(0),
        }
    }

    /// A provider that has a key for each algorithm, and whose isolate remembers them.
    pub fn with_keys() -> Self {
        let provider = Self::new();
        provider.send(get("/auth/jwks.json"));
        provider
    }

    /// Continues in a new isolate, which remembers nothing.
    pub fn new_isolate(&self) {
        self.isolate.replace(isolate(&self.variables.borrow()));
    }

    /// Runs `work` in a new isolate, while this one lives on.
    pub fn in_other_isolate<T>(&self, work: impl FnOnce() -> T) -> T {
        let this = self.isolate.replace(isolate(&self.variables.borrow()));
        let result = work();
        self.isolate.replace(this);
        result
    }

    /// Makes an isolate, which remembers nothing.
    pub fn make_isolate(&self) -> Isolate {
        isolate(&self.variables.borrow())
    }

    /// Runs `work` in this isolate.
    pub fn in_isolate<T>(&self, isolate: &mut Isolate, work: impl FnOnce() -> T) -> T {
        std::mem::swap(&mut *self.isolate.borrow_mut(), isolate);
        let result = work();
        std::mem::swap(&mut *self.isolate.borrow_mut(), isolate);
        result
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut database = Connection::open_in_memory().unwrap();
        copy(&self.platform.primary, &mut database);
        Snapshot {
            database,
            cache: self.platform.cache.borrow().clone(),
            web: self.platform.web.borrow().clone(),
            form_statuses: self.platform.form_statuses.borrow().clone(),
            now: self.now.get(),
            draws: self.draws.get(),
            generated: self.platform.generated.get(),
        }
    }

    /// Returns to a snapshot. Isolates keep what they remember.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        copy(&snapshot.database, &mut self.platform.primary);
        self.platform.cache.borrow_mut().clone_from(&snapshot.cache);
        self.platform.web.borrow_mut().clone_from(&snapshot.web);
        self.platform.form_statuses.borrow_mut().clone_from(&snapshot.form_statuses);
        self.platform.forms.take();
        self.now.set(snapshot.now);
        self.draws.set(snapshot.draws);
        self.platform.generated.set(snapshot.generated);
    }

    /// Continues in a new isolate of another deployment.
    pub fn deploy(&self, variables: Variables) {
        self.variables.replace(variables);
        self.new_isolate();
    }

    pub fn sleep(&self, seconds: i64) {
        self.now.set(self.now.get() + seconds);
    }

    /// Sends a request and then runs its deferred tasks.
    pub fn send(&self, request: TestRequest) -> TestResponse {
        let isolate = self.isolate.borrow();
        block_on(self.answer(&isolate, request))
    }

    /// Sends simultaneous requests to this isolate.
    pub fn send_together(&self, requests: Vec<TestRequest>) -> Vec<TestResponse> {
        let isolate = self.isolate.borrow();
        let answers = requests.into_iter().map(|request| Box::pin(self.answer(&isolate, request)));
        join(answers.collect())
    }

    /// Sends simultaneous requests, each to an isolate of its own.
    pub fn send_at_once(&self, requests: Vec<TestRequest>) -> Vec<TestResponse> {
        let variables = || self.variables.borrow().clone();
        self.send_to_deployments(requests.into_iter().map(|one| (variables(), one)).collect())
    }

    /// Sends simultaneous requests, each to an isolate of a deployment with these variables.
    pub fn send_to_deployments(
        &self,
        requests: Vec<(Variables, TestRequest)>,
    ) -> Vec<TestResponse> {
        let (isolates, requests): (Vec<_>, Vec<_>) =
            requests.into_iter().map(|(variables, request)| (isolate(&variables), request)).unzip();
        let answers = requests
            .into_iter()
            .zip(&isolates)
            .map(|(request, isolate)| Box::pin(self.answer(isolate, request)));
        join(answers.collect())
    }

    /// Sends simultaneous requests, and drops each after `steps` calls of a port, as if its browser had gone.
    pub fn abandon(&self, requests: Vec<TestRequest>, steps: usize) {
        let isolate = self.isolate.borrow();
        let answers = requests.into_iter().map(|request| Box::pin(self.answer(&isolate, request)));
        let mut answers: Vec<_> = answers.collect();
        for _ in 0..=steps {
            for answer in &mut answers {
                let _ = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            }
        }
    }

    /// Runs the maintenance, as the scheduled event does.
    pub fn maintain(&self) -> MaintenanceLog {
        let log = self.maintain_by(&|| self.time());
        self.now.set(self.now.get() + self.platform.faults.take_delay());
        log
    }

    /// Runs the maintenance by another clock, which may go on during the run.
    pub fn maintain_by(&self, clock: &dyn Fn() -> i64) -> MaintenanceLog {
        let isolate = self.isolate.borrow();
        block_on(maintain(&isolate, &self.platform, clock, &|bytes| self.draw(bytes)))
    }

    /// Runs the maintenance in several isolates at the same time.
    pub fn maintain_together(&self, isolates: &[Isolate]) -> Vec<MaintenanceLog> {
        let (clock, draw) = (|| self.now.get(), |bytes: &mut [u8]| self.draw(bytes));
        let runs = isolates.iter().map(|isolate| {
            Box::pin(async { maintain(isolate, &self.platform, &clock, &draw).await })
        });
        join(runs.collect())
    }

    /// The time of the clock, which goes on during slow calls.
    fn time(&self) -> i64 {
        self.now.get() + self.platform.faults.delay()
    }

    fn draw(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        if self.platform.faults.call(Port::Randomness, false, i64::MAX).has_no_answer() {
            return Err(RandomnessError { detail: DETAIL.to_owned() });
        }
        self.draws.set(self.draws.get() + 1);
        let [low, rest @ ..] = self.draws.get().to_le_bytes();
        bytes.fill(low);
        bytes.iter_mut().zip(rest).for_each(|(byte, more)| *byte ^= more);
        if self.has_entropy.get() {
            let digest = Sha256::digest(self.draws.get().to_le_bytes());
            bytes.iter_mut().zip(digest).for_each(|(byte, mixed)| *byte = mixed);
        }
        Ok(())
    }

    async fn answer(&self, isolate: &Isolate, request: TestRequest) -> TestResponse {
        let randomness = |bytes: &mut [u8]| self.draw(bytes);
        let now = self.now.get();
        let request = TestRequest { age: self.body_seconds.get(), ..request };
        let reply = handle(isolate, &self.platform, now, &randomness, &request).await;
        let Reply { response, deferred, log, mut events } = reply;
        let deferred_count = deferred.len();
        if !self.skips_deferred_tasks.get() {
            let now = self.time();
            events.extend(finish(isolate, &self.platform, now, &randomness, deferred).await);
        }
        self.now.set(self.now.get() + self.platform.faults.take_delay());
        TestResponse::new(response, &log, deferred_count, &events)
    }

    /// Stores alice with her claims, without a password.
    pub fn put_alice(&self) {
        let response = self.send(put("/admin/users/alice").by_operator().json(&json!({
            "login": "Alice@Example.com",
            "claims": alice(),
        })));
        assert_eq!(response.status, 200, "{}", response.body);
    }

    /// Mints an access token for alice.
    pub fn mint(&self, scope: &str) -> String {
        let order = json!({ "sub": "alice", "scope": scope });
        let response = self.send(post("/admin/tokens").by_operator().json(&order));
        assert_eq!(response.status, 200, "{}", response.body);
        response.json()["access_token"].as_str().unwrap().to_owned()
    }
}

/// The claims of alice: every standard claim and `groups`.
pub fn alice() -> Value {
    json!({
        "name": "Alice Adams", "given_name": "Alice", "family_name": "Adams", "middle_name": "A.",
        "nickname": "Al", "preferred_username": "alice", "profile": "https://example.com/alice",
        "picture": "https://example.com/alice.png", "website": "https://alice.example.com",
        "gender": "female", "birthdate": "1990-10-31", "zoneinfo": "Europe/Paris",
        "locale": "en-GB", "updated_at": 1_779_000_000,
        "email": "alice@example.com", "email_verified": true,
        "address": { "street_address": "1 Main Street", "locality": "Paris", "country": "FR" },
        "phone_number": "+33 1 23 45 67 89", "phone_number_verified": false,
        "groups": ["staff", "admins"],
    })
}

/// Polls a future to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    join(vec![Box::pin(future)]).pop().unwrap()
}

/// Polls futures in turn, one step each.
fn join<T>(mut futures: Vec<Pin<Box<impl Future<Output = T>>>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    while results.iter().any(Option::is_none) {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(value) =
                    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            {
                *result = Some(value);
            }
        }
    }
    results.into_iter().flatten().collect()
}

/// A request to the provider.
#[derive(Clone, Debug)]
pub struct TestRequest {
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    age: i64,
    country: Option<String>,
}

pub fn get(target: &str) -> TestRequest {
    TestRequest::new("GET", target)
}

pub fn post(target: &str) -> TestRequest {
    TestRequest::new("POST", target)
}

pub fn put(target: &str) -> TestRequest {
    TestRequest::new("PUT", target)
}

pub fn delete(target: &str) -> TestRequest {
    TestRequest::new("DELETE", target)
}

impl TestRequest {
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let (method, path) = (method.into(), path.into());
        Self { method, path, query, headers: Vec::new(), body: Vec::new(), age: 0, country: None }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_lowercase(), value.into()));
        self
    }

    /// The same request from a country, as the platform knows it.
    pub fn with_country(self, country: &Option<String>) -> Self {
        Self { country: country.clone(), ..self }
    }

    /// The same request with another value of a header.
    pub fn instead(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.with(name, value)
    }

    /// The same request to another path.
    pub fn at(self, path: &str) -> Self {
        Self { path: path.into(), ..self }
    }

    pub fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    pub fn by_operator(self) -> Self {
        self.bearer(ADMIN_TOKEN)
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn form(self, body: &str) -> Self {
        self.body("application/x-www-form-urlencoded", body)
    }

    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.with("content-type", content_type).with_body(body)
    }

    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

impl Request for TestRequest {
    fn method(&self) -> &str {
        &self.method
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn query(&self) -> &str {
        self.query.as_deref().unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self
            .headers
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, v)| v.trim_matches([' ', '\t']))
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    fn country(&self) -> Option<String> {
        self.country.clone()
    }

    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyError> {
        if self.body.len() > limit { Err(BodyError::TooLarge) } else { Ok(self.body.clone()) }
    }

    fn age(&self) -> i64 {
        self.age
    }
}

/// A response with its log line and its deferred tasks.
#[derive(Clone, Debug)]
pub struct TestResponse {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// The log line.
    pub log: Value,
    /// Whether the log line is written.
    pub is_logged: bool,
    /// The number of deferred tasks.
    pub deferred: usize,
    /// The faults of the deferred tasks.
    pub notes_after: Vec<String>,
    /// The events of the request and of its deferred tasks.
    pub events: Vec<Value>,
}

impl TestResponse {
    /// The values of the `Set-Cookie` headers.
    pub fn cookies(&self) -> Vec<&str> {
        let cookies = self.headers.iter().filter(|(name, _)| *name == "set-cookie");
        cookies.map(|(_, value)| value.as_str()).collect()
    }

    fn new(response: Response, log: &Log, deferred: usize, lines: &[Line]) -> Self {
        let headers = response.headers.into_iter();
        let parse = |line: &str| -> Value {
            assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
            serde_json::from_str(line).unwrap()
        };
        let lines: Vec<_> = lines.iter().map(|line| parse(&line.text)).collect();
        let (events, failures): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|line| line.get("event").is_some());
        let notes = failures.iter().flat_map(|line| line["notes"].as_array().unwrap());
        Self {
            status: response.status,
            headers: headers.map(|(name, value)| (name, value.into_owned())).collect(),
            body: response.body.to_string(),
            log: parse(&log.line(0.0)),
            is_logged: log.should_write(),
            deferred,
            notes_after: notes.map(|note| note.as_str().unwrap().to_owned()).collect(),
            events,
        }
    }

    /// The value of a header, which must not be repeated.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| *known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "duplicate header {name}");
        value
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// The names of the events.
    pub fn event_names(&self) -> Vec<&str> {
        self.events.iter().map(|event| event["event"].as_str().unwrap()).collect()
    }

    pub fn error(&self) -> Option<String> {
        self.json().get("error").map(|code| code.as_str().unwrap().to_owned())
    }
}

/// Compares with a file in `tests/vectors`, byte for byte. `BLESS=1 cargo test` updates the file after an
/// intended change.
pub fn assert_golden(name: &str, actual: &str) {
    let path = format!("tests/vectors/{name}");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == actual, "{path} differs from:\n{actual}");
}
