//! Attacks on the session cookie: fixation, tossing from a sibling host, use after expiry or after the user
//! is deleted.

use serde_json::json;

use crate::browser::{Browser, PASSWORD, TestClient, answer, is_login};
use crate::test_provider::{TestProvider, delete, get, post, put};

const COOKIE: &str = "__Host-postern-session";
const LOGIN: &str = "alice@example.com";

fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    (provider, app)
}

fn session(browser: &Browser<'_>) -> String {
    browser.cookies.borrow()[COOKIE].clone()
}

/// Whether a browser with these cookies has a session.
fn is_signed_in(provider: &TestProvider, cookies: &str) -> bool {
    !is_login(&provider.send(get("/auth/account").with("cookie", cookies)))
}

#[test]
fn a_sign_in_sets_a_new_cookie_and_revokes_the_old_one() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let fixed = "F".repeat(43);
    alice.cookies.borrow_mut().insert(COOKIE.into(), fixed.clone());
    alice.authorize(&app, LOGIN, &[]);
    let first = session(&alice);
    assert_ne!(first, fixed);
    assert!(!is_signed_in(&provider, &format!("{COOKIE}={fixed}")));
    assert!(is_signed_in(&provider, &format!("{COOKIE}={first}")));

    // A new sign-in revokes the previous session, so a stolen cookie no longer works.
    alice.authorize(&app, LOGIN, &[("prompt", "login")]);
    assert_ne!(session(&alice), first);
    assert!(!is_signed_in(&provider, &format!("{COOKIE}={first}")));
    let sessions: i64 = provider
        .platform
        .primary
        .query_row("SELECT count(*) FROM sessions", (), |row| row.get(0))
        .unwrap();
    assert_eq!(sessions, 1);
}

/// A sibling host can set cookies for the whole domain, except with the prefix `__Host-`. A name that gets
/// this prefix only by more trimming than browsers do must not be accepted.
#[test]
fn a_cookie_tossed_from_a_sibling_host_is_ignored() {
    let (provider, app) = provider();
    let mallory = Browser::new(&provider);
    mallory.authorize(&app, LOGIN, &[]);
    let value = session(&mallory);
    for cookies in [
        format!("{COOKIE}={value}"),
        format!("a=b; {COOKIE}={value}; c"),
        format!("a=b;{COOKIE}={value}"),
    ] {
        assert!(is_signed_in(&provider, &cookies), "{cookies}");
    }
    for space in
        ['\u{2000}', '\u{85}', '\u{a0}', '\u{3000}', '\u{2028}', '\u{b}', '\u{c}', '\u{feff}']
    {
        for cookies in [format!("{space}{COOKIE}={value}"), format!("a=b; {space}{COOKIE}={value}")]
        {
            assert!(!is_signed_in(&provider, &cookies), "{cookies:?}");
        }
    }
    for cookies in [
        format!("{COOKIE} ={value}"),
        format!("={COOKIE}={value}"),
        format!("__host-postern-session={value}"),
        format!("postern-session={value}"),
        format!("{COOKIE}=\"{value}\""),
        format!("{COOKIE}={value}{value}"),
        // One of two cookies with the same name was set by another host, and which one is unknown.
        format!("{COOKIE}={value}; {COOKIE}={}", "F".repeat(43)),
        format!("{COOKIE}={}; {COOKIE}={value}", "F".repeat(43)),
    ] {
        assert!(!is_signed_in(&provider, &cookies), "{cookies}");
    }
}

#[test]
fn a_session_expires_a_day_after_use_or_two_weeks_after_sign_in() {
    const DAY: i64 = 86_400;
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    let none = app.authorize(&[("prompt", "none")]);
    let outcome = || answer(&alice.get(&none), &app.redirect_uri).remove("error");
    provider.sleep(DAY - 1);
    assert_eq!(outcome(), None);
    provider.sleep(DAY);
    assert_eq!(outcome().as_deref(), Some("login_required"), "idle for a day");

    alice.authorize(&app, LOGIN, &[]);
    for _ in 0..14 * 2 - 1 {
        provider.sleep(DAY / 2);
        assert_eq!(outcome(), None);
    }
    provider.sleep(DAY / 2);
    assert_eq!(outcome().as_deref(), Some("login_required"), "two weeks, in spite of use");
}

#[test]
fn a_session_ends_with_its_user_or_their_password() {
    type End = fn(&TestProvider);
    let ends: [(&str, End); 4] = [
        ("deleted", |provider| {
            assert_eq!(provider.send(delete("/admin/users/alice").by_operator()).status, 200);
        }),
        ("another password", |provider| {
            let body = json!({ "password": "another password entirely" });
            let response =
                provider.send(put("/admin/users/alice/password").by_operator().json(&body));
            assert_eq!(response.status, 200, "{}", response.body);
        }),
        ("another hash", |provider| {
            let body = json!({ "password_hash": other_hash() });
            let response = provider.send(put("/admin/users/alice").by_operator().json(&body));
            assert_eq!(response.status, 200, "{}", response.body);
        }),
        ("another hash by import", |provider| {
            let line = json!({ "sub": "alice", "password_hash": other_hash() }).to_string();
            let response = provider
                .send(post("/admin/users").by_operator().body("application/x-ndjson", line));
            assert_eq!(response.json()["stored"], 1, "{}", response.body);
        }),
    ];
    for (name, end) in ends {
        let (provider, app) = provider();
        let alice = Browser::new(&provider);
        alice.authorize(&app, LOGIN, &[]);
        let (cookies, bobs) = (format!("{COOKIE}={}", session(&alice)), Browser::new(&provider));
        provider.put_user("bob");
        bobs.authorize(&app, "bob", &[]);
        assert!(is_signed_in(&provider, &cookies));
        end(&provider);
        assert!(!is_signed_in(&provider, &cookies), "{name}");
        assert!(
            is_signed_in(&provider, &format!("{COOKIE}={}", session(&bobs))),
            "{name}: bob keeps the session"
        );
    }
}

#[test]
fn a_session_survives_other_changes_of_its_user() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    let same: String = provider
        .platform
        .primary
        .query_row("SELECT password_hash FROM users WHERE sub = 'alice'", (), |row| row.get(0))
        .unwrap();
    for body in [json!({ "claims": { "name": "Alice Brown" } }), json!({ "password_hash": same })] {
        let response = provider.send(put("/admin/users/alice").by_operator().json(&body));
        assert_eq!(response.status, 200, "{}", response.body);
        assert!(is_signed_in(&provider, &format!("{COOKIE}={}", session(&alice))), "{body}");
    }
}

fn other_hash() -> String {
    let rest = "BwcHBwcHBwcHBwcHBwcHBw$9dvZ2wV4a1oIRgJeEFZ8K3uFmfhUlz1Kd8C4HF1V5Kc";
    assert!(!PASSWORD.is_empty());
    format!("$argon2id$v=19$m=64,t=1,p=1${rest}")
}
