//! What a session's cookie is worth: fixed by somebody else, tossed from a neighbouring host, after its time,
//! after its user.

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

/// Whether a browser with these cookies is signed in.
fn is_signed_in(provider: &TestProvider, cookies: &str) -> bool {
    !is_login(&provider.send(get("/auth/account").with("cookie", cookies)))
}

#[test]
fn a_sign_in_gives_a_cookie_that_nobody_has_seen_before() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let fixed = "F".repeat(43);
    alice.cookies.borrow_mut().insert(COOKIE.into(), fixed.clone());
    alice.authorize(&app, LOGIN, &[]);
    let first = session(&alice);
    assert_ne!(first, fixed);
    assert!(!is_signed_in(&provider, &format!("{COOKIE}={fixed}")));
    assert!(is_signed_in(&provider, &format!("{COOKIE}={first}")));

    // Again, and the one before is worth nothing: whoever had stolen it is out.
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

/// A neighbouring host can set cookies for the whole domain, but none whose name begins with `__Host-`. What
/// only becomes such a name here, by more trimming than browsers do, must not be taken for it.
#[test]
fn a_cookie_tossed_from_a_neighbouring_host_is_nobodys() {
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
        // Two of one name: one of them is not ours, and which cannot be told.
        format!("{COOKIE}={value}; {COOKIE}={}", "F".repeat(43)),
        format!("{COOKIE}={}; {COOKIE}={value}", "F".repeat(43)),
    ] {
        assert!(!is_signed_in(&provider, &cookies), "{cookies}");
    }
}

#[test]
fn a_session_ends_a_day_after_its_last_use_and_two_weeks_after_the_sign_in() {
    const DAY: i64 = 86_400;
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    let none = app.authorize(&[("prompt", "none")]);
    let outcome = || answer(&alice.get(&none), &app.redirect_uri).remove("error");
    provider.sleep(DAY - 1);
    assert_eq!(outcome(), None);
    provider.sleep(DAY);
    assert_eq!(outcome().as_deref(), Some("login_required"), "unused for a day");

    alice.authorize(&app, LOGIN, &[]);
    for _ in 0..14 * 2 - 1 {
        provider.sleep(DAY / 2);
        assert_eq!(outcome(), None);
    }
    provider.sleep(DAY / 2);
    assert_eq!(outcome().as_deref(), Some("login_required"), "two weeks, however used");
}

#[test]
fn a_session_does_not_outlive_its_user_or_their_password() {
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
        ("another hash among many", |provider| {
            let line = json!({ "sub": "alice", "password_hash": other_hash() }).to_string();
            let response = provider
                .send(post("/admin/users").by_operator().body("application/x-ndjson", line));
            assert_eq!(response.json()["stored"], 1, "{}", response.body);
        }),
    ];
    for (what, end) in ends {
        let (provider, app) = provider();
        let alice = Browser::new(&provider);
        alice.authorize(&app, LOGIN, &[]);
        let (cookies, bobs) = (format!("{COOKIE}={}", session(&alice)), Browser::new(&provider));
        provider.put_user("bob");
        bobs.authorize(&app, "bob", &[]);
        assert!(is_signed_in(&provider, &cookies));
        end(&provider);
        assert!(!is_signed_in(&provider, &cookies), "{what}");
        assert!(
            is_signed_in(&provider, &format!("{COOKIE}={}", session(&bobs))),
            "{what}: bob stays"
        );
    }
}

#[test]
fn a_session_outlives_all_else_that_changes_of_a_user() {
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
