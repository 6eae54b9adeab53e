//! Logos and links of clients on the pages, in the user's language.

use crate::browser::{Browser, CALLBACK, TestClient, destination};
use crate::test_provider::{TestProvider, TestResponse, get};
use base64ct::{Base64, Encoding};
use postern::ports::Document;
use serde_json::{Value, json};

const LOGO: &str = "https://app.example/logo.png";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

fn provider(fields: Value) -> (TestProvider, TestClient) {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let client = provider.put_client_with("app", fields);
    (provider, client)
}

fn serve(provider: &TestProvider, url: &str, status: u16, media_type: &str, bytes: &[u8]) {
    let text = Base64::encode_string(bytes);
    let document = Document {
        status,
        media_type: media_type.into(),
        text: Some(text),
        caching: Default::default(),
    };
    provider.platform.web.borrow_mut().insert(url.into(), document);
}

fn page(provider: &TestProvider, client: &TestClient) -> TestResponse {
    let response = Browser::new(provider).get(&client.authorize(&[]));
    assert_eq!(response.status, 200);
    response
}

fn has_logo(response: &TestResponse) -> bool {
    let policy = response.header("content-security-policy").unwrap();
    let has_logo = response.body.contains("<img");
    assert_eq!(policy.contains("img-src data:"), has_logo, "{policy}");
    assert!(!policy.contains("img-src https:") && !response.body.contains("logo.png"));
    has_logo
}

#[test]
fn a_page_embeds_the_logo_which_is_fetched_once_a_day() {
    let (provider, client) = provider(json!({ "logo_uri": LOGO }));
    serve(&provider, LOGO, 200, "image/png", PNG);
    provider.platform.take_counts();
    let response = page(&provider, &client);
    let copy =
        format!("<img class=\"logo\" src=\"data:image/png;base64,{}\"", Base64::encode_string(PNG));
    assert!(
        response.body.contains(&copy.replace('+', "&#43;")) || response.body.contains(&copy),
        "{}",
        response.body
    );
    assert!(has_logo(&response));
    let browser = Browser::new(&provider);
    let consent = browser.sign_in_on(&browser.get(&client.authorize(&[])), "alice@example.com");
    assert!(has_logo(&consent));
    let response = browser.agree(consent, "alice@example.com");
    assert!(destination(&response).starts_with(CALLBACK));
    assert!(has_logo(&browser.get("/auth/account")));
    provider.new_isolate();
    assert!(has_logo(&page(&provider, &client)));
    assert_eq!(provider.platform.take_counts().fetches, 1);
}

#[test]
fn an_invalid_logo_is_not_shown_and_not_fetched_again_at_once() {
    for (status, media_type, bytes) in [
        (404, "image/png", PNG),
        (302, "image/png", PNG),
        (200, "text/html", PNG),
        (200, "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>".as_slice()),
        (200, "image/png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        (200, "image/png", b"<html><script>alert(1)</script>"),
        (200, "image/png", b""),
        (200, "image/png", &large_png(65_537)),
    ] {
        let (provider, client) = provider(json!({ "logo_uri": LOGO }));
        serve(&provider, LOGO, status, media_type, bytes);
        provider.platform.take_counts();
        for _ in 0..3 {
            assert!(!has_logo(&page(&provider, &client)), "{status} {media_type}");
        }
        assert_eq!(provider.platform.take_counts().fetches, 1);
    }
}

/// Bytes that begin as a PNG, padded with zeros to this length.
fn large_png(length: usize) -> Vec<u8> {
    let mut bytes = PNG.to_vec();
    bytes.resize(length, 0);
    bytes
}

#[test]
fn a_logo_of_the_largest_size_is_shown() {
    let (provider, client) = provider(json!({ "logo_uri": LOGO }));
    serve(&provider, LOGO, 200, "image/png", &large_png(65_536));
    assert!(has_logo(&page(&provider, &client)));
}

#[test]
fn simultaneous_requests_fetch_a_logo_once() {
    let (provider, client) = provider(json!({ "logo_uri": LOGO }));
    serve(&provider, LOGO, 200, "image/png", PNG);
    provider.platform.take_counts();
    let response = provider.send_together((0..20).map(|_| get(&client.authorize(&[]))).collect());
    assert!(response.iter().all(|response| response.status == 200));
    assert_eq!(response.iter().filter(|response| has_logo(response)).count(), 1);
    let counts = provider.platform.take_counts();
    assert_eq!(counts.fetches, 1);
    assert!(has_logo(&page(&provider, &client)));
}

#[test]
fn the_media_type_of_a_logo_follows_from_its_bytes() {
    for (bytes, media_type) in [
        (b"\xff\xd8\xff\xe0 and so on".as_slice(), "image/jpeg"),
        (b"GIF87a and so on", "image/gif"),
        (b"GIF89a and so on", "image/gif"),
        (b"RIFF1234WEBPVP8 ", "image/webp"),
    ] {
        let (provider, client) = provider(json!({ "logo_uri": LOGO }));
        // The declared media type does not matter.
        serve(&provider, LOGO, 200, "image/png", bytes);
        let response = page(&provider, &client);
        assert!(
            response.body.contains(&format!("src=\"data:{media_type};base64,")),
            "{}",
            response.body
        );
    }
}

#[test]
fn a_page_is_shown_without_a_logo_that_cannot_be_fetched() {
    let (provider, client) = provider(json!({ "logo_uri": LOGO }));
    let response = page(&provider, &client);
    assert!(!has_logo(&response));
    assert!(
        response.log["warnings"]
            .to_string()
            .contains("could not fetch logo_uri of the client app from app.example"),
        "{}",
        response.log
    );
    let (provider, client) = self::provider(json!({ "logo_uri": LOGO }));
    serve(&provider, LOGO, 200, "image/png", PNG);
    provider.platform.cache_fails.set(true);
    provider.platform.take_counts();
    for _ in 0..3 {
        assert!(has_logo(&page(&provider, &client)), "the isolate remembers the logo");
    }
    assert_eq!(provider.platform.take_counts().fetches, 1);
}

#[test]
fn logos_at_private_hosts_or_over_http_are_not_fetched() {
    for url in ["http://app.example/logo.png", "https://10.0.0.1/l", "https://localhost/l"] {
        let (provider, client) = provider(json!({ "logo_uri": url }));
        serve(&provider, url, 200, "image/png", PNG);
        provider.platform.take_counts();
        assert!(!has_logo(&page(&provider, &client)));
        assert_eq!(provider.platform.take_counts().fetches, 0, "{url}");
    }
}

#[test]
fn name_logo_and_links_follow_the_users_language() {
    let (provider, client) = provider(json!({
        "client_name": "The Shop", "client_name#fr": "La Boutique", "client_name#DE-ch": "Laden",
        "policy_uri": "https://app.example/policy", "policy_uri#fr-CA": "https://app.example/ca",
        "policy_uri#fr": "https://app.example/fr", "tos_uri": "https://app.example/terms",
        "logo_uri": LOGO, "logo_uri#fr": "https://app.example/logo-fr",
    }));
    serve(&provider, LOGO, 200, "image/png", PNG);
    serve(&provider, "https://app.example/logo-fr", 200, "image/gif", b"GIF89a");
    let shown = |language: &str| {
        let response = provider.send(get(&client.authorize(&[])).with("accept-language", language));
        let links: Vec<_> = ["/policy", "/ca", "/fr", "/terms"]
            .into_iter()
            .filter(|path| response.body.contains(&format!("https://app.example{path}\"")))
            .collect();
        let name =
            ["The Shop", "La Boutique", "Laden"].into_iter().find(|n| response.body.contains(n));
        (name.unwrap(), links, response.body.contains("data:image/gif"))
    };
    assert_eq!(shown("en"), ("The Shop", vec!["/policy", "/terms"], false));
    assert_eq!(shown("fr-BE"), ("La Boutique", vec!["/fr", "/terms"], true));
    assert_eq!(shown("de"), ("Laden", vec!["/policy", "/terms"], false));
    assert_eq!(shown("nl"), ("The Shop", vec!["/policy", "/terms"], false));
}

/// Each failure would displace a logo otherwise, and each logo another one.
#[test]
fn many_logos_of_one_host_displace_neither_the_logo_of_another_nor_its_pause() {
    let (provider, honest) = provider(json!({ "logo_uri": "https://honest.example/logo" }));
    serve(&provider, "https://honest.example/logo", 200, "image/png", PNG);
    let down = provider.put_client_with("down", json!({ "logo_uri": "https://down.example/logo" }));
    let strangers: Vec<_> = (0..65)
        .map(|number| {
            let url = format!("https://many.example/{number}");
            serve(&provider, &url, 200, "image/png", PNG);
            let works =
                provider.put_client_with(&format!("works-{number}"), json!({ "logo_uri": url }));
            let url = format!("https://failing.example/{number}");
            (
                works,
                provider.put_client_with(&format!("fails-{number}"), json!({ "logo_uri": url })),
            )
        })
        .collect();
    // Without the cache, the isolate has to remember.
    provider.platform.cache_fails.set(true);
    assert!(has_logo(&page(&provider, &honest)) && !has_logo(&page(&provider, &down)));
    for (works, fails) in &strangers {
        page(&provider, works);
        page(&provider, fails);
        provider.sleep(1);
    }
    provider.platform.take_counts();
    assert!(has_logo(&page(&provider, &honest)) && !has_logo(&page(&provider, &down)));
    assert!(strangers.iter().all(|(_, fails)| !has_logo(&page(&provider, fails))));
    assert_eq!(provider.platform.take_counts().fetches, 0);
}

#[test]
fn a_client_that_changes_its_logo_again_and_again_causes_16_fetches_and_then_one_in_four_seconds() {
    let (provider, client) = provider(json!({}));
    for (seconds, fetched) in [(0, 16), (4, 1), (8, 2)] {
        provider.sleep(seconds);
        provider.platform.take_counts();
        for number in 0..20 {
            // Other hosts gain nothing.
            let logo = format!("https://{number}.example/{seconds}");
            provider.put_client_with("app", json!({ "logo_uri": logo }));
            page(&provider, &client);
        }
        assert_eq!(provider.platform.take_counts().fetches, fetched);
    }
}

#[test]
fn fetches_of_logos_are_rate_limited() {
    let (provider, client) = provider(json!({ "logo_uri": LOGO }));
    provider.platform.rate_limit.set(Some(3));
    provider.platform.take_counts();
    for number in 0..6 {
        let url = format!("https://app.example/{number}");
        serve(&provider, &url, 200, "image/png", PNG);
        provider.put_client_with("app", json!({ "logo_uri": url }));
        assert_eq!(has_logo(&page(&provider, &client)), number < 3);
    }
    assert_eq!(provider.platform.take_counts().fetches, 3);
}

#[test]
fn a_failed_fetch_of_a_logo_is_not_cached() {
    let (provider, client) = provider(json!({ "logo_uri": LOGO }));
    page(&provider, &client);
    assert!(!provider.platform.cache.borrow().keys().any(|key| key.starts_with("logo/")));
}

#[test]
fn the_account_page_reads_at_most_ten_logos() {
    let (provider, _) = provider(json!({}));
    let browser = Browser::new(&provider);
    for number in 0..12 {
        let logo = format!("https://app.example/{number}");
        let client = provider.put_client_with(&format!("app{number}"), json!({ "logo_uri": logo }));
        browser.authorize(&client, "alice@example.com", &[]);
    }
    provider.new_isolate();
    provider.platform.take_counts();
    assert_eq!(browser.get("/auth/account").status, 200);
    assert_eq!(provider.platform.take_counts().cache_reads, 10);
}
