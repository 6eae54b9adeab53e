//! Tokens for the operator's own APIs (RFC 8707), for users and for machines.

use crate::browser::{Browser, CALLBACK, TestClient, answer, claims, header, is_consent};
use crate::test_provider::{ISSUER, TestProvider, TestResponse, get, post, put, variables_with};
use serde_json::{Value, json};

const ORDERS: &str = "https://orders.example/api";
const STOCK: &str = "urn:example:stock";
const RESOURCES: &str = r#"{"https://orders.example/api":["orders:read","orders:write"],"urn:example:stock":["stock"]}"#;

const EVERYTHING: &str = "openid profile email offline_access orders:read orders:write stock";

fn provider() -> TestProvider {
    let provider = TestProvider::configured(variables_with("RESOURCES", RESOURCES));
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    provider
}

/// A client that has registered every scope.
fn app(provider: &TestProvider) -> TestClient {
    provider.put_client_with("app", json!({ "scope": EVERYTHING }))
}

/// Runs a flow with these authorization parameters and redeems the code for these resources.
fn redeem(
    provider: &TestProvider,
    client: &TestClient,
    authorize_parameters: &[(&str, &str)],
    resources: &[&str],
) -> TestResponse {
    let browser = Browser::new(provider);
    let response =
        browser.agree(browser.get(&client.authorize(authorize_parameters)), "alice@example.com");
    let code = answer(&response, CALLBACK).remove("code").unwrap();
    let mut parameters = vec![
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", crate::browser::VERIFIER),
    ];
    parameters.extend(resources.iter().map(|uri| ("resource", *uri)));
    provider.token(client, &parameters)
}

/// The audience and the scope of an access token.
#[track_caller]
fn access(response: &TestResponse) -> (String, String) {
    assert_eq!(response.status, 200, "{}", response.body);
    let token = response.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(header(&token)["typ"], "at+jwt");
    let claims = claims(&token);
    assert_eq!((&claims["scope"], &claims["iss"]), (&response.json()["scope"], &json!(ISSUER)));
    (claims["aud"].as_str().unwrap().into(), claims["scope"].as_str().unwrap().into())
}

#[track_caller]
fn assert_refused(response: &TestResponse, error: &str) {
    assert_eq!(
        (response.status, response.error().as_deref()),
        (400, Some(error)),
        "{}",
        response.body
    );
}

#[test]
fn a_token_is_for_the_requested_resource_with_its_scopes_only() {
    let provider = provider();
    let client = app(&provider);
    let scope = ("scope", "openid email orders:read stock offline_access");
    let userinfo = format!("{ISSUER}/auth/userinfo");
    let response = redeem(&provider, &client, &[scope, ("resource", ORDERS)], &[ORDERS]);
    assert_eq!(access(&response), (ORDERS.into(), "orders:read".into()));
    assert!(
        response.json()["id_token"].is_string(),
        "the ID token does not depend on the resource"
    );
    let parameters = [scope, ("prompt", "consent")];
    let response = redeem(&provider, &client, &parameters, &[]);
    assert_eq!(access(&response), (userinfo, "openid email offline_access".into()));

    // One grant covers all resources; each token is for one.
    let refresh_token = response.json()["refresh_token"].as_str().unwrap().to_owned();
    let refresh = |token: &str, more: &[(&str, &str)]| {
        let mut all = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        all.extend(more);
        provider.token(&client, &all)
    };
    let response = refresh(&refresh_token, &[("resource", STOCK)]);
    assert_eq!(access(&response), (STOCK.into(), "stock".into()));
    let next = response.json()["refresh_token"].as_str().unwrap().to_owned();
    for (more, error) in [
        (vec![("resource", ORDERS), ("scope", "stock")], "invalid_target"),
        (vec![("resource", ORDERS), ("resource", STOCK)], "invalid_target"),
        (vec![("resource", "https://evil.example")], "invalid_target"),
        (vec![("resource", ORDERS), ("scope", "orders:write")], "invalid_scope"),
    ] {
        assert_refused(&refresh(&next, &more), error);
    }
    let response = refresh(&next, &[("scope", "orders:read")]);
    assert_eq!(
        access(&response),
        (ORDERS.into(), "orders:read".into()),
        "without openid, the only API of the scope"
    );
    assert!(response.json().get("id_token").is_none());
}

#[test]
fn userinfo_refuses_a_token_for_another_resource() {
    let provider = provider();
    let client = app(&provider);
    let response = redeem(&provider, &client, &[("scope", "openid orders:read")], &[ORDERS]);
    let token = response.json()["access_token"].as_str().unwrap().to_owned();
    let response = provider.send(get("/auth/userinfo").bearer(&token));
    assert_eq!((response.status, response.error().as_deref()), (401, Some("invalid_token")));
    assert!(response.body.contains("aud must be"), "{}", response.body);
}

#[test]
fn a_request_for_resources_gets_no_scopes_of_others() {
    let provider = provider();
    let client = app(&provider);
    let browser = Browser::new(&provider);
    let scope = ("scope", "openid orders:read stock");
    let response = redeem(&provider, &client, &[scope, ("resource", ORDERS)], &[STOCK]);
    assert_refused(&response, "invalid_target");
    let both = format!("{}&resource={STOCK}", client.authorize(&[scope, ("resource", ORDERS)]));
    let page = browser.sign_in_on(&browser.get(&both), "alice@example.com");
    assert!(is_consent(&page));
    for words in ["orders:read", ORDERS, "stock", STOCK] {
        assert!(page.body.contains(words), "{}", page.body);
    }
    for (resource, scope) in [
        ("https://evil.example", "openid orders:read"),
        (ORDERS, "openid"),
        (STOCK, "openid orders:read"),
        ("https://orders.example/api/", "openid orders:read"),
    ] {
        let parameters = [("resource", resource), ("scope", scope)];
        let answer = answer(&browser.get(&client.authorize(&parameters)), CALLBACK);
        assert_eq!(answer["error"], "invalid_target", "{resource} {scope}");
    }
}

#[test]
fn consent_for_one_resource_does_not_cover_another() {
    let provider = provider();
    let client = app(&provider);
    let browser = Browser::new(&provider);
    browser.authorize(&client, "alice@example.com", &[("scope", "openid orders:read")]);
    for (scope, is_silent) in
        [("openid orders:read", true), ("openid orders:write", false), ("openid stock", false)]
    {
        let response = browser.get(&client.authorize(&[("scope", scope), ("prompt", "none")]));
        assert_eq!(answer(&response, CALLBACK).contains_key("code"), is_silent, "{scope}");
    }
}

#[test]
fn without_openid_scopes_of_several_resources_need_a_resource() {
    let provider = provider();
    let client = app(&provider);
    let scope = ("scope", "orders:read stock");
    assert_refused(&redeem(&provider, &client, &[scope], &[]), "invalid_target");
    let response = redeem(&provider, &client, &[scope], &[STOCK]);
    assert_eq!(access(&response), (STOCK.into(), "stock".into()));
    assert_refused(&redeem(&provider, &client, &[scope], &[STOCK, ORDERS]), "invalid_target");
}

#[test]
fn an_unknown_resource_does_not_consume_the_code() {
    let provider = provider();
    let client = app(&provider);
    let parameters = [("scope", "openid orders:read")];
    let code = Browser::new(&provider).authorize(&client, "alice@example.com", &parameters);
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", crate::browser::VERIFIER),
        ("resource", "https://evil.example"),
    ];
    assert_refused(&provider.token(&client, &parameters), "invalid_target");
    assert_eq!(provider.redeem(&client, &code).status, 200);
}

/// A client that uses the client credentials grant.
fn machine(provider: &TestProvider, id: &str, scope: &str) -> TestClient {
    let document = json!({
        "client_name": "A machine", "grant_types": ["client_credentials"], "scope": scope,
    });
    let response =
        provider.send(put(&format!("/admin/clients/{id}")).by_operator().json(&document));
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(
        (&response.json()["response_types"], &response.json()["redirect_uris"]),
        (&json!([]), &json!([]))
    );
    let secret = Some(response.json()["client_secret"].as_str().unwrap().to_owned());
    TestClient { id: id.into(), secret, redirect_uri: String::new() }
}

fn send_request(
    provider: &TestProvider,
    client: &TestClient,
    parameters: &[(&str, &str)],
) -> TestResponse {
    let mut all = vec![("grant_type", "client_credentials")];
    all.extend(parameters);
    provider.token(client, &all)
}

#[test]
fn a_machine_gets_a_token_with_itself_as_subject() {
    let provider = provider();
    let client = machine(&provider, "machine", "orders:read orders:write email");
    let response = send_request(&provider, &client, &[]);
    assert_eq!(access(&response), (ORDERS.into(), "orders:read orders:write".into()));
    let names: Vec<_> = response.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["access_token", "expires_in", "scope", "token_type"]);
    let token = response.json()["access_token"].as_str().unwrap().to_owned();
    let mut claims = claims(&token);
    assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
    claims.as_object_mut().unwrap().remove("jti");
    let now = provider.now.get();
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "aud": ORDERS, "client_id": "machine", "sub": "machine",
            "iat": now, "exp": now + 600, "scope": "orders:read orders:write",
        })
    );
    let response = provider.send(get("/auth/userinfo").bearer(&token));
    assert_eq!((response.status, response.error().as_deref()), (401, Some("invalid_token")));
}

#[test]
fn a_machine_gets_its_registered_scopes_for_one_resource() {
    let provider = provider();
    let client = machine(&provider, "machine", "orders:read stock email offline_access openid");
    for (parameters, aud, scope) in [
        (vec![("resource", ORDERS)], ORDERS, "orders:read"),
        (vec![("resource", STOCK)], STOCK, "stock"),
        (vec![("scope", "stock")], STOCK, "stock"),
        (vec![("scope", "stock"), ("resource", STOCK)], STOCK, "stock"),
        (vec![("scope", "orders:read stock"), ("resource", STOCK)], STOCK, "stock"),
    ] {
        assert_eq!(
            access(&send_request(&provider, &client, &parameters)),
            (aud.into(), scope.into())
        );
    }
    for (parameters, error) in [
        (vec![], "invalid_target"),
        (vec![("scope", "orders:read stock")], "invalid_target"),
        (vec![("scope", "orders:read"), ("resource", STOCK)], "invalid_target"),
        (vec![("resource", "https://evil.example")], "invalid_target"),
        (vec![("resource", ORDERS), ("resource", ORDERS)], "invalid_target"),
        (vec![("scope", "orders:write")], "invalid_scope"),
        (vec![("scope", "orders:write"), ("resource", ORDERS)], "invalid_scope"),
        (vec![("scope", "openid")], "invalid_scope"),
        (vec![("scope", "offline_access")], "invalid_scope"),
        (vec![("scope", "email")], "invalid_scope"),
        (vec![("scope", "orders:read  stock")], "invalid_target"),
    ] {
        let response = send_request(&provider, &client, &parameters);
        assert_eq!(response.error().as_deref(), Some(error), "{parameters:?} {}", response.body);
    }
}

#[test]
fn only_the_operator_registers_client_credentials() {
    let provider = provider();
    assert_refused(&send_request(&provider, &app(&provider), &[]), "unauthorized_client");
    let token = {
        let order = json!({ "uses": 9, "ttl": 60 });
        let response =
            provider.send(post("/admin/initial-access-tokens").by_operator().json(&order));
        response.json()["initial_access_token"].as_str().unwrap().to_owned()
    };
    let register = |grant_types: Value| {
        let document =
            json!({ "redirect_uris": [CALLBACK], "grant_types": grant_types, "scope": "openid" });
        provider.send(post("/auth/register").bearer(&token).json(&document))
    };
    let response = register(json!(["client_credentials"]));
    assert_refused(&response, "invalid_client_metadata");
    assert!(response.body.contains("grant_types"), "{}", response.body);
    let response = register(json!(["authorization_code", "client_credentials"]));
    assert_eq!(response.json()["grant_types"], json!(["authorization_code"]));
    for (fields, words) in [
        (json!({}), "scope"),
        (
            json!({ "scope": "stock", "token_endpoint_auth_method": "none" }),
            "token_endpoint_auth_method",
        ),
        (json!({ "scope": "stock", "redirect_uris": ["http://app.example"] }), "redirect_uris"),
    ] {
        let mut document = json!({ "grant_types": ["client_credentials"] });
        document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let response = provider.send(put("/admin/clients/m").by_operator().json(&document));
        assert!(
            response.status == 400 && response.body.contains(words),
            "{fields} {}",
            response.body
        );
    }
    // A shown document can be put again.
    machine(&provider, "m", "stock");
    provider.sleep(600);
    let shown = provider.send(get("/admin/clients/m").by_operator()).json();
    let response = provider.send(put("/admin/clients/m").by_operator().json(&shown));
    assert_eq!((response.status, response.json()), (200, shown));
}

#[test]
fn a_machine_cannot_use_the_authorization_endpoint() {
    let provider = provider();
    machine(&provider, "machine", "stock");
    let target = "/auth/authorize?client_id=machine&response_type=code&scope=stock&redirect_uri=";
    for uri in ["", "https://app.example/cb", "https%3A%2F%2Fapp.example%2Fcb"] {
        let response = provider.send(get(&format!("{target}{uri}")));
        assert_eq!((response.status, response.header("location")), (400, None));
    }
}

/// A user of an earlier version, which let a user have the name of a client.
#[test]
fn a_machine_with_the_id_of_a_user_gets_no_token() {
    let provider = provider();
    let client = machine(&provider, "machine", "stock");
    provider.put_user("other");
    let rename = "UPDATE users SET sub = 'machine' WHERE sub = 'other'";
    provider.platform.primary.execute(rename, ()).unwrap();
    assert_refused(&send_request(&provider, &client, &[]), "unauthorized_client");
    provider.send(crate::test_provider::delete("/admin/users/machine").by_operator());
    assert_refused(&send_request(&provider, &client, &[]), "unauthorized_client");
}

#[test]
fn without_resources_there_is_no_client_credentials_grant() {
    let provider = TestProvider::with_keys();
    let metadata = |provider: &TestProvider| -> Value {
        provider.send(get("/.well-known/openid-configuration")).json()
    };
    assert!(
        !metadata(&provider)["grant_types_supported"].to_string().contains("client_credentials")
    );
    let client = machine(&provider, "machine", "stock");
    assert_refused(&send_request(&provider, &client, &[]), "unsupported_grant_type");
    let provider = self::provider();
    assert!(
        metadata(&provider)["grant_types_supported"].to_string().contains("client_credentials")
    );
    assert!(metadata(&provider)["scopes_supported"].to_string().contains("orders:write"));
}

#[test]
fn a_client_gets_no_api_scope_without_registering_it() {
    let provider = provider();
    let client = provider.put_client_with("app", json!({ "trusted": true }));
    let browser = Browser::new(&provider);
    browser.authorize(&client, "alice@example.com", &[]);
    let send_request = |scope| {
        let parameters = [("scope", scope), ("prompt", "none")];
        answer(&browser.get(&client.authorize(&parameters)), CALLBACK)
    };
    assert_eq!(send_request("orders:write")["error"], "invalid_scope");
    let code = send_request("openid orders:write")["code"].clone();
    assert_eq!(provider.redeem(&client, &code).json()["scope"], "openid");
}

#[test]
fn a_scope_removed_from_a_client_is_removed_from_its_tokens() {
    let provider = provider();
    let client = app(&provider);
    let scope = ("scope", "openid orders:read orders:write offline_access");
    let response = redeem(&provider, &client, &[scope, ("prompt", "consent")], &[ORDERS]);
    let token = response.json()["refresh_token"].as_str().unwrap().to_owned();
    provider.put_client_with("app", json!({ "scope": "openid orders:read offline_access" }));
    let refresh = |token: &str, more: &[(&str, &str)]| {
        let mut all = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        all.extend(more);
        provider.token(&client, &all)
    };
    assert_refused(&refresh(&token, &[("scope", "orders:write")]), "invalid_scope");
    let response = refresh(&token, &[("resource", ORDERS)]);
    assert_eq!(access(&response), (ORDERS.into(), "orders:read".into()));
    let token = response.json()["refresh_token"].as_str().unwrap().to_owned();
    provider.put_client_with("app", json!({ "scope": "openid offline_access" }));
    assert_refused(&refresh(&token, &[("resource", ORDERS)]), "invalid_target");
    assert_eq!(refresh(&token, &[]).json()["scope"], "openid offline_access");
}
