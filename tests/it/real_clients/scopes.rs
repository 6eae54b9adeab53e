//! The scope of requests that have none, and the spelling of `resource`.

use super::apis::{CLOSED, OPEN, access, provider, refusal, register, tokens, with_resources};
use crate::browser::{Browser, CALLBACK, TestClient, answer, encode, field, is_consent};
use crate::test_provider::{TestProvider, post, put};
use serde_json::json;

const LOGIN: &str = "alice@example.com";

/// The scopes that a request is granted, as the database has them, sorted.
fn granted(provider: &TestProvider, client: &TestClient, parameters: &[(&str, &str)]) -> String {
    provider.sleep(1);
    Browser::new(provider).authorize(client, LOGIN, parameters);
    let newest = "SELECT scope FROM grants ORDER BY created_at DESC LIMIT 1";
    let scope: String = provider.platform.primary.query_row(newest, [], |row| row.get(0)).unwrap();
    let mut scopes: Vec<_> = scope.split(' ').collect();
    scopes.sort_unstable();
    scopes.join(" ")
}

#[test]
fn a_request_without_scope_is_granted_what_the_client_has_registered() {
    let provider = provider();
    for (registered, resource, expected) in [
        (json!({ "scope": "openid email" }), "", "email openid"),
        (json!({ "scope": "openid email offline_access" }), "", "email offline_access openid"),
        (json!({ "scope": "openid mcp:use orders:read" }), "", "mcp:use openid orders:read"),
        (json!({ "scope": "openid mcp:use orders:read" }), OPEN, "mcp:use openid"),
        (json!({ "scope": "openid email orders:read" }), CLOSED, "email openid orders:read"),
        (json!({ "scope": "orders:read mcp:use" }), CLOSED, "offline_access orders:read"),
        (json!({}), "", "openid"),
        (json!({}), OPEN, "mcp:use mcp:write offline_access"),
        (json!({ "grant_types": ["authorization_code"] }), OPEN, "mcp:use mcp:write"),
        (
            json!({ "grant_types": ["authorization_code"], "scope": "openid offline_access" }),
            "",
            "openid",
        ),
    ] {
        let client = provider.put_client_with("app", registered.clone());
        // A blank scope is none, as an empty one is (RFC 6749 section 3.1).
        for scope in ["", " ", "   "] {
            let parameters = [("scope", scope), ("resource", resource)];
            assert_eq!(
                granted(&provider, &client, &parameters),
                expected,
                "{registered} {resource}"
            );
        }
    }
}

#[test]
fn a_client_that_registered_itself_gets_the_open_api_that_it_names() {
    let provider = provider();
    for (fields, resource, expected) in [
        (json!({}), OPEN, "mcp:use mcp:write offline_access"),
        (json!({ "scope": "mcp:use" }), OPEN, "mcp:use offline_access"),
        // Many programs register these scopes by default.
        (json!({ "scope": "openid email" }), OPEN, "email mcp:use mcp:write openid"),
        (json!({}), "", "openid"),
        (json!({ "scope": "email" }), "", "email offline_access"),
    ] {
        let (client, _) = register(&provider, &fields);
        let parameters = [("scope", ""), ("resource", resource)];
        assert_eq!(granted(&provider, &client, &parameters), expected, "{fields} {resource}");
    }
}

#[test]
fn a_default_without_a_scope_of_the_named_resource_is_refused() {
    let provider = provider();
    let only = provider.put_client_with("app", json!({ "scope": "mcp:use" }));
    let others = provider.put_client_with("others", json!({ "scope": "openid mcp:use" }));
    let none = provider.put_client_with("none", json!({}));
    let (own, _) = register(&provider, &json!({}));
    for (client, error, words) in [
        (&only, "invalid_scope", "has not registered orders:read"),
        (&others, "invalid_target", "has not registered orders:read"),
        (&none, "invalid_scope", "has not registered orders:read"),
        (&own, "invalid_scope", "orders:read is only for clients that the operator"),
    ] {
        let (code, description) =
            refusal(&provider, client, &[("scope", ""), ("resource", CLOSED)]);
        assert_eq!(code, error, "{description}");
        assert!(description.contains(words), "{description}");
    }
}

#[test]
fn the_default_is_shown_and_is_the_scope_of_the_response() {
    let provider = provider();
    let client = provider.put_client_with("app", json!({ "scope": "openid email mcp:use" }));
    let browser = Browser::new(&provider);
    let target = client.authorize(&[("scope", "")]);
    let page = browser.sign_in_on(&browser.get(&target), LOGIN);
    assert!(page.body.contains("Your e-mail address") && page.body.contains("mcp:use"));
    let code = answer(&browser.agree(page, LOGIN), CALLBACK).remove("code").unwrap();
    assert_eq!(provider.redeem(&client, &code).json()["scope"], "openid email");
    // The same request with its scopes spelled out is covered by this consent.
    let parameters = [("scope", "openid mcp:use email"), ("prompt", "none")];
    assert!(answer(&browser.get(&client.authorize(&parameters)), CALLBACK).contains_key("code"));
}

#[test]
fn a_pushed_request_without_scope_has_the_same_default() {
    let provider = provider();
    let client = provider.put_client_with("app", json!({ "scope": "openid mcp:use" }));
    let secret = encode(&[("client_secret", client.secret.as_deref().unwrap())]);
    for (scope, resource) in [("", OPEN), (" ", "https://mcp.example/"), ("", "")] {
        let query = client.authorize_query(&[("scope", scope), ("resource", resource)]);
        let pushed = provider.send(post("/auth/par").form(&format!("{query}&{secret}")));
        let target = encode(&[
            ("client_id", "app"),
            ("request_uri", pushed.json()["request_uri"].as_str().unwrap()),
        ]);
        let browser = Browser::new(&provider);
        let page = browser.follow(browser.get(&format!("/auth/authorize?{target}")));
        let page = browser.sign_in_on(&page, LOGIN);
        assert!(!is_consent(&page) || page.body.contains("mcp:use"), "{}", page.body);
        assert!(answer(&browser.agree(page, LOGIN), CALLBACK).contains_key("code"));
    }
    let query = client.authorize_query(&[("resource", "https://mcp.example/x")]);
    let pushed = provider.send(post("/auth/par").form(&format!("{query}&{secret}")));
    assert_eq!(pushed.error().as_deref(), Some("invalid_target"), "{}", pushed.body);
}

#[test]
fn a_resource_with_an_empty_path_is_the_one_with_a_slash() {
    let (bare, slash) = ("https://bare.example", "http://slash.example:8080/");
    let urn = "urn:example:x";
    let provider = with_resources(&json!({
        bare: { "scopes": ["bare"], "open": true },
        slash: { "scopes": ["slash"], "open": true },
        urn: { "scopes": ["urn"], "open": true },
    }));
    let (client, _) = register(&provider, &json!({}));
    let machine = json!({ "grant_types": ["client_credentials"], "scope": "bare slash urn" });
    let machine = provider.send(put("/admin/clients/m").by_operator().json(&machine));
    let machine = TestClient {
        id: "m".into(),
        secret: Some(field(&machine, "client_secret")),
        redirect_uri: String::new(),
    };
    for (aud, other) in [(bare, "https://bare.example/"), (slash, "http://slash.example:8080")] {
        for (asked, redeemed) in [(aud, other), (other, aud), (other, other)] {
            let parameters = [("scope", ""), ("resource", asked)];
            let response = tokens(&provider, &client, &parameters, redeemed);
            assert_eq!(access(&response)[0], aud, "the audience has the operator's spelling");
            let refresh = field(&response, "refresh_token");
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", &*refresh),
                ("resource", redeemed),
            ];
            assert_eq!(access(&provider.token(&client, &form))[0], aud);
            let form = [("grant_type", "client_credentials"), ("resource", asked)];
            assert_eq!(access(&provider.token(&machine, &form))[0], aud);
        }
    }
    for unknown in [
        "https://bare.example//",
        "https://bare.example/.",
        "https://bare.example/?",
        "https://BARE.example",
        "https://bare.example:443",
        "http://bare.example",
        "https://bare.example.evil.example/",
        "http://slash.example",
        "urn:example:x/",
        "urn:example:X",
    ] {
        let parameters = [("scope", "openid bare"), ("resource", unknown)];
        assert_eq!(refusal(&provider, &client, &parameters).0, "invalid_target", "{unknown}");
        let form = [("grant_type", "client_credentials"), ("resource", unknown)];
        let response = provider.token(&machine, &form);
        assert_eq!(response.error().as_deref(), Some("invalid_target"), "{unknown}");
    }
}

#[test]
fn an_unknown_resource_is_named_before_an_error_in_the_scope() {
    let provider = provider();
    let (client, _) = register(&provider, &json!({ "scope": "openid" }));
    for scope in ["orders:read", "unknown", "", "openid", "a\"b"] {
        for resource in ["https://unknown.example", "https://mcp.example/x", "mcp"] {
            let parameters = [("scope", scope), ("resource", resource)];
            let (error, description) = refusal(&provider, &client, &parameters);
            assert_eq!(error, "invalid_target", "{scope}");
            assert!(description.contains("is not a resource of this provider"), "{description}");
        }
    }
}
