//! What a session's cookie is worth: fixed by somebody else, tossed from a neighbouring host, after its time,
//! after its user.

use serde_json::json;

use crate::visitor::{PASSWORD, Party, Visitor, answer, is_login};
use crate::world::{World, delete, get, post, put};

const COOKIE: &str = "__Host-postern-session";
const LOGIN: &str = "alice@example.com";

fn world() -> (World, Party) {
    let world = World::new();
    world.put_alice_with_password();
    let app = world.put_party("app", json!({ "trusted": true }));
    (world, app)
}

fn session(visitor: &Visitor<'_>) -> String {
    visitor.cookies.borrow()[COOKIE].clone()
}

/// Whether a browser with these cookies is signed in.
fn is_signed_in(world: &World, cookies: &str) -> bool {
    !is_login(&world.send(get("/auth/account").with("cookie", cookies)))
}

#[test]
fn a_sign_in_gives_a_cookie_that_nobody_has_seen_before() {
    let (world, app) = world();
    let alice = Visitor::new(&world);
    let fixed = "F".repeat(43);
    alice.cookies.borrow_mut().insert(COOKIE.into(), fixed.clone());
    alice.authorize(&app, LOGIN, &[]);
    let first = session(&alice);
    assert_ne!(first, fixed);
    assert!(!is_signed_in(&world, &format!("{COOKIE}={fixed}")));
    assert!(is_signed_in(&world, &format!("{COOKIE}={first}")));

    // Again, and the one before is worth nothing: whoever had stolen it is out.
    alice.authorize(&app, LOGIN, &[("prompt", "login")]);
    assert_ne!(session(&alice), first);
    assert!(!is_signed_in(&world, &format!("{COOKIE}={first}")));
    let sessions: i64 = world
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
    let (world, app) = world();
    let mallory = Visitor::new(&world);
    mallory.authorize(&app, LOGIN, &[]);
    let value = session(&mallory);
    for cookies in [
        format!("{COOKIE}={value}"),
        format!("a=b; {COOKIE}={value}; c"),
        format!("a=b;{COOKIE}={value}"),
    ] {
        assert!(is_signed_in(&world, &cookies), "{cookies}");
    }
    for space in
        ['\u{2000}', '\u{85}', '\u{a0}', '\u{3000}', '\u{2028}', '\u{b}', '\u{c}', '\u{feff}']
    {
        for cookies in [format!("{space}{COOKIE}={value}"), format!("a=b; {space}{COOKIE}={value}")]
        {
            assert!(!is_signed_in(&world, &cookies), "{cookies:?}");
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
        assert!(!is_signed_in(&world, &cookies), "{cookies}");
    }
}

#[test]
fn a_session_ends_a_day_after_its_last_use_and_two_weeks_after_the_sign_in() {
    const DAY: i64 = 86_400;
    let (world, app) = world();
    let alice = Visitor::new(&world);
    alice.authorize(&app, LOGIN, &[]);
    let none = app.authorize(&[("prompt", "none")]);
    let outcome = || answer(&alice.get(&none), &app.redirect_uri).remove("error");
    world.sleep(DAY - 1);
    assert_eq!(outcome(), None);
    world.sleep(DAY);
    assert_eq!(outcome().as_deref(), Some("login_required"), "unused for a day");

    alice.authorize(&app, LOGIN, &[]);
    for _ in 0..14 * 2 - 1 {
        world.sleep(DAY / 2);
        assert_eq!(outcome(), None);
    }
    world.sleep(DAY / 2);
    assert_eq!(outcome().as_deref(), Some("login_required"), "two weeks, however used");
}

#[test]
fn a_session_does_not_outlive_its_user_or_their_password() {
    type End = fn(&World);
    let ends: [(&str, End); 4] = [
        ("deleted", |world| {
            assert_eq!(world.send(delete("/admin/users/alice").by_operator()).status, 200);
        }),
        ("another password", |world| {
            let body = json!({ "password": "another password entirely" });
            let told = world.send(put("/admin/users/alice/password").by_operator().json(&body));
            assert_eq!(told.status, 200, "{}", told.body);
        }),
        ("another hash", |world| {
            let body = json!({ "password_hash": other_hash() });
            let told = world.send(put("/admin/users/alice").by_operator().json(&body));
            assert_eq!(told.status, 200, "{}", told.body);
        }),
        ("another hash among many", |world| {
            let line = json!({ "sub": "alice", "password_hash": other_hash() }).to_string();
            let told =
                world.send(post("/admin/users").by_operator().body("application/x-ndjson", line));
            assert_eq!(told.json()["stored"], 1, "{}", told.body);
        }),
    ];
    for (what, end) in ends {
        let (world, app) = world();
        let alice = Visitor::new(&world);
        alice.authorize(&app, LOGIN, &[]);
        let (cookies, bobs) = (format!("{COOKIE}={}", session(&alice)), Visitor::new(&world));
        world.put_user("bob");
        bobs.authorize(&app, "bob", &[]);
        assert!(is_signed_in(&world, &cookies));
        end(&world);
        assert!(!is_signed_in(&world, &cookies), "{what}");
        assert!(is_signed_in(&world, &format!("{COOKIE}={}", session(&bobs))), "{what}: bob stays");
    }
}

#[test]
fn a_session_outlives_all_else_that_changes_of_a_user() {
    let (world, app) = world();
    let alice = Visitor::new(&world);
    alice.authorize(&app, LOGIN, &[]);
    let same: String = world
        .platform
        .primary
        .query_row("SELECT password_hash FROM users WHERE sub = 'alice'", (), |row| row.get(0))
        .unwrap();
    for body in [json!({ "claims": { "name": "Alice Brown" } }), json!({ "password_hash": same })] {
        let told = world.send(put("/admin/users/alice").by_operator().json(&body));
        assert_eq!(told.status, 200, "{}", told.body);
        assert!(is_signed_in(&world, &format!("{COOKIE}={}", session(&alice))), "{body}");
    }
}

fn other_hash() -> String {
    let rest = "BwcHBwcHBwcHBwcHBwcHBw$9dvZ2wV4a1oIRgJeEFZ8K3uFmfhUlz1Kd8C4HF1V5Kc";
    assert!(!PASSWORD.is_empty());
    format!("$argon2id$v=19$m=64,t=1,p=1${rest}")
}
