//! What changes between a look and what is done because of it.

use serde_json::json;

use crate::browser::{Browser, TestClient, answer, error_page, is_consent, is_login};
use crate::test_provider::{ISSUER, TestProvider, post};

const LOGIN: &str = "alice@example.com";
const WITHDRAW: &str = "DELETE FROM consents; UPDATE grants SET revoked_at = 1";

fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    (provider, app)
}

fn standing(provider: &TestProvider) -> i64 {
    let sql = "SELECT count(*) FROM grants WHERE revoked_at IS NULL";
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn what_is_withdrawn_while_a_code_is_issued_is_withdrawn() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    provider.platform.meanwhile.borrow_mut().push_back(WITHDRAW);
    let response = alice.follow(alice.get(&app.authorize(&[])));
    assert!(is_consent(&response), "she is asked again");
    assert_eq!((standing(&provider), provider.platform.meanwhile.borrow().len()), (0, 0));

    alice.submit(&response, &[("decision", "allow")]);
    provider.platform.meanwhile.borrow_mut().push_back(WITHDRAW);
    let response = alice.follow(alice.get(&app.authorize(&[("prompt", "none")])));
    assert_eq!(answer(&response, &app.redirect_uri)["error"], "consent_required");
    assert_eq!(standing(&provider), 0);
}

#[test]
fn what_was_withdrawn_does_not_come_back_with_something_else_that_is_allowed() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[("scope", "openid phone")]);
    let page = alice.get(&app.authorize(&[("scope", "openid email")]));
    provider.platform.meanwhile.borrow_mut().push_back(WITHDRAW);
    let response = alice.submit(&page, &[("decision", "allow")]);
    assert!(is_consent(&response), "she is asked again");
    alice.submit(&response, &[("decision", "allow")]);
    assert!(is_consent(&alice.get(&app.authorize(&[("scope", "openid phone")]))));
}

#[test]
fn a_session_or_a_client_that_ends_in_this_moment_gets_no_code() {
    for (sql, is_asked) in [("DELETE FROM sessions", true), ("DELETE FROM clients", false)] {
        for is_kept in [false, true] {
            let (provider, _) = provider();
            let app = provider.put_client_with("app", json!({ "trusted": true }));
            let alice = Browser::new(&provider);
            alice.authorize(&app, LOGIN, &[]);
            let target = if is_kept {
                let response =
                    provider.send(post("/auth/authorize").form(&app.authorize_query(&[])));
                response.header("location").unwrap().strip_prefix(ISSUER).unwrap().to_owned()
            } else {
                app.authorize(&[])
            };
            let before = standing(&provider);
            provider.platform.meanwhile.borrow_mut().push_back(sql);
            let response = alice.follow(alice.get(&target));
            if is_asked {
                assert!(is_login(&response), "{sql}");
            } else {
                assert!(error_page(&response).contains("no application"), "{sql}");
            }
            assert_eq!(standing(&provider), before);
        }
    }
}

#[test]
fn a_password_that_is_changed_while_it_is_looked_at_signs_nobody_in() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let page = alice.get(&app.authorize(&[]));
    // The first batch counts the attempt, the second begins the session.
    let changes = ["SELECT 1", "UPDATE users SET password_hash = 'another'"];
    provider.platform.meanwhile.borrow_mut().extend(changes);
    let response = alice.sign_in_on(&page, LOGIN);
    assert_eq!((response.status, provider.platform.meanwhile.borrow().len()), (403, 0));
    assert!(is_login(&alice.get("/auth/account")));
}
