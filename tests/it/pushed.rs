//! Pushed authorization requests (RFC 9126).

use crate::browser::{Browser, CALLBACK, TestClient, answer, encode, error_page, field, is_login};
use crate::signer::{Signer, by_assertion};
use crate::test_provider::{ISSUER, TestProvider, TestRequest, TestResponse, post};
use serde_json::json;

const PAR: &str = "/auth/par";

fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let client = provider.put_app();
    (provider, client)
}

/// A pushed request with the client's secret. `parameters` replace the defaults of the authorization request.
fn pushed(client: &TestClient, parameters: &[(&str, &str)]) -> TestRequest {
    let secret = encode(&[("client_secret", client.secret.as_deref().unwrap_or_default())]);
    post(PAR).form(&format!("{}&{secret}", client.authorize_query(parameters)))
}

fn request_uri(response: &TestResponse) -> String {
    assert_eq!(response.status, 201, "{}", response.body);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.json()["expires_in"], 90);
    let uri = response.json()["request_uri"].as_str().unwrap().to_owned();
    let handle = uri.strip_prefix("urn:ietf:params:oauth:request_uri:").unwrap();
    assert_eq!(handle.len(), 43);
    uri
}

fn target(client_id: &str, uri: &str) -> String {
    format!("/auth/authorize?{}", encode(&[("client_id", client_id), ("request_uri", uri)]))
}

/// Opens a pushed request. The page has a URL of its own, which can be loaded again.
fn opened(browser: &Browser<'_>, target: &str) -> TestResponse {
    let response = browser.get(target);
    let location = response.header("location").unwrap_or_default();
    assert!(location.starts_with(&format!("{ISSUER}/auth/authorize?handle=")), "{}", response.body);
    browser.follow(response)
}

fn stored_requests(provider: &TestProvider) -> Vec<String> {
    let mut statement =
        provider.platform.primary.prepare("SELECT parameters FROM authorization_requests").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_pushed_request_is_completed_once() {
    let (provider, client) = provider();
    let uri = request_uri(&provider.send(pushed(&client, &[("state", "pushed state")])));
    let browser = Browser::new(&provider);
    // Other parameters of the query are ignored.
    let more = encode(&[("state", "outer"), ("redirect_uri", "https://evil.example/")]);
    let target = format!("{}&{more}", target("app", &uri));
    let response = browser.agree(opened(&browser, &target), "alice@example.com");
    let parameters = answer(&response, CALLBACK);
    assert_eq!(parameters["state"], "pushed state");
    assert!(field(&provider.redeem(&client, &parameters["code"]), "id_token").len() > 100);
    provider.sleep(30);
    assert!(error_page(&browser.get(&target)).contains("already completed"));
}

#[test]
fn client_credentials_are_not_stored_with_a_pushed_request() {
    let (provider, client) = provider();
    request_uri(&provider.send(pushed(&client, &[("client_assertion_type", "x")])));
    let [parameters] = &stored_requests(&provider)[..] else { panic!("one request is stored") };
    for secret in [client.secret.as_deref().unwrap(), "client_secret", "client_assertion"] {
        assert!(!parameters.contains(secret), "{parameters}");
    }
}

#[test]
fn a_request_uri_expires_after_90_seconds_unless_it_is_opened() {
    let (provider, client) = provider();
    let uri = request_uri(&provider.send(pushed(&client, &[])));
    provider.sleep(89);
    let browser = Browser::new(&provider);
    let page = opened(&browser, &target("app", &uri));
    provider.sleep(3_000);
    assert!(answer(&browser.agree(page, "alice@example.com"), CALLBACK).contains_key("code"));

    let uri = request_uri(&provider.send(pushed(&client, &[])));
    provider.sleep(90);
    assert!(error_page(&browser.get(&target("app", &uri))).contains("has expired"));
}

#[test]
fn a_request_uri_is_bound_to_its_client() {
    let (provider, client) = provider();
    provider.put_client_with("other", json!({}));
    let uri = request_uri(&provider.send(pushed(&client, &[])));
    let browser = Browser::new(&provider);
    assert!(error_page(&browser.get(&target("other", &uri))).contains("already completed"));
    assert!(error_page(&browser.get(&target("app", &format!("{uri}x")))).contains("completed"));
    assert!(is_login(&opened(&browser, &target("app", &uri))));
}

#[test]
fn one_browser_opens_a_request_uri_and_may_reload_it() {
    let (provider, client) = provider();
    let uri = request_uri(&provider.send(pushed(&client, &[])));
    let browser = Browser::new(&provider);
    let (_, tail) = uri.rsplit_once(':').unwrap();
    assert!(
        error_page(&browser.get(&format!("/auth/authorize?handle={tail}"))).contains("completed")
    );
    let handle = browser.get(&target("app", &uri)).header("location").unwrap().to_owned();
    assert!(!handle.contains(tail));
    for _ in 0..2 {
        assert!(is_login(&browser.get(&handle)), "the page can be loaded again");
        let again = browser.get(&target("app", &uri));
        assert_eq!(again.header("location"), Some(handle.as_str()), "so can the request_uri");
        let other = Browser::new(&provider);
        assert!(error_page(&other.get(&target("app", &uri))).contains("already completed"));
    }
    provider.sleep(3_600);
    assert!(error_page(&browser.get(&handle)).contains("has expired"));
}

#[test]
fn pushes_of_a_self_registered_client_are_rate_limited() {
    let provider =
        TestProvider::configured(crate::test_provider::variables_with("REGISTRATION", "open"));
    let document = json!({ "redirect_uris": [CALLBACK] });
    let response = provider.send(post("/auth/register").json(&document)).json();
    let client = TestClient {
        id: response["client_id"].as_str().unwrap().into(),
        secret: Some(response["client_secret"].as_str().unwrap().into()),
        redirect_uri: CALLBACK.into(),
    };
    assert_eq!(provider.send(pushed(&client, &[])).status, 201);
    let stored = stored_requests(&provider).len();
    provider.platform.rate_limit.set(Some(0));
    let response = provider.send(pushed(&client, &[]));
    assert_eq!(
        (response.status, response.error().as_deref()),
        (429, Some("temporarily_unavailable"))
    );
    assert_eq!(stored_requests(&provider).len(), stored, "the refused request is not stored");
}

#[test]
fn pushes_require_the_client_authentication_of_the_token_endpoint() {
    let (provider, client) = provider();
    let signer = Signer::new("ES256", None, 0);
    provider.put_signing("signing", json!({ "jwks": signer.jwks() }));
    let query = [
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid"),
        ("code_challenge", crate::browser::CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let push = |assertion: &str| provider.send(by_assertion(assertion, &query).at(PAR));
    for aud in [ISSUER.to_owned(), format!("{ISSUER}{PAR}"), format!("{ISSUER}/auth/token")] {
        let mut claims = signer.claims(&provider, "signing");
        claims["aud"] = aud.into();
        let uri = request_uri(&push(&signer.sign(&claims)));
        assert!(is_login(&opened(&Browser::new(&provider), &target("signing", &uri))));
    }
    provider.platform.primary.execute("DELETE FROM authorization_requests", ()).unwrap();
    for response in [
        provider.send(post(PAR).form(&client.authorize_query(&[]))),
        provider.send(post(PAR).form(&client.authorize_query(&[("client_secret", "wrong")]))),
        provider.send(post(PAR).form(&encode(&query))),
        push("e30.e30.AA"),
    ] {
        assert_eq!((response.status, response.error().as_deref()), (401, Some("invalid_client")));
    }
    assert!(stored_requests(&provider).is_empty(), "a client that is not proven stores nothing");
    let response = provider.send(
        post(PAR)
            .with("authorization", "Basic YXBwOng=")
            .form(&encode(&[("client_id", "app"), ("client_secret", "x")])),
    );
    assert_eq!((response.status, response.error().as_deref()), (400, Some("invalid_request")));
}

#[test]
fn an_invalid_request_is_refused_when_it_is_pushed() {
    let (provider, client) = provider();
    for (parameters, code) in [
        (vec![("redirect_uri", "https://evil.example/")], "invalid_request"),
        (vec![("redirect_uri", "")], "invalid_request"),
        (vec![("response_type", "none")], "unsupported_response_type"),
        (vec![("scope", "unheard-of")], "invalid_scope"),
        (vec![("code_challenge_method", "plain")], "invalid_request"),
        (vec![("request_uri", "urn:ietf:params:oauth:request_uri:x")], "invalid_request"),
        (vec![("request", "e30.e30.AA")], "invalid_request_object"),
    ] {
        let response = provider.send(pushed(&client, &parameters));
        assert_eq!(
            (response.status, response.error().as_deref()),
            (400, Some(code)),
            "{parameters:?} {}",
            response.body
        );
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    let doubled = format!("{}&state=2", client.authorize_query(&[]));
    let secret = encode(&[("client_secret", client.secret.as_deref().unwrap())]);
    let response = provider.send(post(PAR).form(&format!("{doubled}&{secret}")));
    assert_eq!((response.status, response.error().as_deref()), (400, Some("invalid_request")));
    let response = provider.send(post(PAR).body("application/json", "{}"));
    assert_eq!((response.status, response.error().as_deref()), (400, Some("invalid_request")));
    assert!(stored_requests(&provider).is_empty());
}

#[test]
fn the_known_parameters_of_a_request_are_stored_in_8192_bytes() {
    let (provider, client) = provider();
    let row = || stored_requests(&provider).pop().unwrap_or_default();
    let secret = encode(&[("client_secret", client.secret.as_deref().unwrap())]);
    let push = |hint: &str, more: &str| {
        let query = client.authorize_query(&[("login_hint", "")]);
        provider.send(post(PAR).form(&format!("{query}&{secret}&login_hint={hint}{more}")))
    };
    let others = client.authorize_query(&[("login_hint", "")]).len() + "&login_hint=".len();

    // Unknown parameters and client credentials are not stored.
    assert_eq!(push("s", &"&x=%FF".repeat(50)).status, 201);
    assert!(!row().contains("x=") && !row().contains("client_secret"), "{}", row());

    // The limit applies to the stored form, in which a quotation mark has three bytes instead of one.
    let largest = 8_192 - others;
    assert_eq!(push(&"s".repeat(largest), "").status, 201);
    assert_eq!(
        provider.platform.primary.execute("DELETE FROM authorization_requests", ()).unwrap(),
        2
    );
    for hint in ["s".repeat(largest + 1), "\"".repeat(largest / 3 + 1)] {
        let response = push(&hint, "");
        assert_eq!((response.status, response.error().as_deref()), (413, Some("invalid_request")));
        let posted = client.authorize_query(&[("login_hint", &hint)]);
        let response = provider.send(post("/auth/authorize").form(&posted));
        assert_eq!(response.status, 413);
        assert!(error_page(&response).contains("longer than 8192 bytes"));
    }
    assert!(stored_requests(&provider).is_empty());
}

#[test]
fn a_signed_request_may_be_pushed() {
    let (provider, client) = provider();
    let signer = Signer::new("EdDSA", None, 0);
    provider.put_client_with(
        "app",
        json!({
            "jwks": signer.jwks(), "require_signed_request_object": true,
            "require_pushed_authorization_requests": true,
        }),
    );
    let claims = json!({
        "client_id": "app", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid",
        "aud": ISSUER, "iat": provider.now.get(),
        "state": "signed state",
    });
    let secret = client.secret.as_deref().unwrap_or_default();
    let push = |object: &str| {
        let form = [("client_id", "app"), ("client_secret", secret), ("request", object)];
        provider.send(post(PAR).form(&encode(&form)))
    };
    let object = signer.sign(&claims);
    let uri = request_uri(&push(&object));
    let browser = Browser::new(&provider);
    let response = browser.agree(opened(&browser, &target("app", &uri)), "alice@example.com");
    assert_eq!(answer(&response, CALLBACK)["state"], "signed state");

    // The client's registered requirements apply.
    let response = provider.send(pushed(&client, &[]));
    assert_eq!(response.error().as_deref(), Some("invalid_request"));
    let direct = [("client_id", "app"), ("request", &object), ("redirect_uri", CALLBACK)];
    let response = browser.get(&format!("/auth/authorize?{}", encode(&direct)));
    let parameters = answer(&response, CALLBACK);
    assert!(parameters["error_description"].contains("pushed"), "{parameters:?}");
    assert_eq!(push(&Signer::new("EdDSA", None, 1).sign(&claims)).status, 400);
}

#[test]
fn pushes_of_a_public_client_are_rate_limited() {
    let (provider, known) = provider();
    let client =
        provider.put_client_with("public", json!({ "token_endpoint_auth_method": "none" }));
    let push = || provider.send(post(PAR).form(&client.authorize_query(&[])));
    let uri = request_uri(&push());
    assert!(is_login(&opened(&Browser::new(&provider), &target("public", &uri))));
    let stored = stored_requests(&provider).len();
    provider.platform.rate_limit.set(Some(0));
    let response = push();
    assert_eq!(
        (response.status, response.error().as_deref()),
        (429, Some("temporarily_unavailable"))
    );
    assert_eq!(stored_requests(&provider).len(), stored, "the refused request is not stored");
    assert_eq!(
        provider.send(pushed(&known, &[])).status,
        201,
        "a confidential client is not limited"
    );
}
