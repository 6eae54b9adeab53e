//! What changes between a look and what is done because of it.

use serde_json::json;

use crate::visitor::{Party, Visitor, answer, error_page, is_consent, is_login};
use crate::world::{ISSUER, World, post};

const LOGIN: &str = "alice@example.com";
const WITHDRAW: &str = "DELETE FROM consents; UPDATE grants SET revoked_at = 1";

fn world() -> (World, Party) {
    let world = World::new();
    world.put_alice_with_password();
    let app = world.put_app();
    (world, app)
}

fn standing(world: &World) -> i64 {
    let sql = "SELECT count(*) FROM grants WHERE revoked_at IS NULL";
    world.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn what_is_withdrawn_while_a_code_is_issued_is_withdrawn() {
    let (world, app) = world();
    let alice = Visitor::new(&world);
    alice.authorize(&app, LOGIN, &[]);
    world.platform.meanwhile.borrow_mut().push_back(WITHDRAW);
    let told = alice.follow(alice.get(&app.authorize(&[])));
    assert!(is_consent(&told), "she is asked again");
    assert_eq!((standing(&world), world.platform.meanwhile.borrow().len()), (0, 0));

    alice.submit(&told, &[("decision", "allow")]);
    world.platform.meanwhile.borrow_mut().push_back(WITHDRAW);
    let told = alice.follow(alice.get(&app.authorize(&[("prompt", "none")])));
    assert_eq!(answer(&told, &app.redirect_uri)["error"], "consent_required");
    assert_eq!(standing(&world), 0);
}

#[test]
fn what_was_withdrawn_does_not_come_back_with_something_else_that_is_allowed() {
    let (world, app) = world();
    let alice = Visitor::new(&world);
    alice.authorize(&app, LOGIN, &[("scope", "openid phone")]);
    let page = alice.get(&app.authorize(&[("scope", "openid email")]));
    world.platform.meanwhile.borrow_mut().push_back(WITHDRAW);
    let told = alice.submit(&page, &[("decision", "allow")]);
    assert!(is_consent(&told), "she is asked again");
    alice.submit(&told, &[("decision", "allow")]);
    assert!(is_consent(&alice.get(&app.authorize(&[("scope", "openid phone")]))));
}

#[test]
fn a_session_or_a_client_that_ends_in_this_moment_gets_no_code() {
    for (sql, is_asked) in [("DELETE FROM sessions", true), ("DELETE FROM clients", false)] {
        for is_kept in [false, true] {
            let (world, _) = world();
            let app = world.put_party("app", json!({ "trusted": true }));
            let alice = Visitor::new(&world);
            alice.authorize(&app, LOGIN, &[]);
            let target = if is_kept {
                let told = world.send(post("/auth/authorize").form(&app.authorize_query(&[])));
                told.header("location").unwrap().strip_prefix(ISSUER).unwrap().to_owned()
            } else {
                app.authorize(&[])
            };
            let before = standing(&world);
            world.platform.meanwhile.borrow_mut().push_back(sql);
            let told = alice.follow(alice.get(&target));
            if is_asked {
                assert!(is_login(&told), "{sql}");
            } else {
                assert!(error_page(&told).contains("no application"), "{sql}");
            }
            assert_eq!(standing(&world), before);
        }
    }
}

#[test]
fn a_password_that_is_changed_while_it_is_looked_at_signs_nobody_in() {
    let (world, app) = world();
    let alice = Visitor::new(&world);
    let page = alice.get(&app.authorize(&[]));
    // The first batch counts the attempt, the second begins the session.
    let changes = ["SELECT 1", "UPDATE users SET password_hash = 'another'"];
    world.platform.meanwhile.borrow_mut().extend(changes);
    let told = alice.sign_in_on(&page, LOGIN);
    assert_eq!((told.status, world.platform.meanwhile.borrow().len()), (403, 0));
    assert!(is_login(&alice.get("/auth/account")));
}
