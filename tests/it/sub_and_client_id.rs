//! The `sub` of users and the identifiers of clients. APIs recognize a client's own token by its `sub`, which is the
//! identifier of the client, so no text is both.

use crate::browser::{Browser, CALLBACK, TestClient, answer, is_login};
use crate::client_documents::{CLIENT_ID, client, provider as provider_with_documents};
use crate::test_provider::{TestProvider, TestResponse, delete, get, post, put};
use serde_json::{Value, json};

fn put_user(provider: &TestProvider, sub: &str) -> TestResponse {
    let path = format!("/admin/users/{}", sub.replace('/', "%2F").replace(':', "%3A"));
    provider.send(put(&path).by_operator().json(&json!({ "login": sub, "claims": {} })))
}

fn import(provider: &TestProvider, subs: &[&str]) -> Value {
    let lines: Vec<_> = subs.iter().map(|sub| json!({ "sub": sub }).to_string()).collect();
    let request = post("/admin/users").by_operator();
    let response = provider.send(request.body("application/x-ndjson", lines.join("\n")));
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()
}

fn put_client(provider: &TestProvider, id: &str) -> TestResponse {
    let document = json!({ "redirect_uris": [CALLBACK] });
    provider.send(put(&format!("/admin/clients/{id}")).by_operator().json(&document))
}

#[track_caller]
fn assert_conflict(response: &TestResponse, words: &str) {
    assert_eq!((response.status, response.error().as_deref()), (409, Some("conflict")));
    let description = response.json()["error_description"].as_str().unwrap().to_owned();
    assert_eq!(description, words);
}

/// A database of an earlier version, in which the user `app` and the client `app` exist.
fn old_database() -> (TestProvider, TestClient) {
    let provider = TestProvider::with_keys();
    let app = provider.put_app();
    provider.put_user("other");
    let rename = "UPDATE users SET sub = 'app', login = 'app' WHERE sub = 'other'";
    provider.platform.primary.execute(rename, ()).unwrap();
    (provider, app)
}

const IS_CLIENT: &str = "sub: must not be the client_id of a client";
const IS_USER: &str = "client_id: must not be the sub of a user, or of a deleted user";

#[test]
fn no_user_gets_the_identifier_of_a_client_as_sub() {
    let provider = TestProvider::with_keys();
    provider.put_app();
    assert_conflict(&put_user(&provider, "app"), IS_CLIENT);
    let report = import(&provider, &["one", "app", "two"]);
    assert_eq!(report["stored"], 2);
    assert_eq!(report["refused"], json!([{ "line": 2, "error": IS_CLIENT }]));
    // A client that registered itself has a random identifier, which is not free either.
    let registered = provider
        .platform
        .primary
        .execute("UPDATE clients SET registration_token_hash = 'x', client_id = 'registered'", ());
    assert_eq!(registered, Ok(1));
    assert_conflict(&put_user(&provider, "registered"), IS_CLIENT);
    assert_eq!(put_user(&provider, "app").status, 200, "no client has it now");
}

#[test]
fn no_client_gets_the_sub_of_a_user_even_if_the_user_was_deleted() {
    let provider = TestProvider::with_keys();
    provider.put_user("bob");
    assert_conflict(&put_client(&provider, "bob"), IS_USER);
    assert_eq!(provider.send(delete("/admin/users/bob").by_operator()).status, 200);
    assert_conflict(&put_client(&provider, "bob"), IS_USER);
    assert_conflict(
        &put_user(&provider, "bob"),
        "sub: belonged to a deleted user, and cannot be used again",
    );
    assert_eq!(put_client(&provider, "rob").status, 200);
}

/// The conditions are those of the statements, so that no request comes between the check and the insertion.
#[test]
fn of_a_user_and_a_client_that_are_stored_at_once_one_is_refused() {
    for other_first in [false, true] {
        let provider = TestProvider::with_keys();
        let user = put("/admin/users/same").by_operator().json(&json!({ "claims": {} }));
        let client = json!({ "redirect_uris": [CALLBACK] });
        let client = put("/admin/clients/same").by_operator().json(&client);
        let requests = if other_first { vec![client, user] } else { vec![user, client] };
        let mut statuses: Vec<_> =
            provider.send_at_once(requests).iter().map(|response| response.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
    }
}

#[test]
fn a_user_and_a_client_of_an_earlier_version_with_one_name_can_still_be_changed() {
    let (provider, _) = old_database();
    let user = json!({ "login": "renamed", "claims": { "name": "App" } });
    assert_eq!(provider.send(put("/admin/users/app").by_operator().json(&user)).status, 200);
    assert_eq!(import(&provider, &["app"])["stored"], 1);
    assert_eq!(put_client(&provider, "app").status, 200);
    assert_eq!(provider.send(get("/admin/clients/app").by_operator()).status, 200);
}

#[test]
fn a_user_of_an_earlier_version_with_the_name_of_a_client_does_not_fit_its_requests() {
    let (provider, app) = old_database();
    let browser = Browser::new(&provider);
    let page = browser.get(&app.authorize(&[]));
    let page = browser.submit(&page, &[("login", "app"), ("password", crate::browser::PASSWORD)]);
    assert!(is_login(&page) && page.body.contains("asks for another account"), "{}", page.body);
    // The client learns no more than if nobody were signed in.
    let silent = app.authorize(&[("prompt", "none")]);
    let nobody = Browser::new(&provider).get(&silent);
    assert_eq!(answer(&nobody, CALLBACK)["error"], "login_required");
    assert_eq!(browser.get(&silent).headers, nobody.headers);
    // Nor does one that needs no consent.
    provider.put_client_with("app", json!({ "trusted": true }));
    assert_eq!(browser.get(&silent).headers, nobody.headers);
    // Another user can sign in.
    provider.put_user("bob");
    assert!(answer(&browser.sign_in_on(&page, "bob"), CALLBACK).contains_key("code"));
}

#[test]
fn a_client_by_document_with_the_sub_of_a_user_is_not_stored() {
    let provider = provider_with_documents();
    assert_eq!(put_user(&provider, CLIENT_ID).status, 200);
    let browser = Browser::new(&provider);
    let client = client();
    let page = browser.get(&client.authorize(&[]));
    let response = browser.agree(page, "alice@example.com");
    assert_eq!(response.status, 400);
    assert!(
        response.body.contains("client_id: must not be the sub of a user"),
        "{}",
        response.body
    );
    let stored = "SELECT (SELECT count(*) FROM clients) + (SELECT count(*) FROM grants)";
    let count: i64 = provider.platform.primary.query_row(stored, (), |row| row.get(0)).unwrap();
    assert_eq!(count, 0);
    let query = client.authorize_query(&[]);
    let pushed = provider.send(post("/auth/par").form(&query));
    assert!(matches!(pushed.status, 400 | 401), "{} {}", pushed.status, pushed.body);
}

#[test]
fn a_client_by_document_that_is_stored_gives_its_identifier_to_no_user() {
    let provider = provider_with_documents();
    Browser::new(&provider).authorize(&client(), "alice@example.com", &[]);
    assert_conflict(&put_user(&provider, CLIENT_ID), IS_CLIENT);
}
