//! Clients that concatenate scopes send runs of spaces, and spaces at an end.

use crate::browser::{Browser, CALLBACK, TestClient, answer, encode, field};
use crate::test_provider::{TestProvider, get, post, put, variables_with};
use serde_json::json;

const SPACED: &str = " openid   email openid offline_access ";
const SCOPE: &str = "openid email offline_access";

#[test]
fn an_authorization_request_is_granted_its_scopes_with_single_spaces() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    let browser = Browser::new(&provider);
    let code = browser.authorize(&app, "alice@example.com", &[("scope", SPACED)]);
    assert_eq!(provider.redeem(&app, &code).json()["scope"], SCOPE);
    for table in ["grants", "consents"] {
        let stored: String = provider
            .platform
            .primary
            .query_row(&format!("SELECT scope FROM {table}"), [], |row| row.get(0))
            .unwrap();
        assert_eq!(stored, SCOPE, "{table}");
    }
    // A consent covers the same scopes, however they are spaced.
    let parameters = [("scope", "email  openid"), ("prompt", "none")];
    assert!(answer(&browser.get(&app.authorize(&parameters)), CALLBACK).contains_key("code"));
}

#[test]
fn a_pushed_request_is_granted_its_scopes_with_single_spaces() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    let secret = encode(&[("client_secret", app.secret.as_deref().unwrap())]);
    let push = |scope| {
        let query = app.authorize_query(&[("scope", scope)]);
        provider.send(post("/auth/par").form(&format!("{query}&{secret}")))
    };
    for scope in ["openid\temail", "openid\nemail", "openid\u{a0}email"] {
        assert_eq!(push(scope).error().as_deref(), Some("invalid_scope"), "{scope:?}");
    }
    let uri = push(SPACED).json()["request_uri"].as_str().unwrap().to_owned();
    let browser = Browser::new(&provider);
    let target = encode(&[("client_id", &app.id), ("request_uri", &uri)]);
    let page = browser.follow(browser.get(&format!("/auth/authorize?{target}")));
    let parameters = answer(&browser.agree(page, "alice@example.com"), CALLBACK);
    assert_eq!(provider.redeem(&app, &parameters["code"]).json()["scope"], SCOPE);
}

#[test]
fn a_refresh_is_answered_with_single_spaces() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    let code = Browser::new(&provider).authorize(&app, "alice@example.com", &[("scope", SCOPE)]);
    let token = field(&provider.redeem(&app, &code), "refresh_token");
    let parameters = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &token),
        ("scope", " email  openid email"),
    ];
    assert_eq!(provider.token(&app, &parameters).json()["scope"], "email openid");
}

#[test]
fn a_machine_is_answered_with_single_spaces() {
    let resources = r#"{"https://api.example.com":["read","write"]}"#;
    let provider = TestProvider::configured(variables_with("RESOURCES", resources));
    provider.send(get("/auth/jwks.json"));
    let document = json!({
        "client_name": "A machine", "grant_types": ["client_credentials"], "scope": " read  write",
    });
    let response = provider.send(put("/admin/clients/app").by_operator().json(&document));
    assert_eq!(response.json()["scope"], "read write", "{}", response.body);
    let app = TestClient {
        id: "app".into(),
        secret: Some(field(&response, "client_secret")),
        redirect_uri: String::new(),
    };
    let parameters = [("grant_type", "client_credentials"), ("scope", "write  read write ")];
    assert_eq!(provider.token(&app, &parameters).json()["scope"], "write read");
}

#[test]
fn a_registration_stores_its_scopes_with_single_spaces() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    for (scope, registered) in
        [("openid ", "openid"), (" openid", "openid"), ("openid  email openid", "openid email")]
    {
        let metadata = json!({ "redirect_uris": [CALLBACK], "scope": scope });
        let response = provider.send(post("/auth/register").json(&metadata));
        assert_eq!(response.json()["scope"], registered, "{scope:?}: {}", response.body);
    }
}
