//! Isolates whose clocks differ: what one isolate stores while its clock is ahead must not harm the others.

use crate::browser::{Browser, CALLBACK, PASSWORD, answer, field, is_login};
use crate::client_assertions::{
    NO_CODE, assert_authenticated, assert_refused, provider_with_uri, serve,
};
use crate::client_documents;
use crate::jwks::{ALWAYS, foreign_key, insert_key, keys, rsa_key};
use crate::signer::Signer;
use crate::test_provider::{NOW, TestProvider, TestResponse, get, post, put, variables_with};
use postern::lifetimes::{
    ACCESS_TOKEN_SECONDS, ATTEMPT_PAUSE_SECONDS, ATTEMPT_WINDOW_SECONDS, BODY_SECONDS,
    CLIENT_DOCUMENT_LONGEST_SECONDS, CLOCK_SLACK_SECONDS, KEY_CLAIM_SECONDS,
    KEY_SET_REVIEW_SECONDS, KEY_SET_SECONDS, SESSION_SECONDS, SWEEP_DELAY_SECONDS,
};
use serde_json::json;
use std::collections::BTreeMap;

const YEAR: i64 = 365 * 86_400;
/// The default of `CLOCK_LEEWAY`.
const LEEWAY: i64 = 5;
const JWKS: &str = "/auth/jwks.json";

impl TestProvider {
    /// Runs `work` in an isolate whose clock is ahead. Then continues in another one, whose clock is right.
    pub fn in_isolate_ahead<T>(&self, seconds: i64, work: impl FnOnce() -> T) -> T {
        let now = self.now.replace(self.now.get() + seconds);
        self.new_isolate();
        let result = work();
        self.now.set(now);
        self.new_isolate();
        result
    }
}

fn sign_in(provider: &TestProvider, password: &str) -> TestResponse {
    let browser = Browser::new(provider);
    let page = browser.get("/auth/account");
    browser.submit(&page, &[("login", "alice"), ("password", password)])
}

#[test]
fn an_attempt_counter_of_a_clock_that_is_ahead_locks_nobody_out() {
    for ahead in [YEAR, ATTEMPT_PAUSE_SECONDS + CLOCK_SLACK_SECONDS] {
        let provider = TestProvider::with_keys();
        provider.put_user("alice");
        provider.in_isolate_ahead(ahead, || {
            for _ in 0..4 {
                assert_eq!(sign_in(&provider, "a guess").status, 403);
            }
            assert_eq!(sign_in(&provider, "a guess").status, 403);
            assert_eq!(sign_in(&provider, "a guess").status, 429);
        });
        assert_eq!(sign_in(&provider, PASSWORD).status, 200, "{ahead} seconds ahead");
    }
}

/// The failures of each counter.
fn failures(provider: &TestProvider) -> String {
    let sql = "SELECT group_concat(failures) FROM sign_in_attempts";
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn failed_attempts_count_also_after_those_of_a_clock_that_is_ahead() {
    let provider = TestProvider::with_keys();
    provider.put_user("alice");
    provider.in_isolate_ahead(YEAR, || {
        for _ in 0..5 {
            sign_in(&provider, "a guess");
        }
    });
    assert_eq!(failures(&provider), "5,5");
    assert_eq!(sign_in(&provider, "a guess").status, 403);
    assert_eq!(failures(&provider), "6,6", "on the account, too");
    let response = sign_in(&provider, PASSWORD);
    assert_eq!((response.status, response.header("retry-after")), (429, Some("2")));
}

#[test]
fn a_pause_of_a_clock_that_is_slightly_ahead_lasts_no_longer_than_the_longest_one_and_a_minute() {
    let provider = TestProvider::with_keys();
    provider.put_user("alice");
    let longest = ATTEMPT_PAUSE_SECONDS + CLOCK_SLACK_SECONDS;
    provider.in_isolate_ahead(longest - 1, || {
        for _ in 0..5 {
            sign_in(&provider, "a guess");
        }
    });
    let response = sign_in(&provider, PASSWORD);
    let pause: i64 = response.header("retry-after").unwrap().parse().unwrap();
    assert_eq!((response.status, pause), (429, longest));
    assert_eq!(failures(&provider), "5,5", "a refused attempt does not count");
    provider.sleep(pause);
    assert_eq!(sign_in(&provider, PASSWORD).status, 200);
}

#[test]
fn held_bodies_do_not_skip_the_pause_between_attempts() {
    let provider = TestProvider::with_keys();
    provider.put_user("alice");
    let mut pause = 0;
    while pause < ATTEMPT_PAUSE_SECONDS {
        provider.sleep(pause);
        let response = sign_in(&provider, "a guess");
        pause = response.header("retry-after").map_or(0, |seconds| seconds.parse().unwrap());
    }
    provider.sleep(ATTEMPT_PAUSE_SECONDS - 300);
    let browser = Browser::new(&provider);
    let page = browser.get("/auth/account");
    let guess = || browser.submit(&page, &[("login", "alice"), ("password", "a guess")]);
    provider.sleep(300);
    // Each second a request has begun. Now their bodies arrive, the newest first.
    let mut statuses = BTreeMap::new();
    for seconds in 0..250 {
        provider.body_seconds.set(seconds);
        *statuses.entry(guess().status).or_insert(0) += 1;
        provider.sleep(-1);
    }
    assert_eq!(statuses[&403], 1, "{statuses:?}");
}

#[test]
fn a_body_that_arrives_late_is_refused() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = provider_with_uri(&signer);
    serve(&provider, signer.jwks().to_string());
    let send = |seconds| {
        provider.body_seconds.set(seconds);
        provider.token_by(&signer.assertion(&provider, "app"), &NO_CODE)
    };
    assert_authenticated(&send(BODY_SECONDS));
    let response = send(BODY_SECONDS + 1);
    assert_eq!((response.status, response.error().as_deref()), (400, Some("invalid_request")));
    assert!(response.body.contains("the body took longer than 30 seconds"), "{}", response.body);
    let page = provider.send(post("/auth/authorize").form("client_id=app"));
    assert_eq!(page.status, 408, "{}", page.body);
}

#[test]
fn the_first_keys_are_valid_at_once_for_isolates_whose_clocks_are_behind() {
    for ahead in [CLOCK_SLACK_SECONDS + 1, 3_600, YEAR] {
        let provider = TestProvider::new();
        provider.put_alice_with_password();
        provider.in_isolate_ahead(ahead, || {
            assert_eq!(provider.send(get(JWKS)).status, 200);
        });
        assert_eq!(keys(&provider.send(get(JWKS))).len(), 2, "{ahead} seconds ahead");
        let client = provider.put_app();
        let code = Browser::new(&provider).authorize(&client, "alice@example.com", &[]);
        let response = provider.redeem(&client, &code);
        assert_eq!(response.status, 200, "{ahead} seconds ahead: {}", response.body);
    }
}

#[test]
fn a_claim_of_a_clock_that_is_ahead_does_not_delay_a_key() {
    let provider = TestProvider::new();
    provider.in_isolate_ahead(3_600, || {
        provider.platform.generation_fails.set(true);
        assert_eq!(keys(&provider.send(get(JWKS))).len(), 1);
        provider.platform.generation_fails.set(false);
    });
    provider.send(get(JWKS));
    provider.new_isolate();
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 2);
}

#[test]
fn a_claim_of_a_clock_that_is_slightly_ahead_counts() {
    let provider = TestProvider::new();
    let claim = "INSERT INTO key_claims (alg, claimed_until) VALUES ('RS256', ?1)";
    let until = NOW + KEY_CLAIM_SECONDS + CLOCK_SLACK_SECONDS;
    provider.platform.primary.execute(claim, [until]).unwrap();
    provider.send(get(JWKS));
    assert_eq!(provider.platform.take_counts().generations, 0);
    provider.sleep(until - NOW);
    provider.send(get(JWKS));
    assert_eq!(provider.platform.take_counts().generations, 1);
}

#[test]
fn a_key_set_published_by_a_clock_that_is_ahead_does_not_keep_a_withdrawn_key() {
    let provider = TestProvider::new();
    for row in [rsa_key(), foreign_key(1), foreign_key(2)] {
        insert_key(&provider, &row, ALWAYS);
    }
    provider.in_isolate_ahead(YEAR, || provider.send(get(JWKS)));
    assert!(!provider.platform.cache.borrow().is_empty());
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 3);
    let withdraw = "UPDATE signing_keys SET sign_until = ?1, retire_at = ?1 WHERE kid = ?2";
    provider.platform.primary.execute(withdraw, (NOW, foreign_key(1).0)).unwrap();
    provider.sleep(KEY_SET_REVIEW_SECONDS + KEY_SET_SECONDS);
    assert_eq!(keys(&provider.send(get(JWKS))).len(), 2);
}

#[test]
fn a_key_set_published_by_a_clock_that_is_slightly_ahead_is_used() {
    for (ahead, statements) in [(CLOCK_SLACK_SECONDS, 0), (CLOCK_SLACK_SECONDS + 1, 1)] {
        let provider = TestProvider::new();
        provider.in_isolate_ahead(ahead, || provider.send(get(JWKS)));
        provider.platform.take_counts();
        assert_eq!(keys(&provider.send(get(JWKS))).len(), 2);
        assert_eq!(provider.platform.take_counts().statements, statements, "{ahead} seconds");
    }
}

#[test]
fn a_session_from_the_future_is_not_used() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let client = provider.put_app();
    let browser = Browser::new(&provider);
    provider.in_isolate_ahead(YEAR, || browser.authorize(&client, "alice@example.com", &[]));
    let target = client.authorize(&[]);
    assert!(is_login(&browser.get(&target)));
    browser.authorize(&client, "alice@example.com", &[]);
    assert!(!is_login(&browser.get(&target)));
    provider.sleep(SESSION_SECONDS);
    assert!(is_login(&browser.get(&target)));
}

#[test]
fn a_session_of_a_clock_that_is_slightly_ahead_is_used() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let client = provider.put_app();
    let browser = Browser::new(&provider);
    provider.in_isolate_ahead(CLOCK_SLACK_SECONDS, || {
        browser.authorize(&client, "alice@example.com", &[])
    });
    assert!(!is_login(&browser.get(&client.authorize(&[]))));
}

#[test]
fn a_form_or_token_of_a_clock_that_is_ahead_is_refused() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    provider.put_user("bob");
    let client = provider.put_app();
    for (ahead, is_refused) in [(LEEWAY, false), (LEEWAY + 1, true)] {
        let browser = Browser::new(&provider);
        let (page, token) = provider
            .in_isolate_ahead(ahead, || (browser.get("/auth/account"), provider.mint("openid")));
        let response = browser.submit(&page, &[("login", "bob"), ("password", PASSWORD)]);
        assert_eq!(response.status, if is_refused { 400 } else { 200 }, "form, {ahead} seconds");
        let response = provider.send(get("/auth/userinfo").bearer(&token));
        assert_eq!(response.status, if is_refused { 401 } else { 200 }, "token, {ahead} seconds");
        assert_eq!(is_login(&browser.get(&client.authorize(&[]))), is_refused);
    }
}

#[test]
fn a_refresh_token_spent_by_a_clock_that_is_ahead_does_not_return_its_successor() {
    for (ahead, is_refused) in [(CLOCK_SLACK_SECONDS, false), (CLOCK_SLACK_SECONDS + 1, true)] {
        let provider = TestProvider::with_keys();
        provider.put_alice_with_password();
        let client = provider.put_app();
        let scope = [("scope", "openid offline_access")];
        let code = Browser::new(&provider).authorize(&client, "alice@example.com", &scope);
        let token = field(&provider.redeem(&client, &code), "refresh_token");
        let refresh = || provider.refresh(&client, &token);
        let first = provider.in_isolate_ahead(ahead, refresh);
        assert_eq!(first.status, 200);
        let again = refresh();
        assert_eq!(again.status, if is_refused { 400 } else { 200 }, "{ahead}: {}", again.body);
    }
}

#[test]
fn secrets_made_by_a_clock_that_is_ahead_are_not_returned_again() {
    let document = json!({ "redirect_uris": [CALLBACK] });
    for (ahead, is_returned) in [(CLOCK_SLACK_SECONDS, true), (CLOCK_SLACK_SECONDS + 1, false)] {
        let provider = TestProvider::configured(variables_with("REGISTRATION", "token"));
        provider.has_entropy.set(true);
        let uses = json!({ "uses": 1 });
        let token = provider.send(post("/admin/initial-access-tokens").by_operator().json(&uses));
        let token = field(&token, "initial_access_token");
        let put = || provider.send(put("/admin/clients/new").by_operator().json(&document));
        let register = || provider.send(post("/auth/register").bearer(&token).json(&document));
        let first = provider.in_isolate_ahead(ahead, || (put().json(), register().json()));
        assert!(first.0["client_secret"].is_string() && first.1["client_secret"].is_string());
        let again = (put().json(), register().json());
        for (first, again) in [(&first.0, &again.0), (&first.1, &again.1)] {
            assert_eq!(first["client_secret"] == again["client_secret"], is_returned, "{again}");
        }
    }
}

#[test]
fn a_clock_that_is_less_than_an_hour_ahead_deletes_no_used_assertion_and_no_pause() {
    let signer = Signer::new("ES256", Some("a"), 0);
    let provider = provider_with_uri(&signer);
    provider.put_user("alice");
    let used = signer.assertion(&provider, "app");
    assert_authenticated(&provider.token_by(&used, &NO_CODE));
    while sign_in(&provider, "a guess").status == 403 {}
    // Each of these requests deletes expired rows.
    provider.in_isolate_ahead(SWEEP_DELAY_SECONDS - 1, || {
        let response = provider.token_by(&signer.assertion(&provider, "app"), &NO_CODE);
        assert_authenticated(&response);
    });
    assert_refused(&provider.token_by(&used, &NO_CODE), "already used");
    provider.in_isolate_ahead(ATTEMPT_WINDOW_SECONDS + SWEEP_DELAY_SECONDS - 1, || {
        let browser = Browser::new(&provider);
        let page = browser.get("/auth/account");
        browser.submit(&page, &[("login", "bob"), ("password", "a guess")]);
    });
    assert_eq!(sign_in(&provider, PASSWORD).status, 429);
}

#[test]
fn a_clock_that_is_less_than_an_hour_ahead_deletes_no_revoked_token() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let app = provider.put_app();
    let tokens = provider.offline_tokens(&app);
    let token = field(&tokens, "access_token");
    assert_eq!(provider.revoke(&app, &token).status, 200);
    provider.in_isolate_ahead(ACCESS_TOKEN_SECONDS + SWEEP_DELAY_SECONDS - 1, || {
        provider.refresh(&app, "none");
    });
    let userinfo = provider.send(get("/auth/userinfo").bearer(&token));
    assert_eq!(userinfo.status, 401, "{}", userinfo.body);
}

#[test]
fn an_isolate_whose_clock_is_set_back_forgets_the_times_that_it_remembers() {
    let minute = CLOCK_SLACK_SECONDS;
    for steps in [vec![YEAR], vec![minute + 1], vec![minute, 1], vec![minute / 2; 3]] {
        let signer = Signer::new("ES256", Some("a"), 0);
        let provider = provider_with_uri(&signer);
        let send = || provider.token_by(&signer.assertion(&provider, "app"), &NO_CODE);
        provider.platform.web.borrow_mut().clear();
        assert_eq!(send().status, 503);
        serve(&provider, signer.jwks().to_string());
        let (last, others) = steps.split_last().unwrap();
        for step in others {
            provider.sleep(-step);
            assert_eq!(send().status, 503, "{steps:?}");
        }
        provider.sleep(-last);
        assert_authenticated(&send());
    }
}

#[test]
fn a_copy_of_a_client_document_by_a_clock_that_is_ahead_is_not_used_for_longer() {
    for (ahead, fetched) in [(YEAR, 1), (CLOCK_SLACK_SECONDS + 1, 1), (CLOCK_SLACK_SECONDS, 0)] {
        let provider = client_documents::provider();
        // Every other stored time is of a clock that is right.
        let tokens = client_documents::tokens(&provider);
        let until = provider.now.get() + CLIENT_DOCUMENT_LONGEST_SECONDS + ahead;
        let set = "UPDATE clients SET document_until = ?1 WHERE document_until IS NOT NULL";
        provider.platform.primary.execute(set, [until]).unwrap();
        provider.new_isolate();
        client_documents::fetches(&provider);
        assert_eq!(client_documents::refresh(&provider, &tokens).status, 200);
        assert_eq!(client_documents::fetches(&provider), fetched, "{ahead} seconds ahead");
    }
}

/// The rows that the cron could delete, by table.
fn rows(provider: &TestProvider) -> String {
    let tables = ["sessions", "grants", "codes", "refresh_tokens", "client_assertions"];
    let counts = tables.map(|table| format!("(SELECT count(*) FROM {table})"));
    let sql = format!("SELECT concat_ws(' ', {})", counts.join(", "));
    provider.platform.primary.query_row(&sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn a_cron_whose_clock_is_ahead_deletes_nothing_that_is_alive() {
    for ahead in [SWEEP_DELAY_SECONDS, YEAR] {
        let signer = Signer::new("ES256", Some("a"), 0);
        let provider = provider_with_uri(&signer);
        provider.put_alice_with_password();
        let app = provider.put_client_with("shop", json!({}));
        provider.maintain();
        let used = signer.assertion(&provider, "app");
        assert_authenticated(&provider.token_by(&used, &NO_CODE));
        let alice = Browser::new(&provider);
        let scope = [("scope", "openid offline_access")];
        let code = alice.authorize(&app, "alice@example.com", &scope);
        let tokens = provider.redeem(&app, &code);
        let before = rows(&provider);
        provider.in_isolate_ahead(ahead, || provider.maintain());
        provider.maintain();
        assert_eq!(rows(&provider), before, "{ahead} seconds ahead");
        assert_refused(&provider.token_by(&used, &NO_CODE), "already used");
        assert_eq!(provider.refresh(&app, &field(&tokens, "refresh_token")).status, 200);
        assert!(answer(&alice.get(&app.authorize(&scope)), CALLBACK).contains_key("code"));
    }
}

#[test]
fn a_clock_that_is_ahead_in_every_second_run_deletes_nothing_that_is_alive() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let app = provider.put_client_with("shop", json!({}));
    provider.maintain();
    Browser::new(&provider).authorize(
        &app,
        "alice@example.com",
        &[("scope", "openid offline_access")],
    );
    let before = rows(&provider);
    // A week of hours.
    for _ in 0..7 * 24 {
        provider.in_isolate_ahead(YEAR, || provider.maintain());
        provider.maintain();
    }
    assert_eq!(rows(&provider), before);
}

#[test]
fn a_cron_whose_clock_was_behind_or_that_did_not_run_makes_up_for_it() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let app = provider.put_client_with("shop", json!({}));
    provider.maintain();
    Browser::new(&provider).authorize(&app, "alice@example.com", &[]);
    provider.in_isolate_ahead(-YEAR, || provider.maintain());
    assert_eq!(rows(&provider), "1 1 1 0 0");
    // No run for two weeks and a day. Then each makes up for an hour, and one for the hour that the clock was set back.
    provider.sleep(SESSION_SECONDS + 86_400);
    let runs = (1..1_000).find(|_| {
        provider.maintain();
        rows(&provider) == "0 0 0 0 0"
    });
    assert_eq!(runs, Some((SESSION_SECONDS + 2 * SWEEP_DELAY_SECONDS) / SWEEP_DELAY_SECONDS));
}
