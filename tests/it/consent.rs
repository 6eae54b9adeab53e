use crate::browser::{
    Browser, CALLBACK, CHALLENGE, PASSWORD, answer, claims, field, form_to, is_choice, is_consent,
    is_login,
};
use crate::test_provider::{NOW, TestProvider, TestResponse, get, put, variables_with};
use postern::lifetimes::{FORM_SECONDS, UNREFRESHED_GRANT_SECONDS};
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";

fn provider() -> TestProvider {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    provider
}

#[test]
fn consent_is_remembered_and_requested_again_for_more() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[("scope", "openid email")]);
    for (scope, needs_consent) in [
        ("openid email", false),
        ("email openid", false),
        // Without openid the grant has a refresh token.
        ("email", true),
        ("openid email profile", true),
        ("openid offline_access", true),
    ] {
        let response = alice.get(&app.authorize(&[("scope", scope)]));
        assert_eq!(is_consent(&response), needs_consent, "{scope}: {}", response.body);
        let response = alice.get(&app.authorize(&[("scope", scope), ("prompt", "none")]));
        let error = answer(&response, CALLBACK).remove("error");
        assert_eq!(error.as_deref(), needs_consent.then_some("consent_required"), "{scope}");
    }
    // A later consent adds to the earlier one.
    alice.authorize(&app, LOGIN, &[("scope", "openid profile")]);
    let response = alice.get(&app.authorize(&[("scope", "openid email profile")]));
    assert!(answer(&response, CALLBACK).contains_key("code"));
    // Consent is recorded for each client and user.
    let other = provider.put_client_with("other", json!({}));
    assert!(is_consent(&alice.get(&other.authorize(&[("scope", "openid")]))));
    provider.put_user("bob");
    let bob = Browser::new(&provider);
    assert!(is_consent(&bob.sign_in_on(&bob.get(&app.authorize(&[])), "bob")));
}

#[test]
fn a_trusted_client_needs_no_consent_without_prompt_consent() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let alice = Browser::new(&provider);
    let response = alice.get(&app.authorize(&[("scope", "openid offline_access")]));
    let response = alice.sign_in_on(&response, LOGIN);
    let code = answer(&response, CALLBACK).remove("code").unwrap();
    assert!(provider.redeem(&app, &code).json().get("refresh_token").is_some());
    assert!(is_consent(&alice.get(&app.authorize(&[("prompt", "consent")]))));
}

#[test]
fn prompt_consent_always_shows_the_consent_page() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    for _ in 0..2 {
        let response = alice.get(&app.authorize(&[("prompt", "consent")]));
        assert!(is_consent(&response));
        assert!(
            answer(&alice.submit(&response, &[("decision", "allow")]), CALLBACK)
                .contains_key("code")
        );
    }
}

#[test]
fn a_refused_consent_gives_access_denied() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    let response = alice.sign_in_on(&alice.get(&app.authorize(&[])), LOGIN);
    for decision in ["deny", "", "nonsense"] {
        let response = alice.submit(&response, &[("decision", decision)]);
        let answer = answer(&response, CALLBACK);
        assert_eq!((&*answer["error"], &*answer["state"]), ("access_denied", "the state"));
    }
    assert!(is_consent(&alice.get(&app.authorize(&[]))), "a refusal is not remembered");
}

#[test]
fn a_public_client_with_a_local_redirect_uri_always_needs_consent() {
    let provider = provider();
    for (id, uri) in [
        ("loopback", "http://127.0.0.1/cb"),
        ("name", "https://LocalHost:8443/cb"),
        ("short", "https://127.1/cb"),
        ("mapped", "https://[::ffff:127.0.0.1]/cb"),
        ("unspecified", "https://0.0.0.0:8443/cb"),
        ("private", "com.example.app:/cb"),
    ] {
        let fields = |method: &str| {
            json!({
                "application_type": "native", "redirect_uris": [uri], "trusted": true,
                "token_endpoint_auth_method": method,
            })
        };
        let app = provider.put_client_with(id, fields("none"));
        let alice = Browser::new(&provider);
        alice.authorize(&app, LOGIN, &[]);
        let response = alice.get(&app.authorize(&[]));
        assert!(is_consent(&response), "neither an earlier consent nor `trusted` counts");
        let response = alice.get(&app.authorize(&[("prompt", "none")]));
        assert_eq!(answer(&response, uri)["error"], "consent_required");
        // A client that authenticates at the token endpoint needs no new consent.
        let app = provider.put_client_with(id, fields("client_secret_basic"));
        assert!(answer(&alice.get(&app.authorize(&[])), uri).contains_key("code"));
    }
    // Neither does a public client whose redirect URI belongs to its own host.
    let spa = provider.put_client_with("spa", json!({ "token_endpoint_auth_method": "none" }));
    let alice = Browser::new(&provider);
    alice.authorize(&spa, LOGIN, &[]);
    assert!(answer(&alice.get(&spa.authorize(&[])), CALLBACK).contains_key("code"));
}

#[test]
fn a_native_client_may_use_any_loopback_port() {
    let provider = provider();
    let fields = json!({
        "application_type": "native", "redirect_uris": ["http://127.0.0.1/cb"],
        "token_endpoint_auth_method": "none",
    });
    let mut app = provider.put_client_with("native", fields);
    app.redirect_uri = "http://127.0.0.1:51004/cb".into();
    let code = Browser::new(&provider).authorize(&app, LOGIN, &[("code_challenge", CHALLENGE)]);
    let mut elsewhere = app.clone();
    elsewhere.redirect_uri = "http://127.0.0.1:51005/cb".into();
    assert_eq!(provider.redeem(&elsewhere, &code).error().as_deref(), Some("invalid_grant"));
    let code = Browser::new(&provider).authorize(&app, LOGIN, &[]);
    assert_eq!(provider.redeem(&app, &code).status, 200);
}

#[test]
fn requested_claims_are_shown_remembered_and_returned() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    let requested = r#"{"userinfo":{"phone_number":{"essential":true}},"id_token":{"name":null,"groups":null}}"#;
    let parameters = [("scope", "openid"), ("claims", requested)];
    let consent = alice.sign_in_on(&alice.get(&app.authorize(&parameters)), LOGIN);
    assert!(is_consent(&consent));
    for words in ["Your phone number", "Your name", "The groups you belong to"] {
        assert!(consent.body.contains(words), "{words}: {}", consent.body);
    }
    let response = alice.submit(&consent, &[("decision", "allow")]);
    let tokens = provider.redeem(&app, &answer(&response, CALLBACK)["code"]);
    let id_token = claims(&field(&tokens, "id_token"));
    assert_eq!(
        (&id_token["name"], &id_token["groups"]),
        (&json!("Alice Adams"), &json!(["staff", "admins"]))
    );
    assert_eq!(id_token.get("phone_number"), None);
    let userinfo = provider.send(get("/auth/userinfo").bearer(&field(&tokens, "access_token")));
    assert_eq!(userinfo.json(), json!({ "sub": "alice", "phone_number": "+33 1 23 45 67 89" }));

    assert!(answer(&alice.get(&app.authorize(&parameters)), CALLBACK).contains_key("code"));
    let more = r#"{"userinfo":{"gender":null}}"#;
    assert!(is_consent(&alice.get(&app.authorize(&[("scope", "openid"), ("claims", more)]))));
}

#[test]
fn prompt_select_account_shows_the_choice_of_accounts() {
    let provider = provider();
    provider.put_user("bob");
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let browser = Browser::new(&provider);
    browser.authorize(&app, LOGIN, &[]);
    let page = browser.get(&app.authorize(&[("prompt", "select_account")]));
    assert!(is_choice(&page) && page.body.contains("Alice Adams"));
    let response = browser.submit(&page, &[("decision", "continue")]);
    let subject = |response: &TestResponse| {
        let tokens = provider.redeem(&app, &answer(response, CALLBACK)["code"]);
        claims(&field(&tokens, "id_token"))["sub"].clone()
    };
    assert_eq!(subject(&response), "alice");
    let login = browser.submit(&page, &[("decision", "switch")]);
    assert!(is_login(&login));
    assert_eq!(subject(&browser.sign_in_on(&login, "bob")), "bob");
    // A new sign-in is a choice of the account.
    let fresh = Browser::new(&provider);
    let login = fresh.get(&app.authorize(&[("prompt", "select_account")]));
    assert_eq!(subject(&fresh.sign_in_on(&login, "bob")), "bob");
}

#[test]
fn a_user_may_switch_accounts_on_the_consent_page() {
    let provider = provider();
    provider.put_user("bob");
    let app = provider.put_app();
    let browser = Browser::new(&provider);
    let page = browser.sign_in_on(&browser.get(&app.authorize(&[])), LOGIN);
    let login = browser.submit(&page, &[("decision", "switch")]);
    let page = browser.sign_in_on(&login, "bob");
    assert!(is_consent(&page) && page.body.contains("bob"));
    let response = browser.submit(&page, &[("decision", "allow")]);
    let tokens = provider.redeem(&app, &answer(&response, CALLBACK)["code"]);
    assert_eq!(claims(&field(&tokens, "id_token"))["sub"], "bob");
}

#[test]
fn a_request_for_one_user_never_returns_another() {
    let provider = provider();
    provider.put_user("bob");
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let browser = Browser::new(&provider);
    let code = browser.authorize(&app, LOGIN, &[]);
    let hint = field(&provider.redeem(&app, &code), "id_token");
    let by_claims = r#"{"id_token":{"sub":{"value":"alice"}}}"#;
    let bob = Browser::new(&provider);
    bob.authorize(&app, "bob", &[]);
    for requested in [("id_token_hint", hint.as_str()), ("claims", by_claims)] {
        let response = bob.get(&app.authorize(&[requested, ("prompt", "none")]));
        assert_eq!(answer(&response, CALLBACK)["error"], "login_required");
        let page = bob.get(&app.authorize(&[requested]));
        assert!(is_login(&page));
        let again = bob.sign_in_on(&page, "bob");
        assert!(is_login(&again) && again.body.contains("another account"), "{}", again.body);
        let response = bob.sign_in_on(&again, LOGIN);
        let tokens = provider.redeem(&app, &answer(&response, CALLBACK)["code"]);
        assert_eq!(claims(&field(&tokens, "id_token"))["sub"], "alice");
        bob.authorize(&app, "bob", &[("prompt", "login")]);
    }
}

#[test]
fn an_essential_acr_that_cannot_be_met_fails() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let alice = Browser::new(&provider);
    let acr = |wish: Value| json!({ "id_token": { "acr": wish } }).to_string();
    let unmet = acr(json!({ "essential": true, "values": ["urn:mfa"] }));
    let response = alice.get(&app.authorize(&[("claims", &unmet)]));
    assert_eq!(answer(&response, CALLBACK)["error"], "unmet_authentication_requirements");
    for wish in [
        json!({ "values": ["urn:mfa"] }),
        json!({ "essential": true }),
        json!({ "essential": true, "values": ["urn:mfa", "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"] }),
    ] {
        alice.authorize(&app, LOGIN, &[("claims", &acr(wish))]);
    }
}

#[test]
fn a_user_sees_and_withdraws_a_consent() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    assert!(is_login(&alice.get("/auth/account")));
    let code = alice.authorize(&app, LOGIN, &[("scope", "openid email offline_access")]);
    let tokens = provider.redeem(&app, &code);
    let page = alice.get("/auth/account");
    assert!(page.body.contains("The App") && page.body.contains("28 May 2026"), "{}", page.body);

    let response = alice.submit_form(&form_to(&page, "/auth/account"), &[]);
    assert!(response.body.contains("No application has access"), "{}", response.body);
    let access_token = field(&tokens, "access_token");
    assert_eq!(provider.send(get("/auth/userinfo").bearer(&access_token)).status, 401);
    let refreshed = provider.refresh(&app, &field(&tokens, "refresh_token"));
    assert_eq!(refreshed.error().as_deref(), Some("invalid_grant"));
    assert!(is_consent(&alice.get(&app.authorize(&[]))));
}

#[test]
fn signing_out_ends_only_the_session_of_this_browser() {
    let provider = provider();
    let app = provider.put_app();
    let (here, there) = (Browser::new(&provider), Browser::new(&provider));
    let code = here.authorize(&app, LOGIN, &[("scope", "openid offline_access")]);
    let tokens = provider.redeem(&app, &code);
    there.authorize(&app, LOGIN, &[]);
    let page = here.get("/auth/account");
    let response = here.submit_form(&form_to(&page, "/auth/signout"), &[]);
    assert_eq!(response.status, 200);
    assert!(response.body.contains("signed out"), "{}", response.body);
    assert!(is_login(&here.get("/auth/account")) && !is_login(&there.get("/auth/account")));
    assert_eq!(provider.refresh(&app, &field(&tokens, "refresh_token")).status, 200);
}

#[test]
fn a_session_expires_after_an_idle_day_or_after_two_weeks() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    let silent = |browser: &Browser| {
        let response = browser.get(&app.authorize(&[("prompt", "none")]));
        answer(&response, CALLBACK).remove("error")
    };
    for _ in 0..14 {
        provider.now.set(provider.now.get() + 86_399);
        assert_eq!(silent(&alice), None);
    }
    provider.now.set(NOW + 14 * 86_400);
    assert_eq!(silent(&alice).as_deref(), Some("login_required"));
    alice.authorize(&app, LOGIN, &[]);
    provider.sleep(86_400);
    assert_eq!(silent(&alice).as_deref(), Some("login_required"));
}

#[test]
fn a_changed_password_ends_every_session() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let changes = [
        ("/admin/users/alice/password", json!({ "password": "another one entirely" })),
        ("/admin/users/alice", json!({ "password": "yet another one" })),
    ];
    for (path, document) in changes {
        provider.put_alice_with_password();
        let alice = Browser::new(&provider);
        alice.authorize(&app, LOGIN, &[]);
        let put = |document: &Value| provider.send(put(path).by_operator().json(document)).status;
        if path.ends_with("alice") {
            assert_eq!(put(&json!({ "claims": {} })), 200);
            assert!(!is_login(&alice.get("/auth/account")), "a change of claims keeps the session");
        }
        assert_eq!(put(&document), 200);
        assert!(is_login(&alice.get("/auth/account")), "{path}");
    }
}

#[test]
fn a_user_sees_and_revokes_the_offline_access_of_a_trusted_client() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[("scope", "openid")]);
    assert!(alice.get("/auth/account").body.contains("The App"));
    provider.sleep(UNREFRESHED_GRANT_SECONDS);
    assert!(
        !alice.get("/auth/account").body.contains("The App"),
        "a grant without offline access is not shown after its access token has expired"
    );
    let code = alice.authorize(&app, LOGIN, &[("scope", "openid email offline_access")]);
    let tokens = provider.redeem(&app, &code);
    let page = alice.get("/auth/account");
    assert!(page.body.contains("The App") && page.body.contains("Your e-mail address"));
    alice.submit_form(&form_to(&page, "/auth/account"), &[]);
    let refreshed = provider.refresh(&app, &field(&tokens, "refresh_token"));
    assert_eq!(refreshed.error().as_deref(), Some("invalid_grant"));
    assert!(!alice.get("/auth/account").body.contains("The App"));
}

#[test]
fn a_claim_that_no_scope_releases_is_never_returned() {
    let with = variables_with("SCOPES", r#"{"hr":["salary"]}"#);
    let provider = TestProvider::configured(with);
    provider.put_user("bob");
    let put_claims = put("/admin/users/bob").by_operator().json(&json!({"claims": {"salary": 1}}));
    assert_eq!(provider.send(put_claims).status, 200);
    provider.deploy(variables_with("SCOPES", "{}"));
    let app = provider.put_app();
    let requested = r#"{"userinfo":{"salary":null},"id_token":{"salary":null}}"#;
    let parameters = [("scope", "openid"), ("claims", requested)];
    let code = Browser::new(&provider).authorize(&app, "bob", &parameters);
    let tokens = provider.redeem(&app, &code);
    assert_eq!(claims(&field(&tokens, "id_token")).get("salary"), None);
    let userinfo = provider.send(get("/auth/userinfo").bearer(&field(&tokens, "access_token")));
    assert_eq!(userinfo.json(), json!({ "sub": "bob" }));
}

#[test]
fn max_age_0_requires_exactly_one_new_sign_in() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    let page = alice.get(&app.authorize(&[("max_age", "0")]));
    let response = alice.sign_in_on(&page, LOGIN);
    assert!(answer(&response, CALLBACK).contains_key("code"), "one sign-in is enough");
    let response = alice.get(&app.authorize(&[("max_age", "0"), ("prompt", "none")]));
    assert_eq!(answer(&response, CALLBACK)["error"], "login_required");
}

#[test]
fn a_pending_request_continues_with_the_next_session() {
    let provider = provider();
    provider.put_user("bob");
    let app = provider.put_app();
    let browser = Browser::new(&provider);
    let login = browser.follow(browser.get(&provider.push(&app, &[])));
    let form = form_to(&login, "/auth/login");
    let mut fields: Vec<_> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    fields.extend([("login", LOGIN), ("password", PASSWORD)]);
    let response = browser.post(&form.action, &fields);
    let location = response.header("location").unwrap();
    assert!(is_consent(&browser.get(location)));
    // In another tab, bob signs in.
    let page = browser.get("/auth/account");
    browser.submit_form(&form_to(&page, "/auth/signout"), &[]);
    browser.sign_in_on(&browser.get("/auth/account"), "bob");
    let page = browser.get(location);
    assert!(is_consent(&page) && page.body.contains("bob"), "{}", page.body);
}

#[test]
fn a_database_fault_is_reported_to_the_client_without_details() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    provider.platform.batches_fail.set(true);
    let response = alice.get(&app.authorize(&[("prompt", "none")]));
    let answer = answer(&response, CALLBACK);
    assert_eq!((&*answer["error"], &*answer["state"]), ("temporarily_unavailable", "the state"));
    assert!(!answer["error_description"].contains("injected fault"));
    assert!(response.log["notes"].to_string().contains("injected fault"));
}

#[test]
fn consent_covers_only_what_the_page_showed() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let client = provider.put_client_with("app", json!({ "scope": "openid" }));
    let browser = Browser::new(&provider);
    let parameters = [("scope", "openid email")];
    let page =
        browser.sign_in_on(&browser.get(&client.authorize(&parameters)), "alice@example.com");
    assert!(is_consent(&page) && !page.body.contains("e-mail"), "{}", page.body);
    provider.put_client_with("app", json!({ "scope": "openid email" }));
    let again = browser.submit(&page, &[("decision", "allow")]);
    assert!(is_consent(&again) && again.body.contains("e-mail"), "{} {}", again.status, again.body);
    assert!(has_notice(&again, CHANGED), "{}", again.body);
    // The value of `shown` is bound to the form, so a forged one is refused.
    let forged = browser.submit(&page, &[("decision", "allow"), ("shown", "openid email  ")]);
    assert!(is_consent(&forged) && has_notice(&forged, CHANGED), "{}", forged.body);
    let response = browser.submit(&again, &[("decision", "allow")]);
    assert!(answer(&response, CALLBACK).contains_key("code"));
}

const CHANGED: &str = "The account or the requested access has changed";

/// Whether the page has this notice above its heading, with the focus.
fn has_notice(page: &TestResponse, words: &str) -> bool {
    let (before, _) = page.body.split_once("<h1>").unwrap();
    before.contains(&format!(" role=\"alert\" tabindex=\"-1\" autofocus>{words}"))
}

#[test]
fn a_consent_form_of_another_account_or_an_expired_one_is_shown_again_and_says_so() {
    let provider = provider();
    provider.put_user("bob");
    let app = provider.put_app();
    let browser = Browser::new(&provider);
    let page = browser.sign_in_on(&browser.get(&app.authorize(&[])), LOGIN);
    assert!(is_consent(&page) && !page.body.contains("role=\"alert\""));
    // In another tab, bob signs in.
    let account = browser.get("/auth/account");
    browser.submit_form(&form_to(&account, "/auth/signout"), &[]);
    browser.sign_in_on(&browser.get("/auth/account"), "bob");
    for decision in ["allow", "deny"] {
        let again = browser.submit(&page, &[("decision", decision)]);
        assert!(is_consent(&again) && again.body.contains("bob"), "{}", again.body);
        assert!(has_notice(&again, CHANGED), "{}", again.body);
    }
    let page = browser.get(&app.authorize(&[]));
    provider.sleep(FORM_SECONDS);
    let again = browser.submit(&page, &[("decision", "allow")]);
    assert!(is_consent(&again) && has_notice(&again, "This form has expired."), "{}", again.body);
    // A mouse presses its button after a longer time.
    assert!(again.body.contains("class=\"deliberate read-first\""));
    let response = browser.submit(&again, &[("decision", "allow")]);
    assert!(answer(&response, CALLBACK).contains_key("code"));
}

#[test]
fn the_consent_page_separates_what_a_client_sees_from_what_it_may_do() {
    let resources =
        r#"{"https://api.example":{"scopes":{"orders":{"":"See your orders"},"pay":{}}}}"#;
    let provider = TestProvider::configured(variables_with("RESOURCES", resources));
    provider.has_entropy.set(true);
    provider.put_alice_with_password();
    let fields = json!({ "scope": "openid profile offline_access orders pay" });
    let app = provider.put_client_with("app", fields);
    let browser = Browser::new(&provider);
    let all = [("scope", "openid profile offline_access orders pay")];
    let page = browser.sign_in_on(&browser.get(&app.authorize(&all)), LOGIN);
    let (_, rest) = page.body.split_once("The App</bdi> will be able to see</h2>").unwrap();
    let (data, others) = rest.split_once("The App</bdi> will be able to</h2>").unwrap();
    assert!(data.contains("<details><summary><bdi>Your profile"), "{data}");
    assert!(data.contains("<bdi>Your gender</bdi>") && !data.contains("orders"), "{data}");
    assert!(others.contains("Keep this access while you are not using it"), "{others}");
    let words = "<bdi>See your orders</bdi><span class=\"small\"><code><bdi>orders</bdi></code> \
                 <bdi>https://api.example</bdi></span>";
    let name = "<code><bdi>pay</bdi></code><span class=\"small\"><bdi>https://api.example</bdi>";
    assert!(others.contains(words) && others.contains(name), "{others}");
    // A group without entries has no heading.
    let page = browser.get(&app.authorize(&[("scope", "pay")]));
    assert!(is_consent(&page) && !page.body.contains("able to see"), "{}", page.body);
}
