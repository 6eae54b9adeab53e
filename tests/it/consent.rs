use crate::visitor::{
    CALLBACK, CHALLENGE, PASSWORD, Visitor, answer, claims, field, form_to, is_choice, is_consent,
    is_login,
};
use crate::world::{NOW, World, get, post, put, variables_with};
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";

fn world() -> World {
    let world = World::new();
    world.put_alice_with_password();
    world
}

#[test]
fn consent_is_remembered_and_asked_again_for_more() {
    let world = world();
    let app = world.put_app();
    let alice = Visitor::new(&world);
    alice.authorize(&app, LOGIN, &[("scope", "openid email")]);
    for (scope, is_asked) in [
        ("openid email", false),
        ("email", false),
        ("openid email profile", true),
        ("openid offline_access", true),
    ] {
        let told = alice.get(&app.authorize(&[("scope", scope)]));
        assert_eq!(is_consent(&told), is_asked, "{scope}: {}", told.body);
        let told = alice.get(&app.authorize(&[("scope", scope), ("prompt", "none")]));
        let error = answer(&told, CALLBACK).remove("error");
        assert_eq!(error.as_deref(), is_asked.then_some("consent_required"), "{scope}");
    }
    // What is allowed later adds to what was.
    alice.authorize(&app, LOGIN, &[("scope", "openid profile")]);
    let told = alice.get(&app.authorize(&[("scope", "openid email profile")]));
    assert!(answer(&told, CALLBACK).contains_key("code"));
    // Another client, and another person, have their own.
    let other = world.put_party("other", json!({}));
    assert!(is_consent(&alice.get(&other.authorize(&[("scope", "openid")]))));
    world.put_user("bob");
    let bob = Visitor::new(&world);
    assert!(is_consent(&bob.sign_in_on(&bob.get(&app.authorize(&[])), "bob")));
}

#[test]
fn a_trusted_client_asks_nobody_unless_it_wants_to() {
    let world = world();
    let app = world.put_party("app", json!({ "trusted": true }));
    let alice = Visitor::new(&world);
    let told = alice.get(&app.authorize(&[("scope", "openid offline_access")]));
    let told = alice.sign_in_on(&told, LOGIN);
    let code = answer(&told, CALLBACK).remove("code").unwrap();
    assert!(world.redeem(&app, &code).json().get("refresh_token").is_some());
    assert!(is_consent(&alice.get(&app.authorize(&[("prompt", "consent")]))));
}

#[test]
fn prompt_consent_asks_again_and_again() {
    let world = world();
    let app = world.put_app();
    let alice = Visitor::new(&world);
    alice.authorize(&app, LOGIN, &[]);
    for _ in 0..2 {
        let told = alice.get(&app.authorize(&[("prompt", "consent")]));
        assert!(is_consent(&told));
        assert!(
            answer(&alice.submit(&told, &[("decision", "allow")]), CALLBACK).contains_key("code")
        );
    }
}

#[test]
fn who_does_not_allow_it_sends_the_client_away() {
    let world = world();
    let app = world.put_app();
    let alice = Visitor::new(&world);
    let told = alice.sign_in_on(&alice.get(&app.authorize(&[])), LOGIN);
    for decision in ["deny", "", "nonsense"] {
        let told = alice.submit(&told, &[("decision", decision)]);
        let answer = answer(&told, CALLBACK);
        assert_eq!((&*answer["error"], &*answer["state"]), ("access_denied", "the state"));
    }
    assert!(is_consent(&alice.get(&app.authorize(&[]))), "nothing was remembered");
}

#[test]
fn a_client_that_anything_local_could_claim_to_be_is_always_asked_about() {
    let world = world();
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
        let app = world.put_party(id, fields("none"));
        let alice = Visitor::new(&world);
        alice.authorize(&app, LOGIN, &[]);
        let told = alice.get(&app.authorize(&[]));
        assert!(is_consent(&told), "neither memory nor trust counts");
        let told = alice.get(&app.authorize(&[("prompt", "none")]));
        assert_eq!(answer(&told, uri)["error"], "consent_required");
        // A client that proves itself at the token endpoint is another matter.
        let app = world.put_party(id, fields("client_secret_basic"));
        assert!(answer(&alice.get(&app.authorize(&[])), uri).contains_key("code"));
    }
    // So is a public one that only its own host can answer for.
    let spa = world.put_party("spa", json!({ "token_endpoint_auth_method": "none" }));
    let alice = Visitor::new(&world);
    alice.authorize(&spa, LOGIN, &[]);
    assert!(answer(&alice.get(&spa.authorize(&[])), CALLBACK).contains_key("code"));
}

#[test]
fn a_native_client_comes_back_at_whatever_port_it_got() {
    let world = world();
    let fields = json!({
        "application_type": "native", "redirect_uris": ["http://127.0.0.1/cb"],
        "token_endpoint_auth_method": "none",
    });
    let mut app = world.put_party("native", fields);
    app.redirect_uri = "http://127.0.0.1:51004/cb".into();
    let code = Visitor::new(&world).authorize(&app, LOGIN, &[("code_challenge", CHALLENGE)]);
    let mut elsewhere = app.clone();
    elsewhere.redirect_uri = "http://127.0.0.1:51005/cb".into();
    assert_eq!(world.redeem(&elsewhere, &code).error().as_deref(), Some("invalid_grant"));
    let code = Visitor::new(&world).authorize(&app, LOGIN, &[]);
    assert_eq!(world.redeem(&app, &code).status, 200);
}

#[test]
fn single_claims_are_asked_for_shown_remembered_and_told() {
    let world = world();
    let app = world.put_app();
    let alice = Visitor::new(&world);
    let wanted = r#"{"userinfo":{"phone_number":{"essential":true}},"id_token":{"name":null,"groups":null}}"#;
    let parameters = [("scope", "openid"), ("claims", wanted)];
    let consent = alice.sign_in_on(&alice.get(&app.authorize(&parameters)), LOGIN);
    assert!(is_consent(&consent));
    for words in ["Your phone number", "Your name", "The groups you belong to"] {
        assert!(consent.body.contains(words), "{words}: {}", consent.body);
    }
    let told = alice.submit(&consent, &[("decision", "allow")]);
    let tokens = world.redeem(&app, &answer(&told, CALLBACK)["code"]);
    let id_token = claims(&field(&tokens, "id_token"));
    assert_eq!(
        (&id_token["name"], &id_token["groups"]),
        (&json!("Alice Adams"), &json!(["staff", "admins"]))
    );
    assert_eq!(id_token.get("phone_number"), None);
    let userinfo = world.send(get("/auth/userinfo").bearer(&field(&tokens, "access_token")));
    assert_eq!(userinfo.json(), json!({ "sub": "alice", "phone_number": "+33 1 23 45 67 89" }));

    assert!(answer(&alice.get(&app.authorize(&parameters)), CALLBACK).contains_key("code"));
    let more = r#"{"userinfo":{"gender":null}}"#;
    assert!(is_consent(&alice.get(&app.authorize(&[("scope", "openid"), ("claims", more)]))));
}

#[test]
fn an_account_is_chosen_where_the_client_asks_for_it() {
    let world = world();
    world.put_user("bob");
    let app = world.put_party("app", json!({ "trusted": true }));
    let visitor = Visitor::new(&world);
    visitor.authorize(&app, LOGIN, &[]);
    let page = visitor.get(&app.authorize(&[("prompt", "select_account")]));
    assert!(is_choice(&page) && page.body.contains("Alice Adams"));
    let told = visitor.submit(&page, &[("decision", "continue")]);
    let subject = |told: &crate::world::Told| {
        let tokens = world.redeem(&app, &answer(told, CALLBACK)["code"]);
        claims(&field(&tokens, "id_token"))["sub"].clone()
    };
    assert_eq!(subject(&told), "alice");
    let login = visitor.submit(&page, &[("decision", "switch")]);
    assert!(is_login(&login));
    assert_eq!(subject(&visitor.sign_in_on(&login, "bob")), "bob");
    // Who has just signed in has chosen.
    let fresh = Visitor::new(&world);
    let login = fresh.get(&app.authorize(&[("prompt", "select_account")]));
    assert_eq!(subject(&fresh.sign_in_on(&login, "bob")), "bob");
}

#[test]
fn who_is_asked_for_consent_may_be_somebody_else() {
    let world = world();
    world.put_user("bob");
    let app = world.put_app();
    let visitor = Visitor::new(&world);
    let page = visitor.sign_in_on(&visitor.get(&app.authorize(&[])), LOGIN);
    let login = visitor.submit(&page, &[("decision", "switch")]);
    let page = visitor.sign_in_on(&login, "bob");
    assert!(is_consent(&page) && page.body.contains("bob"));
    let told = visitor.submit(&page, &[("decision", "allow")]);
    let tokens = world.redeem(&app, &answer(&told, CALLBACK)["code"]);
    assert_eq!(claims(&field(&tokens, "id_token"))["sub"], "bob");
}

#[test]
fn nobody_else_than_the_one_asked_for_is_ever_returned() {
    let world = world();
    world.put_user("bob");
    let app = world.put_party("app", json!({ "trusted": true }));
    let visitor = Visitor::new(&world);
    let code = visitor.authorize(&app, LOGIN, &[]);
    let hint = field(&world.redeem(&app, &code), "id_token");
    let by_claims = r#"{"id_token":{"sub":{"value":"alice"}}}"#;
    let bob = Visitor::new(&world);
    bob.authorize(&app, "bob", &[]);
    for wanted in [("id_token_hint", hint.as_str()), ("claims", by_claims)] {
        let told = bob.get(&app.authorize(&[wanted, ("prompt", "none")]));
        assert_eq!(answer(&told, CALLBACK)["error"], "login_required");
        let page = bob.get(&app.authorize(&[wanted]));
        assert!(is_login(&page));
        let again = bob.sign_in_on(&page, "bob");
        assert!(is_login(&again) && again.body.contains("another account"), "{}", again.body);
        let told = bob.sign_in_on(&again, LOGIN);
        let tokens = world.redeem(&app, &answer(&told, CALLBACK)["code"]);
        assert_eq!(claims(&field(&tokens, "id_token"))["sub"], "alice");
        bob.authorize(&app, "bob", &[("prompt", "login")]);
    }
}

#[test]
fn an_essential_acr_that_cannot_be_met_fails() {
    let world = world();
    let app = world.put_party("app", json!({ "trusted": true }));
    let alice = Visitor::new(&world);
    let acr = |wish: Value| json!({ "id_token": { "acr": wish } }).to_string();
    let unmet = acr(json!({ "essential": true, "values": ["urn:mfa"] }));
    let told = alice.get(&app.authorize(&[("claims", &unmet)]));
    assert_eq!(answer(&told, CALLBACK)["error"], "unmet_authentication_requirements");
    for wish in [
        json!({ "values": ["urn:mfa"] }),
        json!({ "essential": true }),
        json!({ "essential": true, "values": ["urn:mfa", "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"] }),
    ] {
        alice.authorize(&app, LOGIN, &[("claims", &acr(wish))]);
    }
}

#[test]
fn a_person_sees_what_they_allowed_and_takes_it_back() {
    let world = world();
    let app = world.put_app();
    let alice = Visitor::new(&world);
    assert!(is_login(&alice.get("/auth/account")));
    let code = alice.authorize(&app, LOGIN, &[("scope", "openid email offline_access")]);
    let tokens = world.redeem(&app, &code);
    let page = alice.get("/auth/account");
    assert!(page.body.contains("The App") && page.body.contains("2026-05-28"), "{}", page.body);

    let told = alice.submit_form(&form_to(&page, "/auth/account"), &[]);
    assert!(!told.body.contains("The App") && !is_login(&told), "{}", told.body);
    let access_token = field(&tokens, "access_token");
    assert_eq!(world.send(get("/auth/userinfo").bearer(&access_token)).status, 401);
    let refreshed = world.refresh(&app, &field(&tokens, "refresh_token"));
    assert_eq!(refreshed.error().as_deref(), Some("invalid_grant"));
    assert!(is_consent(&alice.get(&app.authorize(&[]))));
}

#[test]
fn who_signs_out_is_signed_out_here_and_only_here() {
    let world = world();
    let app = world.put_app();
    let (here, there) = (Visitor::new(&world), Visitor::new(&world));
    let code = here.authorize(&app, LOGIN, &[("scope", "openid offline_access")]);
    let tokens = world.redeem(&app, &code);
    there.authorize(&app, LOGIN, &[]);
    let page = here.get("/auth/account");
    let told = here.submit_form(&form_to(&page, "/auth/signout"), &[]);
    assert_eq!(told.status, 200);
    assert!(told.body.contains("signed out"), "{}", told.body);
    assert!(is_login(&here.get("/auth/account")) && !is_login(&there.get("/auth/account")));
    assert_eq!(world.refresh(&app, &field(&tokens, "refresh_token")).status, 200);
}

#[test]
fn a_session_ends_unused_after_a_day_and_in_any_case_after_two_weeks() {
    let world = world();
    let app = world.put_party("app", json!({ "trusted": true }));
    let alice = Visitor::new(&world);
    alice.authorize(&app, LOGIN, &[]);
    let silent = |visitor: &Visitor| {
        let told = visitor.get(&app.authorize(&[("prompt", "none")]));
        answer(&told, CALLBACK).remove("error")
    };
    for _ in 0..14 {
        world.now.set(world.now.get() + 86_399);
        assert_eq!(silent(&alice), None);
    }
    world.now.set(NOW + 14 * 86_400);
    assert_eq!(silent(&alice).as_deref(), Some("login_required"));
    alice.authorize(&app, LOGIN, &[]);
    world.sleep(86_400);
    assert_eq!(silent(&alice).as_deref(), Some("login_required"));
}

#[test]
fn a_changed_password_ends_every_session() {
    let world = world();
    let app = world.put_party("app", json!({ "trusted": true }));
    let changes = [
        ("/admin/users/alice/password", json!({ "password": "another one entirely" })),
        ("/admin/users/alice", json!({ "password": "yet another one" })),
    ];
    for (path, document) in changes {
        world.put_alice_with_password();
        let alice = Visitor::new(&world);
        alice.authorize(&app, LOGIN, &[]);
        let put = |document: &Value| world.send(put(path).by_operator().json(document)).status;
        if path.ends_with("alice") {
            assert_eq!(put(&json!({ "claims": {} })), 200);
            assert!(!is_login(&alice.get("/auth/account")), "claims are no password");
        }
        assert_eq!(put(&document), 200);
        assert!(is_login(&alice.get("/auth/account")), "{path}");
    }
}

#[test]
fn a_trusted_client_that_can_come_back_is_seen_and_ended_too() {
    let world = world();
    let app = world.put_party("app", json!({ "trusted": true }));
    let alice = Visitor::new(&world);
    alice.authorize(&app, LOGIN, &[("scope", "openid")]);
    assert!(!alice.get("/auth/account").body.contains("The App"), "nothing is left of it");
    let code = alice.authorize(&app, LOGIN, &[("scope", "openid email offline_access")]);
    let tokens = world.redeem(&app, &code);
    let page = alice.get("/auth/account");
    assert!(page.body.contains("The App") && page.body.contains("Your e-mail address"));
    alice.submit_form(&form_to(&page, "/auth/account"), &[]);
    let refreshed = world.refresh(&app, &field(&tokens, "refresh_token"));
    assert_eq!(refreshed.error().as_deref(), Some("invalid_grant"));
    assert!(!alice.get("/auth/account").body.contains("The App"));
}

#[test]
fn a_claim_that_no_scope_asks_for_any_more_is_told_to_nobody() {
    let with = variables_with("SCOPES", r#"{"hr":["salary"]}"#);
    let world = World::configured(with);
    world.put_user("bob");
    let put_claims = put("/admin/users/bob").by_operator().json(&json!({"claims": {"salary": 1}}));
    assert_eq!(world.send(put_claims).status, 200);
    world.deploy(variables_with("SCOPES", "{}"));
    let app = world.put_app();
    let wanted = r#"{"userinfo":{"salary":null},"id_token":{"salary":null}}"#;
    let parameters = [("scope", "openid"), ("claims", wanted)];
    let code = Visitor::new(&world).authorize(&app, "bob", &parameters);
    let tokens = world.redeem(&app, &code);
    assert_eq!(claims(&field(&tokens, "id_token")).get("salary"), None);
    let userinfo = world.send(get("/auth/userinfo").bearer(&field(&tokens, "access_token")));
    assert_eq!(userinfo.json(), json!({ "sub": "bob" }));
}

#[test]
fn no_age_at_all_is_a_new_sign_in_in_the_same_second_too() {
    let world = world();
    let app = world.put_party("app", json!({ "trusted": true }));
    let alice = Visitor::new(&world);
    alice.authorize(&app, LOGIN, &[]);
    let page = alice.get(&app.authorize(&[("max_age", "0")]));
    let told = alice.sign_in_on(&page, LOGIN);
    assert!(answer(&told, CALLBACK).contains_key("code"), "once is enough");
    let told = alice.get(&app.authorize(&[("max_age", "0"), ("prompt", "none")]));
    assert_eq!(answer(&told, CALLBACK)["error"], "login_required");
}

#[test]
fn a_kept_request_is_found_again_by_whoever_signs_in_next() {
    let world = world();
    world.put_user("bob");
    let app = world.put_app();
    let told = world.send(post("/auth/authorize").form(&app.authorize_query(&[])));
    let visitor = Visitor::new(&world);
    let form = form_to(&visitor.get(told.header("location").unwrap()), "/auth/login");
    let mut fields: Vec<_> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    fields.extend([("login", LOGIN), ("password", PASSWORD)]);
    let on = visitor.post(&form.action, &fields);
    let on = on.header("location").unwrap();
    assert!(is_consent(&visitor.get(on)));
    // In another tab, bob signs in.
    let page = visitor.get("/auth/account");
    visitor.submit_form(&form_to(&page, "/auth/signout"), &[]);
    visitor.sign_in_on(&visitor.get("/auth/account"), "bob");
    let page = visitor.get(on);
    assert!(is_consent(&page) && page.body.contains("bob"), "{}", page.body);
}

#[test]
fn a_fault_of_ours_is_told_to_the_client_once_it_is_proven() {
    let world = world();
    let app = world.put_party("app", json!({ "trusted": true }));
    let alice = Visitor::new(&world);
    alice.authorize(&app, LOGIN, &[]);
    world.platform.batches_fail.set(true);
    let told = alice.get(&app.authorize(&[("prompt", "none")]));
    let answer = answer(&told, CALLBACK);
    assert_eq!((&*answer["error"], &*answer["state"]), ("temporarily_unavailable", "the state"));
    assert!(!answer["error_description"].contains("told to fail"));
    assert!(told.log["notes"].to_string().contains("told to fail"));
}

#[test]
fn what_is_allowed_is_what_was_shown() {
    let world = World::with_keys();
    world.put_alice_with_password();
    let party = world.put_party("app", json!({ "scope": "openid" }));
    let visitor = Visitor::new(&world);
    let asked = [("scope", "openid email")];
    let page = visitor.sign_in_on(&visitor.get(&party.authorize(&asked)), "alice@example.com");
    assert!(is_consent(&page) && !page.body.contains("e-mail"), "{}", page.body);
    world.put_party("app", json!({ "scope": "openid email" }));
    let again = visitor.submit(&page, &[("decision", "allow")]);
    assert!(is_consent(&again) && again.body.contains("e-mail"), "{} {}", again.status, again.body);
    // What is claimed to have been shown is bound to the form.
    let forged = visitor.submit(&page, &[("decision", "allow"), ("shown", "openid email  ")]);
    assert!(is_consent(&forged), "{} {}", forged.status, forged.body);
    let told = visitor.submit(&again, &[("decision", "allow")]);
    assert!(told.header("location").unwrap().contains("code="));
}
