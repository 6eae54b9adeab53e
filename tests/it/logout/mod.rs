//! Logout that an application begins (RP-Initiated Logout 1.0), and what other applications hear of it (Front-Channel Logout
//! 1.0).

mod frontchannel;
pub use frontchannel::frames;
mod hints;
mod registered_uris;
mod servers;

use crate::browser::{Browser, TestClient, decode, destination, encode, field, form_to, is_login};
use crate::test_provider::{ISSUER, TestProvider, TestRequest, TestResponse, get, post};
use serde_json::{Value, json};

pub const LOGIN: &str = "alice@example.com";
pub const AFTER: &str = "https://app.example/signed-out?from=postern";

pub fn provider() -> TestProvider {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    provider
}

/// A client with a post-logout redirect URI.
pub fn put_app(provider: &TestProvider, fields: Value) -> TestClient {
    let mut all = json!({ "post_logout_redirect_uris": [AFTER] });
    for (name, value) in fields.as_object().unwrap() {
        all[name] = value.clone();
    }
    provider.put_client_with("app", all)
}

/// Signs in to the client, and returns the ID token.
pub fn sign_in(browser: &Browser<'_>, provider: &TestProvider, app: &TestClient) -> String {
    let code = browser.authorize(app, LOGIN, &[]);
    field(&provider.redeem(app, &code), "id_token")
}

/// The target of a logout request.
pub fn logout(parameters: &[(&str, &str)]) -> String {
    format!("/auth/logout?{}", encode(parameters))
}

pub fn is_signed_in(browser: &Browser<'_>) -> bool {
    let page = browser.get("/auth/account");
    assert!(is_login(&page) || page.body.contains("Your account"), "{}", page.body);
    !is_login(&page)
}

/// Returns whether it is the confirmation page, which leads nowhere by itself.
pub fn asks(page: &TestResponse) -> bool {
    page.header("location").or(page.header("refresh")).is_none()
        && page.body.contains("Do you want to sign out?")
}

/// Returns whether it is the page after a logout, which leads nowhere.
pub fn is_signed_out_page(page: &TestResponse) -> bool {
    page.status == 200
        && page.header("location").or(page.header("refresh")).is_none()
        && page.body.contains("You are signed out")
}

pub fn sessions(provider: &TestProvider) -> i64 {
    let sql = "SELECT count(*) FROM sessions";
    provider.platform.primary.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn with_a_hint_of_the_session_the_user_is_signed_out_and_back_at_once() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    for method in ["GET", "POST"] {
        let browser = Browser::new(&provider);
        let hint = sign_in(&browser, &provider, &app);
        let state = "a state\"'<b>&amp;=+%20;\\/#?~";
        let parameters =
            [("id_token_hint", &*hint), ("post_logout_redirect_uri", AFTER), ("state", state)];
        let response = match method {
            "GET" => browser.get(&logout(&parameters)),
            _ => browser.post("/auth/logout", &parameters),
        };
        let query = destination(&response).strip_prefix(AFTER).unwrap().strip_prefix('&').unwrap();
        assert_eq!(decode(query), [("state".to_owned(), state.to_owned())].into(), "{method}");
        assert!(!is_signed_in(&browser), "{method}");
        assert_eq!(sessions(&provider), 0, "{method}");
        // Without a state there is none, and a user who is signed out is sent back, too.
        let response = browser.get(&logout(&parameters[..2]));
        assert_eq!(destination(&response), AFTER);
    }
}

#[test]
fn without_a_uri_the_user_sees_a_page() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let browser = Browser::new(&provider);
    let hint = sign_in(&browser, &provider, &app);
    let page = browser.get(&logout(&[("id_token_hint", &hint), ("state", "x")]));
    assert!(is_signed_out_page(&page) && page.body.contains("The App"), "{}", page.body);
    assert_eq!(sessions(&provider), 0);
    for parameters in [vec![], vec![("state", "x")], vec![("client_id", "app")]] {
        assert!(is_signed_out_page(&browser.get(&logout(&parameters))), "{parameters:?}");
    }
}

#[test]
fn without_a_hint_the_user_confirms_and_returns_after_the_form() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let browser = Browser::new(&provider);
    sign_in(&browser, &provider, &app);
    let target = logout(&[
        ("client_id", "app"),
        ("post_logout_redirect_uri", AFTER),
        ("state", "s&\"<"),
        ("ui_locales", "de"),
    ]);
    let page = browser.get(&target);
    assert_eq!((page.status, page.header("location")), (200, None));
    for part in ["Möchten Sie sich abmelden?", "The App", "alice@example.com", "app.example"] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert!(is_signed_in(&browser), "the page alone signs nobody out");
    let form = form_to(&page, "/auth/signout");
    let response = browser.submit_form(&form, &[]);
    assert_eq!(destination(&response), format!("{AFTER}&state=s%26%22%3C"));
    assert!(!is_signed_in(&browser));
    // A double click gets the same response.
    assert_eq!(destination(&browser.submit_form(&form, &[])), format!("{AFTER}&state=s%26%22%3C"));
}

#[test]
fn a_user_who_is_not_sent_by_an_application_confirms() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let browser = Browser::new(&provider);
    sign_in(&browser, &provider, &app);
    for parameters in [vec![], vec![("state", "x")], vec![("logout_hint", LOGIN)]] {
        let page = browser.get(&logout(&parameters));
        assert!(asks(&page) && page.status == 200, "{parameters:?} {}", page.body);
    }
    let page = browser.submit(&browser.get("/auth/logout"), &[]);
    assert!(is_signed_out_page(&page) && page.body.contains("The App"), "{}", page.body);
}

#[test]
fn the_form_works_for_its_session_browser_and_request_only() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let (alice, other) = (Browser::new(&provider), Browser::new(&provider));
    let target = logout(&[("client_id", "app"), ("post_logout_redirect_uri", AFTER)]);
    sign_in(&alice, &provider, &app);
    sign_in(&other, &provider, &app);
    let form = form_to(&alice.get(&target), "/auth/signout");
    // Another browser with another session.
    assert!(asks(&other.submit_form(&form, &[])));
    // Another request.
    let request = encode(&[("client_id", "app")]);
    assert!(asks(&alice.submit_form(&form, &[("request", &request)])));
    // The form of the account page is one without a request.
    let account = form_to(&alice.get("/auth/account"), "/auth/signout");
    let request = encode(&[("client_id", "app"), ("post_logout_redirect_uri", AFTER)]);
    assert!(asks(&alice.submit_form(&account, &[("request", &request)])));
    // An expired one.
    provider.sleep(3_600);
    assert!(asks(&alice.submit_form(&form, &[])));
    // The form of another site arrives without cookies.
    let body = encode(&[("request", ""), ("token", "x")]);
    let response = provider.send(post("/auth/signout").form(&body));
    assert_eq!(response.header("location"), Some(&*format!("{ISSUER}/auth/account")));
    assert!(response.cookies().is_empty());
    assert_eq!(sessions(&provider), 2);
}

#[test]
fn a_prefetch_or_a_head_signs_nobody_out() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let browser = Browser::new(&provider);
    let hint = sign_in(&browser, &provider, &app);
    let target = logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", AFTER)]);
    provider.platform.take_counts();
    for (name, value) in [("sec-purpose", "prefetch;prerender"), ("purpose", "Prefetch")] {
        let response = browser.send(get(&target).with(name, value));
        assert_eq!((response.status, response.body.as_str()), (503, ""), "{name}");
    }
    let response = browser.send(TestRequest::new("HEAD", &target));
    assert_eq!((response.status, response.header("location")), (200, None));
    let counts = provider.platform.take_counts();
    assert_eq!((counts.statements, counts.batches), (0, 0));
    assert!(is_signed_in(&browser));
}

#[test]
fn logout_ends_access_for_the_time_of_the_session_and_leaves_offline_access() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let offline = provider.put_client_with("offline", json!({}));
    let browser = Browser::new(&provider);
    let kept = browser.authorize(&offline, LOGIN, &[("scope", "openid offline_access")]);
    let kept = provider.redeem(&offline, &kept);
    let code = browser.authorize(&app, LOGIN, &[]);
    let tokens = provider.redeem(&app, &code);
    let unredeemed = browser.authorize(&offline, LOGIN, &[("scope", "openid offline_access")]);
    let userinfo = |tokens: &TestResponse| {
        provider.send(get("/auth/userinfo").bearer(&field(tokens, "access_token"))).status
    };
    assert_eq!((userinfo(&tokens), userinfo(&kept)), (200, 200));
    browser.get(&logout(&[("id_token_hint", &field(&tokens, "id_token"))]));
    assert_eq!((userinfo(&tokens), userinfo(&kept)), (401, 200));
    assert_eq!(provider.refresh(&offline, &field(&kept, "refresh_token")).status, 200);
    assert_eq!(provider.redeem(&offline, &unredeemed).error().as_deref(), Some("invalid_grant"));
}

#[test]
fn an_issuer_with_a_path_has_its_endpoint_below_it() {
    let provider = TestProvider::configured(crate::test_provider::variables_with(
        "ISSUER",
        "https://example.com/login",
    ));
    let metadata = provider.send(get("/login/.well-known/openid-configuration")).json();
    assert_eq!(metadata["end_session_endpoint"], "https://example.com/login/auth/logout");
    assert_eq!(provider.send(get("/login/auth/logout")).status, 200);
    assert_eq!(provider.send(get("/auth/logout")).status, 404);
}

#[test]
fn the_end_is_in_the_audit_trail() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let browser = Browser::new(&provider);
    let hint = sign_in(&browser, &provider, &app);
    browser.get(&logout(&[("id_token_hint", &hint)]));
    let browser = Browser::new(&provider);
    let hint = sign_in(&browser, &provider, &app);
    provider.send(get(&logout(&[("id_token_hint", &hint)])));
    let events = provider.send(get("/admin/audit?kind=session.ended").by_operator()).json();
    let seen = |index: usize| {
        let event = &events["events"][index];
        (event["actor"].clone(), event["detail"]["reason"].clone(), event["sub"].clone())
    };
    let mut all = [seen(0), seen(1)];
    all.sort_by_key(|(actor, ..)| actor.to_string());
    assert_eq!(all[0], (json!("client"), json!("signed_out_by_client"), json!("alice")));
    assert_eq!(all[1], (json!("user"), json!("signed_out"), json!("alice")));
}

#[test]
fn codes_that_are_redeemed_beside_a_logout_leave_no_token_that_lives() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    for place in 0..6 {
        let browser = Browser::new(&provider);
        let hint = sign_in(&browser, &provider, &app);
        let codes = [(); 5].map(|()| browser.authorize(&app, LOGIN, &[]));
        let mut requests: Vec<_> = codes.iter().map(|code| redemption(&app, code)).collect();
        requests.insert(place, get(&logout(&[("id_token_hint", &hint)])));
        let mut responses = provider.send_at_once(requests);
        assert_eq!(responses.remove(place).status, 200);
        for response in responses {
            if response.status != 200 {
                assert_eq!(response.error().as_deref(), Some("invalid_grant"));
                continue;
            }
            let token = field(&response, "access_token");
            assert_eq!(provider.send(get("/auth/userinfo").bearer(&token)).status, 401, "{place}");
        }
        assert!(!is_signed_in(&browser));
    }
}

fn redemption(app: &TestClient, code: &str) -> TestRequest {
    let secret = app.secret.as_deref().unwrap();
    post("/auth/token").form(&encode(&[
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &app.redirect_uri),
        ("code_verifier", crate::browser::VERIFIER),
        ("client_id", &app.id),
        ("client_secret", secret),
    ]))
}
