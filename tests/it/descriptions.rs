//! Error descriptions: each names the parameter or the field.

use crate::browser::{CALLBACK, answer, encode, error_page};
use crate::test_provider::{
    TestProvider, TestRequest, TestResponse, get, post, put, variables, variables_with,
};
use serde_json::{Value, json};

const API: &str = "https://api.example.com";

/// A request as the table shows it, and its description.
type Row = (&'static str, TestRequest, &'static str);

/// A provider with an API, open registration, the user alice and the client app, which has registered no scope.
fn provider() -> TestProvider {
    let mut variables = variables();
    variables.push(("RESOURCES", json!({ API: ["orders:read"] }).to_string()));
    variables.push(("REGISTRATION", "open".to_owned()));
    let provider = TestProvider::configured(variables);
    provider.send(get("/auth/jwks.json"));
    provider.put_alice();
    provider.put_app();
    provider
}

/// The description of a response: in JSON, in the redirect to the client, or on a page.
fn description(response: &TestResponse) -> String {
    if response.status == 303 {
        return answer(response, CALLBACK).remove("error_description").unwrap();
    }
    if response.header("content-type").is_some_and(|text| text.starts_with("text/html")) {
        let page = error_page(response);
        let (_, rest) = page.split_once("<p lang=\"en\">").unwrap();
        return rest.split_once("</p>").unwrap().0.to_owned();
    }
    response.json()["error_description"].as_str().unwrap().to_owned()
}

fn authorize(parameters: &str) -> TestRequest {
    get(&format!("/auth/authorize?client_id=app&redirect_uri={CALLBACK}&{parameters}"))
}

fn at_authorize() -> Vec<Row> {
    vec![
        (
            "GET /auth/authorize: redirect_uri twice",
            authorize("redirect_uri=https://app.example/cb"),
            "duplicate parameter: redirect_uri",
        ),
        (
            "GET /auth/authorize: client_id=app&redirect_uri=https://evil.example/cb",
            get("/auth/authorize?client_id=app&redirect_uri=https://evil.example/cb"),
            "redirect_uri: https://evil.example/cb is not registered for the client app",
        ),
        (
            "GET /auth/authorize: client_id=nobody",
            get("/auth/authorize?client_id=nobody"),
            "client_id: nobody is not registered",
        ),
        (
            "GET /auth/authorize: prompt=none without a session",
            authorize("response_type=code&scope=openid&prompt=none"),
            "no session satisfies the request",
        ),
        (
            "GET /auth/authorize: no response_type",
            authorize("scope=openid"),
            "missing parameter: response_type",
        ),
        (
            "GET /auth/authorize: response_type=code&scope=orders:read",
            authorize("response_type=code&scope=orders:read"),
            "scope: this client has not registered orders:read: add it to its scope",
        ),
        (
            "GET /auth/authorize: response_type=code&scope=openid orders:read&resource=https://api.example.com",
            authorize(
                "response_type=code&scope=openid+orders:read&resource=https://api.example.com",
            ),
            "scope: this client has not registered orders:read: add it to its scope",
        ),
        (
            "GET /auth/authorize: code_challenge without code_challenge_method",
            authorize("response_type=code&scope=openid&code_challenge=x"),
            "code_challenge_method: must be S256; plain, the default, is not supported",
        ),
        (
            "GET /auth/authorize: claims={\"id_token\":{\"sub\":{\"value\":1}}}",
            authorize(
                "response_type=code&scope=openid&claims={\"id_token\":{\"sub\":{\"value\":1}}}",
            ),
            "claims: sub must have one value, a string",
        ),
    ]
}

fn at_token() -> Vec<Row> {
    let token = |parameters: &str| {
        post("/auth/token").with("authorization", "Basic YXBwOng=").form(parameters)
    };
    vec![
        (
            "POST /auth/token: grant_type=authorization_code, without a client",
            post("/auth/token").form("grant_type=authorization_code"),
            "missing client authentication: send Authorization, client_assertion or client_id",
        ),
        (
            "POST /auth/token: client_id=app&client_id=app",
            post("/auth/token").form("client_id=app&client_id=app"),
            "duplicate parameter: client_id",
        ),
        (
            "POST /auth/token: grant_type=refresh_token, Authorization: Basic (app:x)",
            token("grant_type=refresh_token"),
            "client authentication failed: the client is unknown, or its credentials are wrong",
        ),
    ]
}

fn with_bearer_tokens() -> Vec<Row> {
    vec![
        (
            "GET /auth/userinfo: Authorization: Bearer x",
            get("/auth/userinfo").bearer("x"),
            "access token: must have three parts",
        ),
        (
            "GET /auth/userinfo: Authorization: Bearer a b",
            get("/auth/userinfo").bearer("a b"),
            "Authorization: must have one bearer token",
        ),
        (
            "GET /auth/register/app: Authorization: Bearer x",
            get("/auth/register/app").bearer("x"),
            "registration access token: wrong for this client",
        ),
        (
            "GET /auth/register/app: no Authorization",
            get("/auth/register/app"),
            "the registration access token of this client is needed, as Authorization: Bearer",
        ),
    ]
}

fn at_registration() -> Vec<Row> {
    let register = |document: Value| post("/auth/register").json(&document);
    vec![
        (
            "POST /auth/register: {\"redirect_uris\": [\"desk:/cb\"]}",
            register(json!({ "redirect_uris": ["desk:/cb"] })),
            "redirect_uris[0]: a custom scheme must be a reversed domain name in lower case, such as com.example.app, or in PRIVATE_USE_SCHEMES",
        ),
        (
            "POST /auth/register: {\"redirect_uris\": [\"https://*.example.com\"]}",
            register(json!({ "redirect_uris": ["https://*.example.com"] })),
            "redirect_uris[0]: no wildcards: a redirect URI is compared character by character",
        ),
        (
            "POST /auth/register: {\"redirect_uris\": [\"https://app.example/cb\"], \"grant_types\": [\"client_credentials\"]}",
            register(json!({ "redirect_uris": [CALLBACK], "grant_types": ["client_credentials"] })),
            "grant_types: must have at least one of authorization_code, urn:ietf:params:oauth:grant-type:device_code; client_credentials is left out, because only the operator can register it",
        ),
    ]
}

fn by_the_operator() -> Vec<Row> {
    let app = |document: Value| put("/admin/clients/app").by_operator().json(&document);
    vec![
        (
            "PUT /admin/clients/app: {\"redirect_uris\": [\"javascript:alert(1)\"]}",
            app(json!({ "redirect_uris": ["javascript:alert(1)"] })),
            "redirect_uris[0]: must have the scheme https, http on a loopback host, or one of the application's own, in lower case",
        ),
        (
            "PUT /admin/clients/app: {\"client_id\": \"other\", \"redirect_uris\": [\"https://app.example/cb\"]}",
            app(json!({ "client_id": "other", "redirect_uris": [CALLBACK] })),
            "client_id: must be the client_id in the path, or left out",
        ),
        (
            "POST /admin/tokens: {\"sub\": \"alice\", \"scope\": \"openid orders:read\"}",
            post("/admin/tokens")
                .by_operator()
                .json(&json!({ "sub": "alice", "scope": "openid orders:read" })),
            "scope: orders:read is a scope of https://api.example.com; this endpoint mints userinfo tokens only",
        ),
        (
            "PUT /admin/users/alice: {\"claims\": {\"claims\": {}}}",
            put("/admin/users/alice").by_operator().json(&json!({ "claims": { "claims": {} } })),
            "claims.claims: unknown claim: neither a standard claim nor a claim of a scope in SCOPES",
        ),
        (
            "GET /admin/clients: no Authorization",
            get("/admin/clients"),
            "the secret ADMIN_TOKEN is needed, as Authorization: Bearer",
        ),
    ]
}

#[test]
fn a_description_names_the_parameter_or_the_field() {
    let provider = provider();
    let rows =
        [at_authorize(), at_token(), with_bearer_tokens(), at_registration(), by_the_operator()];
    for (name, request, expected) in rows.concat() {
        assert_eq!(description(&provider.send(request)), expected, "{name}");
    }
}

#[test]
fn a_wrong_variable_is_named_in_every_response() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "Open"));
    let response = provider.send(get("/auth/jwks.json"));
    let expected = "REGISTRATION: must be closed, token or open, in lower case";
    assert_eq!((response.status, description(&response)), (500, expected.to_owned()));
}

#[test]
fn registration_without_a_token_says_how_to_get_one() {
    let response = TestProvider::new().send(post("/auth/register").json(&json!({})));
    let expected = "an initial access token is needed, as Authorization: Bearer; the operator makes \
                    one with 'postern registration token'";
    assert_eq!((response.status, description(&response)), (401, expected.to_owned()));
}

#[test]
fn an_unregistered_redirect_uri_is_shown_shortened_and_logged_without_its_query() {
    let provider = provider();
    let uri = format!("https://user:password@evil.example/{}?secret=1", "<b>".repeat(50));
    let query = encode(&[("client_id", "app"), ("redirect_uri", &uri)]);
    let response = provider.send(get(&format!("/auth/authorize?{query}")));
    let page = description(&response);
    assert!(page.starts_with("redirect_uri: https://...@evil.example/&#60;b&#62;"), "{page}");
    assert!(page.ends_with("... is not registered for the client app") && page.len() < 700);
    let query = "client_id=app&redirect_uri=https://app.example/cb?secret=1";
    let response = provider.send(get(&format!("/auth/authorize?{query}")));
    assert!(description(&response).contains("https://app.example/cb?secret=1 is not"));
    let expected = "redirect_uri: https://app.example/cb is not registered for the client app";
    assert_eq!(response.log["description"], expected);
    assert_eq!(
        (&response.log["client_id"], &response.log["error"]),
        (&"app".into(), &"invalid_request".into())
    );
    assert!(response.log.get("notes").is_none());
}

#[test]
fn a_put_accepts_what_the_operator_gets() {
    let provider = provider();
    for path in ["/admin/users/alice", "/admin/clients/app"] {
        let document = provider.send(get(path).by_operator()).json();
        let response = provider.send(put(path).by_operator().json(&document));
        let mut stored = response.json();
        // The operator gets a new secret again for some minutes.
        for secret in ["client_secret", "client_secret_expires_at"] {
            stored.as_object_mut().unwrap().remove(secret);
        }
        assert_eq!((response.status, stored), (200, document), "{path}");
    }
    let mut document = provider.send(get("/admin/users/alice").by_operator()).json();
    document["sub"] = "bob".into();
    let response = provider.send(put("/admin/users/alice").by_operator().json(&document));
    let expected = "sub: must be the sub in the path, or left out";
    assert_eq!((response.status, description(&response)), (400, expected.to_owned()));
}

#[test]
fn the_scope_groups_stays_unless_scopes_defines_it() {
    let supported = |scopes: &str| {
        let provider = TestProvider::configured(variables_with("SCOPES", scopes));
        let response = provider.send(get("/.well-known/openid-configuration")).json();
        (response["scopes_supported"].to_string(), response["claims_supported"].to_string())
    };
    let (scopes, claims) = supported(r#"{"staff":["department"]}"#);
    assert!(scopes.contains("\"staff\",\"groups\"") && claims.contains("\"groups\""), "{scopes}");
    let (scopes, claims) = supported(r#"{"groups":["teams"]}"#);
    assert_eq!(scopes.matches("\"groups\"").count(), 1);
    assert!(claims.contains("\"teams\"") && !claims.contains("\"groups\""));
}
