//! A database that has no room left: the next request sweeps what has expired, and everything works again.

use crate::visitor::{PASSWORD, Party, Visitor, encode};
use crate::world::{Ask, Told, World, get, post, variables_with};
use serde_json::json;

/// A provider whose database may grow by this many pages of 4096 bytes.
fn with_room_for(pages: i64) -> (World, Party) {
    let world = World::configured(variables_with("REGISTRATION", "open"));
    world.has_entropy.set(true);
    world.send(get("/auth/jwks.json"));
    world.put_alice_with_password();
    let party = world.put_app();
    // An application has signed her in before: the grant's tables have their pages.
    Visitor::new(&world).authorize(&party, "alice@example.com", &[]);
    let used: i64 =
        world.platform.primary.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    world.platform.primary.pragma_update(None, "max_page_count", used + pages).unwrap();
    (world, party)
}

/// Sends a request until the database has no room for another.
fn fill(world: &World, request: &Ask) {
    let sent = (0..10_000).find(|_| world.send(request.clone()).status == 503);
    assert!(sent.is_some_and(|sent| sent > 10), "{sent:?}");
}

fn sign_in(world: &World, party: &Party) -> Told {
    let visitor = Visitor::new(world);
    let login = visitor.get(&party.authorize(&[("prompt", "login")]));
    visitor.sign_in_on(&login, "alice@example.com")
}

/// The requests by which a stranger can fill the database.
fn fillers(party: &Party) -> [(&'static str, Ask); 3] {
    let secret = party.secret.clone().unwrap();
    let query = party.authorize_query(&[("state", &"s".repeat(2_000))]);
    let pushed = format!("{query}&{}", encode(&[("client_secret", &secret)]));
    let metadata =
        json!({ "redirect_uris": ["https://x.example/cb"], "client_name": "n".repeat(1_000) });
    [
        ("pushed requests", post("/auth/par").form(&pushed)),
        ("posted requests", post("/auth/authorize").form(&query)),
        ("registrations", post("/auth/register").json(&metadata)),
    ]
}

/// Guesses passwords from one network after another, until the database has no room for an attempt.
fn guess_until_full(world: &World) {
    let guess = |number: usize| {
        let mut visitor = Visitor::new(world);
        visitor.address = format!("10.{}.{}.1", number / 250, number % 250);
        let page = visitor.get("/auth/account");
        let login = format!("nobody-{number}");
        visitor.submit(&page, &[("login", &login), ("password", PASSWORD)]).status
    };
    assert!((0..10_000).any(|number| guess(number) == 503));
}

#[test]
fn a_full_database_is_swept_by_the_next_request_and_people_sign_in_again() {
    for index in 0..3 {
        let (world, party) = with_room_for(20);
        let (what, request) = &fillers(&party)[index];
        fill(&world, request);
        guess_until_full(&world);
        assert_eq!(sign_in(&world, &party).status, 503, "{what}");
        // Everything that strangers stored expires.
        world.sleep(2 * 86_400);
        sign_in(&world, &party);
        assert_eq!(sign_in(&world, &party).status, 303, "{what}");
        assert_eq!(world.send(request.clone()).status / 100, 2 + u16::from(index == 1), "{what}");
    }
}

#[test]
fn a_database_full_of_attempts_to_sign_in_is_swept() {
    let (world, party) = with_room_for(3);
    guess_until_full(&world);
    world.sleep(2 * 3_600);
    sign_in(&world, &party);
    assert_eq!(sign_in(&world, &party).status, 303);
}

#[test]
fn a_database_that_fails_hears_of_a_sweep_once_in_ten_seconds() {
    let (world, party) = with_room_for(1_000);
    world.platform.batches_fail.set(true);
    let push = || {
        let secret = encode(&[("client_secret", party.secret.as_deref().unwrap())]);
        post("/auth/par").form(&format!("{}&{secret}", party.authorize_query(&[])))
    };
    let left = |_| world.send(push()).left;
    assert_eq!((0..3).map(left).collect::<Vec<_>>(), [1, 0, 0]);
    world.sleep(10);
    assert_eq!(world.send(push()).left, 1);
    world.platform.batches_fail.set(false);
    assert_eq!((world.send(push()).status, world.send(push()).left), (201, 0));
}

#[test]
fn each_request_that_is_kept_sweeps_no_more_than_ten() {
    let (world, party) = with_room_for(1_000);
    let secret = encode(&[("client_secret", party.secret.as_deref().unwrap())]);
    let push = format!("{}&{secret}", party.authorize_query(&[]));
    for _ in 0..25 {
        assert_eq!(world.send(post("/auth/par").form(&push)).status, 201);
    }
    world.sleep(3_600);
    let count = || {
        let sql = "SELECT count(*) FROM authorization_requests";
        world.platform.primary.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap()
    };
    for expected in [16, 7, 3, 4] {
        assert_eq!(world.send(post("/auth/par").form(&push)).status, 201);
        assert_eq!(count(), expected);
    }
}
