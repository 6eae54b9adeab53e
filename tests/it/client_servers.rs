//! Failures at the servers of clients, for each kind of document that the provider fetches.

use crate::browser::{Browser, CALLBACK, encode};
use crate::signer::Signer;
use crate::test_provider::{
    ISSUER, TestProvider, TestRequest, TestResponse, get, post, variables_with,
};
use postern::ports::Document;
use serde_json::json;

const JWKS_URI: &str = "https://keys.example/jwks.json";
const LOGO_URI: &str = "https://logo.example/logo.png";
const REQUEST_URI: &str = "https://requests.example/request.jwt";
const SECTOR_URI: &str = "https://sector.example/list.json";
const DOCUMENT: &str = "https://tool.example/client.json";

/// A provider with open registration and documents, and the client `app` with a URL of each kind.
fn provider() -> TestProvider {
    let mut variables = variables_with("REGISTRATION", "open");
    variables.push(("CLIENT_DOCUMENTS", "open".into()));
    let provider = TestProvider::configured(variables);
    provider.has_entropy.set(true);
    provider.send(get("/auth/jwks.json"));
    provider.put_signing(
        "app",
        json!({ "jwks_uri": JWKS_URI, "logo_uri": LOGO_URI, "request_uris": [REQUEST_URI] }),
    );
    provider
}

fn authorize(parameters: &[(&str, &str)]) -> TestRequest {
    let mut all = vec![("redirect_uri", CALLBACK), ("response_type", "code"), ("scope", "openid")];
    all.extend(parameters);
    get(&format!("/auth/authorize?{}", encode(&all)))
}

/// A request that makes the provider fetch the document at each URL.
fn requests(provider: &TestProvider) -> Vec<(&'static str, TestRequest)> {
    let stranger = Signer::new("ES256", Some("forged"), 0);
    let assertion = stranger.assertion(provider, "app");
    let object = stranger.sign(&json!({
        "aud": ISSUER, "client_id": "app", "exp": provider.now.get() + 60, "redirect_uri": CALLBACK,
    }));
    let by_assertion = |path: &str| {
        post(path).form(&encode(&[
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
            ("grant_type", "client_credentials"),
        ]))
    };
    let sector = json!({
        "redirect_uris": [CALLBACK], "subject_type": "pairwise", "sector_identifier_uri": SECTOR_URI,
    });
    vec![
        (JWKS_URI, by_assertion("/auth/token")),
        (JWKS_URI, by_assertion("/auth/par")),
        (JWKS_URI, authorize(&[("client_id", "app"), ("request", &object)])),
        (LOGO_URI, authorize(&[("client_id", "app")])),
        (REQUEST_URI, authorize(&[("client_id", "app"), ("request_uri", REQUEST_URI)])),
        (SECTOR_URI, post("/auth/register").json(&sector)),
        (DOCUMENT, authorize(&[("client_id", DOCUMENT)])),
        (DOCUMENT, post("/auth/par").form(&encode(&[("client_id", DOCUMENT)]))),
    ]
}

fn send(provider: &TestProvider, request: TestRequest) -> TestResponse {
    Browser::new(provider).send(request)
}

/// Strangers could wake the operator at night otherwise.
#[test]
fn a_failure_at_the_server_of_a_client_is_a_warning_and_no_fault() {
    let large = " ".repeat(65_537);
    let failures = [
        None,
        Some((408, "application/json", "{}")),
        Some((429, "application/json", "{}")),
        Some((500, "application/json", "{}")),
        Some((302, "application/json", "{}")),
        Some((403, "application/json", "{}")),
        Some((404, "application/json", "{}")),
        Some((200, "", "{}")),
        Some((200, "text/html", "<html>")),
        Some((200, "application/json", "{")),
        Some((200, "application/json", "[]")),
        Some((200, "application/json", r#"{"keys":[]}"#)),
        Some((200, "application/jwt", "e30.e30.AA")),
        Some((200, "image/png", "AAAA")),
        Some((200, "image/png", "not base64")),
        Some((200, "application/json", &large)),
    ];
    for failure in failures {
        let is_temporary = failure.is_none_or(|(status, ..)| matches!(status, 408 | 429 | 500..));
        let count = requests(&provider()).len();
        for number in 0..count {
            let provider = provider();
            let (url, request) = requests(&provider).swap_remove(number);
            if let Some((status, media_type, text)) = failure {
                let document = Document {
                    status,
                    media_type: media_type.into(),
                    text: Some(text.into()),
                    caching: Default::default(),
                };
                provider.platform.web.borrow_mut().insert(url.into(), document);
            }
            // The second request comes in the pause after the failure.
            for is_first in [true, false] {
                let response = send(&provider, request.clone());
                let log = &response.log;
                assert!(log.get("notes").is_none(), "{failure:?} {url}: {log}");
                assert_ne!(response.status, 500, "{failure:?} {url}");
                // The operator may be alerted by an error that is not explained.
                if is_first && is_temporary || response.status == 503 {
                    let warnings = log["warnings"].to_string();
                    assert!(warnings.contains(url.split('/').nth(2).unwrap()), "{url}: {log}");
                }
            }
        }
    }
}
