//! The account page, the page after signing out, and the URL for changing a password.

use crate::browser::{Browser, field, form_to, is_login};
use crate::test_provider::{NOW, TestProvider, get, variables_with};
use serde_json::json;

const LOGIN: &str = "alice@example.com";
const DAY: i64 = 86_400;

fn provider() -> TestProvider {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    provider
}

/// The only value of a query.
fn number(provider: &TestProvider, sql: &str) -> i64 {
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn the_account_page_shows_when_an_application_was_last_used() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    let body = || {
        // Signed in anew, because a session ends.
        let browser = Browser::new(&provider);
        browser.sign_in_on(&browser.get("/auth/account"), LOGIN).body
    };
    let scope = [("scope", "openid offline_access")];
    let tokens = provider.redeem(&app, &alice.authorize(&app, LOGIN, &scope));
    let date = |date: &str, words: &str| format!("<time datetime=\"{date}\">{words}</time>");
    let since = format!("Access since {}", date("2026-05-28", "28 May 2026"));
    let used = |date: String| {
        format!("Last used on {date}</span>\n<span class=\"small\">2\u{a0}permissions")
    };
    assert!(body().contains(&used(date("2026-05-28", "28 May 2026"))), "{}", body());

    provider.now.set(NOW + 20 * DAY);
    let tokens = provider.refresh(&app, &field(&tokens, "refresh_token"));
    assert_eq!(tokens.status, 200);
    provider.now.set(NOW + 25 * DAY);
    assert!(body().contains(&used(date("2026-06-17", "17 June 2026"))), "{}", body());
    assert!(body().contains(&since), "{}", body());

    let again = Browser::new(&provider);
    again.authorize(&app, LOGIN, &[("scope", "openid")]);
    assert!(body().contains(&used(date("2026-06-22", "22 June 2026"))), "{}", body());
    assert!(body().contains(&since), "{}", body());
}

#[test]
fn a_day_of_use_is_remembered_when_no_grant_is_left() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    let body = |browser: &Browser| {
        // As the cron does, 80 minutes after a sign-in.
        let sql = "DELETE FROM codes; DELETE FROM grants";
        provider.platform.primary.execute_batch(sql).unwrap();
        browser.get("/auth/account").body
    };
    alice.authorize(&app, LOGIN, &[("scope", "openid")]);
    let used = |date: &str| format!("Last used on <time datetime=\"{date}\">");
    assert!(body(&alice).contains(&used("2026-05-28")));

    // By the remembered consent, on another day. The consent itself is as old as before.
    provider.now.set(NOW + 3 * DAY);
    let later = Browser::new(&provider);
    later.authorize(&app, LOGIN, &[("scope", "openid")]);
    let body = body(&later);
    assert!(body.contains(&used("2026-05-31")), "{body}");
    assert!(body.contains("Access since <time datetime=\"2026-05-28\">"), "{body}");
}

#[test]
fn a_client_that_signs_in_often_writes_its_day_once() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    let used = || number(&provider, "SELECT used_at FROM consents");
    alice.authorize(&app, LOGIN, &[("scope", "openid")]);
    for (seconds, expected) in [(60, NOW), (DAY, NOW + 60 + DAY), (60, NOW + 60 + DAY)] {
        provider.sleep(seconds);
        alice.authorize(&app, LOGIN, &[("scope", "openid")]);
        assert_eq!(used(), expected);
    }
}

#[test]
fn the_application_that_was_used_last_is_first() {
    let provider = provider();
    let alice = Browser::new(&provider);
    let apps = ["one", "two"].map(|id| {
        let name = format!("Application {id}");
        provider.put_client_with(id, json!({ "client_name": name, "scope": "openid" }))
    });
    for app in [&apps[0], &apps[1], &apps[0]] {
        alice.authorize(app, LOGIN, &[("scope", "openid")]);
        provider.sleep(3_600);
    }
    let body = alice.get("/auth/account").body;
    let place = |text: &str| body.find(text).unwrap();
    assert!(place("Application one") < place("Application two"), "{body}");
    assert!(body.contains("1\u{a0}permission<"), "{body}");
}

#[test]
fn a_withdrawal_is_confirmed_and_an_expired_form_withdraws_nothing() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    let form = form_to(&alice.get("/auth/account"), "/auth/account");
    provider.sleep(3_600);
    let page = alice.submit_form(&form, &[]);
    assert_eq!(page.status, 400);
    assert!(page.body.contains("This form has expired.") && page.body.contains("The App"));

    let form = form_to(&page, "/auth/account");
    for _ in 0..2 {
        let page = alice.submit_form(&form, &[]);
        assert_eq!(page.status, 200);
        let notice = "<bdi class=\"name\">The App</bdi> no longer has access to your account.";
        assert!(page.body.contains(notice), "{}", page.body);
        assert!(page.body.contains("No application has access"), "{}", page.body);
    }
    // An application that the provider does not know any longer.
    let page = alice.submit_form(&form, &[("client_id", "gone")]);
    assert!(page.body.contains("“<bdi class=\"name\">gone</bdi>” no longer has"), "{}", page.body);
}

#[test]
fn a_form_of_another_session_withdraws_nothing() {
    let provider = provider();
    let app = provider.put_app();
    let alice = Browser::new(&provider);
    alice.authorize(&app, LOGIN, &[]);
    let form = form_to(&alice.get("/auth/account"), "/auth/account");
    let (other, stranger) = (Browser::new(&provider), Browser::new(&provider));
    other.sign_in_on(&other.get("/auth/account"), LOGIN);
    assert_eq!(other.submit_form(&form, &[]).status, 400);
    assert!(is_login(&stranger.submit_form(&form, &[])));
    assert!(alice.get("/auth/account").body.contains("The App"));
}

#[test]
fn the_page_after_signing_out_lists_what_was_used_in_the_session() {
    let provider = provider();
    let home = json!({ "client_name": "Wiki", "client_uri": "https://wiki.example/" });
    let (wiki, app) = (provider.put_client_with("wiki", home), provider.put_app());
    let unused = provider.put_client_with("unused", json!({ "client_name": "Calendar" }));
    let (here, there) = (Browser::new(&provider), Browser::new(&provider));
    there.authorize(&unused, LOGIN, &[]);
    here.authorize(&wiki, LOGIN, &[]);
    provider.sleep(60);
    here.authorize(&app, LOGIN, &[("scope", "openid offline_access")]);
    let form = form_to(&here.get("/auth/account"), "/auth/signout");
    let page = here.submit_form(&form, &[]);
    let (_, list) =
        page.body.split_once("From this browser you recently signed in to</h2>").unwrap();
    let place = |text: &str| list.find(text).unwrap();
    assert!(place("The App") < place("<a href=\"https://wiki.example/\""), "{list}");
    assert!(!list.contains("Calendar"), "{list}");
    assert!(page.body.contains("href=\"https://login.example.com/auth/account\""));
    // Only the response that signed the user out has the list.
    let again = here.submit_form(&form, &[]);
    assert!(again.body.contains("signed out") && !again.body.contains("The App"));
}

#[test]
fn the_url_for_changing_a_password_leads_to_the_form_on_the_account_page() {
    for issuer in ["https://login.example.com", "https://example.com/login"] {
        let provider = TestProvider::configured(variables_with("ISSUER", issuer));
        let response = provider.send(get("/.well-known/change-password"));
        assert_eq!(response.status, 303);
        assert_eq!(response.header("location"), Some(&*format!("{issuer}/auth/account#password")));
        // A program that looks for the first URL looks for this one, too, to see that the provider does not answer 200 at any.
        let unknown =
            "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200";
        assert_eq!(provider.send(get(unknown)).status, 404);
    }
}
