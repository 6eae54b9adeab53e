//! Modules in which the user sees a page.

use super::suite::Suite;
use crate::browser::{decode, error_page, is_login};
use crate::test_provider::{ISSUER, TestResponse};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, json};

/// Checks the English login page.
pub fn check_login_page(response: &TestResponse) {
    assert_eq!((response.status, response.header("location")), (200, None), "{}", response.body);
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(response.header("content-language"), Some("en"));
    assert!(is_login(response) && response.body.contains("<h1>Sign in</h1>"), "{}", response.body);
    assert!(response.body.contains("The App"), "{}", response.body);
}

/// Runs a flow that begins with the login page, and returns that page.
fn login_page_of_flow(suite: &Suite, parameters: &[(&str, &str)]) -> TestResponse {
    let browser = suite.browser();
    let page = suite.send_request(&browser, parameters);
    check_login_page(&page);
    let response = browser.sign_in_on(&page, "alice@example.com");
    suite.finish(&browser.agree(response, "alice@example.com"), parameters);
    page
}

pub fn oidcc_display_page(suite: &Suite) {
    login_page_of_flow(suite, &[("display", "page")]);
}

pub fn oidcc_display_popup(suite: &Suite) {
    login_page_of_flow(suite, &[("display", "popup")]);
}

pub fn oidcc_login_hint(suite: &Suite) {
    let hint = format!("buffy@{}", ISSUER.strip_prefix("https://").unwrap());
    let page = login_page_of_flow(suite, &[("login_hint", &hint)]);
    assert!(page.body.contains(&format!("value=\"{hint}\"")), "{}", page.body);
}

pub fn oidcc_ui_locales(suite: &Suite) {
    login_page_of_flow(suite, &[("ui_locales", "se")]);
}

/// Checks the error page for an unregistered redirect URI: it has no link to that URI.
fn check_redirect_uri_page(response: &TestResponse, redirect_uri: &str) {
    let page = check_error_page(response, redirect_uri);
    let expected = format!("redirect_uri: {redirect_uri} is not registered for the client");
    assert!(page.contains(&expected), "{page}");
    assert!(page.contains("<code>invalid_request</code>"), "{page}");
}

fn check_error_page(response: &TestResponse, redirect_uri: &str) -> String {
    let page = error_page(response);
    assert_eq!((response.status, response.header("refresh")), (400, None));
    assert!(page.contains("<h1>Something went wrong</h1>"), "{page}");
    // The page may show the URI, but not in an attribute.
    assert!(!page.contains(&format!("\"{redirect_uri}")) && !page.contains("<script"), "{page}");
    page
}

pub fn oidcc_ensure_registered_redirect_uri(suite: &Suite) {
    let unregistered = format!("{}/c4Zq1", suite.client.redirect_uri);
    let response = suite.send_request(&suite.browser(), &[("redirect_uri", &unregistered)]);
    check_redirect_uri_page(&response, &unregistered);
}

/// An unsigned request object with these parameters.
pub fn request_object(suite: &Suite, parameters: &[(&str, &str)]) -> String {
    let query = suite.query(&suite.client, parameters);
    let fields: Map<_, _> = decode(&query)
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .chain([("iss".into(), "client".into()), ("aud".into(), ISSUER.into())])
        .collect();
    let encode = |text: String| Base64UrlUnpadded::encode_string(text.as_bytes());
    let header = json!({ "alg": "none" }).to_string();
    format!("{}.{}.", encode(header), encode(json!(fields).to_string()))
}

pub fn oidcc_ensure_request_object_with_redirect_uri(suite: &Suite) {
    let object = request_object(suite, &[]);
    let unregistered = format!("{}/c4Zq1", suite.client.redirect_uri);
    let parameters = [
        ("request", object.as_str()),
        ("redirect_uri", &unregistered),
        ("response_mode", ""),
        ("state", ""),
        ("nonce", ""),
    ];
    let page = check_error_page(&suite.send_request(&suite.browser(), &parameters), &unregistered);
    assert!(page.contains("<code>invalid_request_object</code>"), "{page}");
}
