//! Limits that agree with each other: the provider accepts what it issues, and a limit holds after every encoding.

use serde_json::{Value, json};

use crate::browser::{Browser, CALLBACK, TestClient, answer, claims, encode, error_page, field};
use crate::signer::Signer;
use crate::test_provider::{
    ISSUER, NOW, TestProvider, TestRequest, TestResponse, get, post, put, variables_with,
};

const LOGIN: &str = "alice@example.com";

/// A user with as many groups as her claims may have.
fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let groups: Vec<_> = (0..1_180).map(|n| format!("department-{n:04}/members")).collect();
    let alice = json!({ "login": LOGIN, "password": crate::browser::PASSWORD, "claims": { "groups": groups } });
    let response = provider.send(put("/admin/users/alice").by_operator().json(&alice));
    assert_eq!(response.status, 200, "{}", response.body);
    let app =
        provider.put_client_with("app", json!({ "trusted": true, "id_token_scope_claims": true }));
    (provider, app)
}

fn pushed(app: &TestClient, parameters: &[(&str, &str)]) -> TestRequest {
    let secret = encode(&[("client_secret", app.secret.as_deref().unwrap())]);
    post("/auth/par").form(&format!("{}&{secret}", app.authorize_query(parameters)))
}

fn request_uri(response: &TestResponse) -> String {
    assert_eq!(response.status, 201, "{}", response.body);
    response.json()["request_uri"].as_str().unwrap().to_owned()
}

fn stored(provider: &TestProvider) -> String {
    let sql = "SELECT parameters FROM authorization_requests";
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

/// The largest ID token that the provider issues to the app, and the browser of its user.
fn largest<'a>(provider: &'a TestProvider, app: &TestClient) -> (Browser<'a>, String) {
    let browser = Browser::new(provider);
    let nonce = "\u{1}".repeat(2_048 / 6);
    let parameters = [("scope", "openid groups"), ("nonce", nonce.as_str())];
    let code = browser.authorize(app, LOGIN, &parameters);
    let id_token = field(&provider.redeem(app, &code), "id_token");
    assert!(id_token.len() > 40_000, "{}", id_token.len());
    assert_eq!(claims(&id_token)["nonce"], json!(nonce));
    (browser, id_token)
}

#[test]
fn the_largest_id_token_is_a_hint_in_a_posted_and_in_a_pushed_request() {
    let (provider, app) = provider();
    let (alice, hint) = largest(&provider, &app);
    let silent = [("id_token_hint", hint.as_str()), ("prompt", "none")];
    let posted = post("/auth/authorize").form(&app.authorize_query(&silent));
    let response = alice.follow(alice.send(posted));
    assert!(answer(&response, CALLBACK).contains_key("code"), "{}", response.body);
    let response = provider.send(pushed(&app, &silent));
    let uri = request_uri(&response);
    let target = encode(&[("client_id", "app"), ("request_uri", &uri)]);
    let response = alice.follow(alice.get(&format!("/auth/authorize?{target}")));
    assert!(answer(&response, CALLBACK).contains_key("code"), "{}", response.body);
}

#[test]
fn a_stored_request_has_what_its_hint_proves_instead_of_the_hint() {
    let (provider, app) = provider();
    provider.put_user("bob");
    let (_, hint) = largest(&provider, &app);
    let bob = Browser::new(&provider);
    bob.authorize(&app, "bob", &[]);
    let silent = [("id_token_hint", hint.as_str()), ("prompt", "none")];
    let uri = request_uri(&provider.send(pushed(&app, &silent)));
    assert!(stored(&provider).contains("id_token_hint=sub%3Aalice"), "{}", stored(&provider));
    let target = encode(&[("client_id", "app"), ("request_uri", &uri)]);
    let response = bob.follow(bob.get(&format!("/auth/authorize?{target}")));
    assert_eq!(answer(&response, CALLBACK)["error"], "login_required");
    // A key that is gone proves nobody.
    let gone = crate::hostile::forge::good()
        .header("typ", json!("JWT"))
        .header("kid", json!("gone"))
        .claim("aud", json!("app"))
        .claim("auth_time", json!(1))
        .sign();
    for prompt in ["none", ""] {
        let parameters = [("id_token_hint", gone.as_str()), ("prompt", prompt)];
        let posted = post("/auth/authorize").form(&app.authorize_query(&parameters));
        let response = bob.follow(bob.send(posted));
        let parameters = answer(&response, CALLBACK);
        assert_eq!(parameters.contains_key("code"), prompt.is_empty(), "{parameters:?}");
    }
}

#[test]
fn no_client_can_send_what_a_stored_request_has_instead_of_a_hint() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let signer = Signer::new("ES256", None, 7);
    let app = provider.put_client_with("app", json!({ "trusted": true, "jwks": signer.jwks() }));
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    for forged in ["sub:alice", "none:"] {
        let parameters = [("id_token_hint", forged)];
        let by_get = alice.get(&app.authorize(&parameters));
        let by_post = alice.send(post("/auth/authorize").form(&app.authorize_query(&parameters)));
        let by_post = alice.follow(by_post);
        let claims = json!({
            "client_id": "app", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid",
            "id_token_hint": forged, "aud": ISSUER, "iat": NOW, "exp": NOW + 60,
        });
        let object = signer.sign(&claims);
        let signed = [("client_id", "app"), ("redirect_uri", CALLBACK), ("request", &object)];
        let signed = alice.get(&format!("/auth/authorize?{}", encode(&signed)));
        for response in [by_get, by_post, signed] {
            let description = &answer(&response, CALLBACK)["error_description"];
            assert_eq!(description, "id_token_hint: must be a signed JWT");
        }
        let response = provider.send(pushed(&app, &parameters));
        assert_eq!(response.error().as_deref(), Some("invalid_request"), "{}", response.body);
    }
}

#[test]
fn a_state_is_returned_up_to_4096_bytes_and_refused_on_a_page_above() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    // A redirect is as long as it gets, with an error, and has less than 16 KB.
    let long = "\u{1f510}".repeat(1_024);
    for more in [("prompt", ""), ("prompt", "none login"), ("scope", "\"")] {
        let response = alice.get(&app.authorize(&[("state", &long), more]));
        assert_eq!(answer(&response, CALLBACK)["state"], long);
        assert!(response.header("location").unwrap().len() < 14_336);
    }
    let longer = "x".repeat(4_097);
    for parameters in [vec![("state", longer.as_str())], vec![("state", &longer), ("scope", "\"")]]
    {
        let response = alice.get(&app.authorize(&parameters));
        assert!(error_page(&response).contains("state: longer than 4096 bytes"));
        assert_eq!(response.header("location"), None);
        let response = provider.send(pushed(&app, &parameters));
        assert_eq!(response.error().as_deref(), Some("invalid_request"), "{}", response.body);
        assert_eq!(response.json()["error_description"], "state: longer than 4096 bytes");
    }
}

#[test]
fn a_nonce_is_measured_as_the_id_token_has_it() {
    let (provider, app) = provider();
    for (nonce, is_short) in [
        ("n".repeat(2_048), true),
        ("n".repeat(2_049), false),
        ("\u{1}".repeat(341), true),
        ("\u{1}".repeat(342), false),
        ("\"".repeat(1_024), true),
        ("\"".repeat(1_025), false),
    ] {
        let response = provider.send(get(&app.authorize(&[("nonce", &nonce)])));
        assert_eq!(response.status == 200, is_short, "{nonce:?}");
    }
}

#[test]
fn a_query_leaves_room_for_the_token_that_continues_it() {
    let (provider, app) = provider();
    let filled = |bytes: usize| {
        let query = app.authorize_query(&[("login_hint", "")]);
        let hint = "a".repeat(bytes - query.len() - "&login_hint=".len());
        format!("{query}&login_hint={hint}")
    };
    let browser = Browser::new(&provider);
    let page = browser.get(&format!("/auth/authorize?{}", filled(15_360)));
    assert_eq!(page.status, 200);
    let response = browser.sign_in_on(&page, LOGIN);
    assert!(answer(&response, CALLBACK).contains_key("code"), "{}", response.body);
    let response = browser.get(&format!("/auth/authorize?{}", filled(15_361)));
    assert_eq!(response.status, 414);
    assert!(error_page(&response).contains("the query is longer than 15360 bytes"));
}

#[test]
fn userinfo_accepts_the_access_token_with_the_most_scopes() {
    let names: Vec<_> = (0..96).map(|n| format!("scope-{n:02}-{}", "x".repeat(32))).collect();
    let scopes: Value = names
        .iter()
        .map(|name| (name.clone(), json!([])))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let provider = TestProvider::configured(variables_with("SCOPES", &scopes.to_string()));
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let scope = format!("openid offline_access {}", names.join(" "));
    let code = Browser::new(&provider).authorize(&app, LOGIN, &[("scope", &scope)]);
    let doubled = format!("{scope} {scope}");
    let tokens = provider.redeem(&app, &code);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &field(&tokens, "refresh_token")),
        ("scope", &doubled),
    ];
    for tokens in [&tokens, &provider.token(&app, &refresh)] {
        let token = field(tokens, "access_token");
        assert!(token.len() > 5_000, "{}", token.len());
        assert_eq!(provider.send(get("/auth/userinfo").bearer(&token)).status, 200);
    }
}
