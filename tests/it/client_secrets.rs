//! The operator gives a client a new secret, and takes a registration back.

use crate::browser::{Browser, TestClient, encode, field};
use crate::test_provider::{
    NOW, TestProvider, TestRequest, TestResponse, delete, get, post, put, variables_with,
};
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";
const DAY: i64 = 86_400;

fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let app = provider.put_app();
    (provider, app)
}

fn replace(provider: &TestProvider, body: &Value) -> TestResponse {
    provider.send(post("/admin/clients/app/secret").by_operator().json(body))
}

/// The client with a new secret.
fn renewed(provider: &TestProvider, app: &TestClient, overlap: i64) -> TestClient {
    let response = replace(provider, &json!({ "overlap": overlap }));
    assert_eq!(response.status, 200, "{}", response.body);
    TestClient {
        id: app.id.clone(),
        secret: Some(field(&response, "client_secret")),
        redirect_uri: app.redirect_uri.clone(),
    }
}

/// Whether the client's secret is accepted: by SQL, which redeems a code, and by the check after it.
#[track_caller]
fn is_accepted(provider: &TestProvider, app: &TestClient) -> bool {
    let code = Browser::new(provider).authorize(app, LOGIN, &[("scope", "openid")]);
    let count = || -> i64 {
        let sql = "SELECT count(*) FROM codes WHERE spent_at IS NOT NULL";
        provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
    };
    let before = count();
    let response = provider.redeem(app, &code);
    let is_redeemed = count() > before;
    assert_eq!(response.status == 200, is_redeemed, "SQL and Rust agree: {}", response.body);
    let secret = app.secret.as_deref().unwrap();
    let pushed = provider.send(post("/auth/par").form(&format!(
        "{}&{}",
        app.authorize_query(&[]),
        encode(&[("client_secret", secret)])
    )));
    assert_eq!(pushed.status == 201, is_redeemed, "{}", pushed.body);
    if !is_redeemed {
        assert_eq!(response.error().as_deref(), Some("invalid_client"));
    }
    is_redeemed
}

#[test]
fn the_old_secret_counts_for_a_day_beside_the_new_one() {
    let (provider, old) = provider();
    let response = replace(&provider, &json!({}));
    assert_eq!(response.json()["previous_secret_ends_at"], NOW + DAY);
    assert_eq!(response.json()["client_secret_expires_at"], 0);
    let secret = Some(field(&response, "client_secret"));
    let new = TestClient { id: old.id.clone(), secret, redirect_uri: old.redirect_uri.clone() };
    assert!(is_accepted(&provider, &old) && is_accepted(&provider, &new));
    let shown = provider.send(get("/admin/clients/app").by_operator()).json();
    assert_eq!(shown["previous_secret_ends_at"], NOW + DAY);
    assert_eq!(shown.get("client_secret"), None);
    // What is shown can be stored again, and changes no secret.
    let response = provider.send(put("/admin/clients/app").by_operator().json(&shown));
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(response.json().get("client_secret"), None);
    provider.sleep(DAY - 1);
    assert!(is_accepted(&provider, &old) && is_accepted(&provider, &new));
    provider.sleep(1);
    assert!(!is_accepted(&provider, &old) && is_accepted(&provider, &new));
    let shown = provider.send(get("/admin/clients/app").by_operator()).json();
    assert_eq!(shown.get("previous_secret_ends_at"), None);
}

#[test]
fn a_second_secret_within_the_overlap_does_not_shorten_the_time_of_the_first() {
    let (provider, first) = provider();
    let second = renewed(&provider, &first, 2 * DAY);
    provider.sleep(DAY);
    let third = renewed(&provider, &first, 3_600);
    let all = |provider: &TestProvider| {
        [&first, &second, &third].map(|client| is_accepted(provider, client))
    };
    assert_eq!(all(&provider), [true, true, true]);
    provider.sleep(3_600);
    assert_eq!(all(&provider), [true, false, true]);
    provider.sleep(DAY - 3_600);
    assert_eq!(all(&provider), [false, false, true]);
}

#[test]
fn an_overlap_of_zero_ends_all_earlier_secrets_at_once() {
    let (provider, first) = provider();
    let second = renewed(&provider, &first, DAY);
    let third = renewed(&provider, &first, 0);
    let accepted = [&first, &second, &third].map(|client| is_accepted(&provider, client));
    assert_eq!(accepted, [false, false, true]);
}

#[test]
fn the_overlap_can_be_ended_early() {
    let (provider, first) = provider();
    let second = renewed(&provider, &first, DAY);
    for _ in 0..2 {
        let end = delete("/admin/clients/app/previous-secrets").by_operator();
        let response = provider.send(end);
        assert_eq!((response.status, &response.json()["client_id"]), (200, &json!("app")));
        assert!(!is_accepted(&provider, &first) && is_accepted(&provider, &second));
    }
    let unknown = delete("/admin/clients/nothing/previous-secrets").by_operator();
    assert_eq!(provider.send(unknown).status, 404);
}

#[test]
fn a_client_has_five_secrets_at_most() {
    let (provider, first) = provider();
    let mut latest = renewed(&provider, &first, DAY);
    for _ in 0..3 {
        latest = renewed(&provider, &first, DAY);
    }
    let response = replace(&provider, &json!({}));
    assert_eq!(response.status, 409);
    assert!(response.body.contains("an overlap of 0"), "{}", response.body);
    assert!(is_accepted(&provider, &first) && is_accepted(&provider, &latest));
    // Those that have ended make room.
    provider.sleep(DAY);
    let next = renewed(&provider, &first, DAY);
    assert!(is_accepted(&provider, &latest) && is_accepted(&provider, &next));
}

#[test]
fn a_lost_response_keeps_the_secret_that_the_client_uses() {
    let (provider, first) = provider();
    provider.platform.lost_responses.set(1);
    let second = renewed(&provider, &first, DAY);
    assert!(is_accepted(&provider, &first) && is_accepted(&provider, &second));
    let previous: i64 = provider
        .platform
        .primary
        .query_row("SELECT json_array_length(previous_secrets) FROM clients", (), |row| row.get(0))
        .unwrap();
    assert_eq!(previous, 1);
    // The whole answer got lost, and the operator tries again.
    provider.platform.lost_responses.set(2);
    assert_eq!(replace(&provider, &json!({})).status, 503);
    let third = renewed(&provider, &first, DAY);
    assert!(is_accepted(&provider, &first) && is_accepted(&provider, &third));
}

#[test]
fn a_client_that_loses_its_secret_loses_all_of_them() {
    let (provider, first) = provider();
    let second = renewed(&provider, &first, DAY);
    provider.put_client_with("app", json!({ "token_endpoint_auth_method": "none" }));
    assert!(!is_accepted(&provider, &first) && !is_accepted(&provider, &second));
    let third = provider.put_client_with("app", json!({}));
    let accepted = [&first, &second, &third].map(|client| is_accepted(&provider, client));
    assert_eq!(accepted, [false, false, true]);
}

#[test]
fn a_new_secret_is_not_returned_by_the_put_that_made_the_old_one() {
    let (provider, first) = provider();
    renewed(&provider, &first, DAY);
    let again = provider.put_app();
    assert_eq!(again.secret, None);
}

#[test]
fn damaged_previous_secrets_count_as_none() {
    for damaged in ["", "{", "7", "[7]", "[{}]", r#"[{"hash":"x","until":"y"}]"#] {
        let (provider, first) = provider();
        let sql = "UPDATE clients SET previous_secrets = ?1";
        provider.platform.primary.execute(sql, [damaged]).unwrap();
        assert!(is_accepted(&provider, &first), "{damaged}");
        let wrong = TestClient { secret: Some("x".into()), ..clone(&first) };
        assert!(!is_accepted(&provider, &wrong), "{damaged}");
        assert_eq!(replace(&provider, &json!({ "overlap": 0 })).status, 200, "{damaged}");
    }
}

fn clone(app: &TestClient) -> TestClient {
    TestClient {
        id: app.id.clone(),
        secret: app.secret.clone(),
        redirect_uri: app.redirect_uri.clone(),
    }
}

#[test]
fn a_new_secret_is_refused_for_a_client_without_one_and_for_wrong_parameters() {
    let (provider, app) = provider();
    for (body, words) in [
        ("", ""),
        ("7", ""),
        (r#"{"overlap":-1}"#, "overlap: must be a whole number of seconds from 0 to"),
        (r#"{"overlap":7776001}"#, "overlap: must be a whole number of seconds from 0 to"),
        (r#"{"overlap":1.5}"#, "overlap"),
        (r#"{"overlap":"1d"}"#, "overlap"),
        (r#"{"overlap":1,"overlap":2}"#, "overlap"),
        (r#"{"overlaps":1}"#, "overlaps"),
        (r#"{"client_secret":"chosen"}"#, "client_secret"),
    ] {
        let request = TestRequest::new("POST", "/admin/clients/app/secret").by_operator();
        let response = provider.send(request.body("application/json", body));
        assert_eq!(response.status, 400, "{body} {}", response.body);
        assert!(response.body.contains(words), "{body} {}", response.body);
    }
    assert!(is_accepted(&provider, &app));
    provider.put_client_with("app", json!({ "token_endpoint_auth_method": "none" }));
    let response = replace(&provider, &json!({}));
    assert_eq!(response.status, 409);
    let words = "the client has no secret, because its token_endpoint_auth_method is none";
    assert!(response.body.contains(words), "{}", response.body);
    let request = post("/admin/clients/nothing/secret").by_operator().json(&json!({}));
    assert_eq!(provider.send(request).status, 404);
}

/// A client that has registered itself: its identifier, its registration access token and its secret.
fn registered(provider: &TestProvider) -> (TestClient, String) {
    let document = json!({ "redirect_uris": ["https://app.example/cb"] });
    let response = provider.send(post("/auth/register").json(&document));
    assert_eq!(response.status, 201, "{}", response.body);
    let document = response.json();
    let text = |name: &str| document[name].as_str().unwrap().to_owned();
    let client = TestClient {
        id: text("client_id"),
        secret: Some(text("client_secret")),
        redirect_uri: "https://app.example/cb".into(),
    };
    (client, text("registration_access_token"))
}

#[test]
fn a_client_that_registered_itself_may_present_its_old_secret_during_the_overlap() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    let (client, token) = registered(&provider);
    let path = format!("/auth/register/{}", client.id);
    let request = post(&format!("/admin/clients/{}/secret", client.id)).by_operator();
    let response = provider.send(request.json(&json!({ "overlap": 3_600 })));
    let new = field(&response, "client_secret");
    let update = |secret: &str| {
        let document = json!({
            "redirect_uris": ["https://app.example/cb"], "client_id": client.id,
            "client_secret": secret,
        });
        let response = provider.send(put(&path).bearer(&token).json(&document));
        assert_eq!(response.json().get("client_secret"), None);
        response.status
    };
    let old = client.secret.clone().unwrap();
    assert_eq!((update(&old), update(&new)), (200, 200));
    provider.sleep(3_600);
    assert_eq!((update(&old), update(&new)), (400, 200));
    // A client that needs no secret any longer has none of both.
    let document = json!({
        "redirect_uris": ["https://app.example/cb"], "client_id": client.id,
        "token_endpoint_auth_method": "none",
    });
    assert_eq!(provider.send(put(&path).bearer(&token).json(&document)).status, 200);
    let secrets = "SELECT count(secret_hash) + count(previous_secrets) FROM clients";
    let secrets: i64 = provider.platform.primary.query_row(secrets, (), |row| row.get(0)).unwrap();
    assert_eq!(secrets, 0);
}

#[test]
fn a_client_whose_registration_token_was_revoked_can_sign_users_in_and_change_nothing() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    let (client, token) = registered(&provider);
    let path = format!("/auth/register/{}", client.id);
    assert_eq!(provider.send(get(&path).bearer(&token)).status, 200);
    let revoke = format!("/admin/clients/{}/registration-token", client.id);
    for lost in [1, 0] {
        provider.platform.lost_responses.set(lost);
        let response = provider.send(delete(&revoke).by_operator());
        let expected = json!({ "client_id": client.id, "registration_token": "revoked" });
        assert_eq!((response.status, response.json()), (200, expected));
    }
    let document = json!({ "redirect_uris": ["https://evil.example/cb"], "client_id": client.id });
    for presented in [token.as_str(), "revoked", "document"] {
        for request in [get(&path), delete(&path), put(&path).json(&document)] {
            assert_eq!(provider.send(request.bearer(presented)).status, 401, "{presented}");
        }
    }
    assert!(is_accepted(&provider, &client));
    // Nobody vouches for it now as before.
    let page = Browser::new(&provider).get(&client.authorize(&[]));
    let (other, _) = registered(&provider);
    let other_page = Browser::new(&provider).get(&other.authorize(&[]));
    assert_eq!(
        page.body.matches("unverified").count(),
        other_page.body.matches("unverified").count()
    );
}

#[test]
fn a_client_of_the_operator_has_no_registration_token_to_revoke() {
    let (provider, app) = provider();
    let revoke = |id: &str| {
        provider.send(delete(&format!("/admin/clients/{id}/registration-token")).by_operator())
    };
    let response = revoke("app");
    assert_eq!(response.status, 409);
    assert!(response.body.contains("did not register itself"), "{}", response.body);
    assert_eq!(revoke("nothing").status, 404);
    assert!(is_accepted(&provider, &app));
}
