//! The audit trail as the operator lists it, and the events that end.

use crate::browser::{Browser, PASSWORD};
use crate::test_provider::{
    NOW, TestProvider, TestRequest, delete, get, post, put, variables_with,
};
use postern::lifetimes::{ATTEMPT_PAUSE_SECONDS, SWEEP_DELAY_SECONDS};
use postern::store::audit::kinds::EventKind;
use serde_json::{Value, json};
use std::fs;

const DAY: i64 = 86_400;
/// How many events a page looks at.
const LOOKED_AT: i64 = 5_000;

fn count(provider: &TestProvider, condition: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM audit_events WHERE {condition}");
    provider.platform.primary.query_row(&sql, (), |row| row.get(0)).unwrap()
}

/// A provider with a number of failed sign-ins of `bob`, one a second from [`NOW`] on, and one early event of another kind.
fn with_events(failures: i64) -> TestProvider {
    let provider = TestProvider::with_keys();
    provider.forget_events();
    let sql = "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1) \
               INSERT INTO audit_events (at, id, kind, actor, network, sub, client_id, detail) \
               SELECT ?2 + n, 'id-' || n, 'sign_in.failed', 'user', '192.0.2.0/24', 'bob', 'app', NULL FROM numbers";
    provider.platform.primary.execute(sql, (failures, NOW)).unwrap();
    let sql = "INSERT INTO audit_events VALUES \
                 (?1 - 60, 'first', 'grant.revoked', 'provider', NULL, 'alice', 'wiki', '{\"reason\":\"code_replayed\"}', NULL)";
    provider.platform.primary.execute(sql, (NOW,)).unwrap();
    provider
}

fn list(provider: &TestProvider, query: &str) -> Value {
    let response = provider.send(get(&format!("/admin/audit?{query}")).by_operator());
    assert_eq!(response.status, 200, "{query}: {}", response.body);
    response.json()
}

/// The ids of the listed events, without their times.
fn ids(page: &Value) -> Vec<String> {
    let events = page["events"].as_array().unwrap();
    let id = |event: &Value| event["id"].as_str().unwrap().split_once('.').unwrap().1.to_owned();
    events.iter().map(id).collect()
}

#[test]
fn the_newest_event_is_first_and_a_page_names_the_next_one() {
    let provider = with_events(5);
    let first = list(&provider, "limit=4");
    assert_eq!(ids(&first), ["id-4", "id-3", "id-2", "id-1"]);
    let next = first["next"].as_str().unwrap();
    let second = list(&provider, &format!("limit=4&after={next}"));
    assert_eq!((ids(&second), second.get("next")), (vec!["id-0".into(), "first".into()], None));
    let event = json!({
        "id": format!("{}.first", NOW - 60), "at": NOW - 60, "kind": "grant.revoked",
        "actor": "provider", "sub": "alice", "client_id": "wiki",
        "detail": { "reason": "code_replayed" },
    });
    assert_eq!(second["events"][1], event);
    assert_eq!(ids(&list(&provider, "")).len(), 6);
}

#[test]
fn events_are_found_by_user_client_kind_and_time() {
    let provider = with_events(5);
    let found = |query: &str| ids(&list(&provider, query)).join(" ");
    for query in ["user=alice", "client=wiki", "kind=grant.revoked", "until=1780000000"] {
        assert_eq!(found(query), "first", "{query}");
    }
    let all = "user=alice&client=wiki&kind=grant.revoked&since=1779999940&until=1779999941";
    assert_eq!(found(all), "first");
    assert_eq!(found("kind=sign_in.failed&user=bob&since=1780000003"), "id-4 id-3");
    assert_eq!(found("kind=sign_in.failed&limit=1"), "id-4");
    assert_eq!(found("client=app&since=1780000001&until=1780000003"), "id-2 id-1");
    for query in ["user=app", "client=bob", "kind=key.created", "user=alice&kind=sign_in.failed"] {
        assert_eq!(found(query), "", "{query}");
    }
    // An empty value is no condition.
    assert_eq!(found("user=&client=&kind=&since=&until=&after=&limit=1"), "id-4");
}

#[test]
fn a_page_looks_at_a_limited_number_of_events() {
    let provider = with_events(2 * LOOKED_AT);
    for filter in ["kind=sign_in.succeeded", "user=bob&client=wiki", "client=app&kind=key.created"]
    {
        let mut after = String::new();
        let mut pages = 0;
        loop {
            let page = list(&provider, &format!("{filter}&after={after}"));
            assert_eq!(ids(&page), [""; 0], "{filter}");
            pages += 1;
            let Some(next) = page.get("next") else { break };
            after = next.as_str().unwrap().to_owned();
        }
        assert!((2..=3).contains(&pages), "{filter}: {pages} pages");
    }
    // The one event of this kind is behind all others, and an index finds it.
    assert_eq!(ids(&list(&provider, "kind=grant.revoked")), ["first"]);
}

#[test]
fn a_wrong_parameter_is_refused_with_the_allowed_values() {
    let provider = with_events(1);
    for (query, words) in [
        ("kind=sign_in", "kind: must be one of client.created client.deleted "),
        ("since=yesterday", "since: must be a time in whole seconds since 1970"),
        ("until=-1", "until: must be a time in whole seconds since 1970"),
        ("until=9007199254740992", "until: must be a time"),
        ("after=x", "after: must be the next of the page before"),
        ("after=x.y", "after: must be the next of the page before"),
        ("limit=501", "limit: must be a whole number from 1 to 500"),
        ("user=a&user=b", "duplicate parameter: user"),
        ("since=%FF", "since: must be UTF-8"),
    ] {
        let response = provider.send(get(&format!("/admin/audit?{query}")).by_operator());
        assert_eq!(response.error().as_deref(), Some("invalid_request"), "{query}");
        assert!(response.body.contains(words), "{query}: {}", response.body);
    }
    let with = |request: TestRequest| provider.send(request).status;
    assert_eq!(with(get("/admin/audit")), 401);
    assert_eq!(with(post("/admin/audit").by_operator()), 405);
    assert_eq!(with(get("/admin/audit/x").by_operator()), 404);
}

#[test]
fn a_damaged_detail_is_shown_as_text() {
    let provider = with_events(1);
    provider.platform.primary.execute("UPDATE audit_events SET detail = '{'", ()).unwrap();
    assert_eq!(list(&provider, "limit=1")["events"][0]["detail"], "{");
}

#[test]
fn events_are_deleted_after_their_days_the_oldest_first() {
    for (days, variables) in
        [(90, variables_with("AUDIT_DAYS", "")), (2, variables_with("AUDIT_DAYS", "2"))]
    {
        let provider = with_events(1_500);
        provider.deploy(variables);
        // The cron keeps every row for an hour longer.
        provider.now.set(NOW + days * DAY + SWEEP_DELAY_SECONDS + 1_199);
        provider.maintain();
        assert_eq!(count(&provider, "kind = 'sign_in.failed'"), 300, "{days} days");
        assert_eq!(count(&provider, &format!("at < {NOW} + 1200")), 0);
    }
}

/// The clock of the isolate that writes an event decides when the event ends.
#[test]
fn an_event_of_a_clock_that_is_ahead_is_listed_first_and_ends_later() {
    let provider = with_events(1);
    provider.now.set(NOW + 365 * DAY);
    provider.put_user("carol");
    provider.now.set(NOW + 1);
    let page = list(&provider, "limit=1");
    assert_eq!(page["events"][0]["sub"], "carol");
    provider.now.set(NOW + 91 * DAY);
    provider.maintain();
    assert_eq!(count(&provider, "sub = 'bob'"), 0);
    assert_eq!(count(&provider, "sub = 'carol'"), 2);
}

/// Strangers know the logins of many users, and have many networks.
#[test]
fn a_stranger_can_cause_no_more_events_than_the_table_has_slots_for_them() {
    let provider = TestProvider::with_keys();
    provider.put_user("bob");
    provider.has_entropy.set(true);
    let guess = |address: &str, password: &str| {
        let mut browser = Browser::new(&provider);
        browser.address = address.to_owned();
        let page = browser.get("/auth/account");
        browser.submit(&page, &[("login", "bob"), ("password", password)]).status
    };
    guess("192.0.2.1", "a guess");
    assert_eq!(count(&provider, "slot IS NOT NULL"), 1);
    // Every slot that the network may have is taken.
    provider.forget_events();
    let sql = "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 499999) \
               INSERT INTO audit_events (at, id, kind, actor, slot) \
               SELECT ?1, n, 'sign_in.failed', 'user', '/' || n FROM numbers";
    provider.platform.primary.execute(sql, (NOW - 1,)).unwrap();
    provider.put_user("other");
    let (taken, others) = (count(&provider, "slot IS NOT NULL"), count(&provider, "slot IS NULL"));
    for password in ["a guess", "another one"] {
        assert_eq!(guess("192.0.2.1", password), 403);
    }
    assert_eq!(count(&provider, "slot IS NOT NULL"), taken);
    assert_eq!(count(&provider, "sub = 'bob' AND kind = 'sign_in.failed'"), 2);
    // A success gives its slot back, and replaces no event that is not a stranger's.
    provider.sleep(ATTEMPT_PAUSE_SECONDS);
    assert_eq!(guess("192.0.2.1", PASSWORD), 200);
    assert_eq!(count(&provider, "slot IS NOT NULL"), taken - 1);
    assert_eq!(count(&provider, "slot IS NULL"), others + 1);
}

#[test]
fn a_user_who_signs_in_again_and_again_gets_slots_like_a_stranger() {
    let provider = TestProvider::with_keys();
    provider.put_user("bob");
    let sign_in = || {
        let browser = Browser::new(&provider);
        let page = browser.get("/auth/account");
        browser.submit(&page, &[("login", "bob"), ("password", PASSWORD)]).status
    };
    let sql = "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 998) \
               INSERT INTO audit_events (at, id, kind, actor, sub) \
               SELECT ?1, n, 'sign_in.succeeded', 'user', 'carol' FROM numbers";
    provider.platform.primary.execute(sql, (NOW,)).unwrap();
    assert_eq!((sign_in(), count(&provider, "slot IS NOT NULL")), (200, 0));
    provider.platform.primary.execute("UPDATE audit_events SET sub = 'bob'", ()).unwrap();
    assert_eq!((sign_in(), count(&provider, "slot IS NOT NULL")), (200, 1));
    assert_eq!(count(&provider, "slot IS NOT NULL AND kind = 'sign_in.succeeded'"), 1);
    provider.sleep(DAY);
    assert_eq!((sign_in(), count(&provider, "slot IS NOT NULL")), (200, 1));
}

#[test]
fn a_trail_that_outlives_its_user_and_client_still_shows_them() {
    let provider = TestProvider::with_keys();
    provider.put_user("bob");
    provider.put_app();
    provider.send(delete("/admin/users/bob").by_operator());
    provider.send(delete("/admin/clients/app").by_operator());
    assert_eq!(list(&provider, "user=bob")["events"][0]["kind"], "user.deleted");
    assert_eq!(list(&provider, "client=app")["events"][0]["kind"], "client.deleted");
    assert_eq!(provider.send(put("/admin/users/bob").by_operator().json(&json!({}))).status, 409);
}

#[test]
fn every_kind_is_documented_and_no_other() {
    let document = fs::read_to_string("docs/operations.md").unwrap();
    let (_, section) = document.split_once("\n### The audit trail\n").unwrap();
    let section = section.split("\n##").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.map(|row| row.split('`').next().unwrap());
    // The names of reasons have no period.
    let mut documented: Vec<_> = names.filter(|name| name.contains('.')).collect();
    documented.sort_unstable();
    let mut names: Vec<_> = EventKind::ALL.into_iter().map(EventKind::name).collect();
    names.sort_unstable();
    assert_eq!(documented, names);
    assert!(
        names.iter().all(|name| EventKind::from_name(name).map(EventKind::name) == Some(*name))
    );
}
