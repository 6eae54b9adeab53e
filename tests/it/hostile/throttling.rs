//! Limits on password guesses. They apply before a password is checked, to every account and network, and do
//! not lock out other users.

use argon2::PasswordHasher;

use crate::browser::{Browser, PASSWORD, encode, form};
use crate::platform::Counts;
use crate::test_provider::{TestProvider, TestRequest, TestResponse, post};
use serde_json::json;

pub const WRONG: u16 = 403;
pub const WAIT: u16 = 429;
pub const RIGHT: u16 = 303;
/// The longest pause.
const LONGEST: i64 = 4 * 3_600;

pub fn provider() -> TestProvider {
    let provider = TestProvider::new();
    provider.put_user("alice");
    provider.put_user("bob");
    cheapen(&provider);
    provider
}

/// Stores the same passwords with the smallest cost, because these tests check hundreds of them.
pub fn cheapen(provider: &TestProvider) {
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(PASSWORD.as_bytes(), &[7; 16]).unwrap().to_string();
    provider.platform.primary.execute("UPDATE users SET password_hash = ?1", [hash]).unwrap();
}

pub fn at<'a>(provider: &'a TestProvider, address: &str) -> Browser<'a> {
    let mut browser = Browser::new(provider);
    browser.address = address.into();
    browser
}

/// A submission of the account page's login form from this browser.
pub fn filled_in(browser: &Browser<'_>, login: &str, password: &str) -> TestRequest {
    let page = browser.get("/auth/account");
    let fields = form(&page).fields;
    let mut fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    fields.extend([("login", login), ("password", password)]);
    let cookies: Vec<_> =
        browser.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
    post("/auth/login")
        .form(&encode(&fields))
        .with("cookie", &cookies.join("; "))
        .with("cf-connecting-ip", &browser.address)
}

pub fn attempt(
    provider: &TestProvider,
    browser: &Browser<'_>,
    login: &str,
    password: &str,
) -> TestResponse {
    provider.send(filled_in(browser, login, password))
}

fn guess(provider: &TestProvider, address: &str) -> TestResponse {
    attempt(provider, &at(provider, address), "alice", "a guess")
}

/// The seconds in `Retry-After`. The response must not depend on a password or a user.
fn pause(provider: &TestProvider, request: TestRequest) -> i64 {
    provider.platform.take_counts();
    let response = provider.send(request);
    let Counts { statements, .. } = provider.platform.take_counts();
    assert_eq!((response.status, statements), (WAIT, 0));
    response.header("retry-after").unwrap().parse().unwrap()
}

/// A browser in which this user has signed in before, with its device cookie but no session.
pub fn known<'a>(provider: &'a TestProvider, login: &str) -> Browser<'a> {
    let browser = at(provider, "198.51.100.1");
    let page = browser.get("/auth/account");
    browser.submit(&page, &[("login", login), ("password", PASSWORD)]);
    cheapen(provider);
    let mut cookies = browser.cookies.borrow_mut();
    cookies.retain(|name, _| name.contains("device"));
    assert_eq!(cookies.len(), 1);
    drop(cookies);
    browser
}

#[test]
fn after_five_guesses_the_pause_doubles_up_to_four_hours() {
    let provider = provider();
    for _ in 0..4 {
        assert_eq!(guess(&provider, "192.0.2.1").status, WRONG);
    }
    // Four hours after the first guess one failure is forgotten.
    let doubling = (0..=13).map(|times| 1 << times);
    for expected in doubling.chain([8_192, LONGEST, LONGEST, LONGEST]) {
        assert_eq!(guess(&provider, "192.0.2.1").status, WRONG);
        let send_request = || filled_in(&at(&provider, "192.0.2.1"), "alice", PASSWORD);
        assert_eq!(pause(&provider, send_request()), expected, "even with the right password");
        provider.sleep(expected - 1);
        assert_eq!(
            pause(&provider, send_request()),
            1,
            "a refused attempt does not extend the pause"
        );
        provider.sleep(1);
    }
    assert_eq!(attempt(&provider, &at(&provider, "192.0.2.1"), "alice", PASSWORD).status, RIGHT);
}

#[test]
fn a_pause_applies_to_one_account_in_one_network() {
    let provider = provider();
    for _ in 0..5 {
        assert_eq!(guess(&provider, "192.0.2.1").status, WRONG);
        assert_eq!(guess(&provider, "2001:db8:1:2::1").status, WRONG);
    }
    for same in ["192.0.2.254", "::ffff:192.0.2.9", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"] {
        assert_eq!(guess(&provider, same).status, WAIT, "{same}");
    }
    for other in ["192.0.3.1", "2001:db8:2:2::1", "198.51.100.7"] {
        assert_eq!(guess(&provider, other).status, WRONG, "{other}");
    }
    let bob = at(&provider, "192.0.2.1");
    assert_eq!(attempt(&provider, &bob, "bob", "a guess").status, WRONG);
    for spelling in ["ALICE", "Alice", "aLiCe"] {
        assert_eq!(attempt(&provider, &bob, spelling, "a guess").status, WAIT, "{spelling}");
    }
}

#[test]
fn guesses_at_an_unknown_login_are_slowed_too() {
    let provider = provider();
    let browser = at(&provider, "192.0.2.1");
    for _ in 0..5 {
        assert_eq!(attempt(&provider, &browser, "nobody", "a guess").status, WRONG);
    }
    assert_eq!(pause(&provider, filled_in(&browser, "nobody", "a guess")), 1);
}

#[test]
fn a_stranger_cannot_lock_a_user_out_of_a_known_browser() {
    let provider = provider();
    let alice = known(&provider, "alice");
    for host in 0..30 {
        guess(&provider, "198.51.100.1");
        guess(&provider, &format!("203.0.{host}.1"));
    }
    assert_eq!(guess(&provider, "198.51.100.1").status, WAIT);
    assert_eq!(
        attempt(&provider, &alice, "alice", PASSWORD).status,
        RIGHT,
        "in the stranger's network"
    );

    // The known browser has a counter of its own, so it does not evade the pauses.
    for _ in 0..5 {
        assert_eq!(attempt(&provider, &alice, "alice", "a guess").status, WRONG);
    }
    assert_eq!(pause(&provider, filled_in(&alice, "alice", PASSWORD)), 1);
    assert_eq!(attempt(&provider, &alice, "bob", PASSWORD).status, RIGHT);
}

#[test]
fn a_device_cookie_is_valid_unchanged_and_for_its_account_only() {
    let provider = provider();
    for host in 0..30 {
        guess(&provider, &format!("203.0.{host}.1"));
        guess(&provider, "192.0.2.1");
    }
    let bobs = known(&provider, "bob").cookies.take();
    let (name, value) = bobs.iter().next().unwrap();
    let (id, code) = value.split_once('.').unwrap();
    let other_id = format!("{}.{code}", "A".repeat(43));
    for value in [value.as_str(), id, &other_id, &format!("{id}."), &format!("{value}x"), ""] {
        let stranger = at(&provider, "192.0.2.1");
        stranger.cookies.borrow_mut().insert(name.clone(), value.into());
        assert_eq!(attempt(&provider, &stranger, "alice", PASSWORD).status, WAIT, "{value}");
    }
}

#[test]
fn the_guesses_of_all_networks_are_slowed_after_twenty() {
    let provider = provider();
    for host in 0..200 {
        let expected = if host < 20 { WRONG } else { WAIT };
        assert_eq!(guess(&provider, &format!("203.0.{host}.1")).status, expected, "{host}");
    }
    // Alice uses a new browser. Her own attempts count only until they succeed.
    for host in 1..=3 {
        let alice = at(&provider, &format!("192.0.{host}.1"));
        let pause_of_guesses = i64::from(host == 1);
        if pause_of_guesses > 0 {
            assert_eq!(pause(&provider, filled_in(&alice, "alice", PASSWORD)), pause_of_guesses);
            provider.sleep(pause_of_guesses);
        }
        assert_eq!(attempt(&provider, &alice, "alice", PASSWORD).status, RIGHT);
        cheapen(&provider);
    }
    assert_eq!(attempt(&provider, &at(&provider, "192.0.2.1"), "bob", PASSWORD).status, RIGHT);
}

#[test]
fn two_hundred_simultaneous_guesses_are_all_counted() {
    let provider = provider();
    for (network, is_one_isolate) in [("192.0.2.1", true), ("192.0.3.1", false)] {
        let requests = vec![filled_in(&at(&provider, network), "alice", "a guess"); 200];
        let response = if is_one_isolate {
            provider.send_together(requests)
        } else {
            provider.send_at_once(requests)
        };
        let checked = response.iter().filter(|response| response.status == WRONG).count();
        assert_eq!(checked, 5);
        assert!(response.iter().all(|response| matches!(response.status, WRONG | WAIT)));
    }
    let everywhere: Vec<_> = (0..200)
        .map(|host| filled_in(&at(&provider, &format!("203.0.{host}.1")), "alice", "a guess"))
        .collect();
    let response = provider.send_at_once(everywhere);
    let checked = response.iter().filter(|response| response.status == WRONG).count();
    assert_eq!(checked, 10, "the limit is twenty for the account");
    assert!(response.iter().all(|response| matches!(response.status, WRONG | WAIT)));
}

#[test]
fn a_success_takes_back_its_own_attempt_only_and_four_hours_forget_one_failure() {
    let provider = provider();
    let alice = at(&provider, "192.0.2.1");
    for _ in 0..4 {
        assert_eq!(guess(&provider, "192.0.2.1").status, WRONG);
    }
    for _ in 0..3 {
        assert_eq!(attempt(&provider, &alice, "alice", PASSWORD).status, RIGHT);
        alice.cookies.borrow_mut().clear();
    }
    assert_eq!(attempt(&provider, &alice, "bob", PASSWORD).status, RIGHT);
    assert_eq!(guess(&provider, "192.0.2.1").status, WRONG);
    assert_eq!(pause(&provider, filled_in(&alice, "alice", PASSWORD)), 1);
    provider.sleep(LONGEST - 1);
    assert_eq!(guess(&provider, "192.0.2.1").status, WRONG);
    assert_eq!(pause(&provider, filled_in(&alice, "alice", PASSWORD)), 2, "nothing is forgotten");
    provider.sleep(3 * LONGEST + 1);
    for _ in 0..3 {
        assert_eq!(guess(&provider, "192.0.2.1").status, WRONG);
    }
    assert_eq!(pause(&provider, filled_in(&alice, "alice", PASSWORD)), 1, "four are forgotten");
}

#[test]
fn the_limit_of_an_address_applies_before_any_database_access() {
    let provider = provider();
    provider.platform.rate_limit.set(Some(3));
    for login in ["alice", "bob", "alice"] {
        let response = attempt(&provider, &at(&provider, "192.0.2.1"), login, "a guess");
        assert_eq!(response.status, WRONG);
    }
    let send_request = filled_in(&at(&provider, "192.0.2.1"), "bob", PASSWORD);
    provider.platform.take_counts();
    let response = provider.send(send_request);
    assert_eq!((response.status, response.header("retry-after")), (WAIT, Some("60")));
    assert_eq!(provider.platform.take_counts(), Counts::default());
    assert_eq!(attempt(&provider, &at(&provider, "192.0.2.2"), "bob", PASSWORD).status, RIGHT);
}

/// An IPv6 subscriber may have 65,536 networks of 2^64 addresses, so a limit for each would have no effect.
#[test]
fn the_addresses_of_an_ipv6_network_share_one_limit() {
    let provider = provider();
    provider.platform.rate_limit.set(Some(3));
    for host in 1..=3 {
        let browser = at(&provider, &format!("2001:db8:1:2::{host}"));
        assert_eq!(attempt(&provider, &browser, "bob", "a guess").status, WRONG);
    }
    let status = |address| attempt(&provider, &at(&provider, address), "bob", PASSWORD).status;
    assert_eq!(status("2001:db8:1:2:aaaa:bbbb:cccc:dddd"), WAIT);
    assert_eq!(status("2001:db8:1:3::1"), WAIT);
    assert_eq!(status("2001:db8:2:2::1"), RIGHT);
}

#[test]
fn the_stored_requests_of_an_address_are_limited() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "token_endpoint_auth_method": "none" }));
    provider.platform.rate_limit.set(Some(3));
    let from = |address: &str| {
        let push = post("/auth/par").form(&app.authorize_query(&[]));
        let response = provider.send(push.with("cf-connecting-ip", address));
        (response.status, response.header("retry-after").map(str::to_owned))
    };
    for _ in 0..3 {
        assert_eq!(from("192.0.2.1"), (201, None));
    }
    assert_eq!(from("192.0.2.1"), (429, Some("60".into())));
    assert_eq!(from("192.0.2.2"), (201, None));
    let count = "SELECT count(*) FROM authorization_requests";
    let count: i64 = provider.platform.primary.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 4);
    // Sign-ins have a counter of their own.
    assert_eq!(attempt(&provider, &at(&provider, "192.0.2.1"), "bob", PASSWORD).status, RIGHT);
}
