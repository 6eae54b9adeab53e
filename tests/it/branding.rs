//! Whose login it is, on the pages of a configured provider.

use crate::browser::{Browser, is_consent};
use crate::test_provider::{TestProvider, TestResponse, get, post, variables};
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

#[test]
fn the_sign_in_page_has_the_words_for_the_logins_of_the_operators_users() {
    for (label, words, mode) in [
        ("username", "User name", None),
        ("email", "E-mail address", Some("email")),
        ("username_or_email", "User name or e-mail address", Some("email")),
    ] {
        let provider = configured(&[("LOGIN_LABEL", label)]);
        let body = provider.send(get("/auth/account")).body;
        assert!(body.contains(&format!("<label for=\"login\">{words}</label>")), "{body}");
        let (_, input) = body.split_once("<input id=\"login\"").unwrap();
        let (input, _) = input.split_once('>').unwrap();
        assert_eq!(input.split_once("inputmode=\"").map(|(_, rest)| &rest[..5]), mode);
        for attribute in
            ["autocorrect=\"off\"", "enterkeyhint=\"next\"", "autocomplete=\"username\""]
        {
            assert!(input.contains(attribute), "{input}");
        }
    }
}

#[test]
fn the_sign_in_page_links_to_help_with_a_forgotten_password() {
    let body = |more: &[(&'static str, &str)]| configured(more).send(get("/auth/account")).body;
    assert!(!body(&[]).contains("Forgot"));
    let web = body(&[("HELP_URL", "https://example.com/reset?x=1&y=2")]);
    assert!(
        web.contains(
            "<a href=\"https://example.com/reset?x=1&#38;y=2\" rel=\"noopener noreferrer\""
        )
    );
    assert!(web.contains("Forgot your password?"));
    assert!(
        body(&[("HELP_URL", "mailto:help@example.com")])
            .contains("<a href=\"mailto:help@example.com\">Forgot your password?</a>")
    );
}

#[test]
fn a_user_can_see_the_password_while_typing_and_no_page_contains_it() {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    let client = provider.put_app();
    let browser = Browser::new(&provider);
    let page = browser.get(&client.authorize(&[]));
    assert!(
        page.body
            .contains("<button class=\"quiet\" name=\"visible\" value=\"true\" formnovalidate>")
    );

    let submit = |page: &TestResponse, password: &str, visible: &str| {
        browser.submit(page, &[("login", "alice"), ("password", password), ("visible", visible)])
    };
    let visible = submit(&page, "half a pass", "true");
    assert_eq!((visible.status, visible.log.get("error")), (200, None));
    assert!(!visible.body.contains("half a pass"));
    assert!(visible.body.contains("name=\"password\" type=\"text\" autocomplete=\"off\""));
    assert!(visible.body.contains("value=\"alice\"") && visible.body.contains("role=\"status\""));

    let hidden = submit(&visible, "half a pass", "false");
    assert!(hidden.body.contains("name=\"password\" type=\"password\""));
    assert!(!hidden.body.contains("role=\"status\"") && !hidden.body.contains("half a pass"));

    // Nothing of this was an attempt to sign in, and the form with a visible password signs in.
    let consent = browser.sign_in_on(&visible, "alice@example.com");
    assert!(is_consent(&consent), "{}", consent.body);
}

#[test]
fn a_form_of_another_site_cannot_make_the_page_show_a_password() {
    let provider = TestProvider::with_keys();
    let foreign = post("/auth/login").form("login=a&visible=true&token=x");
    let page = provider.send(foreign);
    assert_eq!(page.status, 400);
    assert!(
        page.body.contains("type=\"password\"")
            && !page.body.contains("name=\"password\" type=\"text\"")
    );
}
