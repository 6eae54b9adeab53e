//! `GET /healthz`: alive for everybody, ready for the operator.

use crate::platform::Counts;
use crate::test_provider::{
    ADMIN_TOKEN, KEY_ENCRYPTION_KEY, TestProvider, TestRequest, TestResponse, get, variables,
    variables_with,
};
use postern::lifetimes::MAINTENANCE_LATE_SECONDS;
use serde_json::{Value, json};
use std::fs;

fn probe() -> TestRequest {
    get("/healthz")
}

fn report(provider: &TestProvider) -> TestResponse {
    provider.send(probe().by_operator())
}

/// A line of the report.
fn check(report: &TestResponse, name: &str) -> Value {
    let report = report.json();
    let mut found = report["checks"].as_array().unwrap().iter().filter(|one| one["name"] == name);
    let check = found.next().unwrap_or_else(|| panic!("no {name} in {report}"));
    assert!(found.next().is_none(), "{report}");
    check.clone()
}

#[track_caller]
fn assert_check(report: &TestResponse, name: &str, status: &str, words: &str) {
    let check = check(report, name);
    assert_eq!(check["status"], status, "{check}");
    assert!(check["detail"].as_str().unwrap().contains(words), "{check}");
}

/// A provider with keys whose maintenance has run.
fn ready() -> TestProvider {
    let provider = TestProvider::with_keys();
    provider.maintain();
    provider
}

#[test]
fn everybody_sees_that_the_provider_is_alive_without_any_use_of_the_platform() {
    let provider = TestProvider::new();
    provider.platform.database_fails.set(true);
    provider.platform.cache_fails.set(true);
    let response = provider.send(probe());
    assert_eq!((response.status, response.body.as_str()), (200, r#"{"status":"ok"}"#));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("access-control-allow-origin"), None);
    assert_eq!(provider.platform.take_counts(), Counts::default());
    assert_eq!((response.deferred, response.is_logged), (0, false));

    let head = provider.send(TestRequest::new("HEAD", "/healthz"));
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let post = provider.send(TestRequest::new("POST", "/healthz"));
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(provider.send(get("/healthz/")).status, 404);
}

#[test]
fn an_issuer_with_a_path_has_its_probe_below_the_path() {
    let provider = TestProvider::configured(variables_with("ISSUER", "https://example.com/id"));
    assert_eq!(provider.send(get("/id/healthz")).status, 200);
    assert_eq!(provider.send(get("/healthz")).status, 404);
}

#[test]
fn a_wrong_token_gets_the_same_response_as_at_the_operators_interface() {
    let provider = ready();
    provider.platform.take_counts();
    let wrong = format!("{}x", &ADMIN_TOKEN[1..]);
    for (name, value) in [
        ("authorization", format!("Bearer {wrong}")),
        ("authorization", "Bearer".to_owned()),
        ("authorization", format!("Basic {ADMIN_TOKEN}")),
        ("authorization", String::new()),
    ] {
        let [health, admin] =
            ["/healthz", "/admin/users"].map(|path| provider.send(get(path).with(name, &value)));
        assert_eq!((health.status, health.error().as_deref()), (401, Some("unauthorized")));
        assert_eq!((health.body, health.headers), (admin.body, admin.headers), "{value}");
    }
    assert_eq!(provider.platform.take_counts(), Counts::default());
    let provider = TestProvider::configured(variables_with("ADMIN_TOKEN", "short"));
    let [health, admin] =
        ["/healthz", "/admin/users"].map(|path| provider.send(get(path).by_operator()));
    assert_eq!((health.status, &health.body), (500, &admin.body));
    let provider = TestProvider::configured(variables_with("ADMIN_TOKEN", ""));
    assert_eq!(provider.send(probe().by_operator()).status, 404);
    assert_eq!(provider.send(probe()).status, 200);
}

#[test]
fn a_ready_provider_has_a_line_for_each_part_and_needs_two_requests_to_d1() {
    let provider = ready();
    provider.sleep(120);
    provider.platform.take_counts();
    let response = report(&provider);
    let counts = provider.platform.take_counts();
    assert_eq!((counts.statements, counts.batches, counts.cache_reads), (1, 1, 1));
    assert_eq!((counts.cache_writes, response.deferred), (0, 0));
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let json = response.json();
    assert_eq!((&json["status"], &json["ready"]), (&json!("ok"), &json!(true)), "{json}");
    let names: Vec<_> = json["checks"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    let expected = [
        "database",
        "migrations",
        "signing_key_ES256",
        "signing_key_RS256",
        "maintenance",
        "logout_tokens",
        "cache",
        "rate_limit",
        "configuration",
    ];
    assert_eq!(names, expected);
    let document = fs::read_to_string("docs/operations.md").unwrap();
    for name in expected {
        assert!(document.contains(&format!("| `{name}` |")), "{name} is not in docs/operations.md");
    }
    assert_check(&response, "signing_key_ES256", "ok", "signs for 2 minutes");
    assert_check(&response, "maintenance", "ok", "began 2 minutes ago and took 0 seconds; ");
    for part in ["database", "cache", "rate_limit"] {
        assert_eq!(check(&response, part)["latency_ms"], 7, "{part}");
    }
    assert_check(&response, "migrations", "ok", ".sql is applied");
}

#[test]
fn without_d1_the_provider_is_not_ready_and_the_error_is_only_in_the_log() {
    let provider = ready();
    provider.platform.database_fails.set(true);
    let response = report(&provider);
    assert_eq!((response.status, &response.json()["ready"]), (503, &json!(false)));
    assert_check(&response, "database", "failed", "the log has the error");
    assert!(!response.body.contains("injected"), "{}", response.body);
    assert!(response.log["notes"][0].as_str().unwrap().contains("injected"));
    assert_check(&response, "cache", "ok", "KV answers");
}

#[test]
fn without_kv_or_a_rate_limiter_the_provider_is_ready_with_warnings() {
    let provider = ready();
    provider.platform.cache_fails.set(true);
    provider.platform.rate_limit_fails.set(true);
    let response = report(&provider);
    assert_eq!((response.status, &response.json()["status"]), (200, &json!("warning")));
    assert_check(&response, "cache", "warning", "does not answer");
    assert_check(&response, "rate_limit", "warning", "only the counters in D1");
    assert!(!response.body.contains("injected"), "{}", response.body);

    provider.deploy(variables_with("REGISTRATION", "open"));
    assert_check(&report(&provider), "rate_limit", "warning", "REGISTRATION is open");
}

#[test]
fn a_missing_migration_is_named_and_the_provider_is_not_ready() {
    let provider = ready();
    let execute = |sql: &str| provider.platform.primary.execute_batch(sql).unwrap();
    execute("DELETE FROM d1_migrations WHERE id = (SELECT max(id) FROM d1_migrations)");
    let response = report(&provider);
    assert_eq!(response.status, 503);
    assert_check(&response, "migrations", "failed", "is not applied: npm run deploy applies it");

    // An older build on a newer database, after a rollback.
    let provider = ready();
    let execute = |sql: &str| provider.platform.primary.execute_batch(sql).unwrap();
    execute("INSERT INTO d1_migrations (name) VALUES ('9999_later.sql')");
    assert_check(&report(&provider), "migrations", "ok", "is applied");
}

#[test]
fn a_maintenance_that_never_ran_is_late_or_failed_is_a_warning() {
    let provider = TestProvider::with_keys();
    assert_check(&report(&provider), "maintenance", "warning", "no run yet");
    provider.maintain();
    provider.sleep(MAINTENANCE_LATE_SECONDS);
    assert_check(&report(&provider), "maintenance", "ok", "15 minutes ago");
    provider.sleep(1);
    let response = report(&provider);
    assert_check(&response, "maintenance", "warning", "late: ");
    assert_eq!(response.status, 200);

    provider.platform.lost_responses.set(1);
    provider.maintain();
    let words = "failed: \"DB is unavailable: injected loss of a response\"";
    assert_check(&report(&provider), "maintenance", "warning", words);
}

#[test]
fn a_run_that_a_clock_ahead_recorded_does_not_count_as_the_last_one() {
    let provider = ready();
    let sql = "INSERT INTO maintenance_runs VALUES (?1, ?1, '{\"steps\":{}}')";
    let ahead = provider.now.get() + 365 * 86_400;
    provider.platform.primary.execute(sql, [ahead]).unwrap();
    provider.sleep(600);
    assert_check(&report(&provider), "maintenance", "ok", "10 minutes ago");
}

#[test]
fn keys_that_are_missing_or_cannot_be_opened_are_named() {
    let provider = TestProvider::new();
    let response = report(&provider);
    assert_eq!(response.status, 200);
    assert_check(&response, "signing_key_RS256", "warning", "no key signs");

    let provider = ready();
    provider.deploy(variables_with("KEY_ENCRYPTION_KEY", &"E".repeat(43)));
    let response = report(&provider);
    assert_eq!(response.status, 503);
    let words = "KEY_ENCRYPTION_KEY: does not decrypt the signing key";
    assert_check(&response, "signing_key_ES256", "failed", words);
    assert_eq!(response.event_names(), ["misconfigured"]);
}

#[test]
fn a_key_has_its_age_and_the_time_of_the_next_one_until_that_is_overdue() {
    let provider = ready();
    provider.sleep(10 * 86_400);
    let words = "signs for 10 days; the next key signs in 20 days";
    assert_check(&report(&provider), "signing_key_ES256", "ok", words);
    provider.sleep(19 * 86_400);
    let words = "signs for 29 days; the next key is overdue for 2 days";
    assert_check(&report(&provider), "signing_key_ES256", "warning", words);
    provider.maintain();
    assert_check(&report(&provider), "signing_key_ES256", "ok", "the next key signs in 3 days");
}

#[test]
fn development_settings_are_warnings() {
    let provider = ready();
    provider.deploy(variables_with("ALLOW_LOOPBACK", "true"));
    let response = report(&provider);
    assert_eq!((response.status, &response.json()["status"]), (200, &json!("warning")));
    assert_check(&response, "configuration", "warning", "ALLOW_LOOPBACK is for development");

    let mut local = variables_with("ISSUER", "http://localhost:8787");
    local.push(("ALLOW_LOOPBACK", "true".into()));
    provider.deploy(local);
    assert_check(&report(&provider), "configuration", "warning", "ISSUER is a URL of this machine");
    provider.deploy(variables());
    assert_check(&report(&provider), "configuration", "ok", "no warnings");
}

#[test]
fn a_previous_secret_is_a_warning_until_no_key_needs_it() {
    let provider = ready();
    let (old, new) = (KEY_ENCRYPTION_KEY, "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg");
    let mut replaced = variables_with("KEY_ENCRYPTION_KEY", new);
    replaced.push(("KEY_ENCRYPTION_KEY_PREVIOUS", old.into()));
    provider.deploy(replaced);
    assert_check(
        &report(&provider),
        "key_encryption_key",
        "warning",
        "2 keys need KEY_ENCRYPTION_KEY_PREVIOUS",
    );
    provider.sleep(300);
    provider.maintain();
    let report_now = report(&provider);
    assert_check(&report_now, "key_encryption_key", "ok", "no key needs");
    assert_check(&report_now, "configuration", "warning", "KEY_ENCRYPTION_KEY_PREVIOUS");

    let mut lost = variables_with("KEY_ENCRYPTION_KEY", old);
    lost.push(("KEY_ENCRYPTION_KEY_PREVIOUS", old.into()));
    provider.deploy(lost);
    let report = report(&provider);
    assert_check(&report, "key_encryption_key", "failed", "neither secret opens 2 keys");
    assert_eq!(report.status, 503);
}
