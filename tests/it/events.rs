//! Events in the log: decisions worth an alert.

use crate::browser::{Browser, CALLBACK, TestClient, VERIFIER, field};
use crate::test_provider::{TestProvider, TestResponse, get, variables_with};
use postern::lifetimes::{EVENT_PAUSE_SECONDS, KEY_SET_SECONDS, REFRESH_GRACE_SECONDS};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;

const LOGIN: &str = "alice@example.com";

fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let app = provider.put_app();
    (provider, app)
}

/// The id of the only grant.
fn grant_id(provider: &TestProvider) -> String {
    provider.platform.primary.query_row("SELECT id FROM grants", (), |row| row.get(0)).unwrap()
}

#[track_caller]
fn assert_of_grant(response: &TestResponse, event: &str, provider: &TestProvider) {
    let grant_id = grant_id(provider);
    let line =
        json!({ "event": event, "level": "warning", "client_id": "app", "grant_id": grant_id });
    assert_eq!(response.events, [line]);
}

/// The table of docs/operations.md: names and levels.
fn documented() -> BTreeMap<String, String> {
    let document = fs::read_to_string("docs/operations.md").unwrap();
    let (_, table) = document.split_once("\n| event | level |").unwrap();
    let rows = table.split("\n\n").next().unwrap().lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next().unwrap().trim_end_matches('`');
        Some((name.to_owned(), cells.next().unwrap().to_owned()))
    });
    rows.collect()
}

/// The names and levels of the code, from the one match that has all of them.
fn named() -> BTreeMap<String, String> {
    let source = fs::read_to_string("src/log.rs").unwrap();
    let rows = source.lines().filter_map(|line| {
        let (name, level) = line.split_once("=> (\"")?.1.split_once("\", Level::")?;
        Some((name.to_owned(), level.trim_end_matches("),").to_lowercase()))
    });
    rows.collect()
}

#[test]
fn every_event_is_documented_with_its_level() {
    let named = named();
    assert!(named.len() >= 20, "{named:?}");
    assert_eq!(documented(), named, "docs/operations.md on the left, src/log.rs on the right");
}

#[test]
fn a_request_that_nothing_is_wrong_with_has_no_event() {
    let (provider, app) = provider();
    let browser = Browser::new(&provider);
    let code = browser.authorize(&app, LOGIN, &[]);
    let response = provider.redeem(&app, &code);
    assert_eq!((response.status, response.events.len()), (200, 0));
}

#[test]
fn a_replayed_code_is_an_event_when_it_revokes_the_grant_and_not_again() {
    let (provider, app) = provider();
    let code = Browser::new(&provider).authorize(&app, LOGIN, &[]);
    assert_eq!(provider.redeem(&app, &code).status, 200);
    assert_of_grant(&provider.redeem(&app, &code), "code_replayed", &provider);
    let again = provider.redeem(&app, &code);
    assert_eq!((again.error().as_deref(), again.events.len()), (Some("invalid_grant"), 0));
}

#[test]
fn a_code_with_a_wrong_verifier_is_an_event() {
    let (provider, app) = provider();
    let code = Browser::new(&provider).authorize(&app, LOGIN, &[]);
    let wrong = VERIFIER.chars().rev().collect::<String>();
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", &wrong),
    ];
    assert_of_grant(&provider.token(&app, &parameters), "code_misused", &provider);
}

#[test]
fn a_reused_refresh_token_is_an_event_when_it_revokes_the_grant_and_not_again() {
    let (provider, app) = provider();
    let scope = [("scope", "openid offline_access")];
    let code = Browser::new(&provider).authorize(&app, LOGIN, &scope);
    let first = field(&provider.redeem(&app, &code), "refresh_token");
    assert_eq!(provider.refresh(&app, &first).status, 200);
    assert!(provider.refresh(&app, &first).events.is_empty(), "a lost response");
    provider.sleep(REFRESH_GRACE_SECONDS);
    assert_of_grant(&provider.refresh(&app, &first), "refresh_token_reused", &provider);
    assert!(provider.refresh(&app, &first).events.is_empty());
}

#[test]
fn a_wrong_admin_token_is_an_event_once_a_minute_and_a_missing_one_is_not() {
    let (provider, _) = provider();
    let guess = || provider.send(get("/admin/users").bearer("a-guess"));
    assert!(provider.send(get("/admin/users")).events.is_empty());
    assert_eq!(guess().events, [json!({ "event": "admin_token_refused", "level": "warning" })]);
    assert!(guess().events.is_empty());
    provider.sleep(EVENT_PAUSE_SECONDS);
    assert_eq!(guess().event_names(), ["admin_token_refused"]);
}

#[test]
fn attempts_to_sign_in_beyond_a_budget_are_events() {
    let (provider, _) = provider();
    let guess = || {
        let browser = Browser::new(&provider);
        browser.sign_in_on(&browser.get("/auth/account"), "alice@example.org")
    };
    let refused = (0..30).map(|_| guess()).find(|response| response.status == 429).unwrap();
    let event = json!({ "event": "sign_in_budget_exhausted", "level": "warning" });
    assert_eq!(refused.events, [event]);

    provider.platform.rate_limit.set(Some(0));
    let event = json!({ "event": "address_limit_reached", "level": "warning", "action": "login" });
    assert_eq!(guess().events, [event]);
    assert!(guess().events.is_empty(), "once a minute");
}

#[test]
fn a_fault_is_an_event_beside_its_note() {
    let (provider, _) = provider();
    provider.platform.database_fails.set(true);
    let response = provider.send(get("/admin/users").by_operator());
    let event = json!({ "event": "platform_unavailable", "level": "error", "part": "DB" });
    assert_eq!(response.events, [event]);
    assert_eq!(response.log["notes"].as_array().unwrap().len(), 2, "two runs of the statement");
    assert!(provider.send(get("/admin/users").by_operator()).events.is_empty(), "once a minute");
}

#[test]
fn a_wrong_variable_is_an_event() {
    let event = |variable: &str| json!({ "event": "misconfigured", "level": "error", "variable": variable });
    let provider = TestProvider::configured(variables_with("REGISTRATION", "Open"));
    assert_eq!(provider.send(get("/")).events, [event("REGISTRATION")]);
    assert!(provider.send(get("/")).events.is_empty(), "once a minute");

    let provider = TestProvider::configured(variables_with("KEY_ENCRYPTION_KEY", "short"));
    assert_eq!(provider.send(get("/auth/jwks.json")).events, [event("KEY_ENCRYPTION_KEY")]);
}

#[test]
fn the_first_keys_are_events_and_so_is_a_publication_that_fails() {
    let provider = TestProvider::new();
    provider.platform.cache_fails.set(true);
    let response = provider.send(get("/auth/jwks.json"));
    let made: Vec<_> =
        response.events.iter().filter(|event| event["level"] == "information").collect();
    assert_eq!(made.len(), 2, "{:?}", response.events);
    assert!(
        made.iter().all(|event| event["event"] == "first_key_made" && event["kid"].is_string())
    );
    let failed = json!({ "event": "publication_failed", "level": "error", "document": "jwks" });
    assert!(response.events.contains(&failed), "{:?}", response.events);

    provider.platform.cache_fails.set(false);
    provider.sleep(KEY_SET_SECONDS);
    assert_eq!(provider.send(get("/auth/jwks.json")).event_names(), <[&str; 0]>::default());
}

#[test]
fn a_token_with_an_unknown_key_is_no_fault_of_the_platform() {
    let (provider, _) = provider();
    provider.put_alice();
    let token = provider.mint("openid");
    // Another provider's token: its kid is unknown here, and one of the requests looks for it.
    let other = TestProvider::new();
    other.has_entropy.set(true);
    other.put_alice();
    let forged = other.mint("openid");
    assert_ne!(forged.split('.').next(), token.split('.').next(), "another kid");
    let responses = provider.send_together(vec![get("/auth/userinfo").bearer(&forged); 5]);
    assert!(
        responses.iter().any(|response| response.status == 503),
        "one searches, the others do not wait"
    );
    assert!(responses.iter().all(|response| response.events.is_empty()));
}
