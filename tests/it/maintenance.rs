//! The maintenance, which runs without a request.

use crate::test_provider::{NOW, TestProvider, variables_with};
use postern::{Level, MaintenanceLog};
use serde_json::{Value, json};
use std::cell::Cell;

/// The runs of the table: when each started and ended, and its report.
fn runs(provider: &TestProvider) -> Vec<(i64, i64, Value)> {
    let sql = "SELECT started_at, ended_at, report FROM maintenance_runs ORDER BY started_at";
    let mut statement = provider.platform.primary.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let run = |row: Result<(i64, i64, String), _>| {
        let (started_at, ended_at, report) = row.unwrap();
        (started_at, ended_at, serde_json::from_str(&report).unwrap())
    };
    rows.unwrap().map(run).collect()
}

/// The lines of the events of a run.
fn texts(log: &MaintenanceLog) -> Vec<&str> {
    log.events.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn a_run_is_logged_and_recorded_with_what_it_did() {
    let provider = TestProvider::with_keys();
    let time = Cell::new(NOW);
    let log = provider.maintain_by(&|| time.replace(time.get() + 1));
    assert_eq!((log.level(), log.events.len()), (Level::Information, 0));
    let line: Value = serde_json::from_str(&log.line()).unwrap();
    assert_eq!(line["maintenance"], "done");
    assert_eq!(line["steps"]["sweep"]["left"], json!([]));

    let [(started_at, ended_at, report)] = runs(&provider).try_into().unwrap();
    assert_eq!((started_at, ended_at), (NOW, time.get() - 1));
    assert_eq!(report, json!({ "steps": line["steps"] }));
}

#[test]
fn a_fault_of_a_step_is_logged_and_recorded() {
    let provider = TestProvider::with_keys();
    provider.platform.responses_before_loss.set(2);
    provider.platform.lost_responses.set(1);
    let log = provider.maintain();
    assert_eq!(log.level(), Level::Error);
    let failed = r#"{"event":"maintenance_failed","level":"error","step":"sweep"}"#;
    assert!(texts(&log).contains(&failed), "{:?}", log.events);
    let (_, _, report) = runs(&provider).remove(0);
    assert_eq!(report["steps"].get("sweep"), None);
    assert_eq!(report["notes"], json!(["DB is unavailable: injected loss of a response"]));
}

#[test]
fn a_run_without_a_database_or_a_configuration_is_logged() {
    let provider = TestProvider::with_keys();
    provider.platform.database_fails.set(true);
    let log = provider.maintain();
    assert_eq!(log.level(), Level::Error);
    let failed = r#"{"event":"maintenance_failed","level":"error","step":"record"}"#;
    assert!(texts(&log).contains(&failed), "{:?}", log.events);
    provider.deploy(variables_with("ISSUER", ""));
    let log = provider.maintain();
    assert!(log.line().contains("ISSUER"), "{}", log.line());
    let event = r#"{"event":"misconfigured","level":"error","variable":"ISSUER"}"#;
    assert_eq!(texts(&log), [event]);
}

#[test]
fn a_run_notices_that_two_were_missed() {
    let provider = TestProvider::with_keys();
    assert!(provider.maintain().events.is_empty(), "the first run");
    provider.sleep(3 * 300);
    assert!(provider.maintain().events.is_empty(), "one was missed, and this one may be late");
    provider.sleep(3 * 300 + 1);
    let log = provider.maintain();
    let event = r#"{"event":"maintenance_late","level":"error","seconds":901}"#;
    assert_eq!((texts(&log), log.level()), (vec![event], Level::Information));
    assert!(provider.maintain().events.is_empty(), "the same run again");
}

#[test]
fn a_run_goes_on_until_its_budget_of_time_is_used_up_and_the_next_one_goes_on() {
    let provider = TestProvider::with_keys();
    provider
        .platform
        .primary
        .execute_batch(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 5000) \
             INSERT INTO authorization_requests (handle_hash, parameters, expires_at) \
             SELECT n, '', 1 FROM numbers",
        )
        .unwrap();
    // Each look at the clock takes three seconds.
    let time = Cell::new(NOW);
    let clock = || time.replace(time.get() + 3);
    let report = |provider: &TestProvider| runs(provider).pop().unwrap().2;
    let deleted = |rows: i64| json!({ "authorization_requests": rows });
    provider.maintain_by(&clock);
    assert_eq!(
        report(&provider)["steps"]["sweep"],
        json!({ "batches": 9, "deleted": deleted(1_000), "left": ["authorization_requests", "sessions", "ended_sessions", "grants", "audit_events"] })
    );
    provider.sleep(100);
    provider.maintain();
    assert_eq!(
        report(&provider)["steps"]["sweep"],
        json!({ "batches": 17, "deleted": deleted(4_000), "left": [] })
    );
    let left = "SELECT count(*) FROM authorization_requests";
    assert_eq!(provider.platform.primary.query_row(left, [], |row| row.get(0)), Ok(0));
}

#[test]
fn the_last_runs_are_kept_and_none_of_a_clock_that_is_ahead() {
    let provider = TestProvider::with_keys();
    provider.sleep(365 * 86_400);
    provider.maintain();
    provider.now.set(NOW);
    provider.new_isolate();
    for _ in 0..150 {
        provider.maintain();
        // A run that comes twice.
        provider.maintain();
        provider.sleep(300);
    }
    let runs = runs(&provider);
    assert_eq!((runs.len(), runs[0].0), (144, NOW + 6 * 300));
}
