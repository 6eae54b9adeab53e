use crate::browser::{Browser, CALLBACK, CHALLENGE, TestClient, VERIFIER, answer, encode, field};
use crate::test_provider::{TestProvider, TestResponse, delete, get, post};
use base64ct::{Base64, Encoding};
use serde_json::json;

fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    (provider, app)
}

fn code(provider: &TestProvider, app: &TestClient, parameters: &[(&str, &str)]) -> String {
    Browser::new(provider).authorize(app, "alice@example.com", parameters)
}

#[track_caller]
fn assert_error(response: &TestResponse, code: &str, words: &str) {
    assert_eq!(
        response.status,
        if code == "invalid_client" { 401 } else { 400 },
        "{}",
        response.body
    );
    assert_eq!(response.error().as_deref(), Some(code));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(response.body.contains(words), "{}", response.body);
}

#[test]
fn a_code_expires_after_a_minute() {
    let (provider, app) = provider();
    let (first, second) = (code(&provider, &app, &[]), code(&provider, &app, &[]));
    assert_ne!(first, second);
    provider.sleep(59);
    assert_eq!(provider.redeem(&app, &first).status, 200);
    provider.sleep(1);
    assert_error(&provider.redeem(&app, &second), "invalid_grant", "expired");
}

#[test]
fn a_replayed_code_revokes_the_grant() {
    let (provider, app) = provider();
    let code = code(&provider, &app, &[("scope", "openid offline_access")]);
    let tokens = provider.redeem(&app, &code);
    let access_token = field(&tokens, "access_token");
    assert_eq!(provider.send(get("/auth/userinfo").bearer(&access_token)).status, 200);

    // A replay revokes the grant at any later time.
    provider.sleep(300);
    assert_error(&provider.redeem(&app, &code), "invalid_grant", "already used");
    assert_eq!(provider.send(get("/auth/userinfo").bearer(&access_token)).status, 401);
    let refreshed = provider.refresh(&app, &field(&tokens, "refresh_token"));
    assert_error(&refreshed, "invalid_grant", "revoked");
}

#[test]
fn a_client_without_the_grant_type_is_refused_and_keeps_its_code() {
    let (provider, app) = provider();
    let code = code(&provider, &app, &[]);
    let has = |grant_types: &str| {
        let sql = format!(
            "UPDATE clients SET metadata = json_set(metadata, '$.grant_types', json('{grant_types}'))"
        );
        assert_eq!(provider.platform.primary.execute(&sql, ()).unwrap(), 1);
    };
    has(r#"["refresh_token"]"#);
    assert_error(&provider.redeem(&app, &code), "unauthorized_client", "registered");
    has(r#"["authorization_code"]"#);
    assert_eq!(provider.redeem(&app, &code).status, 200);
}

#[test]
fn one_of_simultaneous_redemptions_succeeds() {
    let (provider, app) = provider();
    let code = code(&provider, &app, &[]);
    let request = post("/auth/token").form(&encode(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", &app.id),
        ("client_secret", app.secret.as_deref().unwrap()),
    ]));
    let response = provider.send_at_once(vec![request; 20]);
    assert_eq!(response.iter().filter(|one| one.status == 200).count(), 1);
    assert!(response.iter().filter(|one| one.status != 200).all(|one| one.status == 400));
    let winner = response.iter().find(|one| one.status == 200).unwrap();
    let access_token = field(winner, "access_token");
    assert_eq!(provider.send(get("/auth/userinfo").bearer(&access_token)).status, 401);
}

#[test]
fn one_batch_authenticates_redeems_and_stores_the_refresh_token() {
    let (provider, app) = provider();
    // If a later statement recorded it, a database fault in between would leave the client without code and
    // token.
    let redeem = |scope| {
        let code = code(&provider, &app, &[("scope", scope)]);
        provider.platform.take_counts();
        let response = provider.redeem(&app, &code);
        assert_eq!(response.status, 200, "{}", response.body);
        let counts = provider.platform.take_counts();
        (response.json().get("refresh_token").is_some(), counts.statements, counts.batches)
    };
    redeem("openid");
    assert_eq!(redeem("openid"), (false, 0, 1));
    assert_eq!(redeem("openid offline_access"), (true, 0, 1));
}

#[test]
fn another_client_can_neither_redeem_nor_revoke_a_code() {
    let (provider, app) = provider();
    let other = provider.put_client_with("other", json!({}));
    let code = code(&provider, &app, &[]);
    assert_error(&provider.redeem(&other, &code), "invalid_grant", "issued to another client");
    let tokens = provider.redeem(&app, &code);
    assert_error(&provider.redeem(&other, &code), "invalid_grant", "issued to another client");
    let access_token = field(&tokens, "access_token");
    assert_eq!(provider.send(get("/auth/userinfo").bearer(&access_token)).status, 200);
}

#[test]
fn a_wrong_verifier_or_redirect_uri_consumes_the_code() {
    let (provider, app) = provider();
    let other_uri = "https://app.example/other";
    let wrong = "a".repeat(43);
    for (redirect_uri, verifier) in [
        (CALLBACK, wrong.as_str()),
        (CALLBACK, ""),
        (other_uri, VERIFIER),
        ("", wrong.as_str()),
        ("", ""),
    ] {
        let code = code(&provider, &app, &[]);
        let response = provider.token(
            &app,
            &[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", redirect_uri),
                ("code_verifier", verifier),
            ],
        );
        if redirect_uri.is_empty() && verifier.is_empty() {
            // The request is malformed, so the code is not looked up.
            assert_error(&response, "invalid_request", "redirect_uri");
            assert_eq!(provider.redeem(&app, &code).status, 200);
        } else {
            assert_error(&response, "invalid_grant", "");
            assert_error(&provider.redeem(&app, &code), "invalid_grant", "already used");
        }
    }
}

#[test]
fn a_code_with_pkce_is_redeemed_without_redirect_uri() {
    let (provider, app) = provider();
    let redeem = |code: &str, verifier| {
        let parameters =
            [("grant_type", "authorization_code"), ("code", code), ("code_verifier", verifier)];
        provider.token(&app, &parameters)
    };
    assert_eq!(redeem(&code(&provider, &app, &[]), VERIFIER).status, 200);
    let without = code(&provider, &app, &[("code_challenge", ""), ("code_challenge_method", "")]);
    assert_error(&redeem(&without, ""), "invalid_request", "redirect_uri");
    assert_error(&redeem(&without, VERIFIER), "invalid_grant", "redirect_uri");
}

#[test]
fn a_verifier_without_a_challenge_is_refused() {
    let (provider, app) = provider();
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let first = code(&provider, &app, &without);
    assert_error(&provider.redeem(&app, &first), "invalid_grant", "no code_challenge");
    let second = code(&provider, &app, &without);
    let parameters =
        [("grant_type", "authorization_code"), ("code", &second), ("redirect_uri", CALLBACK)];
    assert_eq!(provider.token(&app, &parameters).status, 200);
}

#[test]
fn a_public_client_needs_a_challenge_and_no_secret() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let spa = provider.put_client_with("spa", json!({ "token_endpoint_auth_method": "none" }));
    assert_eq!(spa.secret, None);
    let browser = Browser::new(&provider);
    let response =
        browser.get(&spa.authorize(&[("code_challenge", ""), ("code_challenge_method", "")]));
    let answer = answer(&response, CALLBACK);
    assert_eq!(answer["error"], "invalid_request");
    let code = code(&provider, &spa, &[("code_challenge", CHALLENGE)]);
    let response =
        provider.redeem(&TestClient { secret: Some("anything".into()), ..spa.clone() }, &code);
    assert_error(&response, "invalid_client", "");
    assert_eq!(provider.redeem(&spa, &code).status, 200);
}

#[test]
fn a_confidential_client_must_send_its_secret_by_either_method() {
    let (provider, app) = provider();
    let secret = app.secret.clone().unwrap();
    let body = |code: &str| {
        encode(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ])
    };
    let code = code(&provider, &app, &[]);
    for client in [
        TestClient { secret: None, ..app.clone() },
        TestClient { secret: Some(format!("{secret}x")), ..app.clone() },
        TestClient { id: "nobody".into(), ..app.clone() },
    ] {
        let response = provider.redeem(&client, &code);
        assert_error(&response, "invalid_client", "");
        let scheme = response.header("www-authenticate").unwrap().to_owned();
        assert!(scheme.starts_with("Basic realm="), "{scheme}");
    }
    let credentials = Base64::encode_string(format!("app:{secret}").as_bytes());
    let request = post("/auth/token")
        .form(&body(&code))
        .with("authorization", &format!("Basic {credentials}"));
    assert_eq!(provider.send(request).status, 200);
}

#[test]
fn without_the_openid_scope_there_is_no_id_token() {
    let (provider, app) = provider();
    let code = code(&provider, &app, &[("scope", "email unknown email")]);
    let tokens = provider.redeem(&app, &code).json();
    assert_eq!(tokens["scope"], "email", "unknown and duplicate scopes are dropped");
    assert_eq!(tokens.get("id_token"), None);
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(provider.send(get("/auth/userinfo").bearer(access_token)).status, 403);
}

#[test]
fn deleting_the_user_or_the_client_revokes_the_grant() {
    for path in ["/admin/users/alice", "/admin/clients/app"] {
        let (provider, app) = provider();
        let first = code(&provider, &app, &[]);
        let access_token = field(&provider.redeem(&app, &first), "access_token");
        let second = code(&provider, &app, &[]);
        let deleted = provider.send(delete(path).by_operator());
        assert_eq!(deleted.status, 200);
        assert_eq!(provider.send(get("/auth/userinfo").bearer(&access_token)).status, 401);
        let response = provider.redeem(&app, &second);
        let code = if path.contains("users") { "invalid_grant" } else { "invalid_client" };
        assert_error(&response, code, "");
    }
}

#[test]
fn a_lost_response_of_the_database_does_not_lose_a_code() {
    let (provider, app) = provider();
    for scope in ["openid", "openid offline_access"] {
        let code = code(&provider, &app, &[("scope", scope)]);
        provider.platform.lost_responses.set(1);
        let response = provider.redeem(&app, &code);
        assert_eq!(response.status, 200, "{}", response.body);
        if scope.contains("offline_access") {
            let refreshed = provider.refresh(&app, &field(&response, "refresh_token"));
            assert_eq!(refreshed.status, 200, "{}", refreshed.body);
        }
        // It was spent all the same, so a second use is a replay and revokes the grant.
        let response = provider.redeem(&app, &code);
        assert_eq!(response.error().as_deref(), Some("invalid_grant"));
    }
}

#[test]
fn a_code_is_not_used_up_by_a_client_that_is_not_proven() {
    let (provider, app) = provider();
    provider.put_client_with("other", json!({}));
    let injected = r#"app","secret_hash":null,"auth_method":null,"x":""#;
    let impostors = [
        TestClient { secret: Some("wrong".into()), ..app.clone() },
        TestClient { secret: None, ..app.clone() },
        TestClient { id: "APP".into(), ..app.clone() },
        TestClient { id: "app\0".into(), ..app.clone() },
        TestClient { id: injected.into(), secret: None, ..app.clone() },
        TestClient { id: "x".repeat(20_000), secret: None, ..app.clone() },
    ];
    let code = code(&provider, &app, &[]);
    for impostor in &impostors {
        let response = provider.redeem(impostor, &code);
        assert_error(&response, "invalid_client", "client authentication failed");
    }
    assert_eq!(provider.redeem(&app, &code).status, 200);
}

#[test]
fn a_missing_id_token_key_gives_503_and_keeps_the_code() {
    let (provider, app) = provider();
    provider.skips_deferred_tasks.set(true);
    let code = code(&provider, &app, &[]);
    let response = provider.redeem(&app, &code);
    let retry_after = response.header("retry-after");
    assert_eq!((response.status, retry_after), (503, Some("5")), "{}", response.body);
    provider.skips_deferred_tasks.set(false);
    provider.new_isolate();
    provider.send(get("/auth/jwks.json"));
    assert_eq!(provider.redeem(&app, &code).status, 200);
}
