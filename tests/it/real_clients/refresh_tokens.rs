//! Refresh tokens of clients that do not know OpenID Connect, and the scope of a refresh.

use super::apis::{CLOSED, OPEN, access, provider, register, tokens};
use crate::browser::{Browser, CALLBACK, TestClient, answer, field, form_to, is_consent};
use crate::test_provider::{TestProvider, TestResponse, get, put};
use serde_json::json;

const LOGIN: &str = "alice@example.com";
const LASTING: &str = "Keep this access while you are not using it";

fn refresh(
    provider: &TestProvider,
    client: &TestClient,
    token: &str,
    more: &[(&str, &str)],
) -> TestResponse {
    let form = [&[("grant_type", "refresh_token"), ("refresh_token", token)], more].concat();
    provider.token(client, &form)
}

#[test]
fn a_request_without_openid_gets_a_refresh_token_if_the_client_has_registered_it() {
    let provider = provider();
    let (registered, _) = register(&provider, &json!({}));
    let (without, _) = register(&provider, &json!({ "grant_types": ["authorization_code"] }));
    let apis = provider.put_client_with("app", json!({ "scope": "mcp:use email" }));
    for (client, scope, resource, is_lasting) in [
        (&registered, "mcp:use", OPEN, true),
        (&registered, "", OPEN, true),
        (&registered, "email", "", true),
        (&apis, "", "", true),
        (&apis, "mcp:use", "", true),
        (&registered, "openid mcp:use", OPEN, false),
        (&registered, "openid", "", false),
        (&registered, "", "", false),
        (&without, "mcp:use", OPEN, false),
        (&without, "mcp:use offline_access", OPEN, false),
    ] {
        let parameters = [("scope", scope), ("resource", resource)];
        let browser = Browser::new(&provider);
        let page = browser.sign_in_on(&browser.get(&client.authorize(&parameters)), LOGIN);
        if is_consent(&page) {
            assert_eq!(page.body.contains(LASTING), is_lasting, "{scope}");
        }
        let response = tokens(&provider, client, &parameters, resource);
        assert_eq!(response.json().get("refresh_token").is_some(), is_lasting, "{scope}");
        // A client that compares the scopes with those that it has requested finds no other.
        let scopes = response.json()["scope"].as_str().unwrap().to_owned();
        assert!(!scopes.contains("offline_access"), "{scopes}");
        if is_lasting {
            let token = field(&response, "refresh_token");
            let again = refresh(&provider, client, &token, &[]);
            assert_eq!(access(&again), access(&response));
            assert_eq!(again.json()["scope"], scopes.as_str());
            assert_eq!(again.json().get("id_token"), None);
        }
    }
}

#[test]
fn the_response_has_the_offline_access_of_a_request_wherever_it_stands() {
    let provider = provider();
    let client = provider
        .put_client_with("app", json!({ "scope": "openid profile email offline_access mcp:use" }));
    for scope in ["offline_access email profile", "email offline_access profile"] {
        let response = tokens(&provider, &client, &[("scope", scope)], "");
        let scopes = response.json()["scope"].as_str().unwrap().to_owned();
        assert_eq!(scopes.split(' ').count(), 3, "{scope}: {scopes}");
        let token = field(&response, "refresh_token");
        let again = refresh(&provider, &client, &token, &[]);
        assert_eq!(again.json()["scope"], scopes.as_str(), "{scope}");
    }
    let all = ("scope", "openid offline_access email profile");
    let mut token = field(&tokens(&provider, &client, &[all], ""), "refresh_token");
    for (requested, expected) in [
        ("offline_access email", "email offline_access"),
        ("email offline_access", "email offline_access"),
        ("offline_access openid", "offline_access openid"),
        ("offline_access", "offline_access"),
    ] {
        let response = refresh(&provider, &client, &token, &[("scope", requested)]);
        assert_eq!(response.json()["scope"], expected, "{requested}");
        token = field(&response, "refresh_token");
    }
    // The same if the registration loses `openid`.
    let fields = json!({ "scope": "profile email offline_access mcp:use" });
    provider.put_client_with("app", fields);
    let response = refresh(&provider, &client, &token, &[]);
    assert_eq!(response.json()["scope"], "email profile offline_access", "{}", response.body);
}

#[test]
fn a_consent_without_lasting_access_does_not_become_one_with_it() {
    let provider = provider();
    let fields = json!({ "scope": "mcp:use", "grant_types": ["authorization_code"] });
    let client = provider.put_client_with("app", fields);
    let browser = Browser::new(&provider);
    browser.authorize(&client, LOGIN, &[("scope", "mcp:use")]);
    let account = browser.get("/auth/account").body;
    assert!(account.contains("mcp:use") && !account.contains(LASTING), "{account}");

    // The client registers refresh tokens later.
    provider.put_client_with("app", json!({ "scope": "mcp:use" }));
    let silent = browser.get(&client.authorize(&[("scope", "mcp:use"), ("prompt", "none")]));
    assert_eq!(answer(&silent, CALLBACK)["error"], "consent_required");
    let page = browser.get(&client.authorize(&[("scope", "mcp:use")]));
    assert!(is_consent(&page) && page.body.contains(LASTING), "{}", page.body);
    browser.agree(page, LOGIN);
    let silent = browser.get(&client.authorize(&[("scope", "mcp:use"), ("prompt", "none")]));
    let code = answer(&silent, CALLBACK)["code"].clone();
    let token = field(&provider.redeem(&client, &code), "refresh_token");
    let account = browser.get("/auth/account");
    assert!(account.body.contains(LASTING), "{}", account.body);

    // Withdrawal ends it, as that of every lasting access.
    let form = form_to(&account, "/auth/account");
    browser.submit_form(&form, &[]);
    let refused = refresh(&provider, &client, &token, &[]);
    assert_eq!(refused.error().as_deref(), Some("invalid_grant"), "{}", refused.body);
}

#[test]
fn a_code_gets_no_refresh_token_that_its_consent_did_not_mention() {
    let provider = provider();
    let fields = json!({ "scope": "mcp:use", "grant_types": ["authorization_code"] });
    let client = provider.put_client_with("app", fields);
    let code = Browser::new(&provider).authorize(&client, LOGIN, &[("scope", "mcp:use")]);
    provider.put_client_with("app", json!({ "scope": "mcp:use" }));
    assert_eq!(provider.redeem(&client, &code).json().get("refresh_token"), None);
}

#[test]
fn a_refresh_with_more_scopes_than_were_granted_has_those_that_were() {
    let provider = provider();
    let client = provider.put_client_with(
        "app",
        json!({ "scope": "openid email offline_access mcp:use mcp:write" }),
    );
    let scope = ("scope", "openid email offline_access mcp:use");
    let mut token = field(&tokens(&provider, &client, &[scope], ""), "refresh_token");
    for (requested, resource, expected) in [
        ("openid email profile offline_access mcp:use", "", "openid email offline_access"),
        ("profile email openid", "", "email openid"),
        ("mcp:use mcp:write orders:read", OPEN, "mcp:use"),
        ("openid unknown openid", "", "openid"),
        (" ", OPEN, "mcp:use"),
    ] {
        let mut more = vec![("scope", requested)];
        more.extend((!resource.is_empty()).then_some(("resource", resource)));
        let response = refresh(&provider, &client, &token, &more);
        assert_eq!(response.status, 200, "{}", response.body);
        assert_eq!(response.json()["scope"], expected, "{requested}");
        assert_eq!(access(&response)[1], expected, "{requested}");
        token = field(&response, "refresh_token");
    }
    for requested in ["profile", "mcp:write orders:read", "unknown", "OPENID"] {
        let response = refresh(&provider, &client, &token, &[("scope", requested)]);
        assert_eq!(response.error().as_deref(), Some("invalid_scope"), "{requested}");
        assert!(response.body.contains("was not granted"), "{}", response.body);
    }
    // Narrowing never widens: the next refresh has what was granted, no more.
    let response = refresh(&provider, &client, &token, &[]);
    assert_eq!(response.json()["scope"], "openid email offline_access");
    let access_token = field(&response, "access_token");
    let userinfo = provider.send(get("/auth/userinfo").bearer(&access_token)).json();
    assert!(userinfo.get("email").is_some() && userinfo.get("name").is_none(), "{userinfo}");
}

#[test]
fn a_machine_that_requests_more_than_it_has_registered_gets_what_it_has() {
    let provider = provider();
    let machine =
        json!({ "grant_types": ["client_credentials"], "scope": "mcp:use orders:read email" });
    let machine = provider.send(put("/admin/clients/m").by_operator().json(&machine));
    let machine = TestClient {
        id: "m".into(),
        secret: Some(field(&machine, "client_secret")),
        redirect_uri: String::new(),
    };
    for (scope, resource, expected) in [
        ("mcp:use mcp:write", "", "mcp:use"),
        ("openid email mcp:use unknown", "", "mcp:use"),
        ("mcp:use orders:read", CLOSED, "orders:read"),
        (" ", OPEN, "mcp:use"),
    ] {
        let form = [("grant_type", "client_credentials"), ("scope", scope), ("resource", resource)];
        let response = provider.token(&machine, &form);
        assert_eq!(response.json()["scope"], expected, "{scope} {}", response.body);
    }
    for scope in ["mcp:write", "openid", "email unknown"] {
        let response =
            provider.token(&machine, &[("grant_type", "client_credentials"), ("scope", scope)]);
        assert_eq!(response.error().as_deref(), Some("invalid_scope"), "{scope}");
    }
}
