//! A row of the tables for authorize and token: a request, the expected response, and the expected state of
//! the database. A row is data only, so that the edge can run it, too.

use postern::protocol::client::identity::identity;
use postern::secret::hash;
use serde::Serialize;
use serde_json::{Value, json};

use super::forge::{BEGIN, END};
use crate::browser::{answer, attribute, encode, error_page, form, fragment, offer, parameters_of};
use crate::test_provider::{ISSUER, NOW, TestProvider, TestRequest, TestResponse, assert_golden};

pub const FORM: &str = "application/x-www-form-urlencoded";
/// The secret of all confidential clients in the tables.
pub const SECRET: &str = "a-secret-that-is-public-knowledge";
/// The session cookie of alice's browser, valid from 2026 to 2100.
pub const COOKIE: &str = "__Host-postern-session=ALICE-is-signed-in-with-this-cookie-012345_";

/// The expected response.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Answer {
    /// The confirmation page of a logout. It leads nowhere.
    AsksToSignOut { status: u16, words: String },
    /// The browser repeats the request by GET with this query, because a cross-site POST has no cookies.
    ByGet { query: String },
    /// A redirect to exactly this URL.
    Leaves { to: String },
    /// A page without a form that has a link to this URL, and leads nowhere by itself.
    Links { to: String },
    /// An error page, and no redirect.
    Page { status: u16, words: String },
    /// The response of the revocation endpoint.
    Revoked,
    /// The JSON of the introspection endpoint.
    Introspected { body: Value },
    /// A redirect to this URI, with a code if `error` is `None`. The parameters are in the fragment if it ends in `#`.
    Redirect { to: String, error: Option<String>, state: Option<String> },
    /// A page of this status whose link, or form, carries an error to this URI once the user clicks. The parameters are in
    /// the fragment if it ends in `#`.
    Offered { status: u16, by_form: bool, to: String, error: String, state: Option<String> },
    /// A page that posts a response to this URI.
    Post { to: String, error: Option<String>, state: Option<String> },
    /// A page with a form, texts that it contains, and texts that it must not contain.
    Shown { holds: Vec<String>, lacks: Vec<String> },
    /// An error of the token endpoint.
    Refused { status: u16, error: String, words: String },
    /// Tokens with this scope.
    Tokens { scope: String, refreshable: bool },
}

#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub name: String,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    pub answer: Answer,
    /// Queries that must return this count afterwards.
    pub after: Vec<(String, i64)>,
}

impl Row {
    pub fn new(name: &str, method: &str, target: &str, answer: Answer) -> Self {
        let (name, method, target) = (name.into(), method.into(), target.into());
        Self { name, method, target, headers: Vec::new(), body: None, answer, after: Vec::new() }
    }

    pub fn header(&mut self, name: &str, value: &str) -> &mut Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(&mut self, content_type: &str, body: &str) -> &mut Self {
        self.body = Some(body.into());
        self.header("content-type", content_type)
    }

    pub fn after(&mut self, sql: String, count: i64) -> &mut Self {
        self.after.push((sql, count));
        self
    }

    pub fn request(&self) -> TestRequest {
        let mut request = TestRequest::new(&self.method, &self.target);
        for (name, value) in &self.headers {
            request = request.with(name, value);
        }
        request.with_body(self.body.clone().unwrap_or_default())
    }

    /// Checks the response and the database.
    pub fn check(&self, provider: &TestProvider, response: &TestResponse) {
        let _print = PrintOnPanic(self, response);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        match &self.answer {
            Answer::ByGet { query } => {
                assert_eq!((response.status, response.cookies().len()), (303, 0));
                let own = format!("{ISSUER}/auth/authorize?{query}");
                assert_eq!(response.header("location"), Some(own.as_str()));
            }
            Answer::AsksToSignOut { status, words } => {
                assert_eq!((response.status, response.header("location")), (*status, None));
                assert_eq!(response.header("refresh"), None);
                assert_eq!(form(response).action, format!("{ISSUER}/auth/signout"));
                assert!(response.body.contains(words));
            }
            Answer::Leaves { to } => {
                assert_eq!(
                    (response.status, response.header("location")),
                    (303, Some(to.as_str()))
                );
            }
            Answer::Links { to } => {
                assert_eq!((response.status, response.header("location")), (200, None));
                assert_eq!(response.header("refresh"), None);
                assert!(!response.body.contains("<form") && !response.body.contains("<script"));
                let (_, link) = response.body.split_once("data-to=\"client\"").unwrap();
                assert_eq!(attribute(link, "href"), *to);
            }
            Answer::Page { status, words } => {
                assert!(error_page(response).contains(words));
                assert_eq!((response.status, response.cookies().len()), (*status, 0));
            }
            Answer::Revoked => {
                assert_eq!((response.status, response.body.as_str()), (200, "{}"));
            }
            Answer::Introspected { body } => {
                assert_eq!((response.status, &response.body), (200, &body.to_string()));
                assert_eq!(response.header("content-type"), Some("application/json"));
            }
            Answer::Redirect { to, error, state } => {
                let parameters = match to.strip_suffix('#') {
                    Some(to) => fragment(response, to),
                    None => answer(response, to),
                };
                check_parameters(parameters, error.as_deref(), state.as_deref());
                assert_eq!(response.cookies().len(), 0);
            }
            Answer::Offered { status, by_form, to, error, state } => {
                assert_eq!(response.status, *status);
                let offer = offer(response);
                assert_eq!(offer.fields.is_some(), *by_form);
                let parameters = match offer.fields {
                    Some(fields) => {
                        assert_eq!(offer.target, *to);
                        fields.into_iter().collect()
                    }
                    None => parameters_of(&offer.target, to),
                };
                check_parameters(parameters, Some(error), state.as_deref());
            }
            Answer::Post { to, error, state } => {
                assert_eq!((response.status, response.header("location")), (200, None));
                let form = form(response);
                assert_eq!(form.action, *to);
                let parameters = form.fields.iter().cloned().collect();
                check_parameters(parameters, error.as_deref(), state.as_deref());
                assert_eq!(response.body.matches("<input").count(), form.fields.len());
            }
            Answer::Shown { holds, lacks } => {
                assert_eq!((response.status, response.header("location")), (200, None));
                assert!(form(response).action.starts_with(&format!("{ISSUER}/")));
                assert!(holds.iter().all(|text| response.body.contains(text)));
                assert!(!lacks.iter().any(|text| response.body.contains(text)));
            }
            Answer::Refused { status, error, words } => {
                assert_eq!((response.status, response.error().as_ref()), (*status, Some(error)));
                let description = response.json()["error_description"].as_str().unwrap().to_owned();
                assert!(description.contains(words));
                let is_plain = |b: u8| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\';
                assert!(description.bytes().all(is_plain));
                let realm = format!("Basic realm=\"{ISSUER}\"");
                let challenge = (*status == 401).then_some(realm.as_str());
                assert_eq!(response.header("www-authenticate"), challenge);
            }
            Answer::Tokens { scope, refreshable } => {
                let body = response.json();
                assert_eq!((response.status, &body["scope"]), (200, &json!(scope)));
                assert_eq!(body.get("refresh_token").is_some(), *refreshable);
            }
        }
        let is_json = matches!(
            self.answer,
            Answer::Refused { .. }
                | Answer::Tokens { .. }
                | Answer::Revoked
                | Answer::Introspected { .. }
        );
        // Scripts of other origins may read responses of the token endpoint, but no page and no code of a device. It sets
        // no cookie.
        let is_open = is_json && !self.target.starts_with("/auth/device");
        assert_eq!(response.header("access-control-allow-origin"), is_open.then_some("*"));
        assert_eq!(response.header("access-control-allow-credentials"), None);
        assert!(!is_json || response.cookies().is_empty() && response.header("location").is_none());
        for (sql, count) in &self.after {
            let found: i64 =
                provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap();
            assert_eq!(found, *count, "{sql}");
        }
    }
}

/// Prints the row if one of its checks fails.
struct PrintOnPanic<'a>(&'a Row, &'a TestResponse);

impl Drop for PrintOnPanic<'_> {
    fn drop(&mut self) {
        let Self(row, response) = self;
        if std::thread::panicking() {
            println!(
                "ROW {}: {} {:?} {}",
                row.name, response.status, response.headers, response.body
            );
        }
    }
}

fn check_parameters(
    mut parameters: std::collections::BTreeMap<String, String>,
    error: Option<&str>,
    state: Option<&str>,
) {
    assert_eq!(parameters.remove("error").as_deref(), error);
    assert_eq!(parameters.remove("error_description").is_some(), error.is_some());
    assert_eq!(parameters.remove("code").map(|code| code.len()), error.is_none().then_some(43));
    assert_eq!(parameters.remove("state").as_deref(), state);
    assert_eq!(parameters.remove("iss").as_deref(), Some(ISSUER));
    assert_eq!(parameters.len(), 0, "{parameters:?}");
}

/// The clients of the tables, and alice with her session, as SQL for both databases.
pub fn seed() -> Vec<String> {
    let provider = TestProvider::new();
    let native = json!({ "application_type": "native", "token_endpoint_auth_method": "none" });
    let public = json!({ "token_endpoint_auth_method": "none" });
    let mut seed = Vec::new();
    for (id, mut fields, redirect_uris, trusted) in [
        ("app", json!({}), &APP[..], 0),
        ("other", json!({}), &["https://other.example/cb"], 0),
        ("own", json!({}), &["https://own.example/cb"], 1),
        ("spa", public, &["https://spa.example/"], 1),
        ("desk", native, &DESK, 1),
    ] {
        fields["redirect_uris"] = json!(redirect_uris);
        fields["id_token_signed_response_alg"] = "ES256".into();
        let is_public = provider.put_client_with(id, fields).secret.is_none();
        let sql = "SELECT metadata FROM clients WHERE client_id = ?1";
        let metadata: String =
            provider.platform.primary.query_row(sql, [id], |row| row.get(0)).unwrap();
        let secret = if is_public { "NULL".into() } else { format!("'{}'", hash(SECRET)) };
        seed.push(format!(
            "INSERT INTO clients (client_id, metadata, secret_hash, trusted, created_at, updated_at) VALUES ('{id}', '{metadata}', {secret}, {trusted}, 0, 0)"
        ));
    }
    let (_, cookie) = COOKIE.split_once('=').unwrap();
    seed.extend([
        "INSERT INTO users (sub, login, claims, created_at, updated_at) VALUES ('alice', 'alice', '{\"name\":\"Alice Adams\"}', 0, 0)".into(),
        "INSERT INTO users (sub, login, claims, created_at, updated_at) VALUES ('bob', 'bob', '{}', 0, 0)".into(),
        format!("INSERT INTO sessions (id, cookie_hash, sub, auth_time, used_at) VALUES ('alices', '{}', 'alice', {END}, {END})", hash(cookie)),
        format!("INSERT INTO consents (sub, client_id, scope, claims, granted_at) VALUES ('alice', 'app', 'openid', '', {BEGIN})"),
    ]);
    seed
}

/// Clients that registered themselves: mallory's, and one that alice has allowed. Bob, who has allowed no client, and his
/// session.
pub fn strangers() -> Vec<String> {
    let (mut strangers, mut known) = (Vec::new(), String::new());
    for (id, uris) in [("mallory", &MALLORY[..]), ("friend", &["https://friend.example/cb"])] {
        let metadata = json!({
            "client_name": "Your Bank", "redirect_uris": uris,
            "response_types": ["code"], "grant_types": ["authorization_code"],
        });
        let metadata = stored_metadata(&metadata);
        known = identity(&serde_json::from_str(&metadata).unwrap(), Some(uris[0]));
        let metadata = metadata.replace('\'', "''");
        strangers.push(format!(
            "INSERT INTO clients (client_id, metadata, secret_hash, trusted, created_at, updated_at, registration_token_hash) VALUES ('{id}', '{metadata}', '{}', 0, 0, 0, 'of {id}')",
            hash(SECRET)
        ));
    }
    let (_, cookie) = BOBS_COOKIE.split_once('=').unwrap();
    strangers.extend([
        format!("INSERT INTO sessions (id, cookie_hash, sub, auth_time, used_at) VALUES ('bobs', '{}', 'bob', {END}, {END})", hash(cookie)),
        format!("INSERT INTO consents (sub, client_id, scope, claims, granted_at, identity) VALUES ('alice', 'friend', 'openid', '', {BEGIN}, '{known}')"),
    ]);
    strangers
}

/// Metadata as the database stores it.
fn stored_metadata(document: &Value) -> String {
    let provider = TestProvider::new();
    let mut document = document.clone();
    document["id_token_signed_response_alg"] = "ES256".into();
    provider.put_client_with("x", document);
    let sql = "SELECT metadata FROM clients";
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

/// The redirect URIs of mallory's client.
pub const MALLORY: [&str; 4] = [
    "https://mallory.example/cb",
    "https://mallory.example/cb?a=b",
    "https://mallory.example/'&amp;",
    "http://127.0.0.1:7777/mallory",
];
/// The session cookie of bob's browser.
pub const BOBS_COOKIE: &str =
    "__Host-postern-session=BOB-is-signed-in-with-this-cookie-0123456789_";
pub const PLAIN: &str = "https://app.example/plain";
pub const QUERIED: &str = "https://app.example/cb?from=postern";
const APP: [&str; 4] = [PLAIN, QUERIED, "https://app.example/a%2Fb/", "http://localhost:3000/cb"];
const DESK: [&str; 5] = [
    "http://127.0.0.1/cb",
    "http://[::1]:7777/cb?x=1",
    "http://localhost:1/",
    "com.example.desk:/cb",
    "https://desk.example/cb",
];

/// A provider with these rows.
pub fn provider_with(seed: &[String]) -> TestProvider {
    let provider = TestProvider::new();
    for sql in seed {
        provider.platform.primary.execute(sql, ()).unwrap();
    }
    // The seed serves the edge at any time, and begins sessions far ahead of every clock.
    let begin = "UPDATE sessions SET auth_time = ?1, used_at = ?1";
    provider.platform.primary.execute(begin, [NOW]).unwrap();
    provider
}

/// Compares the table for the edge with its file.
pub fn assert_edge_table(name: &str, seed: &[String], rows: &[Row]) {
    let lines: Vec<_> = rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    let seed = serde_json::to_string(seed).unwrap();
    let rows = lines.join(",\n");
    assert_golden(
        name,
        &format!("{{\"issuer\":\"{ISSUER}\",\"seed\":{seed},\"rows\":[\n{rows}\n]}}\n"),
    );
}

/// Checks that no two rows have the same name or the same request.
pub fn assert_distinct(rows: &[Row]) {
    let request = |row: &Row| json!([row.method, row.target, row.headers, row.body]).to_string();
    for mut list in [
        rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>(),
        rows.iter().map(request).collect(),
    ] {
        list.sort();
        let duplicates: Vec<_> = list.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(duplicates.is_empty(), "{duplicates:?}");
    }
}

/// Replaces parameters of a query; an empty value removes one.
pub fn replaced(usual: &[(&str, &str)], parameters: &[(&str, &str)]) -> String {
    let mut all = usual.to_vec();
    for (name, value) in parameters {
        all.retain(|(known, _)| known != name);
        if !value.is_empty() {
            all.push((name, value));
        }
    }
    encode(&all)
}
