//! What an `id_token_hint` proves.

use super::{AFTER, LOGIN, asks, is_signed_in, logout, provider, put_app, sessions, sign_in};
use crate::browser::{Browser, claims, destination, field};
use crate::test_provider::{TestProvider, get};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

const DAY: i64 = 86_400;

fn encode_part(part: &Value) -> String {
    Base64UrlUnpadded::encode_string(part.to_string().as_bytes())
}

#[test]
fn an_expired_hint_proves_the_session() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let browser = Browser::new(&provider);
    let hint = sign_in(&browser, &provider, &app);
    provider.sleep(20 * 3_600);
    assert!(claims(&hint)["exp"].as_i64().unwrap() < provider.now.get());
    let target = logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", AFTER)]);
    assert!(is_signed_in(&browser));
    assert_eq!(destination(&browser.get(&target)), AFTER);
    assert!(!is_signed_in(&browser));
    // A session that has expired is no longer that of the hint.
    let hint = sign_in(&browser, &provider, &app);
    provider.sleep(10 * DAY);
    assert!(!is_signed_in(&browser));
    let other = provider.put_client_with("other", json!({}));
    browser.authorize(&other, LOGIN, &[]);
    let target = logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", AFTER)]);
    assert!(asks(&browser.get(&target)));
}

#[test]
fn a_hint_of_another_session_of_the_user_needs_a_confirmation() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let (here, there) = (Browser::new(&provider), Browser::new(&provider));
    let old = sign_in(&there, &provider, &app);
    sign_in(&here, &provider, &app);
    let target = logout(&[("id_token_hint", &old), ("post_logout_redirect_uri", AFTER)]);
    assert!(asks(&here.get(&target)));
    assert_eq!(sessions(&provider), 2, "neither session has ended");
    assert_eq!(destination(&here.submit(&here.get(&target), &[])), AFTER);
    assert!(!is_signed_in(&here) && is_signed_in(&there));
}

#[test]
fn a_hint_of_another_user_needs_a_confirmation() {
    let provider = provider();
    provider.put_user("bob");
    let app = put_app(&provider, json!({}));
    let (alice, bob) = (Browser::new(&provider), Browser::new(&provider));
    let hint = sign_in(&alice, &provider, &app);
    bob.authorize(&app, "bob", &[]);
    let page = bob.get(&logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", AFTER)]));
    assert!(asks(&page) && page.body.contains("<bdi class=\"name\">bob</bdi>"), "{}", page.body);
    assert_eq!(sessions(&provider), 2);
}

#[test]
fn a_refreshed_id_token_is_a_hint_of_its_session() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let browser = Browser::new(&provider);
    let code = browser.authorize(&app, LOGIN, &[("scope", "openid offline_access")]);
    let tokens = provider.redeem(&app, &code);
    let refreshed = provider.refresh(&app, &field(&tokens, "refresh_token"));
    let hint = field(&refreshed, "id_token");
    browser.get(&logout(&[("id_token_hint", &hint)]));
    assert!(!is_signed_in(&browser));
}

#[test]
fn a_pairwise_subject_is_a_hint_with_and_without_cookies() {
    let provider = provider();
    let app = put_app(&provider, json!({ "subject_type": "pairwise" }));
    for has_cookies in [true, false] {
        let browser = Browser::new(&provider);
        let hint = sign_in(&browser, &provider, &app);
        assert_ne!(claims(&hint)["sub"], "alice");
        let target = logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", AFTER)]);
        let response = if has_cookies { browser.get(&target) } else { provider.send(get(&target)) };
        assert_eq!(destination(&response), AFTER);
        assert!(!is_signed_in(&browser), "{has_cookies}");
    }
}

/// Hints that are not an ID token of the provider's as it issued it, by the words of the error. Without an error, the user
/// confirms.
fn forged(
    provider: &TestProvider,
    hint: &str,
) -> Vec<(&'static str, String, Option<&'static str>)> {
    let parts: Vec<_> = hint.split('.').collect();
    let header = crate::browser::header(hint);
    let mut payload = claims(hint);
    payload["name"] = json!("Mallory");
    let changed = encode_part(&payload);
    let mut unsigned = header.clone();
    unsigned["alg"] = json!("none");
    let mut bare = json!({ "alg": "none" });
    bare["typ"] = json!("JWT");
    let mut renamed = header.clone();
    renamed["kid"] = json!("another");
    let unsigned = encode_part(&unsigned);
    let access_token = provider.mint("openid");
    vec![
        ("changed claims", format!("{}.{changed}.{}", parts[0], parts[2]), Some("signature")),
        ("alg none", format!("{unsigned}.{}.", parts[1]), Some("signature")),
        (
            "alg none with a signature",
            format!("{unsigned}.{}.{}", parts[1], parts[2]),
            Some("signature"),
        ),
        ("no signature", format!("{}.{}.", parts[0], parts[1]), Some("signature")),
        ("no key", format!("{}.{changed}.{}", encode_part(&bare), parts[2]), None),
        ("another key", format!("{}.{changed}.{}", encode_part(&renamed), parts[2]), None),
        ("an access token", access_token, Some("must be an ID token")),
        ("no JWT", "x".to_owned(), Some("must be a signed JWT")),
        ("too long", format!("{hint}{}", "x".repeat(51_200)), Some("longer than 51200 bytes")),
    ]
}

#[test]
fn a_hint_that_was_changed_signs_nobody_out_and_leads_nowhere() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let (browser, nobody) = (Browser::new(&provider), Browser::new(&provider));
    let hint = sign_in(&browser, &provider, &app);
    for (name, forged, words) in forged(&provider, &hint) {
        let parameters =
            [("id_token_hint", &*forged), ("post_logout_redirect_uri", AFTER), ("state", "x")];
        let page = browser.post("/auth/logout", &parameters);
        assert!(asks(&page), "{name} {}", page.body);
        assert_eq!(page.status, if words.is_some() { 400 } else { 200 }, "{name}");
        assert!(page.body.contains(words.unwrap_or_default()), "{name} {}", page.body);
        assert!(is_signed_in(&browser), "{name}");
        // Nobody is led anywhere by it, either.
        let page = nobody.post("/auth/logout", &parameters);
        assert_eq!((page.header("location"), page.header("refresh")), (None, None), "{name}");
        assert_eq!(page.status, if words.is_some() { 400 } else { 200 }, "{name}");
    }
    assert_eq!(sessions(&provider), 1);
}

#[test]
fn a_user_can_sign_out_on_the_page_of_an_error_but_does_not_return() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let browser = Browser::new(&provider);
    sign_in(&browser, &provider, &app);
    let page = browser.get(&logout(&[("id_token_hint", "x"), ("post_logout_redirect_uri", AFTER)]));
    assert!(page.body.contains("invalid_request"), "{}", page.body);
    let response = browser.submit(&page, &[]);
    assert!(super::is_signed_out_page(&response), "{}", response.body);
    assert!(!is_signed_in(&browser));
}

#[test]
fn a_hint_whose_key_is_no_longer_published_needs_a_confirmation() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let browser = Browser::new(&provider);
    let hint = sign_in(&browser, &provider, &app);
    provider.platform.primary.execute("DELETE FROM signing_keys", []).unwrap();
    provider.platform.cache.borrow_mut().clear();
    provider.new_isolate();
    provider.send(get("/auth/jwks.json"));
    provider.sleep(3_600);
    provider.new_isolate();
    let target = logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", AFTER)]);
    assert!(asks(&browser.get(&target)));
    assert_eq!(destination(&browser.submit(&browser.get(&target), &[])), AFTER);
}

#[test]
fn client_id_and_hint_must_agree() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    provider.put_client_with("other", json!({ "post_logout_redirect_uris": [AFTER] }));
    let browser = Browser::new(&provider);
    let hint = sign_in(&browser, &provider, &app);
    for id in ["other", "APP", "app ", "gone"] {
        let parameters =
            [("id_token_hint", &*hint), ("client_id", id), ("post_logout_redirect_uri", AFTER)];
        let page = browser.get(&logout(&parameters));
        assert!(asks(&page) && page.status == 400, "{id}");
        assert!(page.body.contains("client_id: must be the aud of id_token_hint"), "{id}");
    }
    assert!(is_signed_in(&browser));
    let parameters =
        [("id_token_hint", &*hint), ("client_id", "app"), ("post_logout_redirect_uri", AFTER)];
    assert_eq!(destination(&browser.get(&logout(&parameters))), AFTER);
}
