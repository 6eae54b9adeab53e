//! Guessing passwords: slowed before a password is looked at, whoever guesses from wherever, and in nobody
//! else's way.

use argon2::PasswordHasher;

use crate::browser::{Browser, PASSWORD, encode, form};
use crate::platform::Counts;
use crate::test_provider::{TestProvider, TestRequest, TestResponse, post};

const WRONG: u16 = 403;
const WAIT: u16 = 429;
const RIGHT: u16 = 303;

fn provider() -> TestProvider {
    let provider = TestProvider::new();
    provider.put_user("alice");
    provider.put_user("bob");
    cheapen(&provider);
    provider
}

/// Makes the same passwords cost next to nothing: there are hundreds of guesses here.
fn cheapen(provider: &TestProvider) {
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(PASSWORD.as_bytes(), &[7; 16]).unwrap().to_string();
    provider.platform.primary.execute("UPDATE users SET password_hash = ?1", [hash]).unwrap();
}

fn at<'a>(provider: &'a TestProvider, address: &str) -> Browser<'a> {
    let mut browser = Browser::new(provider);
    browser.address = address.into();
    browser
}

/// The login form of the account page, filled in by this browser, as a request of its own.
fn filled_in(browser: &Browser<'_>, login: &str, password: &str) -> TestRequest {
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

fn attempt(
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

/// The pause that an answer asks for; no password was looked at for it, nor a user.
fn pause(provider: &TestProvider, request: TestRequest) -> i64 {
    provider.platform.take_counts();
    let response = provider.send(request);
    let Counts { statements, .. } = provider.platform.take_counts();
    assert_eq!((response.status, statements), (WAIT, 0));
    response.header("retry-after").unwrap().parse().unwrap()
}

/// Somebody's own browser: they have signed in with it before.
fn known<'a>(provider: &'a TestProvider, login: &str) -> Browser<'a> {
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
fn five_guesses_are_free_and_then_the_pauses_double_up_to_five_minutes() {
    let provider = provider();
    for _ in 0..4 {
        assert_eq!(guess(&provider, "192.0.2.1").status, WRONG);
    }
    for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        assert_eq!(guess(&provider, "192.0.2.1").status, WRONG);
        let send_request = || filled_in(&at(&provider, "192.0.2.1"), "alice", PASSWORD);
        assert_eq!(pause(&provider, send_request()), expected, "though it were right");
        provider.sleep(expected - 1);
        assert_eq!(pause(&provider, send_request()), 1, "and asking does not make it longer");
        provider.sleep(1);
    }
    assert_eq!(attempt(&provider, &at(&provider, "192.0.2.1"), "alice", PASSWORD).status, RIGHT);
}

#[test]
fn a_pause_is_for_one_account_in_one_network() {
    let provider = provider();
    for _ in 0..5 {
        assert_eq!(guess(&provider, "192.0.2.1").status, WRONG);
        assert_eq!(guess(&provider, "2001:db8:1:2::1").status, WRONG);
    }
    for same in ["192.0.2.254", "::ffff:192.0.2.9", "2001:db8:1:2:ffff::9"] {
        assert_eq!(guess(&provider, same).status, WAIT, "{same}");
    }
    for other in ["192.0.3.1", "2001:db8:1:3::1", "198.51.100.7"] {
        assert_eq!(guess(&provider, other).status, WRONG, "{other}");
    }
    let bob = at(&provider, "192.0.2.1");
    assert_eq!(attempt(&provider, &bob, "bob", "a guess").status, WRONG);
    for spelling in ["ALICE", "Alice", "aLiCe"] {
        assert_eq!(attempt(&provider, &bob, spelling, "a guess").status, WAIT, "{spelling}");
    }
}

#[test]
fn a_login_that_nobody_has_is_slowed_like_any() {
    let provider = provider();
    let browser = at(&provider, "192.0.2.1");
    for _ in 0..5 {
        assert_eq!(attempt(&provider, &browser, "nobody", "a guess").status, WRONG);
    }
    assert_eq!(pause(&provider, filled_in(&browser, "nobody", "a guess")), 1);
}

#[test]
fn a_stranger_locks_nobody_out_of_their_own_browser() {
    let provider = provider();
    let alice = known(&provider, "alice");
    for host in 0..30 {
        guess(&provider, "198.51.100.1");
        guess(&provider, &format!("203.0.{host}.1"));
    }
    assert_eq!(guess(&provider, "198.51.100.1").status, WAIT);
    assert_eq!(attempt(&provider, &alice, "alice", PASSWORD).status, RIGHT, "in the same network");

    // It has a counter of its own, though, and is no way around the pauses.
    for _ in 0..5 {
        assert_eq!(attempt(&provider, &alice, "alice", "a guess").status, WRONG);
    }
    assert_eq!(pause(&provider, filled_in(&alice, "alice", PASSWORD)), 1);
    assert_eq!(attempt(&provider, &alice, "bob", PASSWORD).status, RIGHT);
}

#[test]
fn a_device_cookie_is_for_its_account_and_as_it_was_given() {
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
fn guesses_from_everywhere_cost_an_unknown_browser_half_a_minute_at_the_most() {
    let provider = provider();
    for host in 0..200 {
        let expected = if host < 20 { WRONG } else { WAIT };
        assert_eq!(guess(&provider, &format!("203.0.{host}.1")).status, expected, "{host}");
    }
    // Alice comes with a browser that is new.
    let alice = at(&provider, "192.0.2.1");
    assert_eq!(pause(&provider, filled_in(&alice, "alice", PASSWORD)), 30);
    provider.sleep(30);
    assert_eq!(attempt(&provider, &alice, "alice", PASSWORD).status, RIGHT);
    assert_eq!(pause(&provider, filled_in(&at(&provider, "192.0.3.1"), "alice", PASSWORD)), 30);
    assert_eq!(attempt(&provider, &at(&provider, "192.0.2.1"), "bob", PASSWORD).status, RIGHT);
}

#[test]
fn of_two_hundred_guesses_at_once_each_is_counted() {
    let provider = provider();
    for (network, is_one_isolate) in [("192.0.2.1", true), ("192.0.3.1", false)] {
        let asks = vec![filled_in(&at(&provider, network), "alice", "a guess"); 200];
        provider.platform.take_counts();
        let response =
            if is_one_isolate { provider.send_together(asks) } else { provider.send_at_once(asks) };
        let looked_at = response.iter().filter(|response| response.status == WRONG).count();
        let Counts { statements, .. } = provider.platform.take_counts();
        // For each that is looked at, the user is looked for.
        assert_eq!((looked_at, statements), (5, 5));
        assert!(response.iter().all(|response| matches!(response.status, WRONG | WAIT)));
    }
    let everywhere: Vec<_> = (0..200)
        .map(|host| filled_in(&at(&provider, &format!("203.0.{host}.1")), "alice", "a guess"))
        .collect();
    let response = provider.send_at_once(everywhere);
    let looked_at = response.iter().filter(|response| response.status == WRONG).count();
    assert_eq!(looked_at, 10, "twenty on the account");
    assert!(response.iter().all(|response| matches!(response.status, WRONG | WAIT)));
}

#[test]
fn a_success_or_a_quiet_hour_sets_the_counter_back() {
    let provider = provider();
    let alice = at(&provider, "192.0.2.1");
    let four_guesses = || {
        for _ in 0..4 {
            assert_eq!(guess(&provider, "192.0.2.1").status, WRONG);
        }
    };
    four_guesses();
    assert_eq!(attempt(&provider, &alice, "alice", PASSWORD).status, RIGHT);
    four_guesses();
    // Somebody else's success in the same network is not alice's.
    assert_eq!(attempt(&provider, &alice, "bob", PASSWORD).status, RIGHT);
    assert_eq!(guess(&provider, "192.0.2.1").status, WRONG);
    assert_eq!(guess(&provider, "192.0.2.1").status, WAIT);
    provider.sleep(3_600);
    four_guesses();
    assert_eq!(guess(&provider, "192.0.2.1").status, WRONG);
}

#[test]
fn an_address_is_limited_before_anything_is_asked() {
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

/// Of IPv6, one subscriber has 2^64 addresses: a limit on each would be none.
#[test]
fn all_addresses_of_one_ipv6_network_are_one_to_the_limit() {
    let provider = provider();
    provider.platform.rate_limit.set(Some(3));
    for host in 1..=3 {
        let browser = at(&provider, &format!("2001:db8:1:2::{host}"));
        assert_eq!(attempt(&provider, &browser, "bob", "a guess").status, WRONG);
    }
    let status = |address| attempt(&provider, &at(&provider, address), "bob", PASSWORD).status;
    assert_eq!(status("2001:db8:1:2:aaaa:bbbb:cccc:dddd"), WAIT);
    assert_eq!(status("2001:db8:1:3::1"), RIGHT);
}

#[test]
fn an_address_makes_us_store_so_many_requests_and_no_more() {
    let provider = provider();
    let app = provider.put_app();
    provider.platform.rate_limit.set(Some(3));
    let from = |address: &str| {
        let send_request = post("/auth/authorize").form(&app.authorize_query(&[]));
        let response = provider.send(send_request.with("cf-connecting-ip", address));
        response.header("location").unwrap().contains("?handle=")
    };
    for is_stored in [true, true, true, false] {
        assert_eq!(from("192.0.2.1"), is_stored);
    }
    assert!(from("192.0.2.2"));
    let count = "SELECT count(*) FROM authorization_requests";
    let count: i64 = provider.platform.primary.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 4);
    // Who signs in is counted apart.
    assert_eq!(attempt(&provider, &at(&provider, "192.0.2.1"), "bob", PASSWORD).status, RIGHT);
}
