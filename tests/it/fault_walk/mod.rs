//! Every step of every flow, with a fault of each call of each port.
//!
//! A step is one request, or a run of the maintenance. It first runs without a fault: that run counts the calls of each
//! port, and its result is what every other run is compared with. Then the step runs again from the same state for each
//! port, call and [`Effect`], in a new isolate and in one that has just done the same step. If the response is another than
//! without the fault, the sender repeats its request, after the `Retry-After` of the response.
//!
//! `FAULTS=all` walks everything. Without it, a run takes every few faults only, so that each step meets some of them.

mod account;
mod devices;
mod keys;
mod operator;
mod registration;
mod sign_in;
mod stored;
mod tokens;
mod world;

use postern::Level;
use postern::http::Request;
use postern::lifetimes::FETCH_RETRY_SECONDS;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::{BTreeMap, BTreeSet};

use crate::browser::{Form, attribute, forms};
use crate::fault_plan::{DETAIL, Effect, Fault, Port};
use crate::test_provider::{Snapshot, TestProvider, TestRequest, TestResponse};

/// Uses the result as its sender does. Each response must be as without the fault.
type Uses = Box<dyn Fn(&TestProvider, &TestResponse) -> Vec<TestResponse>>;

enum Act {
    Maintenance,
    Request(Box<TestRequest>),
    /// The request has an assertion, and each repetition a new one.
    Signed(Box<dyn Fn(&TestProvider) -> TestRequest>),
}

/// A step that can be done from a state.
struct Step {
    act: Act,
    uses: Uses,
    /// How long what the request presents is valid at most, in seconds.
    lifetime: i64,
    /// Whether the step is walked only in new isolates, because one that has done it remembers that it is done.
    is_done_once: bool,
    /// The tables with a row for each attempt, also for one that failed by a fault.
    tallies: &'static [&'static str],
    /// Sends the later requests, or runs the maintenance, by which failed tasks after a response are done. The rows are
    /// compared afterwards.
    settle: fn(&TestProvider),
    /// The reason why the sender may get another result after this fault, if there is one.
    exception: fn(&Fault) -> Option<&'static str>,
}

impl Step {
    fn new(act: Act, uses: Uses) -> Self {
        Self {
            act,
            uses,
            lifetime: 3_600,
            is_done_once: false,
            tallies: &[],
            settle: |_| (),
            exception: |_| None,
        }
    }

    fn of(request: TestRequest) -> Self {
        Self::using(request, |_, _| Vec::new())
    }

    fn using(
        request: TestRequest,
        uses: impl Fn(&TestProvider, &TestResponse) -> Vec<TestResponse> + 'static,
    ) -> Self {
        Self::new(Act::Request(Box::new(request)), Box::new(uses))
    }

    fn signed(
        make: impl Fn(&TestProvider) -> TestRequest + 'static,
        uses: impl Fn(&TestProvider, &TestResponse) -> Vec<TestResponse> + 'static,
    ) -> Self {
        Self::new(Act::Signed(Box::new(make)), Box::new(uses))
    }

    fn lasting(self, lifetime: i64) -> Self {
        Self { lifetime, ..self }
    }

    fn counted_in(self, tallies: &'static [&'static str]) -> Self {
        Self { tallies, ..self }
    }

    fn settled_by(self, settle: fn(&TestProvider)) -> Self {
        Self { settle, ..self }
    }

    fn except(self, exception: fn(&Fault) -> Option<&'static str>) -> Self {
        Self { exception, ..self }
    }

    fn done_once(self) -> Self {
        Self { is_done_once: true, ..self }
    }
}

/// The name of a step, and how it is prepared.
type NamedStep = (&'static str, Box<dyn Fn(&TestProvider) -> Step>);

fn step(name: &'static str, prepare: impl Fn(&TestProvider) -> Step + 'static) -> NamedStep {
    (name, Box::new(prepare))
}

/// The result of an act.
struct Answer {
    response: Option<TestResponse>,
    /// The part of the response that is the same in each run.
    outcome: String,
    /// All that the sender sees.
    text: String,
    status: u16,
    /// The failures in the log, each once.
    faults: Vec<String>,
    level: Level,
}

/// The result of a run without a fault.
struct Reference {
    outcome: String,
    rows: Rows,
    used: Vec<String>,
    calls: BTreeMap<Port, u32>,
}

/// The rows of each table, without what is random, and without what is another time in a later run.
type Rows = BTreeMap<String, Vec<String>>;

/// Tables whose rows say how often something happened, so that a repetition adds to them.
const TALLIES: [&str; 1] = ["maintenance_runs"];

/// A text is random if it is longer than this: an identifier has 22 characters.
const LONGEST_NAME: usize = 20;

fn rows(database: &Connection) -> Rows {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table'";
    let mut names = database.prepare_cached(sql).unwrap();
    let names = names.query_map((), |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
    let is_kept = |name: &String| {
        !name.starts_with("sqlite_") && name != "d1_migrations" && !TALLIES.contains(&&**name)
    };
    let of_table = |name: String| {
        let mut statement = database.prepare_cached(&format!("SELECT * FROM {name}")).unwrap();
        let columns: Vec<String> = statement.column_names().map(ToOwned::to_owned).collect();
        let found = statement.query_map((), |row| {
            let value = |(index, column): (usize, &String)| {
                let value = match row.get_ref(index).unwrap() {
                    ValueRef::Null => "null".to_owned(),
                    ValueRef::Integer(number) if number > 1_000_000_000 => "time".to_owned(),
                    ValueRef::Integer(number) => number.to_string(),
                    ValueRef::Text(text) if text.len() > LONGEST_NAME || column == "slot" => {
                        "text".to_owned()
                    }
                    ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    other => panic!("a column of type {}", other.data_type()),
                };
                format!("{column}={value}")
            };
            Ok(columns.iter().enumerate().map(value).collect::<Vec<_>>().join(" "))
        });
        let mut found: Vec<_> = found.unwrap().map(Result::unwrap).collect();
        found.sort();
        (name, found)
    };
    names.filter(is_kept).map(of_table).collect()
}

/// The tables that differ, with the rows that only one of the two has.
fn differences(expected: &Rows, found: &Rows) -> Vec<String> {
    let of_table = |(name, rows): (&String, &Vec<String>)| {
        let other = &found[name];
        let only = |these: &[String], those: &[String]| {
            let mut those = those.to_vec();
            let is_missing = |row: &&String| match those.iter().position(|one| one == *row) {
                Some(place) => {
                    those.remove(place);
                    false
                }
                None => true,
            };
            these.iter().filter(is_missing_in(is_missing)).cloned().collect::<Vec<_>>()
        };
        (rows != other)
            .then(|| format!("{name}: -{:?} +{:?}", only(rows, other), only(other, rows)))
    };
    expected.iter().filter_map(of_table).collect()
}

/// Names the type of the predicate's argument.
fn is_missing_in(predicate: impl FnMut(&&String) -> bool) -> impl FnMut(&&String) -> bool {
    predicate
}

/// A URL without the values of its parameters, but with those that say what it means.
fn shape_of_url(url: &str) -> String {
    if let Some((base, fragment)) = url.split_once('#') {
        return format!("{} #{}", shape_of_url(base), shape_of_url(&format!("?{fragment}")));
    }
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let shown = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| match &*name
    {
        "error" | "from" | "state" => format!("{name}={value}"),
        _ => name.into_owned(),
    };
    let names: Vec<_> = form_urlencoded::parse(query.as_bytes()).map(shown).collect();
    format!("{base} {}", names.join("&"))
}

/// The part of a response that is the same in each run.
fn outcome(response: &TestResponse) -> String {
    let mut parts = vec![response.status.to_string()];
    for header in ["location", "refresh"] {
        parts.extend(response.header(header).map(|url| format!("{header} {}", shape_of_url(url))));
    }
    for cookie in response.cookies() {
        let name = cookie.split('=').next().unwrap();
        // The name of a browser's cookie is random.
        let name = if name.starts_with("__Host-postern-browser") { "browser" } else { name };
        parts.push(format!("cookie {name}, ends: {}", cookie.ends_with("Max-Age=0")));
    }
    match serde_json::from_str::<serde_json::Value>(&response.body) {
        Ok(serde_json::Value::Object(document)) => {
            for (name, value) in &document {
                let is_shown = value.is_boolean() || value.is_number() || name == "error";
                let is_shown = is_shown && !name.ends_with("_at") && name != "interval";
                parts.push(if is_shown { format!("{name}: {value}") } else { name.clone() });
            }
        }
        _ => {
            let title = response.body.split("<title>").nth(1).and_then(|t| t.split('<').next());
            parts.extend(title.map(ToOwned::to_owned));
            let shape = |form: Form| {
                let names: Vec<_> = form.fields.into_iter().map(|(name, _)| name).collect();
                format!("form {} {}", shape_of_url(&form.action), names.join("&"))
            };
            parts.extend(forms(response).into_iter().map(shape));
            let frames = response.body.split("<iframe").skip(1);
            parts.extend(frames.map(|frame| shape_of_url(&attribute(frame, "src"))));
        }
    }
    parts.join("\n")
}

/// The strings in an array of a line of the log.
fn texts(line: &serde_json::Value, name: &str) -> Vec<String> {
    let texts = line.get(name).and_then(|texts| texts.as_array());
    let texts = texts.into_iter().flatten();
    texts.map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn answer(provider: &TestProvider, act: &Act) -> Answer {
    match act {
        Act::Request(request) => of_response(provider.send((**request).clone())),
        Act::Signed(make) => of_response(provider.send(make(provider))),
        Act::Maintenance => {
            let log = provider.maintain();
            let line: serde_json::Value = serde_json::from_str(&log.line()).unwrap();
            let steps = line["steps"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            Answer {
                response: None,
                outcome: format!("{} {}", line["maintenance"], steps.join(" ")),
                text: String::new(),
                status: 200,
                faults: texts(&line, "notes"),
                level: log.level(),
            }
        }
    }
}

fn of_response(response: TestResponse) -> Answer {
    let mut faults = texts(&response.log, "notes");
    let level = match (response.is_logged, faults.is_empty()) {
        (true, false) => Level::Error,
        (true, true) if response.log.get("warnings").is_some() => Level::Warning,
        _ => Level::Information,
    };
    faults.extend(texts(&response.log, "warnings"));
    faults.extend(response.notes_after.iter().cloned());
    let headers = response.headers.iter().map(|(name, value)| format!("{name}: {value}"));
    let mut text = headers.collect::<Vec<_>>().join("\n");
    text.push_str(&response.body);
    Answer {
        outcome: outcome(&response),
        text,
        status: response.status,
        faults,
        level,
        response: Some(response),
    }
}

/// Whether the isolate is new, or has just done the same step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Isolate {
    New,
    Warm,
}

/// The walk over one step.
struct Walk<'a> {
    name: &'static str,
    provider: &'a mut TestProvider,
    state: &'a Snapshot,
    step: &'a Step,
}

impl Walk<'_> {
    /// Returns to the state before the step.
    fn begin(&mut self, isolate: Isolate) {
        self.provider.platform.faults.set(None);
        self.provider.restore(self.state);
        self.provider.new_isolate();
        if isolate == Isolate::Warm {
            answer(self.provider, &self.step.act);
            self.provider.restore(self.state);
        }
    }

    /// Uses the result. Returns the outcomes.
    fn used(&self, answer: &Answer) -> Vec<String> {
        let responses = answer.response.as_ref().map(|one| (self.step.uses)(self.provider, one));
        responses.into_iter().flatten().map(|one| outcome(&one)).collect()
    }

    /// The step without a fault, after so many seconds.
    fn reference(&mut self, isolate: Isolate, seconds: i64) -> Reference {
        self.begin(isolate);
        self.provider.sleep(seconds);
        self.provider.platform.faults.set(None);
        let answer = answer(self.provider, &self.step.act);
        let calls = self.provider.platform.faults.calls();
        self.provider.platform.faults.set(None);
        assert!(answer.faults.is_empty(), "{}: {:?}", self.name, answer.faults);
        assert!(answer.status < 500, "{}: {}", self.name, answer.text);
        let used = self.used(&answer);
        let rows = self.settled_rows();
        Reference { rows, used, outcome: answer.outcome, calls }
    }

    /// The rows after the sender has used the result, and what failed after the response is done.
    fn settled_rows(&self) -> Rows {
        (self.step.settle)(self.provider);
        rows(&self.provider.platform.primary)
    }

    /// The step with a fault, and again if that has another result. Returns what is wrong.
    fn run(&mut self, isolate: Isolate, fault: Fault, expected: &[&Reference]) -> Vec<String> {
        self.begin(isolate);
        self.provider.platform.faults.set(Some(fault));
        let first = answer(self.provider, &self.step.act);
        let hits = self.provider.platform.faults.hits();
        self.provider.platform.faults.set(None);
        if hits == 0 {
            let cannot_be_odd = fault.effect == Effect::Odd;
            return if cannot_be_odd { Vec::new() } else { vec!["no call was hit".to_owned()] };
        }
        let mut wrong = wrongs_of(&first, fault, hits);
        let is_late = fault.seconds > self.step.lifetime;
        let done = expected[0];
        if first.outcome == done.outcome {
            // A result that arrives after its lifetime is of no use, and rows may have ended meanwhile.
            if !is_late {
                wrong.extend(self.differences(done, fault, &first));
            }
            return wrong;
        }
        wrong.extend(secrets_in(&first.text).map(|name| format!("{name} in {}", first.text)));
        let response = first.response.as_ref();
        let pause = response.and_then(|one| one.header("retry-after"));
        let pause = pause.map_or(0, |seconds| seconds.parse().unwrap());
        // The response that says what is wrong with a document of the client need not say when it is fetched again.
        self.provider.sleep(if fault.port == Port::Fetch { FETCH_RETRY_SECONDS } else { pause });
        let second = match (&self.step.act, response) {
            (Act::Request(request), Some(response)) => {
                of_response(self.provider.send(with_cookies(request, response)))
            }
            _ => answer(self.provider, &self.step.act),
        };
        // The first request was carried out in time, but its repetition comes too late to get the result.
        let is_done_late = is_late && fault.effect == Effect::AnswerIsLost;
        if is_done_late || (self.step.exception)(&fault).is_some() {
            if second.status >= 500 {
                wrong.push(format!("first {}\nthen {}", first.outcome, second.outcome));
            }
            return wrong;
        }
        let mut same = expected.iter().filter(|one| one.outcome == second.outcome);
        match (same.next(), same.next()) {
            // The response to an expired request may be the same, but not what the sender can do with it.
            (Some(_), Some(late)) => wrong.extend(self.differences(late, fault, &second)),
            (Some(one), None) => wrong.extend(self.differences(one, fault, &second)),
            _ => wrong.push(format!("first {}\nthen {}", first.outcome, second.outcome)),
        }
        wrong
    }

    /// Returns the differences of the rows, and of what the sender can do with the result.
    fn differences(&self, expected: &Reference, fault: Fault, answer: &Answer) -> Vec<String> {
        let used = self.used(answer);
        let mut all = differences(&expected.rows, &self.settled_rows());
        let is_signed = matches!(self.step.act, Act::Signed(_));
        // The request has no way to know that it was done, so it is done again, beside what nobody has got.
        let is_lost_twice = fault.is_lost_twice();
        all.retain(|text| {
            let table = text.split(':').next().unwrap();
            // Each repetition has an assertion of its own.
            let is_of_each = is_signed && table == "client_assertions";
            let is_beside = is_lost_twice && text.contains(": -[] +");
            !(self.step.tallies.contains(&table) || is_of_each || is_beside)
        });
        if used != expected.used {
            all.push(format!("uses: expected {:?}, found {used:?}", expected.used));
        }
        all
    }
}

/// Returns what is wrong with a response and its log, for each step alike.
fn wrongs_of(answer: &Answer, fault: Fault, hits: u32) -> Vec<String> {
    let mut wrong = Vec::new();
    if answer.text.contains(DETAIL) || answer.text.contains("secret/path") {
        wrong.push(format!("the response has the detail: {}", answer.text));
    }
    let logged = answer.faults.iter().filter(|text| text.contains(DETAIL)).count();
    let is_failure = matches!(fault.effect, Effect::AnswerIsLost | Effect::Fails);
    // A client that gets no logout token is in the row of the token.
    let is_shown = fault.port == Port::Fetch && answer.status < 400;
    if is_failure && logged == 0 && !is_shown {
        wrong.push(format!("{hits} calls failed, and none is logged: {:?}", answer.faults));
    }
    if answer.status >= 500 && answer.level == Level::Information {
        wrong.push(format!("status {} without a line: {:?}", answer.status, answer.faults));
    }
    if answer.status >= 500 && answer.faults.is_empty() {
        wrong.push(format!("status {} without its reason in the log", answer.status));
    }
    let retry_after = answer.response.as_ref().and_then(|one| one.header("retry-after"));
    // The health report is no refusal, and has the same status if a part fails.
    let is_report = answer.text.contains("\"checks\":");
    if answer.status == 503 && retry_after.is_none() && !is_report {
        wrong.push("status 503 without Retry-After".to_owned());
    }
    if answer.status == 500 {
        wrong.push(format!("status 500: {:?}", answer.faults));
    }
    wrong
}

/// The names of secrets in the response to a step that did not finish.
fn secrets_in(text: &str) -> impl Iterator<Item = &'static str> {
    const NAMES: [&str; 9] = [
        "\"access_token\"",
        "\"refresh_token\"",
        "\"id_token\"",
        "\"client_secret\"",
        "\"registration_access_token\"",
        "\"device_code\"",
        "code=",
        "access_token=",
        "__Host-postern-session=",
    ];
    NAMES.into_iter().filter(move |name| text.contains(name))
}

/// The request again, with the cookies that the browser has got meanwhile.
fn with_cookies(request: &TestRequest, response: &TestResponse) -> TestRequest {
    let mut cookies: BTreeMap<String, String> = BTreeMap::new();
    let sent = request.header("cookie").unwrap_or_default();
    let set = response.cookies();
    let set = set.iter().map(|cookie| cookie.split(';').next().unwrap());
    for pair in sent.split("; ").chain(set).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap();
        cookies.insert(name.to_owned(), value.to_owned());
    }
    if cookies.is_empty() {
        return request.clone();
    }
    let pairs: Vec<_> =
        cookies.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    request.clone().instead("cookie", &pairs.join("; "))
}

/// The faults of a call. `lifetime` is how long what the request presents is valid.
fn faults_of(port: Port, call: u32, lifetime: i64) -> Vec<Fault> {
    let fault = |effect, lasts, seconds| Fault { port, call, lasts, effect, seconds };
    let late = lifetime + LEEWAY;
    let mut faults = vec![fault(Effect::Fails, false, 0), fault(Effect::Fails, true, 0)];
    if matches!(port, Port::Cache | Port::Database | Port::Fetch) {
        faults.push(fault(Effect::AnswerIsLost, false, 0));
        faults.push(fault(Effect::AnswerIsLost, true, 0));
        faults.push(fault(Effect::Odd, false, 0));
        faults.push(fault(Effect::Slow, false, 5));
        faults.push(fault(Effect::Slow, false, late));
        faults.push(fault(Effect::Fails, true, late));
        faults.push(fault(Effect::AnswerIsLost, true, late));
    }
    faults
}

/// Longer than clocks may differ.
const LEEWAY: i64 = 120;

/// Walks over steps that begin in the same state. Fails with all that is wrong.
fn walk(mut provider: TestProvider, steps: &[NamedStep]) {
    let walks_all = std::env::var("FAULTS").is_ok_and(|text| text == "all");
    let base = provider.snapshot();
    let mut wrong = Vec::new();
    let (mut number, mut count) = (0, 0);
    for (name, prepare) in steps {
        provider.restore(&base);
        provider.new_isolate();
        let step = prepare(&provider);
        let state = provider.snapshot();
        let mut walk = Walk { name, provider: &mut provider, state: &state, step: &step };
        for isolate in [Isolate::New, Isolate::Warm] {
            if step.is_done_once && isolate == Isolate::Warm {
                continue;
            }
            let done = walk.reference(isolate, 0);
            let mut late = None;
            for (&port, &calls) in &done.calls {
                for call in 1..=calls {
                    for fault in faults_of(port, call, step.lifetime) {
                        number += 1;
                        if !walks_all && number % SHARE != 0 {
                            continue;
                        }
                        count += 1;
                        if fault.seconds > step.lifetime && late.is_none() {
                            late = Some(walk.reference(isolate, step.lifetime + LEEWAY));
                        }
                        let late = late.as_ref().filter(|_| fault.seconds > step.lifetime);
                        let expected: Vec<_> = std::iter::once(&done).chain(late).collect();
                        for text in walk.run(isolate, fault, &expected) {
                            let place = format!("{name}, {isolate:?} isolate, {calls} calls");
                            wrong.push(format!("{place}, {fault:?}\n{text}"));
                        }
                    }
                }
            }
        }
    }
    println!("{} steps, {count} of {number} faults", steps.len());
    assert!(wrong.is_empty(), "{} faults:\n\n{}", wrong.len(), wrong.join("\n\n"));
    let names: BTreeSet<_> = steps.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), steps.len(), "the names differ");
}

/// A normal run takes one fault of so many.
const SHARE: usize = 23;
