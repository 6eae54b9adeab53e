//! Rows that change between a check and the write that depends on it.

use serde_json::json;

use crate::browser::{Browser, TestClient, answer, error_page, is_consent, is_login};
use crate::test_provider::{ISSUER, TestProvider};

const LOGIN: &str = "alice@example.com";
const WITHDRAW: &str = "DELETE FROM consents; UPDATE grants SET revoked_at = 1";

fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    (provider, app)
}

fn active_grants(provider: &TestProvider) -> i64 {
    let sql = "SELECT count(*) FROM grants WHERE revoked_at IS NULL";
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn a_consent_withdrawn_while_a_code_is_issued_stays_withdrawn() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    provider.platform.before_batches.borrow_mut().push_back(WITHDRAW);
    let response = alice.follow(alice.get(&app.authorize(&[])));
    assert!(is_consent(&response), "the page is shown again");
    assert_eq!((active_grants(&provider), provider.platform.before_batches.borrow().len()), (0, 0));

    alice.submit(&response, &[("decision", "allow")]);
    provider.platform.before_batches.borrow_mut().push_back(WITHDRAW);
    let response = alice.follow(alice.get(&app.authorize(&[("prompt", "none")])));
    assert_eq!(answer(&response, &app.redirect_uri)["error"], "login_required");
    assert_eq!(active_grants(&provider), 0);
}

#[test]
fn a_withdrawn_consent_does_not_return_with_a_new_one() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[("scope", "openid phone")]);
    let page = alice.get(&app.authorize(&[("scope", "openid email")]));
    provider.platform.before_batches.borrow_mut().push_back(WITHDRAW);
    let response = alice.submit(&page, &[("decision", "allow")]);
    assert!(is_consent(&response), "the page is shown again");
    alice.submit(&response, &[("decision", "allow")]);
    assert!(is_consent(&alice.get(&app.authorize(&[("scope", "openid phone")]))));
}

#[test]
fn a_session_or_client_deleted_in_this_moment_gets_no_code() {
    for (sql, needs_sign_in) in [("DELETE FROM sessions", true), ("DELETE FROM clients", false)] {
        for is_stored in [false, true] {
            let (provider, _) = provider();
            let app = provider.put_client_with("app", json!({ "trusted": true }));
            let alice = Browser::new(&provider);
            alice.authorize(&app, LOGIN, &[]);
            let target = if is_stored {
                let opened = alice.get(&provider.push(&app, &[]));
                opened.header("location").unwrap().strip_prefix(ISSUER).unwrap().to_owned()
            } else {
                app.authorize(&[])
            };
            let before = active_grants(&provider);
            provider.platform.before_batches.borrow_mut().push_back(sql);
            let response = alice.follow(alice.get(&target));
            if needs_sign_in {
                assert!(is_login(&response), "{sql}");
            } else {
                assert!(error_page(&response).contains("is not registered"), "{sql}");
            }
            assert_eq!(active_grants(&provider), before);
        }
    }
}

#[test]
fn a_password_changed_during_its_check_gives_no_session() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let page = alice.get(&app.authorize(&[]));
    // The first batch counts the attempt, the second creates the session.
    let changes = ["SELECT 1", "UPDATE users SET password_hash = 'another'"];
    provider.platform.before_batches.borrow_mut().extend(changes);
    let response = alice.sign_in_on(&page, LOGIN);
    assert_eq!((response.status, provider.platform.before_batches.borrow().len()), (403, 0));
    assert!(is_login(&alice.get("/auth/account")));
}
