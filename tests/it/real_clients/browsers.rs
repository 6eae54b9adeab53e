//! Scripts of other origins: the headers that they send and read, and what they get without a token.

use crate::browser::CALLBACK;
use crate::test_provider::{TestProvider, TestRequest, delete, get, post, put, variables_with};
use serde_json::json;

const ORIGIN: &str = "https://app.example";

/// The URLs that scripts of other origins may use, with a method.
const OPEN: [(&str, &str); 10] = [
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/.well-known/oauth-protected-resource/auth/userinfo"),
    ("GET", "/auth/jwks.json"),
    ("GET", "/auth/userinfo"),
    ("POST", "/auth/userinfo"),
    ("POST", "/auth/token"),
    ("POST", "/auth/par"),
    ("POST", "/auth/register"),
    ("PUT", "/auth/register/AAAAAAAAAAAAAAAAAAAAAA"),
];

fn provider() -> TestProvider {
    TestProvider::configured(variables_with("REGISTRATION", "open"))
}

/// Whether a browser lets a script send this header (Fetch Standard, CORS-preflight fetch): `*` is every header but
/// `Authorization`, which must be named.
fn allows(list: &str, header: &str) -> bool {
    let names: Vec<_> = list.split(", ").collect();
    let is_named = names.iter().any(|name| name.eq_ignore_ascii_case(header));
    is_named || names.contains(&"*") && !header.eq_ignore_ascii_case("authorization")
}

#[test]
fn a_script_may_send_every_header() {
    let provider = provider();
    for (method, path) in OPEN {
        for header in [
            "mcp-protocol-version",
            "traceparent",
            "x-requested-with",
            "authorization",
            "content-type",
            "baggage",
            "sentry-trace",
            "dpop",
            "mcp-session-id",
            "x-csrf-token",
            "if-none-match",
        ] {
            let response = provider.send(
                TestRequest::new("OPTIONS", path)
                    .with("origin", ORIGIN)
                    .with("access-control-request-method", method)
                    .with("access-control-request-headers", header),
            );
            assert_eq!(response.status, 204, "{path}, {header}");
            // The token endpoint lets scripts send credentials, too, for which a browser wants the origin.
            let origin = response.header("access-control-allow-origin");
            let allowed = if path == "/auth/token" { ORIGIN } else { "*" };
            assert_eq!(origin, Some(allowed), "{path}");
            let list = |name| response.header(name).unwrap_or_default();
            assert!(
                list("access-control-allow-methods").split(", ").any(|name| name == method),
                "{path}"
            );
            assert!(allows(list("access-control-allow-headers"), header), "{path}, {header}");
        }
    }
}

#[test]
fn a_script_may_read_when_to_try_again_and_what_is_missing() {
    let provider = provider();
    let document = json!({ "redirect_uris": [CALLBACK] });
    provider.platform.rate_limit.set(Some(0));
    for (request, status, header) in [
        (post("/auth/register").json(&document), 429, "retry-after"),
        (get("/auth/userinfo"), 401, "www-authenticate"),
        (get("/auth/userinfo").bearer("x"), 401, "www-authenticate"),
        (get("/auth/jwks.json"), 200, "etag"),
    ] {
        let response = provider.send(request.clone().with("origin", ORIGIN));
        assert_eq!(response.status, status, "{request:?}: {}", response.body);
        assert!(response.header(header).is_some(), "{request:?}");
        assert_eq!(response.header("access-control-allow-origin"), Some("*"), "{request:?}");
        let exposed = response.header("access-control-expose-headers").unwrap().to_lowercase();
        assert!(exposed.split(", ").any(|name| name == header), "{request:?}: {exposed}");
    }
}

/// Clients parse the body of an error, and read `error` in it. The challenge has none, because nothing was presented (RFC
/// 6750 section 3.1).
#[test]
fn a_request_without_a_token_has_an_error_in_the_body() {
    let provider = TestProvider::new();
    let document = json!({ "redirect_uris": [CALLBACK] });
    let registration = "/auth/register/AAAAAAAAAAAAAAAAAAAAAA";
    for request in [
        get("/auth/userinfo"),
        post("/auth/userinfo"),
        post("/auth/userinfo").form("scope=openid"),
        post("/auth/register").json(&document),
        get(registration),
        put(registration).json(&document),
        delete(registration),
    ] {
        for authorization in ["", "Basic YXBwOng=", "DPoP abc"] {
            let request = match authorization {
                "" => request.clone(),
                authorization => request.clone().with("authorization", authorization),
            };
            let response = provider.send(request.clone());
            assert_eq!(response.status, 401, "{request:?}");
            assert_eq!(response.header("content-type"), Some("application/json"), "{request:?}");
            assert_eq!(response.error().as_deref(), Some("invalid_token"), "{request:?}");
            let challenge = response.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer"), "{request:?}: {challenge}");
            assert!(!challenge.contains("error"), "{request:?}: {challenge}");
        }
    }
}

/// A browser asks its user for the password that a challenge names, if a page of another site leads it here. It then
/// sends what was typed with each request of a script that sends credentials.
#[test]
fn a_browser_that_would_ask_its_user_for_a_password_gets_no_challenge() {
    let provider = TestProvider::new();
    for path in ["/auth/token", "/auth/par"] {
        let request = post(path).form("grant_type=refresh_token");
        for (mode, status, has_challenge) in [
            (None, 401, true),
            (Some("cors"), 401, true),
            (Some("navigate"), 400, false),
            (Some("no-cors"), 400, false),
        ] {
            for authorization in [None, Some("Basic YXBwOng=")] {
                let mut request = request.clone();
                for (name, value) in [("sec-fetch-mode", mode), ("authorization", authorization)] {
                    if let Some(value) = value {
                        request = request.with(name, value);
                    }
                }
                let response = provider.send(request);
                assert_eq!(response.error().as_deref(), Some("invalid_client"), "{mode:?}");
                assert_eq!(response.status, status, "{path} {mode:?}");
                let challenge = response.header("www-authenticate");
                assert_eq!(challenge.is_some(), has_challenge, "{path} {mode:?}");
            }
        }
    }
}
