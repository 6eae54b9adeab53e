//! Guessing passwords: slowed before a password is looked at, whoever guesses from wherever, and in nobody
//! else's way.

use argon2::PasswordHasher;

use crate::platform::Counts;
use crate::visitor::{PASSWORD, Visitor, encode, form};
use crate::world::{Ask, Told, World, post};

const WRONG: u16 = 403;
const WAIT: u16 = 429;
const RIGHT: u16 = 303;

fn world() -> World {
    let world = World::new();
    world.put_user("alice");
    world.put_user("bob");
    cheapen(&world);
    world
}

/// Makes the same passwords cost next to nothing: there are hundreds of guesses here.
fn cheapen(world: &World) {
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(PASSWORD.as_bytes(), &[7; 16]).unwrap().to_string();
    world.platform.primary.execute("UPDATE users SET password_hash = ?1", [hash]).unwrap();
}

fn at<'a>(world: &'a World, address: &str) -> Visitor<'a> {
    let mut visitor = Visitor::new(world);
    visitor.address = address.into();
    visitor
}

/// The login form of the account page, filled in by this browser, as a request of its own.
fn filled_in(visitor: &Visitor<'_>, login: &str, password: &str) -> Ask {
    let page = visitor.get("/auth/account");
    let fields = form(&page).fields;
    let mut fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    fields.extend([("login", login), ("password", password)]);
    let cookies: Vec<_> =
        visitor.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
    post("/auth/login")
        .form(&encode(&fields))
        .with("cookie", &cookies.join("; "))
        .with("cf-connecting-ip", &visitor.address)
}

fn attempt(world: &World, visitor: &Visitor<'_>, login: &str, password: &str) -> Told {
    world.send(filled_in(visitor, login, password))
}

fn guess(world: &World, address: &str) -> Told {
    attempt(world, &at(world, address), "alice", "a guess")
}

/// The pause that an answer asks for; no password was looked at for it, nor a user.
fn pause(world: &World, request: Ask) -> i64 {
    world.platform.take_counts();
    let told = world.send(request);
    let Counts { statements, .. } = world.platform.take_counts();
    assert_eq!((told.status, statements), (WAIT, 0));
    told.header("retry-after").unwrap().parse().unwrap()
}

/// Somebody's own browser: they have signed in with it before.
fn known<'a>(world: &'a World, login: &str) -> Visitor<'a> {
    let visitor = at(world, "198.51.100.1");
    let page = visitor.get("/auth/account");
    visitor.submit(&page, &[("login", login), ("password", PASSWORD)]);
    cheapen(world);
    let mut cookies = visitor.cookies.borrow_mut();
    cookies.retain(|name, _| name.contains("device"));
    assert_eq!(cookies.len(), 1);
    drop(cookies);
    visitor
}

#[test]
fn five_guesses_are_free_and_then_the_pauses_double_up_to_five_minutes() {
    let world = world();
    for _ in 0..4 {
        assert_eq!(guess(&world, "192.0.2.1").status, WRONG);
    }
    for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        assert_eq!(guess(&world, "192.0.2.1").status, WRONG);
        let ask = || filled_in(&at(&world, "192.0.2.1"), "alice", PASSWORD);
        assert_eq!(pause(&world, ask()), expected, "though it were right");
        world.sleep(expected - 1);
        assert_eq!(pause(&world, ask()), 1, "and asking does not make it longer");
        world.sleep(1);
    }
    assert_eq!(attempt(&world, &at(&world, "192.0.2.1"), "alice", PASSWORD).status, RIGHT);
}

#[test]
fn a_pause_is_for_one_account_in_one_network() {
    let world = world();
    for _ in 0..5 {
        assert_eq!(guess(&world, "192.0.2.1").status, WRONG);
        assert_eq!(guess(&world, "2001:db8:1:2::1").status, WRONG);
    }
    for same in ["192.0.2.254", "::ffff:192.0.2.9", "2001:db8:1:2:ffff::9"] {
        assert_eq!(guess(&world, same).status, WAIT, "{same}");
    }
    for other in ["192.0.3.1", "2001:db8:1:3::1", "198.51.100.7"] {
        assert_eq!(guess(&world, other).status, WRONG, "{other}");
    }
    let bob = at(&world, "192.0.2.1");
    assert_eq!(attempt(&world, &bob, "bob", "a guess").status, WRONG);
    for spelling in ["ALICE", "Alice", "aLiCe"] {
        assert_eq!(attempt(&world, &bob, spelling, "a guess").status, WAIT, "{spelling}");
    }
}

#[test]
fn a_login_that_nobody_has_is_slowed_like_any() {
    let world = world();
    let visitor = at(&world, "192.0.2.1");
    for _ in 0..5 {
        assert_eq!(attempt(&world, &visitor, "nobody", "a guess").status, WRONG);
    }
    assert_eq!(pause(&world, filled_in(&visitor, "nobody", "a guess")), 1);
}

#[test]
fn a_stranger_locks_nobody_out_of_their_own_browser() {
    let world = world();
    let alice = known(&world, "alice");
    for host in 0..30 {
        guess(&world, "198.51.100.1");
        guess(&world, &format!("203.0.{host}.1"));
    }
    assert_eq!(guess(&world, "198.51.100.1").status, WAIT);
    assert_eq!(attempt(&world, &alice, "alice", PASSWORD).status, RIGHT, "in the same network");

    // It has a counter of its own, though, and is no way around the pauses.
    for _ in 0..5 {
        assert_eq!(attempt(&world, &alice, "alice", "a guess").status, WRONG);
    }
    assert_eq!(pause(&world, filled_in(&alice, "alice", PASSWORD)), 1);
    assert_eq!(attempt(&world, &alice, "bob", PASSWORD).status, RIGHT);
}

#[test]
fn a_device_cookie_is_for_its_account_and_as_it_was_given() {
    let world = world();
    for host in 0..30 {
        guess(&world, &format!("203.0.{host}.1"));
        guess(&world, "192.0.2.1");
    }
    let bobs = known(&world, "bob").cookies.take();
    let (name, value) = bobs.iter().next().unwrap();
    let (id, code) = value.split_once('.').unwrap();
    let other_id = format!("{}.{code}", "A".repeat(43));
    for value in [value.as_str(), id, &other_id, &format!("{id}."), &format!("{value}x"), ""] {
        let stranger = at(&world, "192.0.2.1");
        stranger.cookies.borrow_mut().insert(name.clone(), value.into());
        assert_eq!(attempt(&world, &stranger, "alice", PASSWORD).status, WAIT, "{value}");
    }
}

#[test]
fn guesses_from_everywhere_cost_an_unknown_browser_half_a_minute_at_the_most() {
    let world = world();
    for host in 0..200 {
        let expected = if host < 20 { WRONG } else { WAIT };
        assert_eq!(guess(&world, &format!("203.0.{host}.1")).status, expected, "{host}");
    }
    // Alice comes with a browser that is new.
    let alice = at(&world, "192.0.2.1");
    assert_eq!(pause(&world, filled_in(&alice, "alice", PASSWORD)), 30);
    world.sleep(30);
    assert_eq!(attempt(&world, &alice, "alice", PASSWORD).status, RIGHT);
    assert_eq!(pause(&world, filled_in(&at(&world, "192.0.3.1"), "alice", PASSWORD)), 30);
    assert_eq!(attempt(&world, &at(&world, "192.0.2.1"), "bob", PASSWORD).status, RIGHT);
}

#[test]
fn of_two_hundred_guesses_at_once_each_is_counted() {
    let world = world();
    for (network, is_one_isolate) in [("192.0.2.1", true), ("192.0.3.1", false)] {
        let asks = vec![filled_in(&at(&world, network), "alice", "a guess"); 200];
        world.platform.take_counts();
        let told =
            if is_one_isolate { world.send_together(asks) } else { world.send_at_once(asks) };
        let looked_at = told.iter().filter(|told| told.status == WRONG).count();
        let Counts { statements, .. } = world.platform.take_counts();
        // For each that is looked at, the user is looked for.
        assert_eq!((looked_at, statements), (5, 5));
        assert!(told.iter().all(|told| matches!(told.status, WRONG | WAIT)));
    }
    let everywhere: Vec<_> = (0..200)
        .map(|host| filled_in(&at(&world, &format!("203.0.{host}.1")), "alice", "a guess"))
        .collect();
    let told = world.send_at_once(everywhere);
    let looked_at = told.iter().filter(|told| told.status == WRONG).count();
    assert_eq!(looked_at, 10, "twenty on the account");
    assert!(told.iter().all(|told| matches!(told.status, WRONG | WAIT)));
}

#[test]
fn a_success_or_a_quiet_hour_sets_the_counter_back() {
    let world = world();
    let alice = at(&world, "192.0.2.1");
    let four_guesses = || {
        for _ in 0..4 {
            assert_eq!(guess(&world, "192.0.2.1").status, WRONG);
        }
    };
    four_guesses();
    assert_eq!(attempt(&world, &alice, "alice", PASSWORD).status, RIGHT);
    four_guesses();
    // Somebody else's success in the same network is not alice's.
    assert_eq!(attempt(&world, &alice, "bob", PASSWORD).status, RIGHT);
    assert_eq!(guess(&world, "192.0.2.1").status, WRONG);
    assert_eq!(guess(&world, "192.0.2.1").status, WAIT);
    world.sleep(3_600);
    four_guesses();
    assert_eq!(guess(&world, "192.0.2.1").status, WRONG);
}

#[test]
fn an_address_is_limited_before_anything_is_asked() {
    let world = world();
    world.platform.rate_limit.set(Some(3));
    for login in ["alice", "bob", "alice"] {
        let told = attempt(&world, &at(&world, "192.0.2.1"), login, "a guess");
        assert_eq!(told.status, WRONG);
    }
    let ask = filled_in(&at(&world, "192.0.2.1"), "bob", PASSWORD);
    world.platform.take_counts();
    let told = world.send(ask);
    assert_eq!((told.status, told.header("retry-after")), (WAIT, Some("60")));
    assert_eq!(world.platform.take_counts(), Counts::default());
    assert_eq!(attempt(&world, &at(&world, "192.0.2.2"), "bob", PASSWORD).status, RIGHT);
}

/// Of IPv6, one subscriber has 2^64 addresses: a limit on each would be none.
#[test]
fn all_addresses_of_one_ipv6_network_are_one_to_the_limit() {
    let world = world();
    world.platform.rate_limit.set(Some(3));
    for host in 1..=3 {
        let visitor = at(&world, &format!("2001:db8:1:2::{host}"));
        assert_eq!(attempt(&world, &visitor, "bob", "a guess").status, WRONG);
    }
    let status = |address| attempt(&world, &at(&world, address), "bob", PASSWORD).status;
    assert_eq!(status("2001:db8:1:2:aaaa:bbbb:cccc:dddd"), WAIT);
    assert_eq!(status("2001:db8:1:3::1"), RIGHT);
}

#[test]
fn an_address_makes_us_store_so_many_requests_and_no_more() {
    let world = world();
    let app = world.put_app();
    world.platform.rate_limit.set(Some(3));
    let from = |address: &str| {
        let ask = post("/auth/authorize").form(&app.authorize_query(&[]));
        let told = world.send(ask.with("cf-connecting-ip", address));
        told.header("location").unwrap().contains("?handle=")
    };
    for is_stored in [true, true, true, false] {
        assert_eq!(from("192.0.2.1"), is_stored);
    }
    assert!(from("192.0.2.2"));
    let count = "SELECT count(*) FROM authorization_requests";
    let count: i64 = world.platform.primary.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 4);
    // Who signs in is counted apart.
    assert_eq!(attempt(&world, &at(&world, "192.0.2.1"), "bob", PASSWORD).status, RIGHT);
}
