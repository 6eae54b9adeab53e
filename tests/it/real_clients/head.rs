//! `HEAD`, which link checkers, monitors and mail scanners send: like GET, but nothing is written.

use postern::config::Config;
use postern::routes::{Caller, ROUTES};
use serde_json::json;

use crate::browser::{Browser, CALLBACK, answer, is_login};
use crate::test_provider::{
    ISSUER, TestProvider, TestRequest, TestResponse, delete, get, post, variables_with,
};

const LOGIN: &str = "alice@example.com";

fn provider() -> TestProvider {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    provider
}

fn head(target: &str) -> TestRequest {
    TestRequest::new("HEAD", target.strip_prefix(ISSUER).unwrap_or(target))
}

/// Sends a `HEAD` from a browser, and checks that it has no body, sets nothing and writes nothing.
#[track_caller]
fn send(provider: &TestProvider, browser: &Browser<'_>, request: TestRequest) -> TestResponse {
    let changes = || -> i64 {
        let sql = "SELECT total_changes()";
        provider.platform.primary.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let (before, cookies) = (changes(), browser.cookies.borrow().clone());
    provider.platform.take_counts();
    let response = browser.send(request);
    let counts = provider.platform.take_counts();
    assert_eq!((response.body.as_str(), response.cookies()), ("", vec![]));
    assert_eq!((changes(), counts.cache_writes, response.deferred), (before, 0, 0));
    assert_eq!(*browser.cookies.borrow(), cookies);
    response
}

#[test]
fn every_route_with_get_answers_head_as_get_without_a_body() {
    let provider = provider();
    let config = Config::parse(|name| (name == "ISSUER").then(|| ISSUER.to_owned())).unwrap();
    for route in ROUTES {
        assert_eq!(route.methods.contains(&"GET"), route.methods.contains(&"HEAD"));
        let url = route.url(&config.issuer);
        let (browser, path) = (Browser::new(&provider), url.strip_prefix(ISSUER).unwrap());
        let (get, head) = (provider.send(get(path)), send(&provider, &browser, head(path)));
        assert_eq!(head.status, get.status, "{path}");
        let kept = |response: &TestResponse| -> Vec<_> {
            let is_kept = |(name, _): &&(&str, String)| *name != "set-cookie";
            response.headers.iter().filter(is_kept).cloned().collect()
        };
        if route.caller != Caller::Users || get.status != 200 {
            assert_eq!(kept(&head), kept(&get), "{path}");
        }
    }
}

#[test]
fn head_of_the_pages_has_their_headers_but_shows_no_session() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    for (path, status) in [
        (app.authorize(&[("prompt", "login")]).as_str(), 200),
        ("/auth/account", 200),
        ("/auth/login", 303),
        ("/auth/authorize", 400),
        ("/auth/authorize?client_id=nobody", 400),
        (&app.authorize(&[("redirect_uri", "https://evil.example/")]), 400),
    ] {
        let (head, get) = (send(&provider, &alice, head(path)), alice.get(path));
        assert_eq!((head.status, get.status), (status, status), "{path}");
        for name in ["content-type", "cache-control", "content-security-policy", "location"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
}

#[test]
fn head_issues_no_code_to_a_signed_in_user() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    let target = app.authorize(&[]);
    let response = send(&provider, &alice, head(&target));
    assert_eq!((response.status, response.header("location")), (200, None));
    let silent = app.authorize(&[("prompt", "none")]);
    let response = send(&provider, &alice, head(&silent));
    assert_eq!(answer(&response, CALLBACK)["error"], "login_required");
    for target in [target, silent] {
        assert!(answer(&alice.get(&target), CALLBACK).contains_key("code"));
    }
}

#[test]
fn head_neither_opens_nor_stores_a_request_and_does_not_answer_a_stored_one() {
    let provider = provider();
    let app = provider.put_app();
    let (scanner, alice) = (Browser::new(&provider), Browser::new(&provider));
    let target = provider.push(&app, &[]);
    assert_eq!(send(&provider, &scanner, head(&target)).status, 200);
    // Another browser is still the first.
    let opened = alice.get(&target);
    let handle = opened.header("location").unwrap();
    assert_eq!(send(&provider, &alice, head(handle)).status, 200);
    assert!(is_login(&alice.follow(opened)));
    // The answer of a request without pages is not spent.
    let opened = alice.get(&provider.push(&app, &[("prompt", "none")]));
    let handle = opened.header("location").unwrap().to_owned();
    assert_eq!(send(&provider, &alice, head(&handle)).status, 200);
    assert_eq!(answer(&alice.get(&handle), CALLBACK)["error"], "login_required");
    for (name, value) in [("request", "x"), ("request_uri", "https://app.example/request.jwt")] {
        let response = send(&provider, &alice, head(&app.authorize(&[(name, value)])));
        assert_eq!(response.status, 200, "{name}");
    }
}

#[test]
fn head_of_a_page_does_not_fetch_a_logo() {
    let provider = provider();
    let logo = json!({ "logo_uri": "https://app.example/logo.png" });
    let app = provider.put_client_with("app", logo);
    // The first request of an isolate defers a sweep.
    provider.send(get("/auth/authorize"));
    send(&provider, &Browser::new(&provider), head(&app.authorize(&[])));
    assert_eq!(provider.platform.take_counts().fetches, 0);
}

#[test]
fn head_of_userinfo_tells_whether_the_token_is_good() {
    let provider = provider();
    let browser = Browser::new(&provider);
    let token = provider.mint("openid email");
    let response = send(&provider, &browser, head("/auth/userinfo").bearer(&token));
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    for (request, status) in [
        (head("/auth/userinfo"), 401),
        (head("/auth/userinfo").bearer("x"), 401),
        (head(&format!("/auth/userinfo?access_token={token}")), 400),
    ] {
        let response = send(&provider, &browser, request);
        assert_eq!(response.status, status);
        assert!(response.header("www-authenticate").is_some() || status == 400);
    }
}

#[test]
fn head_of_a_registration_does_not_delete_the_client() {
    let provider = provider();
    let document = json!({ "redirect_uris": [CALLBACK] });
    let registered = provider.send(post("/auth/register").json(&document)).json();
    let text = |name: &str| registered[name].as_str().unwrap().to_owned();
    let (uri, token) = (text("registration_client_uri"), text("registration_access_token"));
    let path = uri.strip_prefix(ISSUER).unwrap();
    let browser = Browser::new(&provider);
    assert_eq!(send(&provider, &browser, head(path).bearer(&token)).status, 200);
    assert_eq!(send(&provider, &browser, head(path).bearer("x")).status, 401);
    assert_eq!(provider.send(get(path).bearer(&token)).status, 200);
    let response = provider.send(TestRequest::new("PATCH", path));
    assert_eq!(response.header("allow"), Some("GET, HEAD, PUT, DELETE, OPTIONS"));
    assert_eq!(provider.send(delete(path).bearer(&token)).status, 204);
}

#[test]
fn head_of_the_operators_api_reads_only() {
    let provider = provider();
    let browser = Browser::new(&provider);
    for (path, status) in [
        ("/admin/users", 200),
        ("/admin/users/alice", 200),
        ("/admin/users/nobody", 404),
        ("/admin/clients", 200),
        ("/admin/tokens", 405),
        ("/admin/users/alice/password", 405),
        ("/admin/grants/x", 405),
    ] {
        let response = send(&provider, &browser, head(path).by_operator());
        assert_eq!(response.status, status, "{path}");
    }
    let response = provider.send(TestRequest::new("PATCH", "/admin/users/alice").by_operator());
    assert_eq!(response.header("allow"), Some("GET, HEAD, PUT, DELETE"));
}
