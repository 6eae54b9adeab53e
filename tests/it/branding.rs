//! Whose login it is, on the pages of a configured provider.

use crate::test_provider::{TestProvider, TestResponse, get, variables};
use base64ct::{Base64, Encoding};
use postern::ports::Document;

const LOGO: &str = "https://example.com/logo.png";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

fn configured(more: &[(&'static str, &str)]) -> TestProvider {
    let more = more.iter().map(|(name, text)| (*name, (*text).to_owned()));
    TestProvider::configured(variables().into_iter().chain(more).collect())
}

fn serve_logo(provider: &TestProvider, status: u16) {
    let document = Document {
        status,
        media_type: "image/png".into(),
        text: Some(Base64::encode_string(PNG)),
        caching: Default::default(),
    };
    provider.platform.web.borrow_mut().insert(LOGO.into(), document);
}

/// The icon at the URL that a page names.
fn icon(provider: &TestProvider) -> TestResponse {
    let page = provider.send(get("/auth/account")).body;
    let (_, url) = page.split_once("<link rel=\"icon\" href=\"https://login.example.com").unwrap();
    let response = provider.send(get(url.split_once('"').unwrap().0));
    assert_eq!((response.status, response.header("content-type")), (200, Some("image/svg+xml")));
    let policy = "default-src 'none'; img-src data:; sandbox";
    assert_eq!(response.header("content-security-policy"), Some(policy));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    response
}

#[test]
fn the_provider_fetches_its_logo_once_a_day_and_serves_it_as_its_icon() {
    let provider = configured(&[("LOGO_URL", LOGO)]);
    serve_logo(&provider, 200);
    let copy = format!("href=\"data:image/png;base64,{}\"", Base64::encode_string(PNG));
    for _ in 0..3 {
        let icon = icon(&provider);
        assert!(icon.body.contains(&copy), "{}", icon.body);
        assert_eq!(icon.header("cache-control"), Some("public, max-age=3600"));
        provider.new_isolate();
    }
    let counts = provider.platform.take_counts();
    assert_eq!(counts.fetches, 1);
}

#[test]
fn a_logo_that_cannot_be_fetched_is_the_first_letter_and_fetched_again_later() {
    let provider = configured(&[("LOGO_URL", LOGO), ("NAME", "über & co"), ("COLOR", "#0A7F5C")]);
    serve_logo(&provider, 404);
    for _ in 0..2 {
        let icon = icon(&provider);
        assert!(icon.body.contains(">Ü</text>") && icon.body.contains("fill=\"#0a7f5c\""));
        assert_eq!(icon.header("cache-control"), Some("public, max-age=60"));
    }
    assert_eq!(provider.platform.take_counts().fetches, 1);
    serve_logo(&provider, 200);
    provider.sleep(601);
    assert!(icon(&provider).body.contains("data:image/png"));
}

#[test]
fn a_logo_in_the_variable_needs_no_request() {
    let logo = format!("data:image/png;base64,{}", Base64::encode_string(PNG));
    let provider = configured(&[("LOGO_URL", &logo)]);
    provider.platform.take_counts();
    assert!(icon(&provider).body.contains(&logo));
    let counts = provider.platform.take_counts();
    assert_eq!(counts.fetches, 0);
}

#[test]
fn a_name_that_begins_with_markup_is_escaped_in_the_icon() {
    assert!(icon(&configured(&[("NAME", "<script>")])).body.contains(">&#60;</text>"));
}
