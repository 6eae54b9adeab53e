//! Front-Channel Logout: the page after a logout loads the URL of each client of the session.

use super::{AFTER, LOGIN, is_signed_in, logout, provider, put_app, sign_in};
use crate::browser::{Browser, TestClient, claims, decode, field, form_to};
use crate::strangers::register;
use crate::test_provider::{ISSUER, TestProvider, TestResponse, variables_with};
use serde_json::{Value, json};

/// A client with a front-channel logout URI on its own host.
fn put_wiki(provider: &TestProvider, id: &str, path: &str) -> TestClient {
    let host = format!("https://{id}.example");
    let fields = json!({
        "client_name": id, "redirect_uris": [format!("{host}/cb")],
        "frontchannel_logout_uri": format!("{host}{path}"),
        "frontchannel_logout_session_required": true,
    });
    provider.put_client_with(id, fields)
}

/// The URLs of the page's frames, which must be hidden and powerless.
pub fn frames(page: &TestResponse) -> Vec<String> {
    let frames = page.body.split("<iframe ").skip(1).map(|html| {
        let tag = html.split('>').next().unwrap();
        let rest = tag.strip_prefix("src=\"").unwrap();
        let (url, rest) = rest.split_once('"').unwrap();
        let others = " sandbox=\"allow-scripts allow-same-origin\" referrerpolicy=\"no-referrer\" \
                      hidden title=\"\"";
        assert_eq!(rest, others);
        url.replace("&#38;", "&")
    });
    frames.collect()
}

fn policy(page: &TestResponse, directive: &str) -> Option<String> {
    let policy = page.header("content-security-policy").unwrap();
    let mut directives = policy.split("; ").filter_map(|text| text.split_once(' '));
    directives.find(|(name, _)| *name == directive).map(|(_, value)| value.to_owned())
}

fn sid(provider: &TestProvider, client: &TestClient, browser: &Browser<'_>) -> Value {
    let code = browser.authorize(client, LOGIN, &[]);
    claims(&field(&provider.redeem(client, &code), "id_token"))["sid"].clone()
}

#[test]
fn each_client_of_the_session_is_loaded_with_iss_and_sid_before_the_return() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let (wiki, calendar) =
        (put_wiki(&provider, "wiki", "/out"), put_wiki(&provider, "calendar", "/out?a=b;c"));
    put_wiki(&provider, "unused", "/out");
    let browser = Browser::new(&provider);
    let sids = [sid(&provider, &wiki, &browser), sid(&provider, &calendar, &browser)];
    let hint = sign_in(&browser, &provider, &app);
    assert_ne!(sids[0], sids[1]);
    let target =
        logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", AFTER), ("state", "s s")]);
    let page = browser.get(&target);
    assert_eq!(page.status, 200);
    let mut frames = frames(&page);
    frames.sort();
    assert_eq!(frames.len(), 2, "{frames:?}");
    for (url, base, sid) in [
        (&frames[0], "https://calendar.example/out?a=b;c&", &sids[1]),
        (&frames[1], "https://wiki.example/out?", &sids[0]),
    ] {
        let query = decode(url.strip_prefix(base).unwrap());
        let expected = [("iss", ISSUER), ("sid", sid.as_str().unwrap())];
        assert_eq!(query, expected.map(|(name, value)| (name.into(), value.into())).into());
    }
    // The frames may be at these origins, and the page goes on by itself once they are loaded.
    let mut sources: Vec<_> =
        policy(&page, "frame-src").unwrap().split(' ').map(str::to_owned).collect();
    sources.sort();
    assert_eq!(sources, ["https://calendar.example", "https://wiki.example"]);
    let url = format!("{AFTER}&state=s%20s");
    assert_eq!(page.header("refresh"), Some(&*format!("1;url={url}")));
    assert!(
        page.body.contains(&format!("href=\"{}\"", url.replace('&', "&#38;"))),
        "{}",
        page.body
    );
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    assert!(!is_signed_in(&browser));
}

#[test]
fn the_form_of_the_account_page_loads_them_too_and_a_second_click_again() {
    let provider = provider();
    let wiki = put_wiki(&provider, "wiki", "/out");
    let browser = Browser::new(&provider);
    sid(&provider, &wiki, &browser);
    let form = form_to(&browser.get("/auth/account"), "/auth/signout");
    let cookies = browser.cookies.borrow().clone();
    let first = browser.submit_form(&form, &[]);
    // The browser shows the response to the second click, which was sent before the first response.
    *browser.cookies.borrow_mut() = cookies;
    let second = browser.submit_form(&form, &[]);
    for page in [&first, &second] {
        assert_eq!(frames(page).len(), 1, "{}", page.body);
        assert!(page.body.contains("wiki"));
        assert_eq!((page.header("refresh"), policy(page, "script-src")), (None, None));
    }
    assert_eq!(frames(&first), frames(&second));
    // A page without frames allows none.
    let other = Browser::new(&provider);
    other.sign_in_on(&other.get("/auth/account"), LOGIN);
    let page = other.submit_form(&form_to(&other.get("/auth/account"), "/auth/signout"), &[]);
    assert_eq!((frames(&page).len(), policy(&page, "frame-src")), (0, None));
}

#[test]
fn a_second_click_on_the_link_of_an_application_loads_the_frames_again() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let wiki = put_wiki(&provider, "wiki", "/out");
    let (browser, elsewhere) = (Browser::new(&provider), Browser::new(&provider));
    let of_another_session = sign_in(&elsewhere, &provider, &app);
    let hint = sign_in(&browser, &provider, &app);
    sid(&provider, &wiki, &browser);
    let target = |hint: &str| {
        logout(&[("id_token_hint", hint), ("post_logout_redirect_uri", AFTER), ("state", "s")])
    };
    let cookies = browser.cookies.borrow().clone();
    let first = browser.get(&target(&hint));
    for _ in 0..3 {
        *browser.cookies.borrow_mut() = cookies.clone();
        let again = browser.get(&target(&hint));
        assert_eq!((frames(&again).len(), frames(&again)), (1, frames(&first)));
        assert_eq!(again.header("refresh"), first.header("refresh"));
        assert_eq!(again.cookies().len(), first.cookies().len(), "the cookie is deleted again");
    }
    let ended = |event: &&String| event.starts_with("session.ended");
    assert_eq!(provider.events().iter().filter(ended).count(), 1);
    // Who has only a hint of another session, or no cookie, does not learn what was used.
    *browser.cookies.borrow_mut() = cookies;
    for page in [
        browser.get(&target(&of_another_session)),
        Browser::new(&provider).get(&target(&hint)),
        provider.send(crate::test_provider::get(&target(&hint))),
    ] {
        assert_eq!((page.status, frames(&page).len()), (303, 0), "{}", page.body);
    }
}

#[test]
fn a_second_click_returns_to_a_client_that_nobody_vouches_for() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.put_alice_with_password();
    let stranger = register(&provider, json!({ "post_logout_redirect_uris": [AFTER] }));
    let browser = Browser::new(&provider);
    let hint = sign_in(&browser, &provider, &stranger);
    let target = logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", AFTER)]);
    let cookies = browser.cookies.borrow().clone();
    for _ in 0..2 {
        *browser.cookies.borrow_mut() = cookies.clone();
        assert_eq!(crate::browser::destination(&browser.get(&target)), AFTER);
    }
}

#[test]
fn the_form_of_the_logout_page_loads_them_and_goes_on() {
    let provider = provider();
    let app = put_app(&provider, json!({}));
    let wiki = put_wiki(&provider, "wiki", "/out");
    let browser = Browser::new(&provider);
    sign_in(&browser, &provider, &app);
    sid(&provider, &wiki, &browser);
    let page = browser.get(&logout(&[("client_id", "app"), ("post_logout_redirect_uri", AFTER)]));
    let page = browser.submit(&page, &[]);
    assert_eq!(frames(&page).len(), 1);
    assert_eq!(page.header("refresh"), Some(&*format!("1;url={AFTER}")));
}

#[test]
fn strangers_come_last_and_there_are_at_most_twenty() {
    let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
    provider.put_alice_with_password();
    let wiki = put_wiki(&provider, "wiki", "/out");
    let browser = Browser::new(&provider);
    sid(&provider, &wiki, &browser);
    for number in 0..21 {
        let fields = json!({
            "redirect_uris": [format!("https://s{number}.example/cb")],
            "frontchannel_logout_uri": format!("https://s{number}.example/out"),
        });
        browser.authorize(&register(&provider, fields), LOGIN, &[]);
    }
    let page = browser.submit_form(&form_to(&browser.get("/auth/account"), "/auth/signout"), &[]);
    let frames = frames(&page);
    assert_eq!(frames.len(), 20);
    assert!(frames[0].starts_with("https://wiki.example/out?"), "{frames:?}");
}

#[test]
fn a_url_that_is_not_allowed_any_longer_is_not_loaded() {
    let provider = provider();
    let wiki = put_wiki(&provider, "wiki", "/out");
    for uri in [
        "https://login.example.com/auth/account",
        "https://LOGIN.example.com:8443/",
        "javascript:alert(1)",
        "https://user@wiki.example/out",
        "https://wiki.example;script-src */out",
        "com.example.app:/out",
        "",
    ] {
        let browser = Browser::new(&provider);
        sid(&provider, &wiki, &browser);
        let sql =
            "UPDATE clients SET metadata = json_set(metadata, '$.frontchannel_logout_uri', ?1)";
        provider.platform.primary.execute(sql, [uri]).unwrap();
        let page =
            browser.submit_form(&form_to(&browser.get("/auth/account"), "/auth/signout"), &[]);
        assert_eq!((frames(&page).len(), policy(&page, "frame-src")), (0, None), "{uri}");
        put_wiki(&provider, "wiki", "/out");
    }
}

#[test]
fn a_damaged_client_hides_no_other() {
    let provider = provider();
    let (wiki, damaged) =
        (put_wiki(&provider, "wiki", "/out"), put_wiki(&provider, "damaged", "/out"));
    let browser = Browser::new(&provider);
    sid(&provider, &wiki, &browser);
    sid(&provider, &damaged, &browser);
    let form = form_to(&browser.get("/auth/account"), "/auth/signout");
    let sql = "UPDATE clients SET metadata = 'x' WHERE client_id = 'damaged'";
    provider.platform.primary.execute(sql, []).unwrap();
    let page = browser.submit_form(&form, &[]);
    assert_eq!((page.status, frames(&page).len()), (200, 1), "{}", page.body);
}
