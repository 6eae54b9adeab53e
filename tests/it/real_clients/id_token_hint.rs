//! Hints of real clients, which keep ID tokens for longer than the provider keeps keys.

use serde_json::json;

use crate::browser::{Browser, CALLBACK, TestClient, answer, field, is_login};
use crate::hostile::forge::{Forge, THEIR_KEY, good};
use crate::test_provider::{NOW, TestProvider, get, variables_with};

const LOGIN: &str = "alice@example.com";

fn provider() -> TestProvider {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    provider
}

/// An ID token that the provider once issued to the app.
fn hint() -> Forge {
    good().header("typ", json!("JWT")).claim("aud", json!("app")).claim("auth_time", json!(1))
}

/// Checks that a hint counts as none where a page shows who signs in, and that it proves nobody without a page.
#[track_caller]
fn assert_no_hint(app: &TestClient, signed_in: &Browser<'_>, stranger: &Browser<'_>, hint: &str) {
    let (plain, silent) =
        ([("id_token_hint", hint)], [("id_token_hint", hint), ("prompt", "none")]);
    assert!(is_login(&stranger.get(&app.authorize(&plain))));
    assert!(answer(&signed_in.get(&app.authorize(&plain)), CALLBACK).contains_key("code"));
    for browser in [signed_in, stranger] {
        let parameters = answer(&browser.get(&app.authorize(&silent)), CALLBACK);
        assert_eq!(parameters["error"], "login_required");
        assert_eq!(parameters["error_description"], "no session satisfies the request");
    }
}

#[test]
fn a_hint_whose_key_is_gone_counts_as_no_hint() {
    for alg in ["ES256", "RS256"] {
        let provider = provider();
        let app = provider.put_client_with("app", json!({ "id_token_signed_response_alg": alg }));
        let (alice, stranger) = (Browser::new(&provider), Browser::new(&provider));
        let code = alice.authorize(&app, LOGIN, &[]);
        let id_token = field(&provider.redeem(&app, &code), "id_token");
        let silent = app.authorize(&[("id_token_hint", &id_token), ("prompt", "none")]);
        assert!(answer(&alice.get(&silent), CALLBACK).contains_key("code"));

        let retire = "UPDATE signing_keys SET sign_until = ?1, retire_at = ?1 WHERE alg = ?2";
        provider.platform.primary.execute(retire, (NOW, alg)).unwrap();
        provider.platform.cache.borrow_mut().clear();
        // Another key is made.
        provider.sleep(60);
        provider.new_isolate();
        provider.send(get("/auth/jwks.json"));
        // The hint counts while a session of its time may go on, unless the key was withdrawn.
        assert!(answer(&alice.get(&silent), CALLBACK).contains_key("code"));
        let withdraw = "UPDATE signing_keys SET publish_from = 0, sign_from = 0, sign_until = 0, \
                        retire_at = 0 WHERE retire_at = ?1";
        provider.platform.primary.execute(withdraw, [NOW]).unwrap();
        provider.sleep(60);
        assert_no_hint(&app, &alice, &stranger, &id_token);
    }
}

#[test]
fn an_id_token_that_proves_nothing_counts_as_no_hint() {
    let provider = provider();
    let app = provider.put_app();
    let (alice, stranger) = (Browser::new(&provider), Browser::new(&provider));
    alice.authorize(&app, LOGIN, &[]);
    let other = provider.put_client_with("other", json!({}));
    let code = Browser::new(&provider).authorize(&other, LOGIN, &[]);
    let of_another_client = field(&provider.redeem(&other, &code), "id_token");
    for token in [
        of_another_client,
        hint().header("kid", json!("gone")).sign(),
        hint().header("kid", json!("gone")).claim("sub", json!("bob")).sign(),
        hint().header("kid", json!("gone")).header("alg", json!("PS256")).sign(),
        hint().header("kid", json!("")).key(THEIR_KEY).sign(),
        hint().without_header("kid").claim("iss", json!("https://old.example")).sign(),
    ] {
        assert_no_hint(&app, &alice, &stranger, &token);
    }
}

#[test]
fn a_hint_of_the_provider_under_its_former_issuer_counts_as_no_hint() {
    let provider = provider();
    let app = provider.put_app();
    let code = Browser::new(&provider).authorize(&app, LOGIN, &[]);
    let id_token = field(&provider.redeem(&app, &code), "id_token");
    provider.deploy(variables_with("ISSUER", "https://id.example.com"));
    let target = app.authorize(&[("id_token_hint", &id_token)]);
    assert!(is_login(&provider.send(get(&target))));
    let silent = provider.send(get(&format!("{target}&prompt=none")));
    assert_eq!(answer(&silent, CALLBACK)["error"], "login_required");
}

#[test]
fn a_hint_that_proves_nothing_leaves_the_user_of_the_claims_parameter() {
    let provider = provider();
    provider.put_user("bob");
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let bob = Browser::new(&provider);
    bob.authorize(&app, "bob", &[]);
    let gone = hint().header("kid", json!("gone")).sign();
    let claims = r#"{"id_token":{"sub":{"value":"alice"}}}"#;
    let page = bob.get(&app.authorize(&[("id_token_hint", &gone), ("claims", claims)]));
    assert!(is_login(&page));
    assert!(is_login(&bob.sign_in_on(&page, "bob")));
}

#[test]
fn a_hint_that_was_changed_or_was_never_an_id_token_is_an_error() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    let code = alice.authorize(&app, LOGIN, &[]);
    let tokens = provider.redeem(&app, &code);
    let id_token = field(&tokens, "id_token");
    let (_, signature) = id_token.rsplit_once('.').unwrap();
    let changed = id_token.replace(signature, &"A".repeat(signature.len()));
    for (token, description) in [
        (changed, "id_token_hint: the signature is wrong"),
        (field(&tokens, "access_token"), "id_token_hint: must be an ID token"),
        ("x".into(), "id_token_hint: must be a signed JWT"),
    ] {
        let response = alice.get(&app.authorize(&[("id_token_hint", &token)]));
        let parameters = answer(&response, CALLBACK);
        assert_eq!(parameters["error_description"], description);
        assert_eq!(parameters["error"], "invalid_request");
    }
}
