//! Logout requests without cookies: those of a client's server, and forms of other sites.

use super::{
    AFTER, is_signed_in, is_signed_out_page, logout, provider, put_app, sessions, sign_in,
};
use crate::browser::{Browser, destination, encode};
use crate::test_provider::{ISSUER, get, post};
use serde_json::json;

#[test]
fn a_server_ends_the_session_of_its_hint_and_no_other() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    for method in ["GET", "POST"] {
        let (here, there) = (Browser::new(&provider), Browser::new(&provider));
        let hint = sign_in(&here, &provider, &app);
        sign_in(&there, &provider, &app);
        let request = match method {
            "GET" => get(&logout(&[("id_token_hint", &hint)])),
            _ => post("/auth/logout").form(&encode(&[("id_token_hint", &hint)])),
        };
        let response = provider.send(request);
        assert!(is_signed_out_page(&response), "{method} {}", response.body);
        assert!(response.cookies().is_empty(), "{:?}", response.cookies());
        assert!(!is_signed_in(&here) && is_signed_in(&there), "{method}");
        provider.send(get(&logout(&[("id_token_hint", &sign_in(&there, &provider, &app))])));
        assert_eq!(sessions(&provider), 0);
    }
}

#[test]
fn the_response_to_a_server_is_the_same_with_and_without_a_session() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let uri = json!({
        "client_name": "Wiki", "redirect_uris": ["https://wiki.example/cb"],
        "frontchannel_logout_uri": "https://wiki.example/logout",
    });
    let wiki = provider.put_client_with("wiki", uri);
    let browser = Browser::new(&provider);
    let hint = sign_in(&browser, &provider, &app);
    browser.authorize(&wiki, super::LOGIN, &[]);
    let target = logout(&[("id_token_hint", &hint)]);
    let first = provider.send(get(&target));
    assert!(!is_signed_in(&browser));
    let second = provider.send(get(&target));
    assert_eq!(first.body, second.body, "the same with and without a session");
    assert!(!first.body.contains("iki"), "{}", first.body);
}

#[test]
fn a_hint_of_another_client_or_user_ends_nothing() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let other = provider.put_client_with("other", json!({}));
    let browser = Browser::new(&provider);
    let hint = sign_in(&browser, &provider, &app);
    sign_in(&browser, &provider, &other);
    // As if another client's token had the `sid`, or another user's.
    for sql in [
        "UPDATE session_clients SET client_id = 'third' WHERE client_id = 'app'",
        "UPDATE session_clients SET client_id = 'app', sid = 'x' WHERE client_id = 'third'",
    ] {
        assert_eq!(provider.platform.primary.execute(sql, []).unwrap(), 1);
        provider.send(get(&logout(&[("id_token_hint", &hint)])));
        assert!(is_signed_in(&browser), "{sql}");
    }
}

#[test]
fn the_form_of_another_site_is_repeated_with_the_cookies() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let browser = Browser::new(&provider);
    let hint = sign_in(&browser, &provider, &app);
    let parameters =
        [("id_token_hint", &*hint), ("post_logout_redirect_uri", AFTER), ("state", "s")];
    let form = post("/auth/logout").form(&encode(&parameters));
    let response = provider.send(form.with("origin", "https://app.example"));
    let location = response.header("location").unwrap();
    assert!(location.starts_with(&format!("{ISSUER}/auth/logout?")), "{location}");
    assert!(is_signed_in(&browser));
    assert_eq!(destination(&browser.get(location)), format!("{AFTER}&state=s"));
    assert!(!is_signed_in(&browser));
}

#[test]
fn a_form_of_another_site_that_is_too_long_for_a_url_leads_to_the_page_that_asks() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let (browser, elsewhere) = (Browser::new(&provider), Browser::new(&provider));
    sign_in(&browser, &provider, &app);
    let hint = sign_in(&elsewhere, &provider, &app);
    let long = "x".repeat(16_000);
    let parameters = [
        ("id_token_hint", &*hint),
        ("logout_hint", &long),
        ("post_logout_redirect_uri", AFTER),
        ("state", "s"),
    ];
    let form = post("/auth/logout").form(&encode(&parameters));
    let response = provider.send(form.with("origin", "https://app.example"));
    let location = response.header("location").unwrap_or_else(|| panic!("{}", response.body));
    assert!(response.cookies().is_empty() && location.len() < 500, "{location}");
    assert_eq!(sessions(&provider), 2, "nobody has confirmed yet");
    let page = browser.get(location);
    assert!(super::asks(&page) && page.status == 200, "{}", page.body);
    assert_eq!(destination(&browser.submit(&page, &[])), format!("{AFTER}&state=s"));
    assert!(!is_signed_in(&browser) && is_signed_in(&elsewhere));
    // An error is still one.
    let wrong = [("id_token_hint", "x"), ("logout_hint", &long)];
    let form = post("/auth/logout").form(&encode(&wrong)).with("origin", "https://app.example");
    assert_eq!(provider.send(form).status, 400);
}

#[test]
fn a_forged_form_of_another_site_signs_nobody_out() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let browser = Browser::new(&provider);
    sign_in(&browser, &provider, &app);
    let form = post("/auth/logout").form(&encode(&[("client_id", "app")]));
    let response = provider.send(form.with("origin", "https://evil.example"));
    assert!(super::asks(&browser.get(response.header("location").unwrap())));
    assert!(is_signed_in(&browser));
}
