//! The end of sessions: what ends with one, what outlives it, and which clients must hear of it.

use crate::browser::{Browser, PASSWORD, TestClient, field, form_to};
use crate::test_provider::{TestProvider, TestResponse, delete, get, post, put};
use postern::lifetimes::{SESSION_IDLE_SECONDS, SESSION_SECONDS};
use serde_json::json;

const LOGIN: &str = "alice@example.com";
const OFFLINE: (&str, &str) = ("scope", "openid offline_access");
const CONSENT: (&str, &str) = ("prompt", "consent");
const ONLINE: (&str, &str) = ("scope", "openid");

/// Alice and bob, and a client that must hear of logouts.
struct World {
    provider: TestProvider,
    app: TestClient,
}

impl World {
    fn new() -> Self {
        let provider = TestProvider::with_keys();
        provider.put_alice_with_password();
        provider.put_user("bob");
        let logout = json!({ "backchannel_logout_uri": "https://app.example/out" });
        let app = provider.put_client_with("app", logout);
        Self { provider, app }
    }

    fn number(&self, sql: &str) -> i64 {
        self.provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
    }

    /// The queued logout tokens: client and subject of each.
    fn queued(&self) -> Vec<String> {
        let sql = "SELECT client_id || ' ' || subject FROM logout_deliveries ORDER BY 1";
        let mut statement = self.provider.platform.primary.prepare(sql).unwrap();
        let rows = statement.query_map((), |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    fn userinfo(&self, tokens: &TestResponse) -> u16 {
        let token = field(tokens, "access_token");
        self.provider.send(get("/auth/userinfo").bearer(&token)).status
    }

    fn refreshes(&self, tokens: &TestResponse) -> bool {
        self.provider.refresh(&self.app, &field(tokens, "refresh_token")).status == 200
    }
}

fn sign_out(browser: &Browser<'_>) -> TestResponse {
    let form = form_to(&browser.get("/auth/account"), "/auth/signout");
    browser.submit_form(&form, &[])
}

#[test]
fn what_was_granted_for_the_time_of_a_session_ends_with_it_and_offline_access_goes_on() {
    let world = World::new();
    let (here, there) = (Browser::new(&world.provider), Browser::new(&world.provider));
    let tokens = |browser: &Browser<'_>, scope| {
        world.provider.redeem(&world.app, &browser.authorize(&world.app, LOGIN, &[scope]))
    };
    let (offline, online) = (tokens(&here, OFFLINE), tokens(&here, ONLINE));
    let elsewhere = tokens(&there, ONLINE);
    sign_out(&here);
    assert_eq!(world.userinfo(&online), 401);
    assert_eq!(world.userinfo(&offline), 200);
    assert!(world.refreshes(&offline));
    assert_eq!(world.userinfo(&elsewhere), 200, "the user's other session goes on");
}

#[test]
fn a_code_that_was_not_redeemed_before_the_logout_is_never_redeemed() {
    for scope in [ONLINE, OFFLINE] {
        let world = World::new();
        let browser = Browser::new(&world.provider);
        let code = browser.authorize(&world.app, LOGIN, &[scope]);
        sign_out(&browser);
        let refused = world.provider.redeem(&world.app, &code);
        assert_eq!(refused.error().as_deref(), Some("invalid_grant"), "{scope:?}");
    }
}

#[test]
fn every_end_of_a_session_queues_a_logout_token_for_each_client_that_wants_one() {
    type End = fn(&TestProvider, &Browser<'_>);
    let ends: [(&str, End); 6] = [
        ("sign-out", |_, browser| drop(sign_out(browser))),
        ("another user", |provider, browser| {
            let third = provider.put_client_with("third", json!({}));
            let page = browser.get(&third.authorize(&[("prompt", "login")]));
            browser.submit(&page, &[("login", "bob"), ("password", PASSWORD)]);
        }),
        ("a new password", |provider, _| {
            let password = put("/admin/users/alice/password").by_operator();
            provider.send(password.json(&json!({ "password": "another long one" })));
        }),
        ("a new hash", |provider, _| {
            let hash = crate::browser::hash_of("another long one");
            let user = put("/admin/users/alice").by_operator();
            provider.send(user.json(&json!({ "password_hash": hash })));
        }),
        ("an import", |provider, _| {
            let hash = crate::browser::hash_of("another long one");
            let line = json!({ "sub": "alice", "password_hash": hash }).to_string();
            provider.send(post("/admin/users").by_operator().body("application/x-ndjson", line));
        }),
        ("a deletion", |provider, _| {
            provider.send(delete("/admin/users/alice").by_operator());
        }),
    ];
    for (name, end) in ends {
        let world = World::new();
        let other = world.provider.put_client_with("other", json!({}));
        let browser = Browser::new(&world.provider);
        browser.authorize(&world.app, LOGIN, &[ONLINE]);
        browser.authorize(&other, LOGIN, &[ONLINE]);
        assert!(world.queued().is_empty());
        end(&world.provider, &browser);
        assert_eq!(world.queued(), ["app alice"], "{name}");
        let alices = "SELECT count(*) FROM sessions WHERE sub = 'alice'";
        assert_eq!(world.number(alices), 0, "{name}");
    }
}

#[test]
fn an_end_is_complete_and_happens_once_if_its_response_is_lost() {
    let world = World::new();
    let browser = Browser::new(&world.provider);
    browser.authorize(&world.app, LOGIN, &[ONLINE]);
    let form = form_to(&browser.get("/auth/account"), "/auth/signout");
    world.provider.platform.lost_responses.set(1);
    let page = browser.submit_form(&form, &[]);
    assert!(page.body.contains("The App"), "the page still lists the applications");
    assert_eq!(world.queued(), ["app alice"]);
    assert_eq!(
        world.provider.events().iter().filter(|event| event.starts_with("session.ended")).count(),
        1
    );
}

#[test]
fn a_second_run_does_not_queue_a_token_that_was_delivered_meanwhile() {
    let world = World::new();
    let browser = Browser::new(&world.provider);
    browser.authorize(&world.app, LOGIN, &[ONLINE]);
    let form = form_to(&browser.get("/auth/account"), "/auth/signout");
    world.provider.platform.lost_responses.set(1);
    // The second statement runs before the batch is repeated.
    let mut before = world.provider.platform.before_batches.borrow_mut();
    before.extend(["SELECT 1", "DELETE FROM logout_deliveries"]);
    drop(before);
    browser.submit_form(&form, &[]);
    assert!(world.provider.platform.before_batches.borrow().is_empty());
    assert_eq!(world.queued(), [""; 0]);
}

#[test]
fn the_same_user_who_signs_in_again_stays_signed_in_to_the_clients() {
    let world = World::new();
    let browser = Browser::new(&world.provider);
    let code = browser.authorize(&world.app, LOGIN, &[ONLINE]);
    let page = browser.get(&world.app.authorize(&[("prompt", "login")]));
    browser.submit(&page, &[("login", LOGIN), ("password", PASSWORD)]);
    assert!(world.queued().is_empty());
    assert_eq!(world.provider.redeem(&world.app, &code).status, 200);
    sign_out(&browser);
    assert_eq!(world.queued(), ["app alice"]);
}

#[test]
fn the_same_user_who_signs_in_after_the_session_has_expired_is_not_signed_out_anywhere() {
    for (idle, days) in [(SESSION_IDLE_SECONDS, 0), (3_600, SESSION_SECONDS / 3_600)] {
        let world = World::new();
        let browser = Browser::new(&world.provider);
        let tokens = world
            .provider
            .redeem(&world.app, &browser.authorize(&world.app, LOGIN, &[OFFLINE, CONSENT]));
        for _ in 0..days {
            world.provider.sleep(idle);
            browser.get(&world.app.authorize(&[]));
        }
        world.provider.sleep(idle);
        let old = browser.cookies.borrow().clone();
        world.provider.forget_events();
        let page = browser.get(&world.app.authorize(&[("prompt", "login")]));
        browser.submit(&page, &[("login", LOGIN), ("password", PASSWORD)]);
        assert!(world.queued().is_empty(), "{idle}");
        let events = world.provider.events();
        assert!(!events.iter().any(|event| event.starts_with("session.ended")), "{events:?}");
        assert!(world.refreshes(&tokens));
        // The session that has expired signs nobody in, and another user's sign-in still ends it.
        *browser.cookies.borrow_mut() = old;
        assert!(crate::browser::is_login(&browser.get("/auth/account")));
        browser.submit(&browser.get("/auth/account"), &[("login", "bob"), ("password", PASSWORD)]);
        assert_eq!(world.queued(), ["app alice"], "{idle}");
    }
}

#[test]
fn a_form_that_is_sent_again_and_again_ends_a_session_with_one_event() {
    let world = World::new();
    let browser = Browser::new(&world.provider);
    browser.authorize(&world.app, LOGIN, &[ONLINE]);
    let form = form_to(&browser.get("/auth/account"), "/auth/signout");
    let cookies = browser.cookies.borrow().clone();
    for _ in 0..50 {
        *browser.cookies.borrow_mut() = cookies.clone();
        assert!(browser.submit_form(&form, &[]).body.contains("You are signed out"));
    }
    let events = world.provider.events();
    let ends: Vec<_> = events.iter().filter(|event| event.starts_with("session.ended")).collect();
    let detail = r#"{"reason":"signed_out","sessions":1}"#;
    assert_eq!(ends, [&format!("session.ended by user of alice {detail}")]);
}

#[test]
fn a_client_hears_of_a_logout_long_after_its_grant_is_gone() {
    let world = World::new();
    let browser = Browser::new(&world.provider);
    browser.authorize(&world.app, LOGIN, &[ONLINE]);
    for _ in 0..20 {
        world.provider.sleep(3_600);
        world.provider.maintain();
    }
    assert_eq!(world.number("SELECT count(*) FROM grants WHERE session_id IS NOT NULL"), 0);
    sign_out(&browser);
    assert_eq!(world.queued(), ["app alice"]);
}

#[test]
fn rows_of_sessions_that_ended_or_expired_are_deleted() {
    let world = World::new();
    let (ended, expired) = (Browser::new(&world.provider), Browser::new(&world.provider));
    ended.authorize(&world.app, LOGIN, &[ONLINE]);
    expired.authorize(&world.app, LOGIN, &[ONLINE]);
    sign_out(&ended);
    assert_eq!(world.number("SELECT count(*) FROM session_clients"), 2);
    for _ in 0..5 {
        world.provider.sleep(3_600);
        world.provider.maintain();
    }
    assert_eq!(world.number("SELECT count(*) FROM ended_sessions"), 0);
    assert_eq!(world.number("SELECT count(*) FROM session_clients"), 1);
    for _ in 0..(15 * 24) {
        world.provider.sleep(3_600);
        world.provider.maintain();
    }
    let rows = "SELECT (SELECT count(*) FROM session_clients) + (SELECT count(*) FROM sessions)";
    assert_eq!(world.number(rows), 0);
}
