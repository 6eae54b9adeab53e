//! What an `id_token_hint` proves.

use super::{AFTER, LOGIN, asks, is_signed_in, logout, provider, put_app, sessions, sign_in};
use crate::browser::{Browser, claims, destination, field};
use crate::test_provider::{TestProvider, get};
use base64ct::{Base64UrlUnpadded, Encoding};
use postern::lifetimes::{KEY_SEARCH_PAUSE_SECONDS, SESSION_SECONDS};
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
        // Nobody is led anywhere by it, either, and a server is told that it has signed nobody out.
        let page = nobody.post("/auth/logout", &parameters);
        assert_eq!((page.header("location"), page.header("refresh")), (None, None), "{name}");
        assert_eq!(page.status, 400, "{name}");
        let words = words.unwrap_or("id_token_hint: proves nothing, so nobody was signed out");
        assert!(page.body.contains(words), "{name} {}", page.body);
        assert!(!page.body.contains("You are signed out"), "{name} {}", page.body);
    }
    assert_eq!(sessions(&provider), 1);
}

#[test]
fn a_hint_that_proves_nothing_leads_a_new_browser_to_a_link() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let hint = sign_in(&Browser::new(&provider), &provider, &app);
    replace_keys(&provider, 0);
    let target = logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", AFTER)]);
    let page = Browser::new(&provider).send(get(&target).with("sec-fetch-dest", "document"));
    let leaves = (page.header("location"), page.header("refresh"));
    assert_eq!((page.status, leaves), (200, (None, None)));
    assert!(page.body.contains("You are signed out"), "{}", page.body);
    assert!(page.body.contains(&format!("href=\"{AFTER}\"")), "{}", page.body);
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

/// Ends every key now, so that others follow. A key that is withdrawn has retired at 0.
fn replace_keys(provider: &TestProvider, retire_at: i64) {
    let sql = "UPDATE signing_keys SET publish_from = min(publish_from, ?1), \
                 sign_from = min(sign_from, ?1), sign_until = ?1, retire_at = ?1 \
               WHERE retire_at IS NULL";
    assert_eq!(provider.platform.primary.execute(sql, [retire_at]).unwrap(), 2);
    provider.platform.cache.borrow_mut().clear();
    provider.sleep(60);
    provider.new_isolate();
    provider.send(get("/auth/jwks.json"));
}

#[test]
fn a_hint_proves_its_session_for_as_long_as_a_session_lasts_after_its_key_has_retired() {
    for alg in ["ES256", "RS256"] {
        let provider = TestProvider::with_keys();
        provider.put_alice_with_password();
        let app = put_app(&provider, json!({ "id_token_signed_response_alg": alg }));
        let (here, there) = (Browser::new(&provider), Browser::new(&provider));
        let of_browser = sign_in(&here, &provider, &app);
        let of_server = sign_in(&there, &provider, &app);
        let retired_at = provider.now.get();
        replace_keys(&provider, retired_at);
        // A changed token is still an error.
        let (signed, _) = of_browser.rsplit_once('.').unwrap();
        for forged in [format!("{signed}.{}", "A".repeat(86)), format!("{signed}.")] {
            let page = here.get(&logout(&[("id_token_hint", &forged)]));
            assert!(page.body.contains("the signature is wrong"), "{}", page.body);
        }
        let target = logout(&[("id_token_hint", &of_browser), ("post_logout_redirect_uri", AFTER)]);
        assert_eq!(destination(&here.get(&target)), AFTER);
        provider.now.set(retired_at + SESSION_SECONDS - 1);
        provider.new_isolate();
        let response = provider.send(get(&logout(&[("id_token_hint", &of_server)])));
        assert_eq!((response.status, sessions(&provider)), (200, 0), "{}", response.body);
        provider.now.set(retired_at + SESSION_SECONDS);
        for _ in 0..2 {
            let response = provider.send(get(&logout(&[("id_token_hint", &of_server)])));
            assert_eq!(response.status, 400, "{}", response.body);
            provider.new_isolate();
        }
    }
}

#[test]
fn a_hint_whose_key_is_withdrawn_or_gone_needs_a_confirmation() {
    for is_withdrawn in [true, false] {
        let provider = provider();
        let app = put_app(&provider, json!({}));
        let browser = Browser::new(&provider);
        let hint = sign_in(&browser, &provider, &app);
        if is_withdrawn {
            replace_keys(&provider, 0);
        } else {
            provider.platform.primary.execute("DELETE FROM signing_keys", []).unwrap();
            provider.platform.cache.borrow_mut().clear();
            provider.new_isolate();
            provider.send(get("/auth/jwks.json"));
            provider.sleep(3_600);
            provider.new_isolate();
        }
        let target = logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", AFTER)]);
        assert!(asks(&browser.get(&target)));
        assert_eq!(provider.send(get(&target)).status, 400);
        assert_eq!(destination(&browser.submit(&browser.get(&target), &[])), AFTER);
    }
}

#[test]
fn a_retired_key_that_is_withdrawn_proves_nothing_to_an_isolate_after_its_next_search() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let browser = Browser::new(&provider);
    let hint = sign_in(&browser, &provider, &app);
    replace_keys(&provider, provider.now.get());
    let target = logout(&[("id_token_hint", &hint), ("client_id", "app")]);
    // For a server, a hint that proves nothing is an error.
    let is_proven = || provider.send(get(&target)).status == 200;
    assert!(is_proven());
    let sql = "UPDATE signing_keys SET publish_from = 0, sign_from = 0, sign_until = 0, \
               retire_at = 0 WHERE retire_at IS NOT NULL";
    assert_eq!(provider.platform.primary.execute(sql, []).unwrap(), 2);
    provider.sleep(KEY_SEARCH_PAUSE_SECONDS);
    assert!(!is_proven());
}

#[test]
fn unknown_keys_of_hints_cause_one_search_in_a_pause() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let browser = Browser::new(&provider);
    let hint = sign_in(&browser, &provider, &app);
    let (_, rest) = hint.split_once('.').unwrap();
    provider.platform.take_counts();
    for number in 0..50 {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": format!("unknown-{number}") });
        let hint = format!("{}.{rest}", encode_part(&header));
        assert_eq!(provider.send(get(&logout(&[("id_token_hint", &hint)]))).status, 400);
    }
    let counts = provider.platform.take_counts();
    assert_eq!((counts.statements, counts.batches), (1, 0));
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
