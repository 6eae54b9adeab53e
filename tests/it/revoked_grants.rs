//! The operator revokes all grants of a user, of a client, or of both.

use crate::browser::{Browser, TestClient, encode, field};
use crate::test_provider::{TestProvider, TestRequest, TestResponse, delete, get, post, put};
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";
const OFFLINE: [(&str, &str); 1] = [("scope", "openid email offline_access")];

/// A provider with alice, bob and two applications.
fn provider() -> (TestProvider, TestClient, TestClient) {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    provider.put_user("bob");
    let app = provider.put_app();
    let other = provider.put_client_with("other", json!({}));
    (provider, app, other)
}

/// The tokens of a new sign-in.
fn tokens(provider: &TestProvider, app: &TestClient, login: &str) -> TestResponse {
    let code = Browser::new(provider).authorize(app, login, &OFFLINE);
    let response = provider.redeem(app, &code);
    assert_eq!(response.status, 200, "{}", response.body);
    response
}

fn revoke(provider: &TestProvider, body: &Value) -> TestResponse {
    provider.send(post("/admin/grants/revoke").by_operator().json(body))
}

fn userinfo(provider: &TestProvider, tokens: &TestResponse) -> u16 {
    provider.send(get("/auth/userinfo").bearer(&field(tokens, "access_token"))).status
}

/// Whether the tokens work: both the access token and the refresh token do, or neither.
#[track_caller]
fn work(provider: &TestProvider, app: &TestClient, tokens: &TestResponse) -> bool {
    let is_accepted = userinfo(provider, tokens) == 200;
    let response = provider.refresh(app, &field(tokens, "refresh_token"));
    assert_eq!(response.status == 200, is_accepted, "{}", response.body);
    if !is_accepted {
        assert_eq!(response.error().as_deref(), Some("invalid_grant"));
    }
    is_accepted
}

#[test]
fn the_grants_of_a_user_a_client_or_both_are_revoked_and_no_others() {
    for (body, expected) in [
        (json!({ "user": "alice" }), [false, false, true, true]),
        (json!({ "client": "app" }), [false, true, false, true]),
        (json!({ "user": "alice", "client": "app" }), [false, true, true, true]),
        (json!({ "user": "bob" }), [true, true, false, false]),
    ] {
        let (provider, app, other) = provider();
        let all: Vec<_> = [(&app, LOGIN), (&other, LOGIN), (&app, "bob"), (&other, "bob")]
            .into_iter()
            .map(|(client, login)| (client, tokens(&provider, client, login)))
            .collect();
        let response = revoke(&provider, &body);
        assert_eq!(response.status, 200, "{}", response.body);
        let mut answer = response.json();
        answer.as_object_mut().unwrap().remove("revoked_at");
        assert_eq!(answer, body);
        let found: Vec<_> =
            all.iter().map(|(client, tokens)| work(&provider, client, tokens)).collect();
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn a_sign_in_of_the_same_second_works_after_a_revocation_and_ends_with_the_next_one() {
    let (provider, app, _) = provider();
    for body in [
        json!({ "user": "alice" }),
        json!({ "client": "app" }),
        json!({ "user": "alice" }),
        json!({ "user": "alice", "client": "app" }),
    ] {
        let before = tokens(&provider, &app, LOGIN);
        assert_eq!(userinfo(&provider, &before), 200);
        assert_eq!(revoke(&provider, &body).status, 200);
        assert!(!work(&provider, &app, &before), "{body}");
        let after = tokens(&provider, &app, LOGIN);
        assert!(work(&provider, &app, &after), "{body}");
    }
}

#[test]
fn a_code_is_not_redeemed_after_the_revocation_that_came_in_between() {
    for body in [
        json!({ "user": "alice" }),
        json!({ "client": "app" }),
        json!({ "user": "alice", "client": "app" }),
    ] {
        let (provider, app, _) = provider();
        let code = Browser::new(&provider).authorize(&app, LOGIN, &OFFLINE);
        revoke(&provider, &body);
        let response = provider.redeem(&app, &code);
        assert_eq!(response.error().as_deref(), Some("invalid_grant"), "{body}");
    }
}

#[test]
fn an_access_token_that_the_operator_made_ends_with_the_grants_of_its_user() {
    let (provider, ..) = provider();
    let status = |token: &str| provider.send(get("/auth/userinfo").bearer(token)).status;
    let first = provider.mint("openid");
    assert_eq!(revoke(&provider, &json!({ "user": "alice" })).status, 200);
    assert_eq!(status(&first), 401);
    let second = provider.mint("openid");
    assert_eq!(status(&second), 200);
    // They have no client, so their name is none of a client, but one of a user and it.
    assert_eq!(revoke(&provider, &json!({ "client": "operator" })).status, 404);
    let both = json!({ "user": "alice", "client": "operator" });
    assert_eq!(revoke(&provider, &both).status, 200);
    assert_eq!(status(&second), 401);
}

#[test]
fn no_token_lives_whenever_a_refresh_and_a_revocation_meet() {
    let user = "UPDATE users SET revocations = coalesce(revocations, 0) + 1 WHERE sub = 'alice'";
    let client =
        "UPDATE clients SET revocations = coalesce(revocations, 0) + 1 WHERE client_id = 'app'";
    for revocation in [user, client] {
        // A plain refresh takes one batch, one with a scope two.
        for (scope, batches) in [("", 1), ("openid offline_access", 2)] {
            for place in 0..batches {
                let (provider, app, _) = provider();
                let first = tokens(&provider, &app, LOGIN);
                let before = &provider.platform.before_batches;
                before.borrow_mut().extend(vec!["SELECT 1"; place]);
                before.borrow_mut().push_back(revocation);
                let refreshed = provider.token(
                    &app,
                    &[
                        ("grant_type", "refresh_token"),
                        ("refresh_token", &field(&first, "refresh_token")),
                        ("scope", scope),
                    ],
                );
                assert!(before.borrow().is_empty(), "the revocation came in between");
                assert_eq!(userinfo(&provider, &first), 401);
                if refreshed.status == 200 {
                    assert!(!work(&provider, &app, &refreshed), "{scope} {place}");
                }
            }
        }
    }
}

#[test]
fn of_simultaneous_refreshes_and_a_revocation_no_token_is_left() {
    for body in [json!({ "user": "alice" }), json!({ "client": "app" })] {
        for place in 0..20 {
            let (provider, app, _) = provider();
            let first = tokens(&provider, &app, LOGIN);
            let refresh = post("/auth/token").form(&encode(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", &field(&first, "refresh_token")),
                ("client_id", &app.id),
                ("client_secret", app.secret.as_deref().unwrap()),
            ]));
            let mut requests = vec![refresh; 20];
            let revocation = post("/admin/grants/revoke").by_operator().json(&body);
            requests.insert(place, revocation);
            let responses = provider.send_at_once(requests);
            for response in responses.iter().filter(|one| one.body.contains("refresh_token\":")) {
                assert!(!work(&provider, &app, response), "{place}");
            }
            assert!(!work(&provider, &app, &first));
        }
    }
}

#[test]
fn a_lost_response_revokes_once() {
    for (body, table) in
        [(json!({ "user": "alice" }), "users"), (json!({ "client": "app" }), "clients")]
    {
        let (provider, app, _) = provider();
        let before = tokens(&provider, &app, LOGIN);
        provider.platform.lost_responses.set(1);
        assert_eq!(revoke(&provider, &body).status, 200);
        assert!(!work(&provider, &app, &before));
        let count: i64 = provider
            .platform
            .primary
            .query_row(&format!("SELECT sum(revocations) FROM {table}"), (), |row| row.get(0))
            .unwrap();
        assert_eq!(count, 1, "{body}");
    }
}

#[test]
fn the_account_page_lists_no_access_that_was_revoked() {
    for body in [json!({ "user": "alice" }), json!({ "client": "app" })] {
        let (provider, ..) = provider();
        // Without a consent the grants alone show the access.
        let app =
            provider.put_client_with("app", json!({ "trusted": true, "client_name": "Wiki" }));
        let alice = Browser::new(&provider);
        alice.authorize(&app, LOGIN, &OFFLINE);
        alice.authorize(&app, LOGIN, &[("scope", "openid")]);
        assert!(alice.get("/auth/account").body.contains("Wiki"));
        revoke(&provider, &body);
        assert!(!alice.get("/auth/account").body.contains("Wiki"), "{body}");
        alice.authorize(&app, LOGIN, &OFFLINE);
        assert!(alice.get("/auth/account").body.contains("Wiki"), "{body}");
    }
}

#[test]
fn a_consent_and_a_session_outlive_the_revocation_of_all_grants() {
    let (provider, app, _) = provider();
    let alice = Browser::new(&provider);
    let first = provider.redeem(&app, &alice.authorize(&app, LOGIN, &OFFLINE));
    revoke(&provider, &json!({ "user": "alice" }));
    let silent = [OFFLINE[0], ("prompt", "none")];
    let response = alice.get(&app.authorize(&silent));
    let code = &crate::browser::answer(&response, &app.redirect_uri)["code"];
    assert_eq!(provider.redeem(&app, code).status, 200);
    assert!(!work(&provider, &app, &first));
}

#[test]
fn a_revocation_without_a_known_user_or_client_is_refused() {
    let (provider, app, _) = provider();
    let mine = tokens(&provider, &app, LOGIN);
    for (body, status, words) in [
        ("{}", 400, "user or client: one of them is required"),
        ("", 400, ""),
        ("[]", 400, ""),
        (r#"{"user":7}"#, 400, "user"),
        (r#"{"client":["app"]}"#, 400, "client"),
        (r#"{"user":null,"client":"app"}"#, 400, "user"),
        (r#"{"usr":"alice"}"#, 400, "usr"),
        (r#"{"user":"alice","clients":"app"}"#, 400, "clients"),
        (r#"{"user":"alice","user":"bob"}"#, 400, "user"),
        (r#"{"user":"nobody"}"#, 404, "user: no user has this sub"),
        (r#"{"user":""}"#, 404, "user: no user has this sub"),
        (r#"{"user":"nobody","client":"app"}"#, 404, "user: no user has this sub"),
        (r#"{"client":"nothing"}"#, 404, "client: no client has this id"),
    ] {
        let request = TestRequest::new("POST", "/admin/grants/revoke").by_operator();
        let response = provider.send(request.body("application/json", body));
        assert_eq!(response.status, status, "{body} {}", response.body);
        let description = response.json()["error_description"].as_str().unwrap().to_owned();
        assert!(description.contains(words), "{body}: {description}");
    }
    // An empty client is none of alice's, and not all of them.
    let empty = json!({ "user": "alice", "client": "" });
    assert_eq!(revoke(&provider, &empty).status, 200);
    assert!(work(&provider, &app, &mine));
}

#[test]
fn a_deleted_and_a_new_client_of_the_same_name_share_no_grants() {
    let (provider, app, _) = provider();
    let old = tokens(&provider, &app, LOGIN);
    revoke(&provider, &json!({ "client": "app" }));
    provider.send(delete("/admin/clients/app").by_operator());
    provider.maintain();
    let app = provider.put_app();
    assert_eq!(userinfo(&provider, &old), 401);
    let new = tokens(&provider, &app, LOGIN);
    assert!(work(&provider, &app, &new));
}

#[test]
fn grants_of_the_version_before_end_with_a_revocation() {
    let (provider, app, _) = provider();
    let old = tokens(&provider, &app, LOGIN);
    provider.platform.primary.execute("UPDATE grants SET revocations = NULL", ()).unwrap();
    assert_eq!(userinfo(&provider, &old), 200);
    revoke(&provider, &json!({ "user": "alice" }));
    assert!(!work(&provider, &app, &old));
}

#[test]
fn a_new_password_revokes_all_grants_if_the_operator_wants_it() {
    for (document, works) in [
        (json!({ "password": "battery staple" }), true),
        (json!({ "password": "battery staple", "grants": false }), true),
        (json!({ "password": "battery staple", "grants": true }), false),
    ] {
        let (provider, app, _) = provider();
        let before = tokens(&provider, &app, LOGIN);
        let request = put("/admin/users/alice/password").by_operator();
        assert_eq!(provider.send(request.json(&document)).status, 200, "{document}");
        assert_eq!(work(&provider, &app, &before), works, "{document}");
    }
    let (provider, ..) = provider();
    let document = json!({ "password": "battery staple", "grants": "yes" });
    let request = put("/admin/users/alice/password").by_operator();
    let response = provider.send(request.json(&document));
    assert_eq!(response.status, 400);
    assert!(response.body.contains("grants"), "{}", response.body);
}

#[test]
fn a_grant_that_ended_with_all_others_is_not_revoked_once_more() {
    for body in [json!({ "user": "alice" }), json!({ "client": "app" })] {
        let (provider, app, _) = provider();
        let code = Browser::new(&provider).authorize(&app, LOGIN, &OFFLINE);
        let tokens = provider.redeem(&app, &code);
        let sql = "SELECT id FROM grants WHERE revoked_at IS NULL";
        let find = || provider.platform.primary.query_row(sql, (), |row| row.get::<_, String>(0));
        let grant = find().unwrap();
        assert_eq!(revoke(&provider, &body).status, 200);
        provider.forget_events();
        assert_eq!(provider.revoke(&app, &field(&tokens, "refresh_token")).status, 200);
        assert_eq!(provider.redeem(&app, &code).status, 400);
        let path = format!("/admin/grants/{grant}");
        let response = provider.send(delete(&path).by_operator());
        assert_eq!(response.status, 200, "{}", response.body);
        assert_eq!(provider.events(), [""; 0], "{body}");
        assert!(!work(&provider, &app, &tokens));
        // Another grant is revoked with an event.
        let tokens = self::tokens(&provider, &app, LOGIN);
        provider.forget_events();
        assert_eq!(provider.revoke(&app, &field(&tokens, "refresh_token")).status, 200);
        assert_eq!(provider.events().len(), 1);
        assert!(!work(&provider, &app, &tokens));
    }
}
