//! The implicit flow (OpenID Connect Core section 3.2), if the operator allows it.

use crate::browser::{
    Browser, CALLBACK, TestClient, claims, decode, destination, error_page, form, fragment,
};
use crate::test_provider::{ISSUER, TestProvider, TestResponse, get, put, variables_with};
use base64ct::{Base64UrlUnpadded, Encoding};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const BOTH: &str = "id_token token";

fn provider() -> TestProvider {
    let provider = TestProvider::configured(variables_with("ALLOW_IMPLICIT", "true"));
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    provider
}

/// A client with every response type. `fields` replace the defaults of its metadata.
fn client(provider: &TestProvider, fields: Value) -> TestClient {
    let mut all = json!({
        "response_types": ["code", "id_token", BOTH],
        "grant_types": ["authorization_code", "implicit", "refresh_token"],
    });
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    provider.put_client_with("app", all)
}

/// The parameters in the fragment of the redirect URI. Its query must be as registered.
#[track_caller]
fn authorize(
    provider: &TestProvider,
    client: &TestClient,
    parameters: &[(&str, &str)],
) -> TestResponse {
    let browser = Browser::new(provider);
    let mut all = vec![("code_challenge", ""), ("code_challenge_method", "")];
    all.extend(parameters);
    browser.agree(browser.get(&client.authorize(&all)), "alice@example.com")
}

#[test]
fn an_id_token_without_an_access_token_has_the_claims_of_userinfo() {
    let provider = provider();
    let client = client(&provider, json!({}));
    let response =
        authorize(&provider, &client, &[("response_type", "id_token"), ("scope", "openid email")]);
    let mut parameters = fragment(&response, CALLBACK);
    let id_token = claims(&parameters.remove("id_token").unwrap());
    assert_eq!(
        parameters,
        BTreeMap::from([("iss".into(), ISSUER.into()), ("state".into(), "the state".into())])
    );
    assert_eq!((&id_token["sub"], &id_token["nonce"]), (&json!("alice"), &json!("the nonce")));
    assert_eq!((&id_token["aud"], &id_token["iss"]), (&json!("app"), &json!(ISSUER)));
    assert_eq!(id_token["email"], "alice@example.com");
    assert!(id_token.get("name").is_none() && id_token.get("at_hash").is_none(), "{id_token}");
}

#[test]
fn the_id_token_has_the_hash_of_the_access_token() {
    let provider = provider();
    let client = client(&provider, json!({}));
    let requested = [("response_type", "token id_token"), ("scope", "openid email offline_access")];
    let parameters = fragment(&authorize(&provider, &client, &requested), CALLBACK);
    let names: Vec<_> = parameters.keys().map(String::as_str).collect();
    let all = ["access_token", "expires_in", "id_token", "iss", "scope", "state", "token_type"];
    assert_eq!(names, all);
    let access_token = parameters["access_token"].as_str();
    let id_token = claims(&parameters["id_token"]);
    let half = Base64UrlUnpadded::encode_string(&Sha256::digest(access_token)[..16]);
    assert_eq!(id_token["at_hash"], half);
    assert!(id_token.get("email").is_none(), "userinfo has this claim: {id_token}");
    let answer = (&*parameters["token_type"], &*parameters["scope"], &*parameters["expires_in"]);
    assert_eq!(answer, ("Bearer", "openid email", "600"));
    let response = provider.send(get("/auth/userinfo").bearer(access_token));
    assert_eq!(response.json()["email"], "alice@example.com");
}

#[test]
fn tokens_may_be_sent_by_form_post_but_never_in_a_query() {
    let provider = provider();
    let client = client(&provider, json!({}));
    let requested = [("response_type", BOTH), ("response_mode", "form_post")];
    let response = authorize(&provider, &client, &requested);
    assert_eq!((response.status, response.header("location")), (200, None));
    let form = form(&response);
    assert_eq!(form.action, CALLBACK);
    assert!(form.fields.iter().any(|(name, value)| name == "id_token" && value.len() > 100));

    for response_type in ["id_token", BOTH] {
        let requested = [("response_type", response_type), ("response_mode", "query")];
        assert_eq!(
            fragment(&authorize(&provider, &client, &requested), CALLBACK)["error"],
            "invalid_request"
        );
    }
}

#[test]
fn errors_of_an_implicit_request_are_sent_in_the_fragment() {
    let provider = provider();
    let client = client(&provider, json!({}));
    for (parameter, value, error) in [
        ("nonce", "", "invalid_request"),
        ("scope", "email", "invalid_request"),
        ("scope", "unknown", "invalid_scope"),
        ("prompt", "none", "login_required"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_type", "code token", "unsupported_response_type"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "id_token id_token", "unsupported_response_type"),
        ("response_type", "id_token  token", "unsupported_response_type"),
    ] {
        let mut requested = vec![("response_type", "id_token")];
        requested.push((parameter, value));
        let answer = fragment(&authorize(&provider, &client, &requested), CALLBACK);
        assert_eq!((&*answer["error"], &*answer["state"]), (error, "the state"), "{parameter}");
    }
}

#[test]
fn a_client_may_use_only_its_registered_response_types() {
    let provider = provider();
    let fields = json!({ "response_types": ["id_token"], "grant_types": ["implicit"] });
    let client = client(&provider, fields);
    for (response_type, error) in [("code", "unauthorized_client"), (BOTH, "unauthorized_client")] {
        let response = authorize(&provider, &client, &[("response_type", response_type)]);
        let location = response.header("location").unwrap();
        let (_, query) = location.split_once(['?', '#']).unwrap();
        assert!(query.contains(&format!("error={error}")), "{query}");
    }
    let response = authorize(&provider, &client, &[("response_type", "id_token")]);
    assert!(fragment(&response, CALLBACK).contains_key("id_token"));
    for client in [client, provider.put_client_with("without", json!({}))] {
        let response = provider.token(&client, &[("grant_type", "implicit")]);
        assert_eq!(response.error().as_deref(), Some("unsupported_grant_type"));
    }
}

#[test]
fn after_consent_prompt_none_gives_tokens_until_the_client_is_deleted() {
    let provider = provider();
    let client = client(&provider, json!({}));
    let browser = Browser::new(&provider);
    let requested = [("response_type", BOTH), ("scope", "openid email")];
    browser.agree(browser.get(&client.authorize(&requested)), "alice@example.com");
    let silent = [("prompt", "none"), requested[0], requested[1]];
    let parameters = fragment(&browser.get(&client.authorize(&silent)), CALLBACK);
    let bearer = || provider.send(get("/auth/userinfo").bearer(&parameters["access_token"])).status;
    assert_eq!(bearer(), 200);
    let response = provider.send(crate::test_provider::delete("/admin/clients/app").by_operator());
    assert_eq!((response.status, bearer()), (200, 401));
}

#[test]
fn without_allow_implicit_the_flow_does_not_exist() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let metadata = provider.send(get("/.well-known/openid-configuration")).json();
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    assert_eq!(metadata["response_modes_supported"], json!(["query", "fragment", "form_post"]));
    assert!(!metadata["grant_types_supported"].as_array().unwrap().contains(&"implicit".into()));
    for fields in [
        json!({ "response_types": ["id_token"], "grant_types": ["implicit"] }),
        json!({ "grant_types": ["implicit"] }),
    ] {
        let mut document = json!({ "redirect_uris": [CALLBACK] });
        document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let response = provider.send(put("/admin/clients/app").by_operator().json(&document));
        assert_eq!(response.status, 400, "{}", response.body);
        let words = "grant_types: must have at least one of authorization_code, client_credentials, urn:ietf:params:oauth:grant-type:device_code; \
                     implicit is left out, because it needs ALLOW_IMPLICIT";
        assert!(response.body.contains(words), "{}", response.body);
    }
    // A client that was registered while the flow was allowed.
    let allowed = self::provider();
    client(&allowed, json!({}));
    allowed.deploy(crate::test_provider::variables());
    let target = client_of("app").authorize(&[("response_type", "id_token")]);
    let response = Browser::new(&allowed).get(&target);
    assert_eq!(fragment(&response, CALLBACK)["error"], "unsupported_response_type");
}

fn client_of(id: &str) -> TestClient {
    TestClient { id: id.into(), secret: None, redirect_uri: CALLBACK.into() }
}

#[test]
fn with_allow_implicit_discovery_advertises_the_flow() {
    let metadata = provider().send(get("/.well-known/openid-configuration")).json();
    assert_eq!(metadata["response_types_supported"], json!(["code", "id_token", BOTH]));
    assert_eq!(metadata["response_modes_supported"], json!(["query", "fragment", "form_post"]));
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&"implicit".into()));
}

#[test]
fn grant_types_response_types_and_redirect_uris_must_match() {
    let provider = provider();
    for (fields, words) in [
        (json!({ "response_types": ["id_token"] }), "grant_types: must have implicit"),
        (
            json!({ "response_types": ["code"], "grant_types": ["implicit"] }),
            "grant_types: must have authorization_code",
        ),
        (json!({ "response_types": ["token"] }), "response_types: must have at least one of code"),
        (
            json!({
                "response_types": ["id_token"], "grant_types": ["implicit"],
                "redirect_uris": ["com.example.app:/cb"],
            }),
            "redirect_uris[0]",
        ),
        (
            json!({ "response_types": ["id_token"], "grant_types": ["implicit"], "redirect_uris": ["http://localhost/cb"] }),
            "redirect_uris[0]",
        ),
        (
            json!({ "response_types": ["id_token"], "grant_types": ["implicit"], "redirect_uris": ["https://localhost/cb"] }),
            "redirect_uris[0]",
        ),
    ] {
        let mut document = json!({ "redirect_uris": [CALLBACK] });
        document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let response = provider.send(put("/admin/clients/app").by_operator().json(&document));
        assert_eq!(response.status, 400, "{fields} {}", response.body);
        assert!(response.body.contains(words), "{fields} {}", response.body);
    }
    // A native client may use a loopback URI.
    let native = json!({
        "application_type": "native", "redirect_uris": ["http://127.0.0.1/cb"],
        "response_types": ["id_token"], "grant_types": ["implicit"],
    });
    assert_eq!(provider.send(put("/admin/clients/app").by_operator().json(&native)).status, 200);
}

#[test]
fn a_request_by_post_continues_by_get() {
    let provider = provider();
    let client = client(&provider, json!({}));
    let browser = Browser::new(&provider);
    let query = client.authorize_query(&[("response_type", "id_token")]);
    let parameters: Vec<_> = decode(&query).into_iter().collect();
    let parameters: Vec<_> = parameters.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let redirect = browser.post("/auth/authorize", &parameters);
    let target = redirect.header("location").unwrap().to_owned();
    let response = browser.agree(browser.get(&target), "alice@example.com");
    assert!(fragment(&response, CALLBACK).contains_key("id_token"));
    let page = browser.follow(browser.post("/auth/authorize", &[]));
    assert!(error_page(&page).contains("missing parameter: client_id"));
}

/// RFC 8252 section 8.6: a secret protects a code, but not tokens in a fragment.
#[test]
fn tokens_for_a_native_client_always_require_consent() {
    let provider = provider();
    let fields = json!({
        "application_type": "native", "redirect_uris": ["http://127.0.0.1/cb"], "trusted": true,
    });
    let client = client(&provider, fields);
    let browser = Browser::new(&provider);
    let requested = [("response_type", BOTH), ("redirect_uri", "http://127.0.0.1:4711/cb")];
    let page = browser.sign_in_on(&browser.get(&client.authorize(&requested)), "alice@example.com");
    assert!(crate::browser::is_consent(&page), "{} {}", page.status, page.body);
    let response = browser.agree(page, "alice@example.com");
    assert!(destination(&response).contains("access_token="));
    let silent = [requested[0], requested[1], ("prompt", "none")];
    let response = browser.get(&client.authorize(&silent));
    assert!(response.header("location").unwrap().contains("error=consent_required"));
    // A code requires the secret, so the trusted application needs no consent.
    let response = browser.get(&client.authorize(&[requested[1], ("prompt", "none")]));
    assert!(response.header("location").unwrap().contains("code="));
}

#[test]
fn a_client_that_only_percent_decodes_gets_its_state() {
    let provider = provider();
    let client = client(&provider, json!({}));
    for (response_type, scope, separator) in [
        ("code", "openid email", ['?', '&']),
        ("code", "unknown scope", ['?', '&']),
        (BOTH, "openid email", ['#', '#']),
        ("id_token", "unknown scope", ['#', '#']),
    ] {
        for state in ["the state", "1+1", " a + b ", "%20+%2B", "a&b=c#d\u{e9}\t*~'()"] {
            let query = [("response_type", response_type), ("scope", scope), ("state", state)];
            let response = authorize(&provider, &client, &query);
            let location = destination(&response);
            let rest = location.strip_prefix(CALLBACK).unwrap().strip_prefix(separator).unwrap();
            let decoded: BTreeMap<_, _> = rest
                .split('&')
                .map(|pair| pair.split_once('=').unwrap())
                .map(|(name, value)| {
                    (name, percent_decode_str(value).decode_utf8().unwrap().into_owned())
                })
                .collect();
            assert_eq!(decoded["state"], state, "{location}");
            assert!(!rest.contains('+'), "{location}");
            if scope == "unknown scope" {
                assert!(decoded["error_description"].contains(' '), "{location}");
            } else if response_type == BOTH {
                assert_eq!(decoded["scope"], scope, "{location}");
            }
        }
    }
}
