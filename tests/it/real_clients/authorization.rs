//! Authorization requests of real clients.

use serde_json::json;

use crate::browser::{Browser, CALLBACK, TestClient, answer, decode, encode, form, fragment};
use crate::test_provider::{ISSUER, TestProvider, get, post, variables_with};

const LOGIN: &str = "alice@example.com";
const PLAIN: &str = "https://app.example/plain";

fn provider() -> TestProvider {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    provider
}

/// A client in a browser, such as keycloak-js.
fn put_spa(provider: &TestProvider, redirect_uri: &str) -> TestClient {
    let fields = json!({ "token_endpoint_auth_method": "none", "redirect_uris": [redirect_uri] });
    provider.put_client_with("spa", fields)
}

#[test]
fn a_code_is_sent_in_the_fragment_to_a_client_that_requests_it() {
    let provider = provider();
    let clients = [
        put_spa(&provider, PLAIN),
        provider.put_app(),
        provider.put_client_with(
            "native",
            json!({
                "application_type": "native", "token_endpoint_auth_method": "none",
                "redirect_uris": ["http://127.0.0.1/cb"],
            }),
        ),
    ];
    for client in clients {
        let browser = Browser::new(&provider);
        let target = client.authorize(&[("response_mode", "fragment")]);
        let response = browser.agree(browser.get(&target), LOGIN);
        let mut parameters = fragment(&response, &client.redirect_uri);
        let code = parameters.remove("code").unwrap();
        assert_eq!(
            parameters.into_iter().collect::<Vec<_>>(),
            [("iss".into(), ISSUER.into()), ("state".into(), "the state".to_owned())]
        );
        assert_eq!(provider.redeem(&client, &code).status, 200, "{}", client.redirect_uri);
    }
    let metadata = provider.send(get("/.well-known/openid-configuration")).json();
    assert_eq!(metadata["response_modes_supported"], json!(["query", "fragment", "form_post"]));
}

#[test]
fn the_error_of_each_parameter_is_sent_in_the_requested_mode() {
    let provider = provider();
    let spa = put_spa(&provider, CALLBACK);
    let browser = Browser::new(&provider);
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("scope", "unknown", "invalid_scope"),
        ("code_challenge", "", "invalid_request"),
        ("prompt", "none", "login_required"),
        ("prompt", "none login", "invalid_request"),
        ("max_age", "x", "invalid_request"),
        ("claims", "{", "invalid_request"),
        ("id_token_hint", "x", "invalid_request"),
        ("registration", "{}", "registration_not_supported"),
        ("request", "eyJhbGciOiJub25lIn0.e30.", "invalid_request_object"),
        ("request_uri", "https://app.example/request", "invalid_request_uri"),
    ] {
        let in_fragment = spa.authorize(&[("response_mode", "fragment"), (name, value)]);
        let parameters = fragment(&browser.get(&in_fragment), CALLBACK);
        assert_eq!((&*parameters["error"], &*parameters["state"]), (error, "the state"), "{name}");
        // The same by POST.
        let (_, query) = in_fragment.split_once('?').unwrap();
        let kept = browser.follow(browser.send(post("/auth/authorize").form(query)));
        assert_eq!(fragment(&kept, CALLBACK)["error"], error, "{name}");

        for mode in ["", "query"] {
            let target = spa.authorize(&[("response_mode", mode), (name, value)]);
            assert_eq!(answer(&browser.get(&target), CALLBACK)["error"], error, "{name}");
        }
        let page = browser.get(&spa.authorize(&[("response_mode", "form_post"), (name, value)]));
        assert_eq!((page.status, form(&page).action.as_str()), (200, CALLBACK));
        assert!(form(&page).fields.contains(&("error".into(), error.into())), "{name}");
    }
    let twice =
        format!("{}&prompt=login&prompt=login", spa.authorize(&[("response_mode", "fragment")]));
    assert_eq!(fragment(&browser.get(&twice), CALLBACK)["error"], "invalid_request");
}

#[test]
fn an_error_that_the_user_causes_is_sent_in_the_requested_mode() {
    let provider = provider();
    let spa = put_spa(&provider, PLAIN);
    let browser = Browser::new(&provider);
    let login = browser.get(&spa.authorize(&[("response_mode", "fragment")]));
    let consent = browser.sign_in_on(&login, LOGIN);
    let denied = browser.submit(&consent, &[("decision", "deny")]);
    assert_eq!(fragment(&denied, PLAIN)["error"], "access_denied");
}

#[test]
fn an_unknown_response_mode_is_an_error_in_the_default_mode() {
    let provider = provider();
    let spa = put_spa(&provider, CALLBACK);
    for mode in ["web_message", "jwt", "query.jwt", "fragment.jwt", "Fragment", "fragment query"] {
        let response = provider.send(get(&spa.authorize(&[("response_mode", mode)])));
        let parameters = answer(&response, CALLBACK);
        assert_eq!(
            (&*parameters["error"], &*parameters["error_description"]),
            ("invalid_request", "response_mode: must be query, fragment or form_post"),
            "{mode}"
        );
    }
    for (one, two) in [("fragment", "fragment"), ("fragment", "query"), ("query", "fragment")] {
        let target = spa.authorize(&[("response_mode", one)]);
        let response = provider.send(get(&format!("{target}&response_mode={two}")));
        let description = &answer(&response, CALLBACK)["error_description"];
        assert_eq!(description, "duplicate parameter: response_mode");
    }
}

#[test]
fn a_query_never_carries_a_token_or_the_error_of_a_request_for_one() {
    let provider = TestProvider::configured(variables_with("ALLOW_IMPLICIT", "true"));
    let fields = json!({
        "response_types": ["code", "id_token", "id_token token"],
        "grant_types": ["authorization_code", "implicit"],
    });
    let client = provider.put_client_with("app", fields);
    for response_type in ["id_token", "id_token token", "token", "code id_token"] {
        for mode in ["query", "web_message"] {
            let parameters = [("response_type", response_type), ("response_mode", mode)];
            let response = provider.send(get(&client.authorize(&parameters)));
            let error = &fragment(&response, CALLBACK)["error"];
            assert!(["invalid_request", "unsupported_response_type"].contains(&error.as_str()));
        }
    }
}

#[test]
fn a_pushed_request_is_answered_in_the_fragment_too() {
    let provider = provider();
    let app = provider.put_app();
    let secret = encode(&[("client_secret", app.secret.as_deref().unwrap())]);
    let query = app.authorize_query(&[("response_mode", "fragment")]);
    let pushed = provider.send(post("/auth/par").form(&format!("{query}&{secret}"))).json();
    let uri = pushed["request_uri"].as_str().unwrap();
    let browser = Browser::new(&provider);
    let query = encode(&[("client_id", "app"), ("request_uri", uri)]);
    let login = browser.follow(browser.get(&format!("/auth/authorize?{query}")));
    assert!(fragment(&browser.agree(login, LOGIN), CALLBACK).contains_key("code"));
}

#[test]
fn the_query_of_a_redirect_uri_stays_before_the_fragment() {
    let provider = provider();
    let app = provider.put_app();
    let parameters = [("response_mode", "fragment"), ("prompt", "none")];
    let response = provider.send(get(&app.authorize(&parameters)));
    let location = response.header("location").unwrap();
    let (before, after) = location.split_once('#').unwrap();
    assert_eq!(before, CALLBACK);
    assert_eq!(decode(after)["error"], "login_required");
}
