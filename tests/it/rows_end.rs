//! The rows that the maintenance deletes because they are over, and those of deleted users and clients.

use crate::browser::{Browser, CALLBACK, TestClient, answer, field};
use crate::test_provider::{NOW, TestProvider, TestResponse, delete, get, post, put};
use postern::Level;
use postern::lifetimes::{
    DEAD_GRANT_SECONDS, REFRESH_TOKEN_IDLE_SECONDS, SESSION_SECONDS, SWEEP_DELAY_SECONDS,
};
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";
const OFFLINE: (&str, &str) = ("scope", "openid offline_access");
/// When a grant is deleted that never had a refresh token, after it was made.
const DEAD: i64 = DEAD_GRANT_SECONDS + SWEEP_DELAY_SECONDS;

/// A provider with alice, a client, and the time of a first run.
fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::with_keys();
    provider.has_entropy.set(true);
    provider.put_alice_with_password();
    let app = provider.put_app();
    provider.maintain();
    (provider, app)
}

impl TestProvider {
    fn rows(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.platform.primary.query_row(&sql, (), |row| row.get(0)).unwrap()
    }

    /// Runs the maintenance after some seconds, in which it has run every five minutes. Returns the report of the sweep.
    fn maintain_for(&self, seconds: i64) -> Value {
        self.sleep(seconds);
        let before = "UPDATE sweep_time SET time = ?1";
        self.platform.primary.execute(before, [self.now.get() - 300]).unwrap();
        let log = self.maintain();
        assert_eq!(log.level(), Level::Information, "{}", log.line());
        let line: Value = serde_json::from_str(&log.line()).unwrap();
        line["steps"]["sweep"].clone()
    }

    fn tokens(&self, app: &TestClient, parameters: &[(&str, &str)]) -> TestResponse {
        let code = Browser::new(self).authorize(app, LOGIN, parameters);
        self.redeem(app, &code)
    }

    /// The status of userinfo for a response with an access token.
    fn userinfo(&self, tokens: &TestResponse) -> u16 {
        self.send(get("/auth/userinfo").bearer(&field(tokens, "access_token"))).status
    }
}

#[test]
fn a_grant_without_a_refresh_token_is_deleted_with_its_code_once_nothing_can_use_it() {
    let (provider, app) = provider();
    provider.tokens(&app, &[]);
    provider.maintain_for(DEAD - 1);
    assert_eq!((provider.rows("grants"), provider.rows("codes")), (1, 1));
    let report = provider.maintain_for(1);
    assert_eq!(report["deleted"]["grants"], 1, "{report}");
    assert_eq!((provider.rows("grants"), provider.rows("codes")), (0, 0));
    // The consent remains.
    assert_eq!(provider.rows("consents"), 1);
}

#[test]
fn a_grant_is_deleted_when_its_last_refresh_token_has_expired() {
    let (provider, app) = provider();
    let first = provider.tokens(&app, &[OFFLINE]);
    provider.maintain_for(DEAD);
    assert_eq!((provider.rows("grants"), provider.rows("codes")), (1, 1));
    let second = provider.refresh(&app, &field(&first, "refresh_token"));
    assert_eq!(second.status, 200, "{}", second.body);
    // It was refreshed after it was looked at.
    provider.maintain_for(REFRESH_TOKEN_IDLE_SECONDS - 1);
    assert_eq!(provider.rows("grants"), 1);
    let third = provider.refresh(&app, &field(&second, "refresh_token"));
    assert_eq!((third.status, provider.userinfo(&third)), (200, 200), "{}", third.body);
    provider.maintain_for(REFRESH_TOKEN_IDLE_SECONDS + DEAD - 1);
    assert_eq!(provider.rows("grants"), 1);
    provider.maintain_for(1);
    assert_eq!(["grants", "codes", "refresh_tokens"].map(|table| provider.rows(table)), [0; 3]);
    let refused = provider.refresh(&app, &field(&third, "refresh_token"));
    assert_eq!(refused.error().as_deref(), Some("invalid_grant"));
}

#[test]
fn a_used_refresh_token_revokes_its_grant_until_it_expires_and_is_unknown_later() {
    let (provider, app) = provider();
    for wait in [REFRESH_TOKEN_IDLE_SECONDS - 1, 2 * REFRESH_TOKEN_IDLE_SECONDS] {
        let stolen = provider.tokens(&app, &[OFFLINE]);
        let mut last = provider.refresh(&app, &field(&stolen, "refresh_token"));
        // The application refreshes every week.
        let mut left = wait;
        while left > 0 {
            let pause = left.min(7 * 86_400);
            provider.maintain_for(pause);
            last = provider.refresh(&app, &field(&last, "refresh_token"));
            assert_eq!(last.status, 200, "{}", last.body);
            left -= pause;
        }
        let replay = provider.refresh(&app, &field(&stolen, "refresh_token"));
        assert_eq!(replay.error().as_deref(), Some("invalid_grant"));
        let is_old = wait > REFRESH_TOKEN_IDLE_SECONDS;
        assert_eq!(replay.body.contains("unknown"), is_old, "{}", replay.body);
        assert_eq!(provider.userinfo(&last), if is_old { 200 } else { 401 });
    }
}

#[test]
fn a_revoked_grant_is_deleted_with_its_tokens() {
    let (provider, app) = provider();
    let first = provider.tokens(&app, &[OFFLINE]);
    provider.refresh(&app, &field(&first, "refresh_token"));
    provider.platform.primary.execute("UPDATE grants SET revoked_at = created_at", ()).unwrap();
    assert_eq!(provider.userinfo(&first), 401);
    provider.maintain_for(DEAD);
    assert_eq!(["grants", "codes", "refresh_tokens"].map(|table| provider.rows(table)), [0; 3]);
    assert_eq!(provider.userinfo(&first), 401, "an unknown grant is refused like a revoked one");
}

#[test]
fn a_token_of_the_operator_works_until_it_expires() {
    let (provider, _) = provider();
    let order = json!({ "sub": "alice", "scope": "openid", "ttl": 86_400 });
    let minted = provider.send(post("/admin/tokens").by_operator().json(&order));
    provider.maintain_for(86_400 - 1);
    assert_eq!(provider.userinfo(&minted), 200);
    provider.maintain_for(DEAD);
    assert_eq!(provider.rows("grants"), 1);
    provider.maintain_for(1);
    assert_eq!(provider.rows("grants"), 0);
}

#[test]
fn a_session_is_deleted_once_it_has_expired() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    for _ in 0..13 {
        provider.maintain_for(86_400 - 1);
        assert!(answer(&alice.get(&app.authorize(&[])), CALLBACK).contains_key("code"));
    }
    provider.maintain_for(SESSION_SECONDS + SWEEP_DELAY_SECONDS - 13 * (86_400 - 1) - 1);
    assert_eq!(provider.rows("sessions"), 1);
    provider.maintain_for(1);
    assert_eq!(provider.rows("sessions"), 0);
}

/// Inserts grants of alice with expired refresh tokens, and a valid one if they are alive. Their ids come before random ones.
fn insert_grants(provider: &TestProvider, grants: i64, tokens: i64, is_alive: bool) {
    let numbers = |end: i64| {
        format!(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {end})"
        )
    };
    let alive = if is_alive { NOW + 86_400 * 20 } else { 1 };
    let sql = format!(
        "{} INSERT INTO grants (id, sub, client_id, scope, created_at, session_id)
         SELECT '!' || n, 'alice', 'app', 'openid offline_access', n, 'session' FROM numbers;
         {} INSERT INTO refresh_tokens (token_hash, grant_id, expires_at, spent_at)
         SELECT id || '-' || n, id, 1, 1 FROM grants JOIN numbers WHERE id LIKE '!%';
         INSERT INTO refresh_tokens (token_hash, grant_id, expires_at)
         SELECT id || '-alive', id, {alive} FROM grants WHERE id LIKE '!%';
         INSERT INTO codes (code_hash, grant_id, redirect_uri, expires_at)
         SELECT id, id, 'x', 1 FROM grants WHERE id LIKE '!%'",
        numbers(grants),
        numbers(tokens),
    );
    provider.platform.primary.execute_batch(&sql).unwrap();
}

#[test]
fn a_grant_with_more_tokens_than_a_batch_deletes_is_cleared_in_steps() {
    let (provider, _) = provider();
    insert_grants(&provider, 2, 2_500, true);
    let report = provider.maintain_for(0);
    assert_eq!(report["deleted"]["grants"], 5_000, "{report}");
    assert_eq!((provider.rows("grants"), provider.rows("refresh_tokens")), (2, 2));
    provider
        .platform
        .primary
        .execute("UPDATE grants SET revoked_at = 1, alive_until = 1", ())
        .unwrap();
    provider.maintain_for(0);
    assert_eq!(["grants", "codes", "refresh_tokens"].map(|table| provider.rows(table)), [0; 3]);
}

#[test]
fn the_oldest_grants_are_deleted_first_and_the_next_run_goes_on() {
    let (provider, _) = provider();
    insert_grants(&provider, 5_000, 1, false);
    // Each look at the clock takes two seconds, so the time is enough for one round of all kinds and some more.
    let time = std::cell::Cell::new(NOW);
    let log = provider.maintain_by(&|| time.replace(time.get() + 2));
    let line: Value = serde_json::from_str(&log.line()).unwrap();
    assert_eq!(line["steps"]["sweep"]["left"], json!(["grants"]));
    let (left, oldest): (i64, i64) = provider
        .platform
        .primary
        .query_row("SELECT count(*), min(created_at) FROM grants", (), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert!(left > 0 && left < 5_000);
    assert_eq!(oldest, 5_001 - left);
    let report = provider.maintain_for(0);
    assert_eq!((report["left"].clone(), provider.rows("grants")), (json!([]), 0));
}

#[test]
fn a_kind_that_fails_does_not_prevent_the_others() {
    let (provider, app) = provider();
    provider.tokens(&app, &[]);
    provider.sleep(SESSION_SECONDS + SWEEP_DELAY_SECONDS);
    provider.platform.primary.execute("UPDATE sweep_time SET time = 9e9", ()).unwrap();
    // The time, and the first two kinds.
    provider.platform.responses_before_loss.set(3);
    provider.platform.lost_responses.set(1);
    let log = provider.maintain();
    assert_eq!(log.level(), Level::Error);
    assert!(log.line().contains("injected loss"), "{}", log.line());
    assert_eq!((provider.rows("sessions"), provider.rows("grants")), (0, 0));
}

#[test]
fn nothing_of_a_deleted_client_works_while_its_rows_are_deleted_in_steps() {
    let (provider, app) = provider();
    insert_grants(&provider, 3_000, 1, true);
    let tokens = provider.tokens(&app, &[OFFLINE]);
    assert_eq!(provider.userinfo(&tokens), 200);
    provider.platform.take_counts();
    assert_eq!(provider.send(delete("/admin/clients/app").by_operator()).status, 200);
    let counts = provider.platform.take_counts();
    assert_eq!((counts.statements, counts.batches), (1, 1));
    let left = provider.rows("grants");
    assert!(left > 2_000, "{left}");
    // The grant of the tokens is among those that are left.
    let sql = "SELECT count(*) FROM grants WHERE session_id <> 'session'";
    let is_left: i64 = provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap();
    assert_eq!((is_left, provider.userinfo(&tokens)), (1, 401));
    let refused = provider.refresh(&app, &field(&tokens, "refresh_token"));
    assert_eq!(refused.error().as_deref(), Some("invalid_client"));

    // No client can have its identifier, because the tokens would work again.
    let document = json!({ "redirect_uris": [CALLBACK] });
    let put_again = || provider.send(put("/admin/clients/app").by_operator().json(&document));
    let early = put_again();
    assert_eq!((early.status, early.error().as_deref()), (409, Some("conflict")));
    assert!(early.body.contains("still being deleted"), "{}", early.body);
    provider.maintain_for(0);
    let tables = ["grants", "codes", "refresh_tokens", "consents", "deleted_clients"];
    assert_eq!(tables.map(|table| provider.rows(table)), [0; 5]);
    assert_eq!(put_again().status, 200);
    assert_eq!(provider.userinfo(&tokens), 401);
}

#[test]
fn a_client_with_few_grants_is_gone_at_once() {
    let (provider, app) = provider();
    provider.tokens(&app, &[OFFLINE]);
    assert_eq!(provider.send(delete("/admin/clients/app").by_operator()).status, 200);
    let tables = ["grants", "codes", "refresh_tokens", "consents", "deleted_clients"];
    assert_eq!(tables.map(|table| provider.rows(table)), [0; 5]);
    provider.put_app();
}

#[test]
fn nothing_of_a_deleted_user_works_while_the_rows_are_deleted_in_steps() {
    let (provider, app) = provider();
    insert_grants(&provider, 3_000, 1, true);
    let alice = Browser::new(&provider);
    let tokens = provider.redeem(&app, &alice.authorize(&app, LOGIN, &[OFFLINE]));
    let sessions = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3500) \
         INSERT INTO sessions (id, cookie_hash, sub, auth_time, used_at) \
         SELECT '-' || n, n, 'alice', ?1, ?1 FROM numbers";
    provider.platform.primary.execute(sessions, [NOW]).unwrap();
    assert_eq!(provider.send(delete("/admin/users/alice").by_operator()).status, 200);
    assert!(provider.rows("grants") > 2_000 && provider.rows("sessions") > 1_000);
    assert_eq!(provider.userinfo(&tokens), 401);
    let refused = provider.refresh(&app, &field(&tokens, "refresh_token"));
    assert_eq!(refused.error().as_deref(), Some("invalid_grant"));
    let silent = alice.get(&app.authorize(&[("prompt", "none")]));
    assert_eq!(answer(&silent, CALLBACK)["error"], "login_required");
    provider.maintain_for(0);
    let tables = ["grants", "codes", "refresh_tokens", "consents", "sessions", "deleted_users"];
    assert_eq!(tables.map(|table| provider.rows(table)), [0; 6]);
    assert_eq!(provider.rows("users"), 1, "the tombstone");
}

#[test]
fn each_session_of_a_deleted_user_ends_for_its_clients_however_many_there_are() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    provider.put_client_with("app", json!({ "backchannel_logout_uri": "https://app.example/out" }));
    provider.put_client_with("silent", json!({}));
    let database = &provider.platform.primary;
    database
        .execute_batch(&format!(
            "WITH RECURSIVE numbers (n) AS \
               (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3500) \
             INSERT INTO sessions (id, cookie_hash, sub, auth_time, used_at) \
             SELECT '-' || n, n, 'alice', {NOW}, {NOW} FROM numbers; \
             INSERT INTO session_clients (session_id, client_id, sid, subject, signed_in_at) \
             SELECT sessions.id, client_id, sessions.id, 'alice', {NOW} FROM sessions JOIN clients"
        ))
        .unwrap();
    assert_eq!(provider.send(delete("/admin/users/alice").by_operator()).status, 200);
    assert!(provider.rows("sessions") > 1_000);
    provider.maintain();
    assert_eq!(provider.rows("sessions"), 0);
    assert_eq!(provider.rows("logout_deliveries"), 3_500);
    provider.sleep(SWEEP_DELAY_SECONDS);
    provider.maintain();
    let tables = ["session_clients", "ended_sessions", "deleted_users"];
    assert_eq!(tables.map(|table| provider.rows(table)), [0; 3]);
}

#[test]
fn one_run_finishes_every_deleted_user_and_client() {
    let provider = TestProvider::with_keys();
    let database = &provider.platform.primary;
    database
        .execute_batch(
            "INSERT INTO deleted_users (sub) VALUES ('a'), ('b'), ('c'); \
             INSERT INTO deleted_clients (client_id) VALUES ('d'), ('e'), ('f')",
        )
        .unwrap();
    provider.maintain();
    let left =
        "SELECT (SELECT count(*) FROM deleted_users) + (SELECT count(*) FROM deleted_clients)";
    assert_eq!(database.query_row(left, [], |row| row.get(0)), Ok(0));
}

#[test]
fn a_grant_of_the_operator_from_an_earlier_version_lives_as_long_as_its_longest_token() {
    let provider = TestProvider::with_keys();
    provider.put_alice();
    provider.mint("openid");
    let database = &provider.platform.primary;
    database.execute("UPDATE grants SET alive_until = NULL", []).unwrap();
    let count = || database.query_row("SELECT count(*) FROM grants", [], |row| row.get(0));
    for (seconds, left) in [(0, 1), (23 * 3_600, 1), (3 * 3_600, 0)] {
        provider.sleep(seconds);
        // Each run makes up for an hour.
        for _ in 0..25 {
            provider.maintain();
        }
        assert_eq!(count(), Ok(left), "after {seconds} seconds more");
    }
}
