use crate::browser::{Browser, TestClient, claims, encode, field};
use crate::test_provider::{TestProvider, TestResponse, get, post};
use serde_json::json;

const DAY: i64 = 86_400;

fn signed_in(scope: &str) -> (TestProvider, TestClient, TestResponse) {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    let code = Browser::new(&provider).authorize(&app, "alice@example.com", &[("scope", scope)]);
    let tokens = provider.redeem(&app, &code);
    (provider, app, tokens)
}

#[track_caller]
fn assert_invalid(response: &TestResponse, words: &str) {
    assert_eq!((response.status, response.error().as_deref()), (400, Some("invalid_grant")));
    assert!(response.body.contains(words), "{}", response.body);
}

#[test]
fn a_refresh_token_requires_offline_access() {
    let (_, _, tokens) = signed_in("openid");
    assert_eq!(tokens.json().get("refresh_token"), None);
    let (_, _, tokens) = signed_in("openid offline_access");
    assert_eq!(tokens.json()["scope"], "openid offline_access");
    assert_eq!(field(&tokens, "refresh_token").len(), 43);
}

#[test]
fn a_client_without_the_refresh_grant_gets_no_offline_access() {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_client_with("app", json!({ "grant_types": ["authorization_code"] }));
    let code = Browser::new(&provider).authorize(
        &app,
        "alice@example.com",
        &[("scope", "openid offline_access")],
    );
    let tokens = provider.redeem(&app, &code).json();
    assert_eq!((&tokens["scope"], tokens.get("refresh_token")), (&json!("openid"), None));
    let response = provider.refresh(&app, "anything");
    assert_eq!(response.error().as_deref(), Some("unauthorized_client"));
}

#[test]
fn a_grant_ends_where_the_registered_scopes_of_its_client_end() {
    let (provider, app, tokens) = signed_in("openid email phone offline_access");
    let refreshed = |fields, refresh_token: &str| {
        provider.put_client_with("app", fields);
        provider.refresh(&app, refresh_token)
    };
    let scope = "openid phone profile offline_access";
    let fields = json!({ "scope": scope, "id_token_scope_claims": true });
    let response = refreshed(fields, &field(&tokens, "refresh_token"));
    assert_eq!(response.json()["scope"], "openid phone offline_access");
    assert_eq!(claims(&field(&response, "id_token")).get("email"), None);
    let userinfo = provider.send(get("/auth/userinfo").bearer(&field(&response, "access_token")));
    assert_eq!(userinfo.json().get("email"), None, "{}", userinfo.body);

    // A client that may not have openid gets no ID token.
    let refresh_token = field(&response, "refresh_token");
    let response = refreshed(json!({ "scope": "phone offline_access" }), &refresh_token);
    assert_eq!(response.json().get("id_token"), None, "{}", response.body);
    // The refused request has spent nothing.
    let (provider, app, tokens) = signed_in("openid email offline_access");
    let refresh_token = field(&tokens, "refresh_token");
    provider.put_client_with("app", json!({ "scope": "profile offline_access" }));
    let response = provider.refresh(&app, &refresh_token);
    assert_invalid(&response, "the client may no longer have any scope of the grant");
    // Without offline_access the client gets no refresh token.
    provider.put_client_with("app", json!({ "scope": "openid email" }));
    let response = provider.refresh(&app, &refresh_token);
    assert_invalid(&response, "the client may no longer have the scope offline_access");
    provider.sleep(2 * 3_600);
    provider.put_client_with("app", json!({}));
    let response = provider.refresh(&app, &refresh_token);
    assert_eq!(response.json()["scope"], "openid email offline_access", "{}", response.body);
}

#[test]
fn a_refreshed_id_token_keeps_the_auth_time_and_has_no_nonce() {
    let (provider, app, tokens) = signed_in("openid email offline_access");
    let before = claims(&field(&tokens, "id_token"));
    provider.sleep(1_000);
    let refreshed = provider.refresh(&app, &field(&tokens, "refresh_token"));
    assert_eq!(refreshed.header("cache-control"), Some("no-store"));
    let after = claims(&field(&refreshed, "id_token"));
    for name in ["iss", "sub", "aud", "auth_time", "sid", "acr", "amr"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert_eq!(after.get("nonce"), None);
    assert_eq!(after["iat"].as_i64().unwrap(), before["iat"].as_i64().unwrap() + 1_000);
    assert_ne!(after["at_hash"], before["at_hash"]);
    let access_token = field(&refreshed, "access_token");
    let userinfo = provider.send(get("/auth/userinfo").bearer(&access_token));
    assert_eq!(userinfo.json()["email"], "alice@example.com");
}

#[test]
fn a_used_token_returns_the_same_successor_for_an_hour() {
    let (provider, app, tokens) = signed_in("openid offline_access");
    let first = field(&tokens, "refresh_token");
    let second = field(&provider.refresh(&app, &first), "refresh_token");
    assert_ne!(first, second);
    provider.sleep(3_599);
    assert_eq!(field(&provider.refresh(&app, &first), "refresh_token"), second);
    // The use of the successor ends the grace period of its predecessor.
    let third = field(&provider.refresh(&app, &second), "refresh_token");
    assert_invalid(&provider.refresh(&app, &first), "already used");
    assert_invalid(&provider.refresh(&app, &third), "revoked");
}

#[test]
fn a_used_token_revokes_the_grant_after_an_hour() {
    let (provider, app, tokens) = signed_in("openid offline_access");
    let first = field(&tokens, "refresh_token");
    let refreshed = provider.refresh(&app, &first);
    provider.sleep(3_600);
    assert_invalid(&provider.refresh(&app, &first), "already used");
    assert_invalid(&provider.refresh(&app, &field(&refreshed, "refresh_token")), "revoked");
}

#[test]
fn simultaneous_refreshes_all_get_the_same_successor() {
    let (provider, app, tokens) = signed_in("openid offline_access");
    let token = field(&tokens, "refresh_token");
    let request = post("/auth/token").form(&encode(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", &token),
        ("client_id", &app.id),
        ("client_secret", app.secret.as_deref().unwrap()),
    ]));
    let response = provider.send_at_once(vec![request; 20]);
    let successor = field(&response[0], "refresh_token");
    assert!(response.iter().all(|one| field(one, "refresh_token") == successor));
    let count = "SELECT count(*) FROM refresh_tokens";
    let count: i64 = provider.platform.primary.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 2, "one rotation");
    assert_eq!(provider.refresh(&app, &successor).status, 200);
}

#[test]
fn another_clients_token_is_refused_and_stays_valid() {
    let (provider, app, tokens) = signed_in("openid offline_access");
    let token = field(&tokens, "refresh_token");
    let other = provider.put_client_with("other", json!({}));
    assert_invalid(&provider.refresh(&other, &token), "issued to another client");
    let successor = field(&provider.refresh(&app, &token), "refresh_token");
    assert_invalid(&provider.refresh(&other, &token), "issued to another client");
    assert_eq!(provider.refresh(&app, &successor).status, 200);
}

#[test]
fn a_scope_can_be_narrowed_but_not_widened() {
    let (provider, app, tokens) = signed_in("openid email offline_access");
    let token = field(&tokens, "refresh_token");
    let refresh = |token: &str, scope: &str| {
        provider.token(
            &app,
            &[("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)],
        )
    };
    for wider in ["profile", "phone  profile", "openid\temail", "unknown", "openid \"email\""] {
        let response = refresh(&token, wider);
        assert_eq!(
            (response.status, response.error().as_deref()),
            (400, Some("invalid_scope")),
            "{wider}"
        );
    }
    let narrow = refresh(&token, "openid profile");
    assert_eq!(narrow.json()["scope"], "openid");
    let access_token = field(&narrow, "access_token");
    let userinfo = provider.send(get("/auth/userinfo").bearer(&access_token)).json();
    assert_eq!(userinfo, json!({ "sub": "alice" }));
    // The next token has the full scope again (RFC 6749 section 6).
    let whole = provider.refresh(&app, &field(&narrow, "refresh_token"));
    assert_eq!(whole.json()["scope"], "openid email offline_access");
}

#[test]
fn a_token_expires_when_idle_and_with_its_grant() {
    // A token whose request has a scope is rotated after the batch.
    for more in [&[][..], &[("scope", "openid")]] {
        let refresh = |provider: &TestProvider, app: &TestClient, token: &str| {
            let own = [("grant_type", "refresh_token"), ("refresh_token", token)];
            provider.token(app, &[&own[..], more].concat())
        };
        for rotations in [0, 1] {
            let (provider, app, tokens) = signed_in("openid offline_access");
            let mut token = field(&tokens, "refresh_token");
            for _ in 0..rotations {
                token = field(&refresh(&provider, &app, &token), "refresh_token");
            }
            provider.sleep(30 * DAY - 1);
            token = field(&refresh(&provider, &app, &token), "refresh_token");
            provider.sleep(30 * DAY);
            assert_invalid(&refresh(&provider, &app, &token), "expired");
        }

        let (provider, app, tokens) = signed_in("openid offline_access");
        let mut token = field(&tokens, "refresh_token");
        for seconds in [vec![25 * DAY; 7], vec![5 * DAY - 1]].concat() {
            provider.sleep(seconds);
            token = field(&refresh(&provider, &app, &token), "refresh_token");
        }
        provider.sleep(1);
        assert_invalid(&refresh(&provider, &app, &token), "expired");
    }
}

#[test]
fn a_malformed_request_does_not_revoke_the_grant() {
    let (provider, app, tokens) = signed_in("openid offline_access");
    let first = field(&tokens, "refresh_token");
    let second = field(&provider.refresh(&app, &first), "refresh_token");
    provider.sleep(61);
    let twice = [("grant_type", "refresh_token"), ("scope", "openid"), ("scope", "openid")];
    for token in [first.as_str(), "unknown"] {
        let response = provider.token(&app, &[&twice[..], &[("refresh_token", token)]].concat());
        assert_eq!((response.status, response.error().as_deref()), (400, Some("invalid_request")));
    }
    assert_eq!(provider.refresh(&app, &second).status, 200);
}

#[test]
fn a_plain_refresh_is_one_batch_and_one_with_a_scope_also_reads_first() {
    let (provider, app, tokens) = signed_in("openid email offline_access");
    let counted = |refresh_token: &str, more: &[(&str, &str)]| {
        let mut parameters =
            vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        parameters.extend(more);
        provider.platform.take_counts();
        let response = provider.token(&app, &parameters);
        assert_eq!(response.status, 200, "{}", response.body);
        let counts = provider.platform.take_counts();
        (field(&response, "refresh_token"), counts.statements, counts.batches)
    };
    let (next, statements, batches) = counted(&field(&tokens, "refresh_token"), &[]);
    assert_eq!((statements, batches), (0, 1));
    let (next, statements, batches) = counted(&next, &[("scope", "openid")]);
    assert_eq!((statements, batches), (0, 2));
    assert_eq!(provider.refresh(&app, &next).status, 200);
}

#[test]
fn a_refresh_that_is_refused_for_its_parameters_does_not_use_up_the_token() {
    let (provider, app, tokens) = signed_in("openid offline_access");
    let refresh_token = field(&tokens, "refresh_token");
    for (name, value, error) in [
        ("scope", "email", "invalid_scope"),
        ("scope", "a  b", "invalid_scope"),
        ("resource", "https://unknown.example", "invalid_target"),
    ] {
        let parameters =
            [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
        let response = provider.token(&app, &[&parameters[..], &[(name, value)]].concat());
        assert_eq!(response.error().as_deref(), Some(error), "{name}={value}");
    }
    // Much later than a used token would be accepted again.
    provider.sleep(DAY);
    assert_eq!(provider.refresh(&app, &refresh_token).status, 200);
}

#[test]
fn without_the_right_secret_a_refresh_token_is_neither_used_up_nor_revoked() {
    let (provider, app, tokens) = signed_in("openid offline_access");
    let refresh_token = field(&tokens, "refresh_token");
    let impostors = [
        TestClient { secret: Some("wrong".into()), ..app.clone() },
        TestClient { secret: None, ..app.clone() },
        provider.put_client_with("other", json!({})),
    ];
    for impostor in &impostors {
        let error = provider.refresh(impostor, &refresh_token).error();
        assert!(matches!(error.as_deref(), Some("invalid_client" | "invalid_grant")), "{error:?}");
    }
    provider.sleep(DAY);
    let next = field(&provider.refresh(&app, &refresh_token), "refresh_token");
    assert_eq!(provider.refresh(&app, &next).status, 200);
}

#[test]
fn a_lost_response_of_the_database_does_not_lose_a_refresh() {
    let (provider, app, tokens) = signed_in("openid offline_access");
    provider.platform.lost_responses.set(1);
    let response = provider.refresh(&app, &field(&tokens, "refresh_token"));
    assert_eq!(response.status, 200, "{}", response.body);
    assert!(response.log["notes"].to_string().contains("injected loss of a response"));
    assert_eq!(provider.refresh(&app, &field(&response, "refresh_token")).status, 200);
}
