//! Callbacks that redirect on: after a form the browser leaves by a page, so that no policy of a form applies to them.

use serde_json::{Value, json};

use crate::browser::{
    Browser, CALLBACK, TestClient, answer, encode, error_page, form, fragment, is_choice,
    is_consent, is_login,
};
use crate::test_provider::{ISSUER, TestProvider, TestResponse, get, post};

const LOGIN: &str = "alice@example.com";

fn provider() -> TestProvider {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    provider
}

/// Whether the response is a page that leaves rather than a redirect.
fn leaves(response: &TestResponse) -> bool {
    assert_ne!(response.header("refresh").is_some(), response.header("location").is_some());
    response.header("refresh").is_some()
}

fn form_action(page: &TestResponse) -> String {
    let policy = format!("{};", page.header("content-security-policy").unwrap());
    let (_, rest) = policy.split_once("form-action ").unwrap();
    rest.split(';').next().unwrap().to_owned()
}

fn native(provider: &TestProvider, redirect_uri: &str) -> TestClient {
    let fields = json!({
        "application_type": "native", "token_endpoint_auth_method": "none",
        "redirect_uris": [redirect_uri],
    });
    provider.put_client_with("native", fields)
}

#[test]
fn every_form_allows_the_provider_only_and_its_answer_leaves_by_a_page() {
    let provider = provider();
    for (redirect_uri, fields) in [
        (CALLBACK, json!({})),
        ("https://app.example/desktop", json!({ "token_endpoint_auth_method": "none" })),
        ("http://localhost:8787/cb", json!({})),
    ] {
        let Value::Object(mut fields) = fields else { unreachable!() };
        fields.insert("redirect_uris".into(), json!([redirect_uri]));
        let client = provider.put_client_with("app", fields.into());
        for decision in ["allow", "deny"] {
            let browser = Browser::new(&provider);
            let parameters = [("prompt", "select_account consent")];
            let login = browser.get(&client.authorize(&parameters));
            assert!(is_login(&login));
            let consent = browser.sign_in_on(&login, LOGIN);
            let choice = browser.get(&client.authorize(&parameters));
            assert!(is_choice(&choice) && is_consent(&consent));
            for page in [&login, &choice, &consent] {
                assert_eq!(form_action(page), "'self'");
            }
            let response = browser.submit(&consent, &[("decision", decision)]);
            assert!(leaves(&response));
            let parameters = answer(&response, redirect_uri);
            assert_eq!(parameters["state"], "the state");
            assert_eq!(parameters["iss"], ISSUER);
            match parameters.get("code") {
                Some(code) => assert_eq!(provider.redeem(&client, code).status, 200),
                None => assert_eq!(parameters["error"], "access_denied"),
            }
        }
    }
}

#[test]
fn a_get_behind_the_sign_in_form_leaves_by_a_page_and_any_other_by_a_redirect() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let browser = Browser::new(&provider);
    let response = browser.sign_in_on(&browser.get(&app.authorize(&[])), LOGIN);
    assert!(leaves(&response) && answer(&response, CALLBACK).contains_key("code"));
    let response = browser.get(&app.authorize(&[]));
    assert!(!leaves(&response) && answer(&response, CALLBACK).contains_key("code"));
    let choice = browser.get(&app.authorize(&[("prompt", "select_account")]));
    let response = browser.submit(&choice, &[("decision", "continue")]);
    assert!(leaves(&response) && answer(&response, CALLBACK).contains_key("code"));
}

#[test]
fn an_expired_form_whose_request_begins_again_leaves_by_a_page() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let browser = Browser::new(&provider);
    browser.authorize(&app, LOGIN, &[]);
    let query = app.authorize_query(&[]);
    // The account chooser shows its page again; here the request does not need it.
    let parameters = [("decision", "continue"), ("request", query.as_str()), ("token", "1.x")];
    let response = browser.follow(browser.post("/auth/select-account", &parameters));
    assert!(leaves(&response) && answer(&response, CALLBACK).contains_key("code"));
    // So does the consent form.
    let parameters = [("decision", "allow"), ("request", query.as_str()), ("token", "1.x")];
    let response = browser.follow(browser.post("/auth/consent", &parameters));
    assert!(leaves(&response) && answer(&response, CALLBACK).contains_key("code"));
    // The query of a request that began again has no trace of it in the next form.
    let again = format!("/auth/authorize?{}&resume=", app.authorize_query(&[("prompt", "login")]));
    let fields = form(&browser.get(&again)).fields;
    let (_, request) = fields.iter().find(|(name, _)| name == "request").unwrap();
    assert!(!request.contains("resume"), "{request}");
    assert!(leaves(&browser.sign_in_on(&browser.get(&again), LOGIN)));
}

#[test]
fn a_failure_behind_a_form_leaves_by_a_page() {
    let provider = provider();
    let app = provider.put_app();
    let browser = Browser::new(&provider);
    let consent = browser.sign_in_on(&browser.get(&app.authorize(&[])), LOGIN);
    // The client registers that it pushes its requests, while the page is open.
    provider.put_client_with("app", json!({ "require_pushed_authorization_requests": true }));
    let response = browser.submit(&consent, &[("decision", "allow")]);
    assert!(leaves(&response));
    assert_eq!(answer(&response, CALLBACK)["error"], "invalid_request");
}

#[test]
fn a_fragment_and_a_stored_request_leave_by_a_page_too() {
    let provider = provider();
    let app = provider.put_app();
    let secret = encode(&[("client_secret", app.secret.as_deref().unwrap())]);
    let query = app.authorize_query(&[("response_mode", "fragment")]);
    let pushed = provider.send(post("/auth/par").form(&format!("{query}&{secret}"))).json();
    let uri = pushed["request_uri"].as_str().unwrap();
    let query = encode(&[("client_id", "app"), ("request_uri", uri)]);
    let browser = Browser::new(&provider);
    let login = browser.follow(browser.get(&format!("/auth/authorize?{query}")));
    let response = browser.agree(login, LOGIN);
    assert!(leaves(&response) && fragment(&response, CALLBACK).contains_key("code"));
}

#[test]
fn an_application_with_its_own_scheme_gets_a_redirect() {
    let provider = provider();
    for redirect_uri in ["com.example.app:/cb", "edu.kit.data.oidc-agent:/redirect"] {
        let client = native(&provider, redirect_uri);
        let browser = Browser::new(&provider);
        let login = browser.get(&client.authorize(&[]));
        let (scheme, _) = redirect_uri.split_once(':').unwrap();
        assert_eq!(form_action(&login), format!("'self' {scheme}:"));
        let response = browser.agree(login, LOGIN);
        assert!(!leaves(&response) && answer(&response, redirect_uri).contains_key("code"));
    }
}

#[test]
fn a_form_post_page_answers_the_form_itself() {
    let provider = provider();
    let app = provider.put_app();
    let browser = Browser::new(&provider);
    let login = browser.get(&app.authorize(&[("response_mode", "form_post")]));
    assert_eq!(form_action(&login), "'self'");
    let response = browser.agree(login, LOGIN);
    assert_eq!((response.status, response.header("refresh")), (200, None));
    assert_eq!(form(&response).action, CALLBACK);
}

#[test]
fn a_form_of_the_client_gets_a_redirect_as_before() {
    let provider = provider();
    let app = provider.put_client_with("app", json!({ "trusted": true }));
    let browser = Browser::new(&provider);
    browser.authorize(&app, LOGIN, &[]);
    for (more, has_code) in [(("prompt", ""), true), (("max_age", "x"), false)] {
        let form = app.authorize_query(&[more]);
        let response = browser.follow(browser.send(post("/auth/authorize").form(&form)));
        assert!(!leaves(&response));
        assert_eq!(answer(&response, CALLBACK).contains_key("code"), has_code);
    }
}

#[test]
fn a_page_never_leaves_for_an_unregistered_uri() {
    let provider = provider();
    let app = provider.put_app();
    let evil = [("redirect_uri", "https://evil.example/")];
    let target = format!("{}&resume=", app.authorize(&evil));
    let page = provider.send(get(&target));
    error_page(&page);
    assert_eq!(page.header("refresh"), None);
}

#[test]
fn the_page_is_in_the_users_language() {
    let provider = provider();
    let app = provider.put_app();
    for (language, ui_locales, words) in [
        ("de", "", "Zurück zur Anwendung"),
        ("en", "fr", "Retour à l’application"),
        ("nl-BE", "", "Terug naar de app"),
    ] {
        let mut browser = Browser::new(&provider);
        browser.language = language.into();
        let login =
            browser.get(&app.authorize(&[("ui_locales", ui_locales), ("prompt", "consent")]));
        let response = browser.agree(login, LOGIN);
        assert!(leaves(&response) && response.body.contains(words), "{}", response.body);
    }
}
