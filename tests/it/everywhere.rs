//! Properties of every response: caching, CORS, logging.

use crate::browser::encode;
use crate::test_provider::{TestProvider, TestRequest, get, post, variables_with};
use serde_json::json;

const DOCUMENTS: [&str; 4] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource/auth/userinfo",
    "/auth/jwks.json",
];

#[test]
fn documents_are_cacheable_json_with_a_strong_tag() {
    let provider = TestProvider::configured(variables_with("CACHE_MAX_AGE", "60"));
    provider.send(get("/auth/jwks.json"));
    for path in DOCUMENTS {
        let response = provider.send(get(path));
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(
            response.header("cache-control"),
            Some("public, max-age=60, stale-while-revalidate=600, stale-if-error=86400")
        );
        let etag = response.header("etag").unwrap();
        assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 20, "{etag}");
    }
}

#[test]
fn a_matching_etag_gives_304() {
    let provider = TestProvider::with_keys();
    for path in DOCUMENTS {
        let etag = provider.send(get(path)).header("etag").unwrap().to_owned();
        for condition in
            [etag.clone(), format!("W/{etag}"), format!("\"a\", W/\"b\" ,{etag}"), "*".to_owned()]
        {
            for method in ["GET", "HEAD"] {
                let response =
                    provider.send(TestRequest::new(method, path).with("if-none-match", &condition));
                assert_eq!((response.status, response.body.as_str()), (304, ""), "{condition}");
                assert_eq!(response.header("etag"), Some(etag.as_str()));
                assert!(response.header("cache-control").unwrap().starts_with("public"));
                assert_eq!(response.header("access-control-allow-origin"), Some("*"));
            }
        }
        for condition in ["", "\"other\"", "W/\"other\"", etag.trim_matches('"'), "\"*\""] {
            let response = provider.send(get(path).with("if-none-match", condition));
            assert_eq!(response.status, 200, "{condition}");
        }
    }
}

#[test]
fn head_returns_the_headers_without_the_body() {
    let provider = TestProvider::with_keys();
    for path in DOCUMENTS {
        let (head, get) = (provider.send(TestRequest::new("HEAD", path)), provider.send(get(path)));
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        assert_eq!(head.headers, get.headers);
    }
}

#[test]
fn an_unknown_path_gives_a_json_404_without_cors() {
    let provider = TestProvider::new();
    for path in [
        "/home",
        "/auth",
        "/auth/userinfo/",
        "/auth/jwks.json/x",
        "//auth/userinfo",
        "/Auth/userinfo",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let response = provider.send(TestRequest::new(method, path));
            assert_eq!(
                (response.status, response.error().as_deref()),
                (404, Some("not_found")),
                "{path}"
            );
            assert_eq!(response.header("cache-control"), Some("no-store"));
            assert_eq!(response.header("access-control-allow-origin"), None);
        }
    }
}

#[test]
fn the_public_endpoints_allow_every_origin() {
    let provider = TestProvider::new();
    for (path, methods) in DOCUMENTS.map(|path| (path, "GET, HEAD")).into_iter().chain([
        ("/auth/userinfo", "GET, HEAD, POST"),
        ("/auth/token", "POST"),
        ("/auth/par", "POST"),
    ]) {
        let response = provider.send(
            TestRequest::new("OPTIONS", path)
                .with("origin", "https://app.example")
                .with("access-control-request-method", "GET")
                .with("access-control-request-headers", "authorization"),
        );
        assert_eq!((response.status, response.body.as_str()), (204, ""));
        // With credentials a browser refuses the wildcards.
        let (origin, headers) = match path {
            "/auth/token" => ("https://app.example", "*, Authorization, authorization"),
            _ => ("*", "*, Authorization"),
        };
        assert_eq!(response.header("access-control-allow-origin"), Some(origin));
        assert_eq!(response.header("access-control-allow-methods"), Some(methods));
        assert_eq!(response.header("access-control-allow-headers"), Some(headers));
        assert_eq!(response.header("access-control-max-age"), Some("86400"));
        assert_eq!(response.header("cache-control"), Some("no-store"));

        let exposed =
            provider.send(get(path)).header("access-control-expose-headers").map(str::to_owned);
        assert_eq!(exposed.as_deref(), Some("ETag, Retry-After, WWW-Authenticate"));
    }
}

#[test]
fn cors_allows_credentials_only_at_the_token_endpoint_and_only_to_an_origin() {
    let provider = TestProvider::new();
    let paths = DOCUMENTS.into_iter().chain([
        "/auth/userinfo",
        "/auth/par",
        "/auth/register",
        "/auth/token",
        "/auth/authorize",
        "/auth/login",
        "/auth/account",
    ]);
    for path in paths {
        for method in ["GET", "POST", "OPTIONS"] {
            for origin in [None, Some("null"), Some("https://app.example"), Some("app://desk")] {
                let request = TestRequest::new(method, path)
                    .with("access-control-request-headers", "traceparent");
                let response = provider.send(match origin {
                    None => request,
                    Some(origin) => request.with("origin", origin),
                });
                let allowed = origin.filter(|text| path == "/auth/token" && text.contains("://"));
                let about = format!("{method} {path} {origin:?}");
                let credentials = response.header("access-control-allow-credentials");
                assert_eq!(credentials, allowed.map(|_| "true"), "{about}");
                assert_eq!(response.header("vary"), allowed.map(|_| "Origin"), "{about}");
                let readers = response.header("access-control-allow-origin");
                assert!(readers == allowed.or(Some("*")) || readers.is_none(), "{about}");
                if method == "OPTIONS" && allowed.is_some() {
                    // A wildcard does not count for a request with credentials.
                    let headers = response.header("access-control-allow-headers");
                    assert_eq!(headers, Some("*, Authorization, traceparent"), "{about}");
                }
            }
        }
    }
}

#[test]
fn a_script_with_credentials_reads_errors_of_the_token_endpoint() {
    let provider = TestProvider::new();
    let request = post("/auth/token").with("origin", "https://app.example").with("cookie", "a=b");
    let response = provider.send(request);
    assert!(response.status >= 400, "{}", response.status);
    assert_eq!(response.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(response.header("set-cookie"), None);
}

#[test]
fn the_admin_api_has_no_cors() {
    let provider = TestProvider::new();
    let response = provider
        .send(TestRequest::new("OPTIONS", "/admin/users").with("origin", "https://app.example"));
    assert_eq!(response.status, 401);
    assert_eq!(response.header("access-control-allow-origin"), None);
}

#[test]
fn the_log_line_has_the_outcome_but_no_secret() {
    let provider = TestProvider::new();
    provider.put_alice();
    let token = provider.mint("openid email");
    let response = provider.send(get("/auth/userinfo").bearer(&token));
    assert_eq!(response.log["endpoint"], "userinfo");
    assert_eq!(response.log["status"], 200);
    assert!(response.log.get("error").is_none() && response.log.get("notes").is_none());

    let response = provider.send(get(&format!("/auth/userinfo?access_token={token}")));
    assert_eq!(
        (&response.log["status"], &response.log["error"]),
        (&400.into(), &"invalid_request".into())
    );
    let line = response.log.to_string();
    assert!(!line.contains("access_token") && !line.contains(&token) && !line.contains("alice"));
    assert_eq!(provider.send(get("/x")).log["endpoint"], "none");
}

/// A line break would begin another line, and the other characters control the terminal that shows the log.
#[test]
fn a_log_line_is_one_line_of_printable_ascii() {
    let provider = TestProvider::configured(variables_with("CLIENT_DOCUMENTS", "open"));
    let hostile = "https://tool.example/\n{}\u{1b}[2J\u{7f}\u{9b}31m\u{202e}\u{2028}\u{e0041}é";
    let query = encode(&[("client_id", hostile)]);
    let response = provider.send(get(&format!("/auth/authorize?{query}")));
    assert_eq!(response.log["client_id"], hostile);
    let line = postern::log_line(&json!({ "client_id": hostile }));
    let expected = r#"{"client_id":"https://tool.example/\n{}\u001b[2J\u007f\u009b31m\u202e\u2028\udb40\udc41\u00e9"}"#;
    assert_eq!(line, expected);
}

#[test]
fn a_document_is_logged_only_after_an_error_or_a_fault() {
    let provider = TestProvider::new();
    let should_write = |path: &str| provider.send(get(path)).is_logged;
    assert!(!should_write("/.well-known/openid-configuration") && !should_write("/auth/jwks.json"));
    assert!(should_write("/auth/userinfo") && should_write("/x"));
    let response = provider.send(TestRequest::new("POST", "/auth/jwks.json"));
    assert!(response.is_logged && response.log["error"] == "method_not_allowed");
    let provider = TestProvider::new();
    provider.platform.cache_fails.set(true);
    let response = provider.send(get("/.well-known/openid-configuration"));
    assert!(response.is_logged && response.status == 200);
}
