//! Errors as pages for browsers, and as JSON for programs.

use crate::browser::error_page;
use crate::test_provider::{TestProvider, TestRequest, get, post, variables_with};

/// How browsers accept a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

fn in_browser(request: TestRequest) -> TestRequest {
    request.with("accept", BROWSER).with("cf-ray", "8f2c1d3e4b5a6978-AMS")
}

#[test]
fn an_unknown_path_is_a_page_in_a_browser_and_json_for_programs() {
    let provider = TestProvider::new();
    let response = provider.send(in_browser(get("/nowhere")).with("accept-language", "de"));
    assert_eq!(response.status, 404);
    let page = error_page(&response);
    for expected in [
        "<title>Diese Seite gibt es nicht</title>",
        "href=\"https://login.example.com\">Zur Startseite</a>",
        "<p lang=\"en\">no endpoint has this path</p>",
        "<code>not_found</code>",
        "<code>2026-05-28T20:26:40Z</code>",
        "<code>8f2c1d3e4b5a6978</code>",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert!(!page.contains("Noch einmal versuchen"));
    for accept in ["", "*/*", "application/json"] {
        let response = provider.send(get("/nowhere").with("accept", accept));
        assert_eq!(response.error().as_deref(), Some("not_found"), "{accept}");
    }
}

#[test]
fn an_endpoint_for_clients_answers_a_browser_with_json() {
    let provider = TestProvider::new();
    let response = provider.send(in_browser(get("/auth/token")));
    assert_eq!((response.status, response.error().as_deref()), (405, Some("method_not_allowed")));
}

#[test]
fn a_request_that_failed_by_our_fault_can_be_repeated_by_a_link() {
    let provider = TestProvider::with_keys();
    provider.platform.database_fails.set(true);
    let query = "client_id=app&scope=%22%3E%3Cscript%3E&state=a&b";
    let response = provider.send(in_browser(get(&format!("/auth/authorize?{query}"))));
    assert_eq!(response.status, 503);
    let page = error_page(&response);
    let url = format!("https://login.example.com/auth/authorize?{}", query.replace('&', "&#38;"));
    assert!(page.contains(&format!("<a class=\"button\" href=\"{url}\">Try again</a>")), "{page}");
    // A form cannot be repeated by a link.
    let form = post("/auth/login").form("request=client_id%3Dapp");
    let response = provider.send(in_browser(form));
    assert_eq!(response.status, 503);
    assert!(!error_page(&response).contains("Try again"));
}

#[test]
fn only_an_identifier_of_the_platform_is_shown() {
    let provider = TestProvider::new();
    for ray in ["<b>", "8f2c1d3e4b5a697", "8f2c1d3e4b5a6978x-AMS", "+f2c1d3e4b5a6978", ""] {
        let request = get("/nowhere").with("accept", BROWSER).with("cf-ray", ray);
        let page = error_page(&provider.send(request));
        assert!(!page.contains("Request:"), "{ray}: {page}");
    }
}

#[test]
fn a_wrong_variable_is_a_page_in_a_browser_and_json_for_programs() {
    let provider = TestProvider::configured(variables_with("COLOR", "green"));
    let description = "COLOR: must be # and six hexadecimal digits, for example #0a7f5c";
    for path in ["/", "/auth/authorize", "/nowhere"] {
        let response = provider.send(in_browser(get(path)));
        assert_eq!(response.status, 500);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        let page = error_page(&response);
        assert!(page.contains(&format!("<p lang=\"en\">{description}</p>")), "{page}");
        assert!(page.contains("Only the people who run it can change that."), "{page}");

        let json = provider.send(get(path)).json();
        assert_eq!(json["error_description"], description);
    }
}
