//! The APIs that the operator names with an initial access token: its clients may have their scopes.

use crate::browser::{Browser, CALLBACK, TestClient, field, is_consent};
use crate::real_clients::apis::{access, refusal, register, tokens, with_resources};
use crate::test_provider::{TestProvider, TestResponse, get, post, put};
use serde_json::{Value, json};

const OPEN: &str = "https://mcp.example";
const ORDERS: &str = "https://orders.example";
const STOCK: &str = "https://stock.example";

fn apis() -> Value {
    json!({
        OPEN: { "scopes": ["mcp:use"], "open": true },
        ORDERS: { "scopes": ["orders:read", "orders:write"] },
        STOCK: ["stock:read"],
    })
}

fn permission(provider: &TestProvider, fields: &Value) -> TestResponse {
    provider.send(post("/admin/initial-access-tokens").by_operator().json(fields))
}

/// A token for several clients that names the API of orders.
fn token_for_orders(provider: &TestProvider) -> String {
    let response = permission(provider, &json!({ "uses": 9, "resources": [ORDERS] }));
    field(&response, "initial_access_token")
}

fn document(scope: &str) -> Value {
    json!({
        "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none", "scope": scope,
        "grant_types": ["authorization_code", "refresh_token"],
    })
}

/// Registers a client with the token. Returns it, and the response.
fn register_with(provider: &TestProvider, token: &str, document: &Value) -> (TestClient, Value) {
    let response = provider.send(post("/auth/register").bearer(token).json(document));
    assert_eq!(response.status, 201, "{}", response.body);
    let id = response.json()["client_id"].as_str().unwrap().to_owned();
    (TestClient { id, secret: None, redirect_uri: CALLBACK.into() }, response.json())
}

#[test]
fn a_client_gets_the_scopes_that_it_registers_of_an_api_that_its_token_names() {
    let provider = with_resources(&apis());
    let token = token_for_orders(&provider);
    let (client, registered) = register_with(
        &provider,
        &token,
        &document("openid offline_access orders:read stock:read mcp:use"),
    );
    assert_eq!(registered["scope"], "openid offline_access orders:read mcp:use");
    // The operator does not trust it: its user must consent.
    let browser = Browser::new(&provider);
    let page = browser.get(&client.authorize(&[("scope", "openid orders:read")]));
    assert!(is_consent(&browser.sign_in_on(&page, "alice@example.com")));

    let all = [("scope", "openid orders:read orders:write stock:read mcp:use offline_access")];
    let response = tokens(&provider, &client, &all, ORDERS);
    assert_eq!(access(&response)[..2], [ORDERS, "orders:read"]);
    let refresh_token = field(&response, "refresh_token");
    for (resource, scope) in [(ORDERS, "orders:read"), (OPEN, "mcp:use")] {
        let parameters = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &refresh_token),
            ("resource", resource),
        ];
        let response = provider.token(&client, &parameters);
        assert_eq!(access(&response)[..2], [resource, scope], "{}", response.body);
    }
    for (scope, words) in [
        ("orders:write", "has not registered orders:write"),
        ("stock:read", "stock:read is only for clients that the operator has registered"),
    ] {
        let (error, description) = refusal(&provider, &client, &[("scope", scope)]);
        assert_eq!(error, "invalid_scope", "{scope}");
        assert!(description.contains(words), "{description}");
    }
}

#[test]
fn a_token_vouches_for_no_scope_that_the_client_does_not_register() {
    let provider = with_resources(&apis());
    let mut unlimited = document("");
    unlimited.as_object_mut().unwrap().remove("scope");
    let (client, _) = register_with(&provider, &token_for_orders(&provider), &unlimited);
    let (error, description) = refusal(&provider, &client, &[("scope", "orders:read")]);
    assert_eq!(error, "invalid_scope");
    assert!(description.contains("has not registered orders:read"), "{description}");
    // Nobody vouches for a client without a token, or with one that names no API.
    let plain = field(&permission(&provider, &json!({ "uses": 9 })), "initial_access_token");
    for client in [
        register(&provider, &json!({ "scope": "openid orders:read" })),
        register_with(&provider, &plain, &document("openid orders:read")),
    ] {
        let (client, registered) = client;
        assert_eq!(registered["scope"], "openid");
        let (error, _) = refusal(&provider, &client, &[("scope", "orders:read")]);
        assert_eq!(error, "invalid_scope");
    }
}

#[test]
fn an_update_registers_scopes_of_the_named_apis_only() {
    let provider = with_resources(&apis());
    let (client, registered) =
        register_with(&provider, &token_for_orders(&provider), &document("openid orders:read"));
    let path = format!("/auth/register/{}", client.id);
    let own = registered["registration_access_token"].as_str().unwrap().to_owned();
    let update = |scope: &str, fields: &Value| {
        let mut document = document(scope);
        document["client_id"] = json!(client.id);
        document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        provider.send(put(&path).bearer(&own).json(&document)).json()
    };
    // Fields of the database, of the operator's request and of the token change nothing.
    let widening = json!({ "vouched_apis": [STOCK], "resources": [STOCK], "trusted": true, "resource": STOCK });
    let updated = update("openid stock:read orders:write", &widening);
    assert_eq!(updated["scope"], "openid orders:write");
    let (_, description) = refusal(&provider, &client, &[("scope", "stock:read")]);
    assert!(description.contains("only for clients that the operator"), "{description}");
    let scope = [("scope", "orders:write orders:read offline_access")];
    let response = tokens(&provider, &client, &scope, "");
    assert_eq!(access(&response)[..2], [ORDERS, "orders:write"]);

    // A refresh gives what is registered now.
    assert_eq!(update("openid", &json!({}))["scope"], "openid");
    let refresh_token = field(&response, "refresh_token");
    let refused = provider.refresh(&client, &refresh_token);
    assert_eq!(refused.error().as_deref(), Some("invalid_grant"), "{}", refused.body);
    let deleted = provider.send(get(&path).bearer(&own));
    assert_eq!(deleted.json()["scope"], "openid");
}

#[test]
fn a_client_that_the_operator_takes_over_has_the_scopes_that_it_is_given() {
    let provider = with_resources(&apis());
    let token = token_for_orders(&provider);
    let (client, _) = register_with(&provider, &token, &document("openid orders:read"));
    let operators = put(&format!("/admin/clients/{}", client.id)).by_operator();
    assert_eq!(provider.send(operators.json(&document("openid"))).status, 200);
    let vouched = "SELECT count(*) FROM clients WHERE vouched_apis IS NOT NULL";
    let count = || provider.platform.primary.query_row(vouched, (), |row| row.get::<_, i64>(0));
    assert_eq!(count().unwrap(), 0);
    let (_, description) = refusal(&provider, &client, &[("scope", "orders:read")]);
    assert!(description.contains("has not registered orders:read"), "{description}");
}

#[test]
fn a_lost_response_is_repeated_with_the_scopes_of_the_named_api() {
    let provider = with_resources(&apis());
    let response = permission(&provider, &json!({ "resources": [ORDERS] }));
    let token = field(&response, "initial_access_token");
    let (_, first) = register_with(&provider, &token, &document("openid orders:read"));
    let (client, again) = register_with(&provider, &token, &document("openid orders:read"));
    assert_eq!((&first, first["scope"].as_str()), (&again, Some("openid orders:read")));
    tokens(&provider, &client, &[("scope", "orders:read")], "");
}

#[test]
fn an_initial_access_token_names_apis_of_the_operator_only() {
    let provider = with_resources(&apis());
    let named =
        permission(&provider, &json!({ "resources": [format!("{ORDERS}/"), ORDERS, STOCK] }));
    assert_eq!(named.json()["resources"], json!([ORDERS, STOCK]), "{}", named.body);
    assert_eq!(permission(&provider, &json!({ "resources": [] })).json()["resources"], json!([]));
    for (resources, words) in [
        (json!(["https://other.example"]), "resources[0]: must be the URI of an API in RESOURCES"),
        (json!([ORDERS, "orders"]), "resources[1]: must be the URI of an API in RESOURCES"),
        (json!(ORDERS), "resources: must be an array of strings"),
    ] {
        let refused = permission(&provider, &json!({ "resources": resources }));
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(refused.body.contains(words), "{}", refused.body);
    }
}
