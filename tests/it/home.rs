//! The page at the issuer's URL.

use crate::test_provider::{NOW, TestProvider, TestRequest, get, variables, variables_with};

#[test]
fn the_page_shows_the_issuer_the_endpoints_and_the_published_keys() {
    let provider = TestProvider::with_keys();
    let page = provider.send(get("/"));
    assert_eq!(page.status, 200);
    for expected in [
        "<h1><bdi class=\"name\">login.example.com</bdi></h1>",
        "begins with <strong class=\"name\">https://login.example.com/</strong>",
        "href=\"https://login.example.com/auth/account\"",
        "<pre>curl https://login.example.com/.well-known/openid-configuration</pre>",
        "<dt>token_endpoint</dt><dd><code>https://login.example.com/auth/token</code></dd>",
        "<strong>ES256</strong> signing, until <span class=\"time\">a time that is not planned yet</span>",
        "<strong>RS256</strong> signing, until <span class=\"time\">a time that is not planned yet</span>",
        "<rect x=\"0\" y=\"0\" width=\"1000\" height=\"12\"/>",
    ] {
        assert!(page.body.contains(expected), "{expected}: {}", page.body);
    }
    let jwks = provider.send(get("/auth/jwks.json")).json();
    for key in jwks["keys"].as_array().unwrap() {
        assert!(page.body.contains(key["kid"].as_str().unwrap()));
    }
    assert!(!page.body.contains("/admin") && !page.body.contains("<form"));
}

#[test]
fn the_times_of_the_keys_are_in_the_cache_too() {
    let provider = TestProvider::with_keys();
    let sql = format!(
        "UPDATE signing_keys SET sign_until = {}, retire_at = {} WHERE alg = 'ES256'",
        NOW + 86_400,
        NOW + 172_800
    );
    provider.platform.primary.execute_batch(&sql).unwrap();
    provider.platform.cache.borrow_mut().clear();
    provider.new_isolate();
    for _ in 0..2 {
        let page = provider.send(get("/"));
        assert!(
            page.body.contains("signing, until <span class=\"time\">2026-05-29 20:26 UTC</span>"),
            "{}",
            page.body
        );
        provider.new_isolate();
    }
}

#[test]
fn a_stranger_who_reloads_the_page_costs_the_database_nothing() {
    let provider = TestProvider::with_keys();
    provider.send(get("/"));
    provider.platform.take_counts();
    for _ in 0..100 {
        assert_eq!(provider.send(get("/")).status, 200);
    }
    let counts = provider.platform.take_counts();
    assert_eq!((counts.statements, counts.batches, counts.cache_reads), (0, 0, 0));
}

#[test]
fn without_the_database_the_page_has_no_keys() {
    let provider = TestProvider::new();
    provider.platform.database_fails.set(true);
    let page = provider.send(get("/"));
    assert_eq!(page.status, 200);
    assert!(page.body.contains("The keys cannot be shown at the moment."), "{}", page.body);
}

#[test]
fn the_page_can_be_switched_off() {
    let provider = TestProvider::configured(variables_with("HOME_PAGE", "false"));
    assert_eq!(provider.send(get("/")).status, 404);
    let page = provider.send(get("/").with("accept", "text/html"));
    assert_eq!(page.status, 404);
    assert!(!page.body.contains("start page"), "a link to the page: {}", page.body);
}

#[test]
fn an_issuer_with_a_path_has_the_page_there() {
    let mut variables = variables();
    variables.push(("ISSUER", "https://example.com/id".into()));
    variables.remove(0);
    let provider = TestProvider::configured(variables);
    for (path, status) in [("/id", 200), ("/id/", 200), ("/", 404), ("/id//", 404), ("/idx", 404)] {
        assert_eq!(provider.send(get(path)).status, status, "{path}");
    }
}

#[test]
fn the_page_is_read_only() {
    let provider = TestProvider::new();
    let response = provider.send(TestRequest::new("POST", "/"));
    assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD")));
}
