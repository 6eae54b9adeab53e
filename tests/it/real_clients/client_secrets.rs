//! `client_secret_expires_at` of clients that register themselves.

use super::registration::{document, open, register};
use crate::browser::{Browser, CALLBACK, TestClient};
use crate::test_provider::{ISSUER, NOW, TestProvider, get, post, put};
use serde_json::json;

const DAY: i64 = 86_400;

#[test]
fn client_secret_expires_at_is_when_the_unused_client_is_forgotten() {
    let provider = open();
    provider.put_alice_with_password();
    let registered = register(&provider, &json!({})).json();
    assert_eq!(registered["client_secret_expires_at"], NOW + DAY);
    let path =
        registered["registration_client_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap();
    let token = registered["registration_access_token"].as_str().unwrap();
    let read = || provider.send(get(path).bearer(token)).json();
    let replace = |method: &str| {
        let fields = json!({
            "client_id": registered["client_id"], "token_endpoint_auth_method": method,
        });
        provider.send(put(path).bearer(token).json(&document(&fields))).json()
    };
    provider.sleep(100);
    assert_eq!(read()["client_secret_expires_at"], NOW + DAY, "an update does not postpone it");
    assert_eq!(replace("client_secret_post")["client_secret_expires_at"], NOW + DAY);
    assert!(replace("none").get("client_secret_expires_at").is_none(), "no secret");
    let renewed = replace("client_secret_basic");
    assert_eq!(renewed["client_secret_expires_at"], NOW + DAY);

    let client = TestClient {
        id: registered["client_id"].as_str().unwrap().into(),
        secret: Some(renewed["client_secret"].as_str().unwrap().into()),
        redirect_uri: CALLBACK.into(),
    };
    let code = Browser::new(&provider).authorize(&client, "alice@example.com", &[]);
    assert_eq!(provider.redeem(&client, &code).status, 200);
    assert_eq!(read()["client_secret_expires_at"], 0, "a user has signed in");
    assert_eq!(replace("client_secret_post")["client_secret_expires_at"], 0);
    provider.sleep(2 * DAY);
    assert_eq!(read()["client_secret_expires_at"], 0);
}

#[test]
fn client_secret_expires_at_of_a_client_that_stays_is_zero() {
    let provider = TestProvider::new();
    let order = json!({ "uses": 1, "ttl": 60 });
    let response = provider.send(post("/admin/initial-access-tokens").by_operator().json(&order));
    let token = response.json()["initial_access_token"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let request = post("/auth/register").bearer(&token).json(&document(&json!({})));
        assert_eq!(provider.send(request).json()["client_secret_expires_at"], 0);
    }
    let created = provider.send(post("/admin/clients").by_operator().json(&document(&json!({}))));
    assert_eq!(created.json()["client_secret_expires_at"], 0);
    let public = json!({ "token_endpoint_auth_method": "none" });
    assert!(register(&open(), &public).json().get("client_secret_expires_at").is_none());
}
