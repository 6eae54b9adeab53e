//! A user whom the operator has disabled, in every flow; and the end of a user's sessions.

use crate::admin::{import, put_user};
use crate::browser::{Browser, PASSWORD, TestClient, answer, encode, field, hash_of, is_login};
use crate::test_provider::{
    TestProvider, TestResponse, alice, delete, get, post, put, variables_with,
};
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";
const OFFLINE: [(&str, &str); 1] = [("scope", "openid email offline_access")];

fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let app = provider.put_app();
    (provider, app)
}

fn disable(provider: &TestProvider) -> TestResponse {
    provider.send(put("/admin/users/alice/disabled").by_operator())
}

fn enable(provider: &TestProvider) -> TestResponse {
    provider.send(delete("/admin/users/alice/disabled").by_operator())
}

fn userinfo(provider: &TestProvider, token: &str) -> u16 {
    provider.send(get("/auth/userinfo").bearer(token)).status
}

fn is_disabled(provider: &TestProvider) -> Value {
    provider.send(get("/admin/users/alice").by_operator()).json()["disabled"].clone()
}

#[test]
fn a_disabled_user_is_told_only_after_the_right_password() {
    let (provider, app) = provider();
    assert_eq!(disable(&provider).json()["disabled"], true);
    let mallory = Browser::new(&provider);
    let page = mallory.get(&app.authorize(&[]));
    let wrong = mallory.submit(&page, &[("login", LOGIN), ("password", "a guess")]);
    let nobody = mallory.submit(&page, &[("login", "nobody"), ("password", PASSWORD)]);
    assert_eq!((wrong.status, &wrong.log["error"]), (403, &json!("wrong_credentials")));
    assert_eq!(
        wrong.body.replace(LOGIN, ""),
        nobody.body.replace("nobody", ""),
        "the pages do not differ but in the login"
    );

    let right = Browser::new(&provider);
    let page = right.get(&app.authorize(&[]));
    let response = right.submit(&page, &[("login", LOGIN), ("password", PASSWORD)]);
    assert_eq!((response.status, &response.log["error"]), (403, &json!("account_disabled")));
    assert!(response.body.contains("This account is disabled."), "{}", response.body);
    assert!(is_login(&response));
    assert!(response.cookies().iter().all(|cookie| !cookie.contains("session")));
    let count = "SELECT count(*) FROM sessions";
    let sessions: i64 = provider.platform.primary.query_row(count, (), |row| row.get(0)).unwrap();
    assert_eq!(sessions, 0);
}

#[test]
fn the_sessions_of_a_disabled_user_end_and_do_not_return() {
    let (provider, app) = provider();
    let browser = Browser::new(&provider);
    browser.authorize(&app, LOGIN, &OFFLINE);
    disable(&provider);
    let silent = app.authorize(&[("prompt", "none")]);
    let response = browser.get(&silent);
    assert_eq!(answer(&response, &app.redirect_uri)["error"], "login_required");
    assert!(is_login(&browser.get("/auth/account")));
    enable(&provider);
    let response = browser.get(&silent);
    assert_eq!(answer(&response, &app.redirect_uri)["error"], "login_required");
    browser.authorize(&app, LOGIN, &OFFLINE);
}

#[test]
fn the_tokens_of_a_disabled_user_are_not_in_force_until_the_user_is_enabled() {
    let (provider, app) = provider();
    let code = Browser::new(&provider).authorize(&app, LOGIN, &OFFLINE);
    let tokens = provider.redeem(&app, &code);
    let online = Browser::new(&provider).authorize(&app, LOGIN, &[("scope", "openid email")]);
    let online = provider.redeem(&app, &online);
    let minted = provider.mint("openid");
    let access = [&tokens, &online].map(|tokens| field(tokens, "access_token"));
    let statuses = || [&access[0], &access[1], &minted].map(|token| userinfo(&provider, token));
    assert_eq!(statuses(), [200, 200, 200]);
    disable(&provider);
    assert_eq!(statuses(), [401, 401, 401]);
    for scope in ["", "openid offline_access"] {
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &field(&tokens, "refresh_token")),
            ("scope", scope),
        ];
        let response = provider.token(&app, &refresh);
        assert_eq!(response.error().as_deref(), Some("invalid_grant"));
        assert!(response.body.contains("user disabled"), "{}", response.body);
    }
    enable(&provider);
    // What came of a session without offline_access ended with the session.
    assert_eq!(statuses(), [200, 401, 200]);
    assert_eq!(provider.refresh(&app, &field(&tokens, "refresh_token")).status, 200);
}

#[test]
fn a_code_of_a_disabled_user_is_not_redeemed() {
    let (provider, app) = provider();
    let code = Browser::new(&provider).authorize(&app, LOGIN, &OFFLINE);
    disable(&provider);
    let response = provider.redeem(&app, &code);
    assert_eq!(response.error().as_deref(), Some("invalid_grant"), "{}", response.body);
    enable(&provider);
    let response = provider.redeem(&app, &code);
    assert_eq!(response.error().as_deref(), Some("invalid_grant"), "{}", response.body);
}

#[test]
fn an_implicit_response_of_a_disabled_user_has_no_token() {
    let provider = TestProvider::configured(variables_with("ALLOW_IMPLICIT", "true"));
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    let fields = json!({ "response_types": ["id_token token"], "grant_types": ["implicit"] });
    let app = provider.put_client_with("app", fields);
    let request = [
        ("response_type", "id_token token"),
        ("nonce", "n"),
        ("code_challenge", ""),
        ("code_challenge_method", ""),
    ];
    let browser = Browser::new(&provider);
    let page = browser.get(&app.authorize(&request));
    let consent = browser.sign_in_on(&page, LOGIN);
    disable(&provider);
    let response = browser.submit(&consent, &[("decision", "allow")]);
    assert!(!response.body.contains("access_token"), "{}", response.body);
    assert!(is_login(&browser.follow(response)));
}

#[test]
fn a_consent_given_on_a_page_from_before_gives_nothing() {
    let (provider, app) = provider();
    let browser = Browser::new(&provider);
    let page = browser.get(&app.authorize(&OFFLINE));
    let consent = browser.sign_in_on(&page, LOGIN);
    disable(&provider);
    let response = browser.submit(&consent, &[("decision", "allow")]);
    assert!(is_login(&browser.follow(response)));
    let count = "SELECT (SELECT count(*) FROM grants) + (SELECT count(*) FROM consents)";
    let rows: i64 = provider.platform.primary.query_row(count, (), |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
}

#[test]
fn a_user_who_is_disabled_while_the_password_is_verified_gets_no_session() {
    let (provider, app) = provider();
    let browser = Browser::new(&provider);
    let page = browser.get(&app.authorize(&[]));
    let disable = "UPDATE users SET disabled_at = 1 WHERE sub = 'alice'";
    provider.platform.before_batches.borrow_mut().extend(["SELECT 1", disable]);
    let response = browser.submit(&page, &[("login", LOGIN), ("password", PASSWORD)]);
    assert!(provider.platform.before_batches.borrow().is_empty());
    assert_eq!((response.status, &response.log["error"]), (403, &json!("account_disabled")));
}

#[test]
fn the_operator_makes_no_token_for_a_disabled_user() {
    let (provider, _) = provider();
    disable(&provider);
    let request = post("/admin/tokens").by_operator();
    let response = provider.send(request.json(&json!({ "sub": "alice", "scope": "openid" })));
    assert_eq!(response.status, 409);
    assert!(response.body.contains("sub: the user is disabled"), "{}", response.body);
}

#[test]
fn a_put_and_an_import_keep_the_field_unless_they_have_it() {
    let (provider, _) = provider();
    assert_eq!(is_disabled(&provider), false);
    disable(&provider);
    put_user(&provider, "alice", &json!({ "claims": alice() }));
    import(&provider, "{\"sub\":\"alice\",\"claims\":{}}");
    assert_eq!(is_disabled(&provider), true);
    put_user(&provider, "alice", &json!({ "disabled": false }));
    assert_eq!(is_disabled(&provider), false);
    import(
        &provider,
        "{\"sub\":\"alice\",\"disabled\":true}\n{\"sub\":\"carol\",\"disabled\":true}",
    );
    assert_eq!(is_disabled(&provider), true);
    let carol = provider.send(get("/admin/users/carol").by_operator()).json();
    assert_eq!(carol["disabled"], true);
    // Of two lines for a user, the last one with the field counts.
    import(&provider, "{\"sub\":\"alice\",\"disabled\":false}\n{\"sub\":\"alice\",\"claims\":{}}");
    assert_eq!(is_disabled(&provider), false);
    let shown = disable(&provider).json();
    assert_eq!(put_user(&provider, "alice", &shown).json()["disabled"], true);
    let response = put_user(&provider, "alice", &json!({ "disabled": 1 }));
    assert_eq!(response.status, 400);
    assert!(response.body.contains("disabled"), "{}", response.body);
}

#[test]
fn a_put_and_an_import_that_disable_end_the_sessions() {
    for is_import in [false, true] {
        let (provider, app) = provider();
        let browser = Browser::new(&provider);
        browser.authorize(&app, LOGIN, &OFFLINE);
        if is_import {
            import(&provider, "{\"sub\":\"alice\",\"disabled\":true}");
        } else {
            put_user(&provider, "alice", &json!({ "disabled": true }));
        }
        put_user(&provider, "alice", &json!({ "disabled": false }));
        assert!(is_login(&browser.get("/auth/account")));
    }
}

fn is_signed_in(browser: &Browser<'_>) -> bool {
    !is_login(&browser.get("/auth/account"))
}

#[test]
fn a_put_or_a_line_that_is_refused_ends_no_session() {
    let (provider, app) = provider();
    provider.put_user("bob");
    let alice = Browser::new(&provider);
    let tokens = provider.redeem(&app, &alice.authorize(&app, LOGIN, &[]));
    let token = field(&tokens, "access_token");
    let hash = hash_of("another password");
    for change in [json!({ "disabled": true }), json!({ "password_hash": hash })] {
        let mut user = json!({ "claims": {}, "login": "bob" });
        user.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(put_user(&provider, "alice", &user).status, 409);
        user["sub"] = json!("alice");
        let lines = format!("{user}\n{{\"sub\":\"carol\",\"claims\":{{}}}}");
        let report = import(&provider, &lines);
        assert_eq!(
            (&report["stored"], report["refused"].as_array().unwrap().len()),
            (&json!(1), 1)
        );
        assert_eq!(userinfo(&provider, &token), 200, "{change}");
        assert!(is_signed_in(&alice), "{change}");
    }
    // The same lines end the sessions when they are stored.
    for change in [json!({ "disabled": true }), json!({ "password_hash": hash })] {
        let (provider, app) = self::provider();
        let alice = Browser::new(&provider);
        alice.authorize(&app, LOGIN, &[]);
        let mut user = json!({ "sub": "alice" });
        user.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(import(&provider, &user.to_string())["stored"], 1);
        assert!(!is_signed_in(&alice), "{change}");
    }
}

#[test]
fn a_user_who_is_disabled_twice_keeps_the_time_and_one_who_does_not_exist_is_not_found() {
    let (provider, _) = provider();
    let disabled_at = || -> Option<i64> {
        let sql = "SELECT disabled_at FROM users WHERE sub = 'alice'";
        provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
    };
    disable(&provider);
    let first = disabled_at();
    assert!(first.is_some());
    provider.sleep(100);
    disable(&provider);
    put_user(&provider, "alice", &json!({ "disabled": true }));
    assert_eq!(disabled_at(), first);
    enable(&provider);
    assert_eq!(disabled_at(), None);
    enable(&provider);
    disable(&provider);
    provider.send(delete("/admin/users/alice").by_operator());
    assert_eq!(disabled_at(), None, "a tombstone has the sub only");
    for request in [
        put("/admin/users/alice/disabled"),
        put("/admin/users/nobody/disabled"),
        delete("/admin/users/nobody/disabled"),
        post("/admin/users/nobody/signout").json(&json!({})),
        post("/admin/users/alice/signout").json(&json!({ "grants": true })),
    ] {
        let response = provider.send(request.by_operator());
        assert_eq!(response.status, 404, "{}", response.body);
        assert!(response.body.contains("no user has this sub"), "{}", response.body);
    }
}

#[test]
fn a_sign_out_ends_all_sessions_of_the_user_and_the_grants_only_on_request() {
    for (body, works) in [(json!({}), true), (json!({ "grants": true }), false)] {
        for lost in [0, 1] {
            let (provider, app) = provider();
            provider.put_user("bob");
            let browsers = [Browser::new(&provider), Browser::new(&provider)];
            let bob = Browser::new(&provider);
            bob.authorize(&app, "bob", &OFFLINE);
            let codes = browsers.each_ref().map(|one| one.authorize(&app, LOGIN, &OFFLINE));
            let tokens = provider.redeem(&app, &codes[0]);
            provider.platform.lost_responses.set(lost);
            let request = post("/admin/users/alice/signout").by_operator().json(&body);
            let response = provider.send(request);
            let expected = json!({ "sub": "alice", "ended_sessions": 2, "grants_revoked": !works });
            assert_eq!(response.json(), expected, "{lost} lost");
            assert!(browsers.iter().all(|one| is_login(&one.get("/auth/account"))));
            assert!(!is_login(&bob.get("/auth/account")));
            let refreshed = provider.refresh(&app, &field(&tokens, "refresh_token"));
            assert_eq!(refreshed.status == 200, works, "{}", refreshed.body);
        }
    }
    let (provider, _) = provider();
    for body in ["", "[]", r#"{"grants":1}"#, r#"{"grant":true}"#] {
        let request = post("/admin/users/alice/signout").by_operator();
        assert_eq!(provider.send(request.body("application/json", body)).status, 400, "{body}");
    }
}

/// Whether the client's token is active, as introspection has it.
fn is_active(provider: &TestProvider, app: &TestClient, token: &str) -> Value {
    let secret = app.secret.as_deref().unwrap();
    let parameters = [("client_id", app.id.as_str()), ("client_secret", secret), ("token", token)];
    let response = provider.send(post("/auth/introspect").form(&encode(&parameters)));
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()["active"].clone()
}

#[test]
fn introspection_shows_no_token_of_a_disabled_user_or_a_revoked_grant() {
    let (provider, app) = provider();
    let tokens = provider.redeem(&app, &Browser::new(&provider).authorize(&app, LOGIN, &OFFLINE));
    let active = || {
        ["access_token", "refresh_token"]
            .map(|one| is_active(&provider, &app, &field(&tokens, one)))
    };
    assert_eq!(active(), [true, true]);
    disable(&provider);
    assert_eq!(active(), [false, false]);
    enable(&provider);
    assert_eq!(active(), [true, true]);
    let revocation = post("/admin/grants/revoke").by_operator();
    provider.send(revocation.json(&json!({ "client": "app" })));
    assert_eq!(active(), [false, false]);
}

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

#[test]
fn a_device_of_a_disabled_user_gets_no_tokens() {
    let (provider, _) = provider();
    let tv = provider.put_client_with(
        "tv",
        json!({
            "grant_types": [DEVICE_CODE, "refresh_token"], "token_endpoint_auth_method": "none",
        }),
    );
    // Disabled before the user allows the device, and after.
    for is_early in [true, false] {
        let request = [("client_id", "tv"), ("scope", "openid offline_access")];
        let codes = provider.send(post("/auth/device").form(&encode(&request)));
        let browser = Browser::new(&provider);
        let typed = [("user_code", field(&codes, "user_code"))];
        let typed = typed.each_ref().map(|(name, code)| (*name, code.as_str()));
        let page = browser.submit(&browser.get("/device"), &typed);
        let consent = browser.sign_in_on(&page, LOGIN);
        if is_early {
            disable(&provider);
        }
        browser.submit(&consent, &[("decision", "allow")]);
        disable(&provider);
        provider.sleep(5);
        let device_code = field(&codes, "device_code");
        let poll = [("grant_type", DEVICE_CODE), ("device_code", device_code.as_str())];
        let response = provider.token(&tv, &poll);
        assert_eq!(response.status, 400, "{is_early} {}", response.body);
        enable(&provider);
    }
}
