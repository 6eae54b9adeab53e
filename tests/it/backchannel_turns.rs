//! Back-Channel Logout 1.0: which clients get their logout tokens in a run, and which tokens wake the operator.

use crate::backchannel::{
    add_deliveries, answer, given_up, provider, put_client, receivers, sent, sign_in, sign_out,
    url, waiting,
};
use crate::browser::Browser;
use crate::test_provider::{NOW, TestProvider, delete, get, post};
use postern::Level;
use std::cell::Cell;

/// Adds deliveries to clients that answer with this status. Returns the clients.
fn put_clients(
    provider: &TestProvider,
    prefix: &str,
    (clients, tokens): (usize, i64),
    status: Option<u16>,
) -> Vec<String> {
    let ids: Vec<_> = (0..clients).map(|number| format!("{prefix}{number:02}")).collect();
    for id in &ids {
        put_client(provider, id);
        answer(provider, id, status);
        add_deliveries(provider, id, tokens);
    }
    ids
}

fn execute(provider: &TestProvider, sql: &str) {
    provider.platform.primary.execute_batch(sql).unwrap();
}

/// Turns the clients with this prefix into some that have registered themselves.
fn make_strangers(provider: &TestProvider, prefix: &str) {
    let sql = "UPDATE clients SET registration_token_hash = client_id WHERE client_id LIKE ?1";
    provider.platform.primary.execute(sql, [format!("{prefix}%")]).unwrap();
}

/// Runs the maintenance by a clock of which each look takes five seconds, as long as a client that does not answer. Returns
/// how many tokens the client got.
fn maintain_slowly(provider: &TestProvider, client_id: &str) -> usize {
    let time = Cell::new(provider.now.get());
    provider.maintain_by(&|| time.replace(time.get() + 5));
    provider.sleep(300);
    receivers(provider).iter().filter(|receiver| **receiver == url(client_id)).count()
}

/// The status and the detail of the line on logout tokens in the report on the provider.
fn health(provider: &TestProvider) -> (String, String) {
    let report = provider.send(get("/healthz").by_operator()).json();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == "logout_tokens").unwrap();
    let text = |field: &str| check[field].as_str().unwrap().to_owned();
    (text("status"), text("detail"))
}

#[test]
fn a_client_that_does_not_accept_a_token_gets_its_others_if_its_server_works() {
    for (status, tokens) in [(400, 150), (404, 150), (302, 150), (429, 6), (500, 6), (503, 6)] {
        let provider = provider();
        put_client(&provider, "app");
        answer(&provider, "app", Some(status));
        add_deliveries(&provider, "app", 200);
        provider.maintain();
        assert_eq!(sent(&provider).len(), tokens, "{status}");
    }
}

#[test]
fn strangers_that_do_not_answer_take_no_rounds_of_the_operators_clients() {
    let provider = provider();
    put_clients(&provider, "a", (36, 10), None);
    make_strangers(&provider, "a");
    provider.sleep(60);
    put_clients(&provider, "z", (1, 200), Some(200));
    assert_eq!(maintain_slowly(&provider, "z00"), 30, "six in each round but the strangers'");
    assert_eq!(maintain_slowly(&provider, "z00"), 30);
}

#[test]
fn clients_that_did_not_answer_leave_most_rounds_to_those_that_did() {
    let provider = provider();
    put_clients(&provider, "a", (36, 10), None);
    put_clients(&provider, "z", (1, 400), Some(200));
    // Nobody knows yet that they do not answer.
    (0..6).for_each(|_| {
        maintain_slowly(&provider, "z00");
    });
    assert_eq!(maintain_slowly(&provider, "z00"), 30, "six in each round but one");
}

#[test]
fn clients_that_did_not_answer_all_get_another_try() {
    for last in ["a00", "a30", "a59"] {
        let provider = provider();
        put_clients(&provider, "a", (60, 20), None);
        (0..3).for_each(|_| {
            maintain_slowly(&provider, "");
        });
        answer(&provider, last, Some(200));
        let tokens: usize = (0..3).map(|_| maintain_slowly(&provider, last)).sum();
        assert!(tokens > 0, "{last}");
    }
}

#[test]
fn clients_that_do_not_answer_do_not_starve_those_of_others() {
    for is_answering in [true, false] {
        let provider = provider();
        put_clients(&provider, "s", (1, 200), Some(200));
        make_strangers(&provider, "s");
        put_clients(&provider, "a", (60, 50), is_answering.then_some(200));
        let tokens: usize = (0..3).map(|_| maintain_slowly(&provider, "s00")).sum();
        assert!((3..=18).contains(&tokens), "{is_answering}: {tokens}");
    }
}

#[test]
fn a_retry_sends_the_tokens_of_its_client_alone() {
    let provider = provider();
    put_clients(&provider, "a", (10, 10), Some(200));
    put_clients(&provider, "z", (1, 30), Some(200));
    execute(
        &provider,
        "UPDATE logout_deliveries SET next_try_at = next_try_at + 3600 WHERE client_id = 'z00'",
    );
    let retry = provider.send(post("/admin/logouts/z00/retry").by_operator());
    assert_eq!(retry.json()["retried"], 30);
    assert_eq!(receivers(&provider), vec![url("z00"); 24]);
}

#[test]
fn a_token_that_cannot_be_sent_is_given_up_after_three_days() {
    let provider = provider();
    put_clients(&provider, "a", (1, 1), Some(200));
    let damage = "UPDATE clients SET metadata = json_set(metadata, '$.application_type', 'other')";
    execute(&provider, damage);
    for (hour, is_waiting) in [(0, true), (71, true), (73, false)] {
        provider.now.set(NOW + hour * 3_600);
        provider.maintain();
        assert_eq!(waiting(&provider) > 0, is_waiting, "after {hour} hours");
        assert_eq!(sent(&provider).len(), 0);
    }
    assert_eq!(given_up(&provider)[0].2["reason"], "not sent");
}

#[test]
fn neither_strangers_nor_deleted_clients_hide_one_of_the_operator() {
    // Those of which a token is due, and those of which none is.
    for (count, due_at) in [(300, NOW), (10_001, NOW + 3_600)] {
        let provider = provider();
        let sql = "WITH RECURSIVE numbers (n) AS \
                     (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1) \
                   INSERT INTO logout_deliveries \
                     (session_id, client_id, sid, subject, ended_at, next_try_at) \
                   SELECT 'session', 'deleted' || n, 'sid', 'alice', ?2, ?3 FROM numbers";
        provider.platform.primary.execute(sql, (count, NOW, due_at)).unwrap();
        provider.sleep(60);
        put_clients(&provider, "z", (1, 1), Some(200));
        provider.maintain();
        assert_eq!(receivers(&provider), [url("z00")], "{count}");
    }
}

#[test]
fn a_session_end_tells_the_operators_clients_before_others() {
    let provider = provider();
    put_clients(&provider, "a", (30, 0), None);
    execute(&provider, "DELETE FROM logout_deliveries");
    make_strangers(&provider, "a");
    let app = put_client(&provider, "z");
    answer(&provider, "z", Some(200));
    let browser = Browser::new(&provider);
    sign_in(&provider, &browser, &[&app]);
    execute(
        &provider,
        "INSERT INTO session_clients \
         SELECT session_id, clients.client_id, 'sid', 'alice', signed_in_at \
         FROM session_clients CROSS JOIN clients WHERE clients.client_id LIKE 'a%'",
    );
    sign_out(&browser);
    assert_eq!(waiting(&provider), 30);
    assert_eq!(receivers(&provider)[0], url("z"));
}

#[test]
fn a_logout_token_of_a_clock_that_is_ahead_is_due_at_once() {
    let provider = provider();
    let app = put_client(&provider, "app");
    let browser = Browser::new(&provider);
    sign_in(&provider, &browser, &[&app]);
    let ahead = 7 * 3_600;
    provider.in_isolate_ahead(ahead, || sign_out(&browser));
    assert_eq!((sent(&provider).len(), waiting(&provider)), (1, 1));
    provider.maintain();
    assert_eq!(sent(&provider).len(), 1);
    // The longest pause is none of a clock that is ahead.
    let pause = [provider.now.get() + 6 * 3_600];
    let update = "UPDATE logout_deliveries SET next_try_at = ?1";
    provider.platform.primary.execute(update, pause).unwrap();
    provider.maintain();
    assert_eq!(sent(&provider).len(), 0);
}

#[test]
fn the_tokens_of_strangers_neither_raise_a_warning_nor_hide_the_operators() {
    let provider = provider();
    put_clients(&provider, "a", (3, 500), None);
    make_strangers(&provider, "a");
    provider.sleep(3_601);
    put_clients(&provider, "z", (1, 2), None);
    let (status, detail) = health(&provider);
    assert_eq!(
        (&*status, &*detail),
        (
            "ok",
            "2 wait for their delivery, the oldest for 0 seconds; 0 were given up in the last day; with those of others' clients 1000 and 0"
        )
    );
    provider.sleep(3_601);
    assert_eq!(health(&provider).0, "warning");

    provider.sleep(3 * 86_400 - 3_601);
    assert_eq!(provider.send(delete("/admin/logouts/z00").by_operator()).status, 200);
    provider.maintain();
    let (status, detail) = health(&provider);
    assert_eq!(status, "ok", "{detail}");
    assert!(detail.ends_with("with those of others' clients 494 and 1006"), "{detail}");
}

#[test]
fn a_refusal_is_no_error_because_any_user_can_cause_it() {
    for (status, level) in [(400, Level::Warning), (404, Level::Error)] {
        let provider = provider();
        put_clients(&provider, "app", (1, 1), Some(status));
        let mut levels = Vec::new();
        while waiting(&provider) > 0 {
            provider.sleep(6 * 3_600);
            let log = provider.maintain();
            let lines = log.events.iter().filter(|line| line.text.contains("logout_token"));
            levels.extend(lines.map(|line| line.level));
        }
        assert_eq!(*levels.last().unwrap(), level, "{status}");
        assert_eq!(given_up(&provider).len(), 1);
    }
}

#[test]
fn a_run_stays_within_the_statements_that_d1_allows_an_invocation() {
    let provider = provider();
    put_clients(&provider, "a", (7, 200), Some(200));
    put_clients(&provider, "b", (7, 200), Some(404));
    execute(
        &provider,
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 500) \
         INSERT INTO deleted_users (sub) SELECT n FROM numbers",
    );
    provider.platform.queries.set(0);
    provider.maintain();
    assert_eq!(sent(&provider).len(), 150);
    let queries = provider.platform.queries.get();
    assert!((500..=1_000).contains(&queries), "{queries}");
}
