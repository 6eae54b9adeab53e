//! Whole requests through `handle`, on SQLite with the real schema, and with the clients and users of the test tables.
//!
//! Input: the method; the target; header lines, `name: value`; the document at the URLs of [`DOCUMENTS`], and its media
//! type; what a user does on the page of the response, as a form; the body.
#![no_main]

use fuzz::test_provider::{TestProvider, TestRequest, TestResponse, Variables, get};
use fuzz::{Parts, VARIABLES, in_project};
use libfuzzer_sys::fuzz_target;
use postern::ports::Document;
use postern::protocol::client::cache_time::CacheHeaders;
use serde_json::Value;
use std::cell::Cell;
use url::Url;

/// The documents that the provider fetches for a client: its metadata, its keys, its sector, a request object, a logo.
const DOCUMENTS: [&str; 4] = [
    "https://app.example/client.json",
    "https://app.example/jwks",
    "https://app.example/request.jwt",
    "https://app.example/logo.png",
];

/// Text that no page has unless it is that of the request, not escaped.
const MARKS: [&str; 3] = ["<fuzz", "\"fuzz", "'fuzz"];

struct Provider {
    provider: TestProvider,
    seed: Vec<String>,
    /// A valid access token for userinfo. A header has it in place of `TOKEN`.
    token: String,
    deletions: Vec<String>,
    changes: Cell<u64>,
    resets: Cell<u32>,
}

thread_local! {
    static PROVIDER: Provider = in_project(Provider::new);
}

impl Provider {
    fn new() -> Self {
        let variables: Variables =
            VARIABLES.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        let table = std::fs::read_to_string("tests/vectors/strangers.json").expect("a table");
        let table: Value = serde_json::from_str(&table).expect("JSON");
        let texts = table["seed"].as_array().expect("statements").iter();
        let texts = texts.map(|sql| sql.as_str().expect("a text").to_owned());
        // The keys are the provider's own, and stay.
        let seed = texts.filter(|sql| !sql.starts_with("INSERT INTO signing_keys")).collect();
        let provider = TestProvider::configured(variables);
        provider.send(get("/auth/jwks.json"));
        let database = &provider.platform.primary;
        let tables = "SELECT 'DELETE FROM ' || name FROM sqlite_schema WHERE type = 'table' \
                      AND name NOT LIKE 'sqlite_%' AND name NOT IN ('d1_migrations', 'signing_keys')";
        let mut tables = database.prepare(tables).expect("a statement");
        let deletions = tables.query_map([], |row| row.get(0)).expect("tables");
        let deletions = deletions.map(|sql| sql.expect("a name")).collect();
        drop(tables);
        let (token, changes, resets) = (String::new(), Cell::new(0), Cell::new(0));
        let mut this = Self { provider, seed, token, deletions, changes, resets };
        this.reset();
        // The grant of the token is kept.
        this.token = this.provider.mint("openid email");
        let keep = "CREATE TABLE kept_grants AS SELECT * FROM grants";
        this.provider.platform.primary.execute_batch(keep).expect("a table");
        this.seed.push("INSERT INTO grants SELECT * FROM kept_grants".to_owned());
        this.reset();
        this
    }

    /// Serves a text at each of [`DOCUMENTS`]; nothing if it is empty.
    fn publish(&self, text: &str, media_type: &str) {
        let mut web = self.provider.platform.web.borrow_mut();
        let is_new = !(web.is_empty() && text.is_empty());
        web.clear();
        if !text.is_empty() {
            let document = Document {
                status: 200,
                media_type: media_type.to_owned(),
                text: Some(text.to_owned()),
                caching: CacheHeaders::default(),
            };
            web.extend(DOCUMENTS.map(|url| (url.to_owned(), document.clone())));
        }
        if is_new {
            // The isolate remembers what it has fetched.
            self.provider.new_isolate();
        }
    }

    /// Begins again with the database of the tables if a request has changed it, so that an input alone determines what
    /// happens. The isolate lives for longer, because it remembers keys and documents only.
    fn reset(&self) {
        let database = &self.provider.platform.primary;
        if self.changes.get() == database.total_changes() {
            return;
        }
        let run = |sql: &str| {
            let mut statement = database.prepare_cached(sql).expect("a statement");
            statement.execute([]).expect("the tables");
        };
        database.execute_batch("BEGIN; PRAGMA defer_foreign_keys = ON").expect("a transaction");
        self.deletions.iter().chain(&self.seed).for_each(|sql| run(sql));
        run("COMMIT");
        self.provider.platform.forms.borrow_mut().clear();
        self.resets.set(self.resets.get() + 1);
        if self.resets.get().is_multiple_of(1_000) {
            self.provider.new_isolate();
        }
        self.changes.set(database.total_changes());
    }
}

fuzz_target!(|input: &[u8]| PROVIDER.with(|provider| {
    let mut parts = Parts::of(input);
    let (method, target, headers) = (parts.text(), parts.text(), parts.text());
    let (document, media_type, act) = (parts.text(), parts.text(), parts.bytes());
    provider.publish(&document, &media_type);
    let is_method = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    let method = if is_method { &*method } else { "GET" };
    let headers = headers.replace("TOKEN", &provider.token);
    let Some(request) = request_to(method, &target, &headers) else { return };
    let mut response = provider.provider.send(request.with_body(parts.rest()));
    check(&response);

    // The user submits the page's form, and the browser follows the redirects to this provider.
    if let Some((action, body)) = submit(&response, act)
        && let Some(request) = post_of(&action, &headers, &body)
    {
        response = provider.provider.send(request);
        check(&response);
        for _ in 0..2 {
            let Some(location) = response.header("location").map(str::to_owned) else { break };
            let is_own = location.starts_with("https://login.example.com/");
            let Some(request) = request_to("GET", &location, &headers).filter(|_| is_own) else {
                break;
            };
            response = provider.provider.send(request);
            check(&response);
        }
    }
    provider.reset();
}));

/// Makes a request as the platform hands it over: a parsed URL, and headers without control characters.
fn request_to(method: &str, target: &str, headers: &str) -> Option<TestRequest> {
    let url = Url::parse(fuzz::ISSUER).ok()?.join(target).ok()?;
    let query = url.query().map_or(String::new(), |query| format!("?{query}"));
    let mut request = TestRequest::new(method, &format!("{}{query}", url.path()));
    for line in headers.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        // The platform sets this one itself.
        if name != "cf-connecting-ip" && !value.contains(char::is_control) {
            request = request.with(name, value);
        }
    }
    Some(request.with("cf-connecting-ip", "192.0.2.7"))
}

/// The request of a form, with the headers of the page's request.
fn post_of(action: &str, headers: &str, body: &[u8]) -> Option<TestRequest> {
    let form = "application/x-www-form-urlencoded";
    let request = request_to("POST", action, headers)?;
    Some(request.instead("content-type", form).instead("origin", fuzz::ISSUER).with_body(body))
}

/// The target and the body of one of a page's forms, with what the user adds. Passwords are left out, because Argon2 would
/// take all the time.
fn submit(page: &TestResponse, act: &[u8]) -> Option<(String, Vec<u8>)> {
    let is_page = page.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    let forms: Vec<_> = page.body.split("<form").skip(1).filter(|_| is_page).collect();
    let html = forms.get(usize::from(*act.first()?).checked_rem(forms.len())?)?;
    let html = html.split("</form>").next()?;
    let action = attribute(html, "action")?;
    if !action.starts_with("https://login.example.com/") || html.contains("type=\"password\"") {
        return None;
    }
    let mut body = form_urlencoded::Serializer::new(String::new());
    for tag in html.split("<input").skip(1).filter(|tag| tag.contains("type=\"hidden\"")) {
        let tag = tag.split('>').next()?;
        body.append_pair(&attribute(tag, "name")?, &attribute(tag, "value")?);
    }
    Some((action, [body.finish().as_bytes(), b"&", act].concat()))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let mut text = rest.split('"').next()?.to_owned();
    for (reference, character) in [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#10;", "\n"),
        ("&#13;", "\r"),
    ] {
        text = text.replace(reference, character);
    }
    Some(text.replace("&#38;", "&"))
}

fn check(response: &TestResponse) {
    // No other host exists here, so a document of a client that cannot be fetched is the one reason for a 503.
    let is_unfetched =
        response.log["warnings"][0].as_str().is_some_and(|text| text.contains(" fetch "));
    assert!(response.status < 500 || response.status == 503 && is_unfetched, "{}", response.log);
    assert!(response.log.get("notes").is_none(), "a fault: {}", response.log);
    assert!(response.notes_after.is_empty(), "a fault: {:?}", response.notes_after);
    assert!(response.header("cache-control").is_some(), "no Cache-Control");
    for (name, value) in &response.headers {
        assert!(value.bytes().all(|b| matches!(b, b' '..=b'~')), "{name}: {value:?}");
    }
    let content_type = response.header("content-type").unwrap_or_default();
    if content_type.starts_with("text/html") {
        for mark in MARKS {
            assert!(!response.body.contains(mark), "not escaped: {mark}");
        }
    }
    // The response to a HEAD has no body.
    if content_type.starts_with("application/json") && !response.body.is_empty() {
        let body = response.json();
        assert!(response.status < 400 || body["error"].is_string(), "no error code: {body}");
    }
}
