//! The cookie that forms are bound to: pages that are opened at once, and other sites that want to replace it or to
//! fill the browser with more.

use super::forms::field;
use crate::browser::{Browser, CALLBACK, TestClient, answer, encode, is_consent, is_login};
use crate::test_provider::{ISSUER, TestProvider, TestRequest, TestResponse, get, post};

const LOGIN: &str = "alice@example.com";
const PASSWORD: (&str, &str) = ("password", crate::browser::PASSWORD);
const COOKIE: &str = "__Host-postern-browser.";

fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    (provider, app)
}

/// The browser cookies that a response sets, as pairs of name and value.
fn browser_cookies(response: &TestResponse) -> Vec<(String, String)> {
    let pairs = response.cookies().into_iter().map(|cookie| cookie.split(';').next().unwrap());
    let pairs = pairs.filter_map(|pair| pair.split_once('='));
    let pairs = pairs.filter(|(name, _)| name.starts_with("__Host-postern-browser"));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Pages for a browser without cookies that requested them before any response arrived. The browser then has the
/// cookies of all.
fn opened_at_once(browser: &Browser<'_>, requests: Vec<TestRequest>) -> Vec<TestResponse> {
    let mut pages = Vec::new();
    for request in requests {
        let kept = browser.cookies.take();
        pages.push(browser.send(request));
        browser.cookies.borrow_mut().extend(kept);
    }
    pages
}

#[test]
fn five_pages_opened_at_once_all_sign_in() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let targets = (0..5).map(|tab| app.authorize(&[("state", &format!("tab {tab}"))]));
    let pages = opened_at_once(&alice, targets.map(|target| get(&target)).collect());
    assert_eq!(alice.cookies.borrow().len(), 5);
    for (tab, page) in pages.iter().enumerate() {
        let response = alice.agree(alice.sign_in_on(page, LOGIN), LOGIN);
        assert_eq!(answer(&response, CALLBACK)["state"], format!("tab {tab}"));
    }
}

#[test]
fn five_pages_opened_at_once_all_sign_in_for_pushed_and_posted_requests() {
    let (provider, app) = provider();
    let secret = encode(&[("client_secret", app.secret.as_deref().unwrap())]);
    let target = |tab: usize| {
        let state = format!("tab {tab}");
        let query = app.authorize_query(&[("state", &state), ("prompt", "consent")]);
        if tab.is_multiple_of(2) {
            let form = format!("{query}&{secret}");
            let pushed = provider.send(post("/auth/par").form(&form)).json();
            let uri = pushed["request_uri"].as_str().unwrap();
            return format!(
                "/auth/authorize?{}",
                encode(&[("client_id", "app"), ("request_uri", uri)])
            );
        }
        let kept = provider.send(post("/auth/authorize").form(&query));
        kept.header("location").unwrap().strip_prefix(ISSUER).unwrap().to_owned()
    };
    let alice = Browser::new(&provider);
    let pages = opened_at_once(&alice, (0..5).map(|tab| get(&target(tab))).collect());
    let pages: Vec<_> = pages.into_iter().map(|page| alice.follow(page)).collect();
    for (tab, page) in pages.iter().enumerate() {
        let consent = alice.sign_in_on(page, LOGIN);
        assert!(is_consent(&consent), "{}", consent.body);
        for click in ["first", "second"] {
            let response = alice.submit(&consent, &[("decision", "allow")]);
            assert_eq!(answer(&response, CALLBACK)["state"], format!("tab {tab}"), "{click} click");
        }
    }
}

#[test]
fn a_browser_gets_one_cookie_and_keeps_it() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let cookies = browser_cookies(&alice.get(&app.authorize(&[])));
    let [(name, id)] = cookies.as_slice() else { panic!("{cookies:?}") };
    assert_eq!(*name, format!("{COOKIE}{}", &id[..8]));
    let pages = [
        alice.get(&app.authorize(&[])),
        alice.sign_in_on(&alice.get(&app.authorize(&[])), LOGIN),
        alice.get("/auth/account"),
        alice.get(&app.authorize(&[("prompt", "select_account")])),
        alice.post("/auth/login", &[("request", ""), ("token", ""), ("login", LOGIN), PASSWORD]),
    ];
    for page in pages {
        assert_eq!(browser_cookies(&page), [], "{}", page.body);
    }
}

/// The Lax cookies are missing in the requests that another site's page makes.
#[test]
fn a_request_of_another_sites_page_sets_no_browser_cookie() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let page = alice.get(&app.authorize(&[]));
    let target = app.authorize(&[]);
    let form =
        encode(&[("request", &app.authorize_query(&[])), ("token", ""), ("login", "x"), PASSWORD]);
    let decision = encode(&[
        ("request", &app.authorize_query(&[])),
        ("token", ""),
        ("shown", ""),
        ("decision", "allow"),
    ]);
    let posts = [
        ("/auth/login", &form),
        ("/auth/consent", &decision),
        ("/auth/authorize", &app.authorize_query(&[])),
        ("/auth/account", &encode(&[("token", "x")])),
    ];
    for origin in [
        None,
        Some("null"),
        Some("https://evil.example"),
        Some("https://login.example.com.evil.example"),
    ] {
        for (path, body) in posts {
            let request = post(path).form(body);
            let request = match origin {
                Some(origin) => request.with("origin", origin),
                None => request,
            };
            let response = provider.send(request);
            assert_eq!(browser_cookies(&response), [], "{path} {origin:?}");
        }
    }
    for destination in ["image", "iframe", "empty", "script", "object"] {
        for path in [&*target, "/auth/account"] {
            let response = provider.send(get(path).with("sec-fetch-dest", destination));
            assert_eq!(browser_cookies(&response), [], "{path} {destination}");
        }
    }
    assert_eq!(
        browser_cookies(&provider.send(get(&target).with("sec-fetch-dest", "document"))).len(),
        1
    );
    // The form that was open meanwhile.
    let response = alice.sign_in_on(&page, LOGIN);
    assert!(is_consent(&response), "{}", response.body);
}

#[test]
fn a_form_whose_browser_lost_its_cookie_works_when_it_is_shown_again() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let page = alice.get(&app.authorize(&[]));
    alice.cookies.take();
    let submit = |page: &TestResponse| {
        let (request, token) = (field(page, "request"), field(page, "token"));
        let fields = [("request", &*request), ("token", &token), ("login", LOGIN), PASSWORD];
        alice.send(post("/auth/login").form(&encode(&fields)).with("origin", ISSUER))
    };
    let again = submit(&page);
    assert_eq!((again.status, is_login(&again)), (400, true));
    assert!(again.body.contains("Signing in needs cookies"), "{}", again.body);
    assert_eq!(submit(&again).status, 303);
}

/// A cookie that the provider did not set under this name, for example one of an issuer with another path on this host.
#[test]
fn a_browser_cookie_under_another_name_does_not_count() {
    let (provider, app) = provider();
    let page = provider.send(get(&app.authorize(&[])));
    let [(name, id)] = browser_cookies(&page).try_into().unwrap();
    let (request, token) = (field(&page, "request"), field(&page, "token"));
    let fields = [("request", &*request), ("token", &token), ("login", LOGIN), PASSWORD];
    let submit = |cookies: &str| {
        provider.send(post("/auth/login").form(&encode(&fields)).with("cookie", cookies)).status
    };
    let mark = &id[..8];
    for cookies in [
        format!("__Host-postern-browser={id}"),
        format!("__Host-postern-browser!a.{mark}={id}"),
        format!("__Host-postern-browser.a.{mark}={id}"),
        format!("__host-postern-browser.{mark}={id}"),
        format!("postern-browser.{mark}={id}"),
        format!("{COOKIE}AAAAAAAA={id}"),
        format!("{COOKIE}={id}"),
        format!("{COOKIE}{id}={id}"),
        format!("{name}={id}x"),
        format!("{name}={}", &id[1..]),
        format!("{name}=\"{id}\""),
        format!("\u{2003}{name}={id}"),
        // One of two cookies with the same name was set by another host, and which one is unknown.
        format!("{name}={id}; {name}={id}"),
        format!("{name}={id}; {name}={mark}{}", "x".repeat(35)),
    ] {
        assert_eq!(submit(&cookies), 400, "{cookies}");
    }
    let others: String = (0..500).map(|n| format!("{COOKIE}{n:08}={n:043}; ")).collect();
    assert_eq!(submit(&format!("{others}{name}={id}")), 303, "however many others there are");
}
