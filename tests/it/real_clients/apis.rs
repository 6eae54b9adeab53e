//! The operator's APIs: who may have their scopes, and what their tokens are.

use crate::browser::{
    Browser, CALLBACK, TestClient, VERIFIER, answer, claims, field, header, is_consent, offered,
};
use crate::test_provider::{
    ISSUER, TestProvider, TestRequest, TestResponse, get, post, put, variables,
};
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";
pub const OPEN: &str = "https://mcp.example";
pub const CLOSED: &str = "https://orders.example/api";

/// A provider with an open API and a closed one, at which everybody may register.
pub fn provider() -> TestProvider {
    with_resources(&json!({
        OPEN: { "scopes": ["mcp:use", "mcp:write"], "open": true },
        CLOSED: { "scopes": ["orders:read"] },
    }))
}

pub fn with_resources(resources: &Value) -> TestProvider {
    let provider = TestProvider::configured(configuration(resources));
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    provider
}

fn configuration(resources: &Value) -> Vec<(&'static str, String)> {
    let mut variables = variables();
    variables.push(("REGISTRATION", "open".into()));
    variables.push(("RESOURCES", resources.to_string()));
    variables
}

/// Registers a public client by its own request, as MCP clients do. `fields` replace the defaults.
pub fn register(provider: &TestProvider, fields: &Value) -> (TestClient, Value) {
    register_by(provider, post("/auth/register"), fields)
}

fn register_by(
    provider: &TestProvider,
    request: TestRequest,
    fields: &Value,
) -> (TestClient, Value) {
    let mut document = json!({
        "client_name": "A program", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let response = provider.send(request.json(&document));
    assert_eq!(response.status, 201, "{}", response.body);
    let registered = response.json();
    let id = registered["client_id"].as_str().unwrap().to_owned();
    (TestClient { id, secret: None, redirect_uri: CALLBACK.into() }, registered)
}

/// Runs an authorization request and redeems its code, for `resource` if it is not empty.
pub fn tokens(
    provider: &TestProvider,
    client: &TestClient,
    parameters: &[(&str, &str)],
    resource: &str,
) -> TestResponse {
    let code = Browser::new(provider).authorize(client, LOGIN, parameters);
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    form.extend((!resource.is_empty()).then_some(("resource", resource)));
    let response = provider.token(client, &form);
    assert_eq!(response.status, 200, "{}", response.body);
    response
}

/// The error that an authorization request gets, with its description.
pub fn refusal(
    provider: &TestProvider,
    client: &TestClient,
    parameters: &[(&str, &str)],
) -> (String, String) {
    let response = Browser::new(provider).get(&client.authorize(parameters));
    let mut answer = match response.header("location") {
        Some(_) => answer(&response, CALLBACK),
        None => offered(&response, CALLBACK),
    };
    (answer.remove("error").unwrap(), answer.remove("error_description").unwrap())
}

#[track_caller]
fn assert_refused(response: &TestResponse, error: &str, words: &str) {
    assert_eq!(response.error().as_deref(), Some(error), "{}", response.body);
    assert!(response.body.contains(words), "{}", response.body);
}

/// The token's audience, scope, algorithm and type.
pub fn access(response: &TestResponse) -> [String; 4] {
    let token = field(response, "access_token");
    let (header, claims) = (header(&token), claims(&token));
    [&claims["aud"], &claims["scope"], &header["alg"], &header["typ"]]
        .map(|value| value.as_str().unwrap().to_owned())
}

#[test]
fn a_client_that_registered_itself_gets_the_scopes_of_an_open_api() {
    let provider = provider();
    let token = provider.send(
        post("/admin/initial-access-tokens").by_operator().json(&json!({ "uses": 9, "ttl": 60 })),
    );
    let token = field(&token, "initial_access_token");
    for fields in [
        json!({}),
        json!({ "scope": "mcp:use" }),
        // A scope of the 403 response that is wider than the registered one, as in a step-up.
        json!({ "scope": "openid" }),
    ] {
        for client in [
            register(&provider, &fields).0,
            register_by(&provider, post("/auth/register").bearer(&token), &fields).0,
        ] {
            let parameters = [("scope", "mcp:use mcp:write"), ("resource", OPEN)];
            let page = Browser::new(&provider);
            let page = page.sign_in_on(&page.get(&client.authorize(&parameters)), LOGIN);
            assert!(is_consent(&page) && page.body.contains("mcp:write"), "{}", page.body);
            let response = tokens(&provider, &client, &parameters, OPEN);
            assert_eq!(response.json()["scope"], "mcp:use mcp:write");
            assert_eq!(access(&response), [OPEN, "mcp:use mcp:write", "ES256", "at+jwt"]);
        }
    }
}

#[test]
fn a_client_that_registered_itself_gets_no_scope_of_a_closed_api_even_if_it_registered_it() {
    let provider = provider();
    let (client, registered) =
        register(&provider, &json!({ "scope": "openid mcp:use orders:read" }));
    assert_eq!(registered["scope"], "openid mcp:use", "the answer states what is in force");
    // A client of an earlier version has registered the scope.
    let stored =
        "UPDATE clients SET metadata = json_set(metadata, '$.scope', 'openid orders:read')";
    provider.platform.primary.execute(stored, ()).unwrap();
    let (unlimited, _) = register(&provider, &json!({}));
    for client in [&client, &unlimited] {
        let only = [("scope", "orders:read")];
        let (error, description) = refusal(&provider, client, &only);
        assert_eq!(error, "invalid_scope");
        assert!(description.contains("only for clients that the operator"), "{description}");
        for scope in ["openid orders:read", ""] {
            let named = [("scope", scope), ("resource", CLOSED)];
            let (error, description) = refusal(&provider, client, &named);
            let expected = if scope.is_empty() { "invalid_scope" } else { "invalid_target" };
            assert!(description.contains("only for clients that the operator"), "{description}");
            if client.id == unlimited.id {
                assert_eq!(error, expected, "{scope}");
            }
        }
        let parameters = [("scope", "openid mcp:use orders:read")];
        let response = tokens(&provider, client, &parameters, OPEN);
        assert_eq!(access(&response)[1], "mcp:use");
    }
}

#[test]
fn a_client_of_the_operator_has_its_registered_scopes_and_without_any_those_of_open_apis() {
    let provider = provider();
    let none = provider.put_client_with("none", json!({}));
    let named = provider.put_client_with("named", json!({ "scope": "openid orders:read" }));
    let all = [("scope", "openid mcp:use orders:read")];
    assert_eq!(access(&tokens(&provider, &none, &all, OPEN))[1], "mcp:use");
    assert_eq!(access(&tokens(&provider, &named, &all, CLOSED))[1], "orders:read");
    for (client, resource) in [(&none, CLOSED), (&named, OPEN)] {
        let parameters = [all[0], ("resource", resource)];
        let (error, description) = refusal(&provider, client, &parameters);
        assert_eq!(error, "invalid_target");
        assert!(description.contains("has not registered"), "{description}");
    }
}

#[test]
fn a_client_that_the_operator_stores_again_is_the_operators() {
    let provider = provider();
    let (client, _) = register(&provider, &json!({}));
    let path = format!("/admin/clients/{}", client.id);
    let mut document = provider.send(get(&path).by_operator()).json();
    document["scope"] = "openid orders:read".into();
    assert_eq!(provider.send(put(&path).by_operator().json(&document)).status, 200);
    let parameters = [("scope", "orders:read mcp:use")];
    assert_eq!(access(&tokens(&provider, &client, &parameters, CLOSED))[1], "orders:read");
}

#[test]
fn closing_or_removing_an_api_ends_its_refresh_tokens() {
    for after in [
        json!({ OPEN: { "scopes": ["mcp:use"] } }),
        json!({ OPEN: ["mcp:use"] }),
        json!({ CLOSED: ["orders:read"] }),
        json!({}),
    ] {
        let provider = provider();
        let (client, _) = register(&provider, &json!({}));
        let refresh = |token: &str, resource: &str| {
            let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
            form.extend((!resource.is_empty()).then_some(("resource", resource)));
            provider.token(&client, &form)
        };
        let first = tokens(&provider, &client, &[("scope", "mcp:use")], OPEN);
        let both = [("scope", "openid mcp:use offline_access")];
        let second = tokens(&provider, &client, &both, OPEN);
        let parameters = [("scope", "mcp:use")];
        let code = Browser::new(&provider).authorize(&client, LOGIN, &parameters);
        provider.deploy(configuration(&after));
        for resource in ["", OPEN] {
            let response = refresh(&field(&first, "refresh_token"), resource);
            assert_eq!(response.status, 400, "{}", response.body);
        }
        assert_refused(&provider.redeem(&client, &code), "invalid_grant", "no longer");
        let response = refresh(&field(&second, "refresh_token"), OPEN);
        assert_refused(&response, "invalid_target", "resource: ");
        let response = refresh(&field(&second, "refresh_token"), "");
        assert_eq!(response.json()["scope"], "openid offline_access");
    }
}

#[test]
fn the_tokens_of_an_api_are_signed_as_its_entry_says() {
    let (rsa, jwt) = ("https://rsa.example", "urn:example:jwt");
    let provider = with_resources(&json!({
        OPEN: { "scopes": ["mcp:use"], "open": true },
        rsa: { "scopes": ["rsa"], "open": true, "alg": "RS256", "typ": "JWT" },
        jwt: { "scopes": ["jwt"], "open": true, "typ": "JWT" },
    }));
    let (client, _) = register(&provider, &json!({}));
    let userinfo = format!("{ISSUER}/auth/userinfo");
    let parameters = [("scope", "openid offline_access mcp:use rsa jwt")];
    let response = tokens(&provider, &client, &parameters, "");
    assert_eq!(access(&response), [&*userinfo, "openid offline_access", "ES256", "at+jwt"]);
    let mut refresh_token = field(&response, "refresh_token");
    for (resource, scope, alg, typ) in [
        (rsa, "rsa", "RS256", "JWT"),
        (jwt, "jwt", "ES256", "JWT"),
        (OPEN, "mcp:use", "ES256", "at+jwt"),
    ] {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &*refresh_token),
            ("resource", resource),
        ];
        let response = provider.token(&client, &form);
        assert_eq!(access(&response), [resource, scope, alg, typ]);
        refresh_token = field(&response, "refresh_token");
        let token = field(&response, "access_token");
        let kid = header(&token)["kid"].clone();
        let keys = provider.send(get("/auth/jwks.json")).json();
        let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap();
        assert_eq!(key["alg"], alg);
        // The ID token is signed as the client has registered it.
        assert_eq!(header(&field(&response, "id_token"))["alg"], "RS256");
    }
    let machine = json!({ "grant_types": ["client_credentials"], "scope": "rsa" });
    let machine = provider.send(put("/admin/clients/m").by_operator().json(&machine));
    let machine = TestClient {
        id: "m".into(),
        secret: Some(field(&machine, "client_secret")),
        redirect_uri: String::new(),
    };
    let response = provider.token(&machine, &[("grant_type", "client_credentials")]);
    assert_eq!(access(&response), [rsa, "rsa", "RS256", "JWT"]);
}

#[test]
fn a_token_of_an_api_with_the_type_of_an_id_token_passes_nowhere_else() {
    let provider = with_resources(&json!({
        OPEN: { "scopes": ["mcp:use"], "open": true, "alg": "RS256", "typ": "JWT" },
        CLOSED: { "scopes": ["orders:read"], "open": true, "alg": "RS256", "typ": "JWT" },
    }));
    let (client, _) = register(&provider, &json!({}));
    let browser = Browser::new(&provider);
    let scope = ("scope", "openid mcp:use");
    let code = browser.authorize(&client, LOGIN, &[scope]);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("code_verifier", VERIFIER),
        ("resource", OPEN),
    ];
    let response = provider.token(&client, &form);
    let (token, id_token) = (field(&response, "access_token"), field(&response, "id_token"));
    assert_eq!(header(&token), header(&id_token), "the headers do not distinguish them");
    assert_eq!(
        (&claims(&token)["aud"], &claims(&id_token)["aud"]),
        (&json!(OPEN), &json!(client.id))
    );
    assert_eq!(claims(&id_token).get("scope"), None);

    // As an ID token, at the authorization endpoint.
    let hinted = |hint: &str| {
        let parameters = [scope, ("id_token_hint", hint), ("prompt", "none")];
        answer(&browser.get(&client.authorize(&parameters)), CALLBACK).contains_key("code")
    };
    assert!(hinted(&id_token) && !hinted(&token));

    // As a token for userinfo.
    for token in [&token, &id_token] {
        let response = provider.send(get("/auth/userinfo").bearer(token));
        assert_refused(&response, "invalid_token", "typ must be at+jwt");
    }

    // As a client assertion, even of a client that claims the provider's keys.
    let keys = provider.send(get("/auth/jwks.json")).json();
    let fields = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": keys });
    let (claimant, _) = register(&provider, &fields);
    for assertion in [&token, &id_token] {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", "x"),
            ("redirect_uri", CALLBACK),
            ("client_assertion", assertion.as_str()),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ];
        let response = provider.token(&claimant, &form);
        assert_refused(&response, "invalid_client", "");
        // As a request object.
        let parameters = [("request", assertion.as_str())];
        let response = browser.get(&claimant.authorize(&parameters));
        assert_eq!(offered(&response, CALLBACK)["error"], "invalid_request_object");
    }
}

#[test]
fn nothing_is_spent_before_the_key_of_the_apis_algorithm_exists() {
    let provider = with_resources(&json!({
        OPEN: { "scopes": ["mcp:use"], "open": true, "alg": "RS256" },
    }));
    let client =
        provider.put_client_with("app", json!({ "id_token_signed_response_alg": "ES256" }));
    let code = Browser::new(&provider).authorize(&client, LOGIN, &[("scope", "mcp:use")]);
    let hide = "UPDATE signing_keys SET sign_from = 9000000000 WHERE alg = 'RS256'";
    provider.platform.primary.execute(hide, ()).unwrap();
    provider.new_isolate();
    let response = provider.redeem(&client, &code);
    assert!(response.status >= 500, "{}", response.body);
    let show = "UPDATE signing_keys SET sign_from = 0 WHERE alg = 'RS256'";
    provider.platform.primary.execute(show, ()).unwrap();
    provider.new_isolate();
    assert_eq!(access(&provider.redeem(&client, &code))[2], "RS256");
}

#[test]
fn the_consent_and_account_pages_have_the_operators_words_in_the_users_language() {
    let scopes = json!({
        "orders:read": { "": "See your <b>orders</b>", "de": "Ihre Bestellungen sehen" },
        "orders:write": { "de": "Für Sie bestellen" },
    });
    let mut variables = configuration(&json!({ OPEN: { "scopes": scopes, "open": true } }));
    let words = json!({ "": "Your staff number", "de-CH": "Ihre Personalnummer" });
    let table = json!({ "staff": { "claims": ["staff_id"], "words": words }, "team": ["team"] });
    variables.push(("SCOPES", table.to_string()));
    let provider = TestProvider::configured(variables);
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    let scope = ("scope", "staff team orders:read orders:write");
    let english = ["See your &#60;b&#62;orders", ">orders:write<", "Your staff number", ">team<"];
    let german = ["Ihre Bestellungen sehen", "Für Sie bestellen", "Ihre Personalnummer", ">team<"];
    for (language, shown, hidden) in
        [("en-GB", english, "Bestell"), ("de", german, "See your"), ("nl", english, "Bestell")]
    {
        let (client, _) = register(&provider, &json!({}));
        let mut browser = Browser::new(&provider);
        browser.language = language.into();
        let page = browser.sign_in_on(&browser.get(&client.authorize(&[scope])), LOGIN);
        assert!(is_consent(&page), "{}", page.body);
        browser.submit(&page, &[("decision", "allow")]);
        for page in [page, browser.get("/auth/account")] {
            // From the first list of access to the button after the last one.
            let (_, lists) = page.body.split_once("<ul class=\"requested\">").unwrap();
            let (lists, _) = lists.split_once("<button").unwrap();
            assert!(shown.iter().all(|words| lists.contains(words)), "{language}: {lists}");
            assert!(!lists.contains(hidden), "{language}: {lists}");
            for scope in ["orders:read", "orders:write"] {
                let beneath = format!("<code><bdi>{scope}</bdi></code>");
                assert_eq!(lists.matches(&beneath).count(), 1, "{scope}: {lists}");
            }
            assert_eq!(lists.matches(OPEN).count(), 2, "the API is beneath the words");
            assert!(!lists.contains("<b>"), "{lists}");
        }
    }
}

#[test]
fn consent_to_a_scope_of_one_api_is_not_to_that_of_another_which_took_its_place() {
    let open = |scopes: &str| json!({ "scopes": [scopes], "open": true });
    for (before, after) in [
        (json!({ OPEN: open("use") }), json!({ CLOSED: open("use") })),
        (
            json!({ OPEN: open("use"), CLOSED: open("read") }),
            json!({ OPEN: open("read"), CLOSED: open("use") }),
        ),
    ] {
        let provider = with_resources(&before);
        let (client, _) = register(&provider, &json!({}));
        let browser = Browser::new(&provider);
        let login = browser.get(&client.authorize(&[("scope", "openid use read")]));
        let page = browser.sign_in_on(&login, LOGIN);
        assert!(is_consent(&page) && page.body.contains(OPEN), "{}", page.body);
        provider.deploy(configuration(&after));
        let page = browser.submit(&page, &[("decision", "allow")]);
        assert!(is_consent(&page) && page.body.contains(CLOSED), "{}", page.body);
        let response = browser.submit(&page, &[("decision", "allow")]);
        assert!(answer(&response, CALLBACK).contains_key("code"));
    }
}

#[test]
fn no_client_of_the_operator_has_the_identifier_of_an_api() {
    let provider = with_resources(&json!({ "urn:app": ["app"], OPEN: ["mcp"] }));
    for id in
        ["urn:app", "urn%3Aapp", OPEN, "https:%2F%2Fmcp.example", "https%3A%2F%2Fmcp.example%2F"]
    {
        let document = json!({ "redirect_uris": [CALLBACK] });
        let request = put(&format!("/admin/clients/{id}")).by_operator().json(&document);
        assert!(matches!(provider.send(request).status, 400 | 404), "{id}");
    }
}
