//! Programs in development, on the machine of their developer: `ALLOW_LOOPBACK`.

use crate::browser::CALLBACK;
use crate::test_provider::{TestProvider, put, variables_with};
use serde_json::{Value, json};

fn document(field: &str, url: &str) -> Value {
    let mut document = json!({ "redirect_uris": [CALLBACK] });
    document[field] = if field == "request_uris" { json!([url]) } else { url.into() };
    document
}

#[test]
fn allow_loopback_covers_https_as_well_as_http() {
    for (allowed, url, is_accepted) in [
        ("true", "https://localhost:8443/x", true),
        ("true", "https://127.0.0.1/x", true),
        ("true", "https://[::1]:8443/x", true),
        ("true", "http://localhost:8080/x", true),
        ("true", "http://[::1]/x", true),
        ("true", "https://10.0.0.1/x", false),
        ("true", "https://[fe80::1]/x", false),
        ("true", "http://app.example/x", false),
        ("true", "https://localhost.example:8443/x", true),
        ("false", "https://localhost:8443/x", false),
        ("false", "https://[::1]/x", false),
        ("false", "http://127.0.0.1/x", false),
    ] {
        let provider = TestProvider::configured(variables_with("ALLOW_LOOPBACK", allowed));
        for field in ["jwks_uri", "request_uris"] {
            let request = put("/admin/clients/app").by_operator().json(&document(field, url));
            let response = provider.send(request);
            let expected = if is_accepted { 200 } else { 400 };
            assert_eq!(response.status, expected, "{allowed}, {field}: {url}: {}", response.body);
            let description = response.json()["error_description"].as_str().map(str::to_owned);
            assert!(is_accepted || description.unwrap().starts_with(field), "{url}");
        }
    }
}
