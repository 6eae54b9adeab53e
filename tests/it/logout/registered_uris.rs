//! The logout endpoint leads to registered URIs only.

use super::{LOGIN, asks, is_signed_out_page, logout, provider, sign_in};
use crate::browser::{Browser, destination, error_page, form_to};
use crate::hostile::redirect_tricks::{DESK_TRICKS, LOOPBACK, PORTS, TRICKS};
use crate::strangers::register;
use crate::test_provider::{TestProvider, variables_with};
use serde_json::json;

const PLAIN: &str = "https://app.example/plain";

#[test]
fn no_uri_leads_away_but_a_registered_one() {
    let provider = provider();
    let uris = json!([PLAIN, "https://app.example/cb?from=postern", "http://localhost:3000/cb"]);
    let app = provider.put_client_with("app", json!({ "post_logout_redirect_uris": uris }));
    let desk = json!([
        "http://127.0.0.1/cb",
        "http://[::1]:7777/cb?x=1",
        "http://localhost:1/",
        "com.example.desk:/cb",
        "https://desk.example/cb"
    ]);
    provider.put_client_with("desk", json!({ "post_logout_redirect_uris": desk }));
    let (alice, nobody) = (Browser::new(&provider), Browser::new(&provider));
    let hint = sign_in(&alice, &provider, &app);
    let of_app = TRICKS.iter().map(|uri| ("app", *uri));
    for (id, uri) in of_app.chain(DESK_TRICKS.iter().map(|uri| ("desk", *uri))) {
        let target = logout(&[("client_id", id), ("post_logout_redirect_uri", uri)]);
        let html = error_page(&nobody.get(&target));
        assert!(html.contains("is not registered for the client"), "{uri} {html}");
        let mut parameters = vec![("post_logout_redirect_uri", uri), ("state", "x")];
        parameters.push(if id == "app" { ("id_token_hint", &hint) } else { ("client_id", id) });
        let page = alice.get(&logout(&parameters));
        assert!(asks(&page) && page.status == 400, "{uri} {}", page.body);
    }
    assert!(super::is_signed_in(&alice));
    let valid = PORTS.map(|uri| ("app", uri)).into_iter().chain(LOOPBACK.map(|uri| ("desk", uri)));
    for (id, uri) in valid {
        let target = logout(&[("client_id", id), ("post_logout_redirect_uri", uri)]);
        assert_eq!(destination(&nobody.get(&target)), uri);
    }
}

#[test]
fn redirect_uris_are_not_post_logout_redirect_uris() {
    let provider = provider();
    let app = provider.put_app();
    let parameters = [("client_id", "app"), ("post_logout_redirect_uri", &*app.redirect_uri)];
    error_page(&Browser::new(&provider).get(&logout(&parameters)));
}

#[test]
fn a_uri_needs_a_client() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "post_logout_redirect_uris": [PLAIN] }));
    let (alice, nobody) = (Browser::new(&provider), Browser::new(&provider));
    sign_in(&alice, &provider, &app);
    for (client_id, words) in [
        ("", "post_logout_redirect_uri: needs id_token_hint or client_id"),
        ("gone", "client_id: gone is not registered"),
        ("<b>&amp;", "client_id: "),
        ("https://gone.example/client", "is not registered"),
    ] {
        let target = logout(&[("client_id", client_id), ("post_logout_redirect_uri", PLAIN)]);
        let html = error_page(&nobody.get(&target));
        assert!(html.contains(words) && !html.contains("<b>"), "{html}");
        let page = alice.get(&target);
        assert!(asks(&page) && page.status == 400 && page.body.contains(words), "{client_id}");
    }
}

#[test]
fn a_repeated_or_long_parameter_gets_a_page() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "post_logout_redirect_uris": [PLAIN] }));
    let (alice, nobody) = (Browser::new(&provider), Browser::new(&provider));
    let hint = sign_in(&alice, &provider, &app);
    let usual = [
        ("id_token_hint", &*hint),
        ("client_id", "app"),
        ("post_logout_redirect_uri", PLAIN),
        ("state", "x"),
        ("ui_locales", "en"),
        ("logout_hint", LOGIN),
    ];
    for twice in usual {
        let mut parameters = usual.to_vec();
        parameters.push(twice);
        for browser in [&alice, &nobody] {
            let page = browser.get(&logout(&parameters));
            assert_eq!((page.status, page.header("location")), (400, None));
            assert!(page.body.contains(&format!("duplicate parameter: {}", twice.0)));
        }
    }
    for (state, status) in [("s".repeat(4_096), 303), ("s".repeat(4_097), 400)] {
        let mut parameters = usual.to_vec();
        parameters[3] = ("state", &state);
        let page = nobody.get(&logout(&parameters));
        assert_eq!(page.status, status);
        assert_eq!(page.header("location").is_some(), status == 303);
    }
    // Empty parameters count as absent, and unknown ones are ignored.
    let more = [("client_id", ""), ("state", ""), ("nonsense", "x"), ("nonsense", "y")];
    let parameters = [&usual[..3], &more].concat();
    assert_eq!(destination(&alice.get(&logout(&parameters))), PLAIN);
}

#[test]
fn only_the_form_leads_to_a_client_that_nobody_vouches_for() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.put_alice_with_password();
    let stranger = register(&provider, json!({ "post_logout_redirect_uris": [PLAIN] }));
    let (mallory, alice) = (Browser::new(&provider), Browser::new(&provider));
    let hint = sign_in(&mallory, &provider, &stranger);
    // A link that anybody can write leads a stranger to a page with a link.
    for proof in [("client_id", &*stranger.id), ("id_token_hint", &hint)] {
        let target = logout(&[proof, ("post_logout_redirect_uri", PLAIN), ("state", "s")]);
        let page = alice.get(&target);
        assert_eq!(
            (page.status, page.header("location"), page.header("refresh")),
            (200, None, None)
        );
        assert!(!page.body.contains("<script") && page.body.contains("does not vouch for it"));
        assert!(page.body.contains(&format!("href=\"{PLAIN}?state=s\"")), "{}", page.body);
    }
    // Its own user goes back at once, because the hint is one of the session.
    let hint = sign_in(&alice, &provider, &stranger);
    let target = logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", PLAIN)]);
    assert_eq!(destination(&alice.get(&target)), PLAIN);
    // And after the form.
    sign_in(&alice, &provider, &stranger);
    let target = logout(&[("client_id", &stranger.id), ("post_logout_redirect_uri", PLAIN)]);
    let page = alice.get(&target);
    assert!(asks(&page) && page.body.contains("app.example"), "{}", page.body);
    assert_eq!(destination(&alice.submit(&page, &[])), PLAIN);
}

#[test]
fn the_form_does_not_lead_to_a_client_that_nobody_vouches_for_and_the_user_does_not_use() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.put_alice_with_password();
    let app = provider.put_client_with("app", json!({ "post_logout_redirect_uris": [PLAIN] }));
    let evil = "https://evil.example/login";
    let stranger = register(&provider, json!({ "post_logout_redirect_uris": [evil] }));
    let (mallory, alice) = (Browser::new(&provider), Browser::new(&provider));
    sign_in(&mallory, &provider, &stranger);
    sign_in(&alice, &provider, &app);
    let target = logout(&[("client_id", &stranger.id), ("post_logout_redirect_uri", evil)]);
    let form = form_to(&alice.get(&target), "/auth/signout");
    let cookies = alice.cookies.borrow().clone();
    // Twice, because the second click on the form is about a session that has ended.
    for _ in 0..2 {
        *alice.cookies.borrow_mut() = cookies.clone();
        let page = alice.submit_form(&form, &[]);
        let leaves = (page.header("location"), page.header("refresh"));
        assert_eq!((page.status, leaves), (200, (None, None)), "{}", page.body);
        assert!(page.body.contains("does not vouch for it"), "{}", page.body);
        assert!(page.body.contains(&format!("href=\"{evil}\"")), "{}", page.body);
    }
    assert!(!super::is_signed_in(&alice));
    // To a client that is used in the session the user returns at once, also after the second click.
    sign_in(&alice, &provider, &stranger);
    let form = form_to(&alice.get(&target), "/auth/signout");
    let cookies = alice.cookies.borrow().clone();
    for _ in 0..2 {
        *alice.cookies.borrow_mut() = cookies.clone();
        assert_eq!(destination(&alice.submit_form(&form, &[])), evil);
    }
    // The operator's clients are no strangers.
    let other = provider.put_client_with("other", json!({}));
    sign_in(&alice, &provider, &other);
    let target = logout(&[("client_id", "app"), ("post_logout_redirect_uri", PLAIN)]);
    assert_eq!(destination(&alice.submit(&alice.get(&target), &[])), PLAIN);
}

#[test]
fn a_uri_that_is_withdrawn_while_the_page_is_open_leads_nowhere() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "post_logout_redirect_uris": [PLAIN] }));
    let alice = Browser::new(&provider);
    sign_in(&alice, &provider, &app);
    let target = logout(&[("client_id", "app"), ("post_logout_redirect_uri", PLAIN)]);
    let page = alice.get(&target);
    provider.put_app();
    let page = alice.submit(&page, &[]);
    assert!(is_signed_out_page(&page), "{}", page.body);
    assert!(!super::is_signed_in(&alice));
}

#[test]
fn an_application_on_the_device_is_reached_by_a_redirect() {
    let provider = provider();
    let uri = "com.example.app:/signed-out";
    let app = provider.put_client_with("app", json!({ "post_logout_redirect_uris": [uri] }));
    let alice = Browser::new(&provider);
    sign_in(&alice, &provider, &app);
    let page = alice.get(&logout(&[("client_id", "app"), ("post_logout_redirect_uri", uri)]));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.ends_with("form-action 'self' com.example.app:"), "{policy}");
    let response = alice.submit(&page, &[]);
    assert_eq!((response.status, destination(&response)), (303, uri));
}
