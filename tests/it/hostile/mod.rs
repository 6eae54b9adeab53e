//! Hostile requests for userinfo, each with the expected response. The table runs here, and at the edge from
//! `tests/vectors/userinfo.json`, which this module writes.
//!
//! The valid token lasts from 2026 to 2100, so that the table works with a fixed clock and with a real one.

mod authorize;
mod browser_cookies;
mod device;
pub mod draws;
pub mod forge;
mod forms;
mod guessing;
mod interaction_tokens;
mod logout;
mod races;
pub mod redirect_tricks;
mod redirects;
mod registration;
mod row;
mod sessions;
mod strangers;
mod table;
mod taken_back;
mod throttling;
mod token;

use draws::Draws;
use forge::{BEGIN, OUR_KEY, key, rsa_key};
use postern::jose::jwk::PublicKey;
use table::table;

use crate::test_provider::{ISSUER, TestProvider, TestRequest, assert_golden};

/// The row of a key that verifies.
fn insert_key(public: &PublicKey) -> String {
    let (kid, alg) = (public.kid(), public.alg().name());
    let jwk = serde_json::to_string(public).unwrap();
    format!(
        "INSERT INTO signing_keys (kid, alg, public_jwk, sealed_private, publish_from, sign_from) VALUES ('{kid}', '{alg}', '{jwk}', 'not needed to verify', {BEGIN}, {BEGIN})"
    )
}

/// The rows that the table needs, as SQL for both databases.
pub fn seed() -> Vec<String> {
    vec![
        insert_key(&PublicKey::Ec(key(OUR_KEY).public().clone())),
        insert_key(&rsa_key().public()),
        "INSERT INTO users (sub, login, claims, created_at, updated_at, deleted_at) VALUES ('alice', 'alice', '{\"email\":\"alice@example.com\"}', 0, 0, NULL)".into(),
        "INSERT INTO users (sub, login, claims, created_at, updated_at, deleted_at) VALUES ('bob', 'bob', '{}', 0, 0, NULL)".into(),
        "INSERT INTO users (sub, login, claims, created_at, updated_at, deleted_at) VALUES ('gone', NULL, NULL, 0, 0, 0)".into(),
        "INSERT INTO grants (id, sub, client_id, scope, created_at, revoked_at) VALUES ('standing', 'alice', 'operator', 'openid email', 0, NULL)".into(),
        "INSERT INTO grants (id, sub, client_id, scope, created_at, revoked_at) VALUES ('revoked', 'alice', 'operator', 'openid email', 0, 1)".into(),
        "INSERT INTO grants (id, sub, client_id, scope, created_at, revoked_at) VALUES ('orphan', 'gone', 'operator', 'openid email', 0, NULL)".into(),
    ]
}

#[test]
fn every_hostile_request_gets_the_expected_response() {
    let cases = table();
    assert!(cases.len() >= 60);
    let provider = TestProvider::new();
    for sql in seed() {
        provider.platform.primary.execute(&sql, ()).unwrap();
    }
    for case in &cases {
        let mut request = TestRequest::new(case.method, &case.target);
        for (name, value) in &case.headers {
            request = request.with(name, value);
        }
        if let Some(body) = &case.body {
            request = request.with_body(body.as_str());
        }
        let response = provider.send(request);
        let description = response.json().get("error_description").cloned().unwrap_or_default();
        assert_eq!(response.status, case.status, "{}: {description}", case.name);
        assert_eq!(response.error().as_deref(), case.error, "{}", case.name);
        assert!(
            description.as_str().unwrap_or_default().contains(case.words),
            "{}: {description}",
            case.name
        );
        let challenge = response.header("www-authenticate").unwrap_or_default();
        assert_eq!(
            challenge.matches("Bearer ").count(),
            usize::from(case.status != 200),
            "{}",
            case.name
        );
        // RFC 6750 section 3.1: no code in the challenge of a request without a token.
        let named = case.error.filter(|_| !case.words.ends_with("is needed"));
        let error = named.map(|code| format!("error=\"{code}\"")).unwrap_or_default();
        assert!(challenge.contains(&error), "{}: {challenge}", case.name);
        assert_eq!(challenge.contains("error="), named.is_some(), "{}: {challenge}", case.name);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        // The response repeats nothing of the request, and the description is valid in a header.
        let words = description.as_str().unwrap_or_default();
        assert!(words.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\'));
    }
}

#[test]
fn the_edge_table_of_userinfo_requests_is_current() {
    let rows: Vec<_> = table().iter().map(|case| case.to_json().to_string()).collect();
    let seed = serde_json::to_string(&seed()).unwrap();
    let text = format!(
        "{{\"issuer\":\"{ISSUER}\",\"seed\":{seed},\"rows\":[\n{}\n]}}\n",
        rows.join(",\n")
    );
    assert_golden("userinfo.json", &text);
}

#[test]
fn every_row_has_a_unique_name() {
    let mut names: Vec<_> = table().into_iter().map(|case| case.name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "duplicate name of a row");
}

/// Ten thousand mutated requests from one seed get one of the specified responses. None panics, and 200
/// requires the valid token.
#[test]
fn a_mutated_request_gets_a_specified_response() {
    let provider = TestProvider::new();
    for sql in seed() {
        provider.platform.primary.execute(&sql, ()).unwrap();
    }
    let good = format!("Bearer {}", forge::good().sign());
    let mut draws = Draws::new();
    let pool: Vec<String> =
        "eyJ.{}[]\":,=-_~+/ \tAZaz09\u{0}é\u{202e}\\%&?#".chars().map(String::from).collect();
    let pool: Vec<&str> = pool.iter().map(String::as_str).collect();
    for _ in 0..10_000 {
        let value = draws.mutilate(&good, 4, &pool);
        let response =
            provider.send(TestRequest::new("GET", "/auth/userinfo").with("authorization", &value));
        assert!(matches!(response.status, 200 | 400 | 401), "{} for {value}", response.status);
        // The scheme is case-insensitive and spaces around the value are ignored; the token must be exact.
        let token = value.trim().rsplit(' ').next().unwrap_or_default();
        assert!(response.status != 200 || good.ends_with(token), "{value}");
    }
}
