//! The browsers in which a user is signed in, on the account page, and the forms that end their sessions.

use crate::browser::{Browser, Form, PASSWORD, form_to, forms, is_login};
use crate::test_provider::{NOW, TestProvider, TestResponse, get};

const LOGIN: &str = "alice@example.com";
const SESSIONS: &str = "/auth/account/sessions";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";
const DAY: i64 = 86_400;

fn provider() -> TestProvider {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    provider
}

/// A browser in which a user is signed in, and the account page in it.
fn signed_in<'a>(provider: &'a TestProvider, login: &str) -> (Browser<'a>, TestResponse) {
    let browser = Browser::new(provider);
    let page = browser.sign_in_on(&browser.get("/auth/account"), login);
    assert_eq!(page.status, 200, "{}", page.body);
    (browser, page)
}

fn is_signed_in(browser: &Browser<'_>) -> bool {
    !is_login(&browser.get("/auth/account"))
}

/// The forms that end sessions: one for each other session, and one for all of them.
fn end_forms(page: &TestResponse) -> Vec<Form> {
    forms(page).into_iter().filter(|form| form.action.ends_with(SESSIONS)).collect()
}

/// The items of the list of sessions.
fn items(page: &TestResponse) -> Vec<&str> {
    let (_, rest) = page.body.split_once("Where you are signed in</h2>").unwrap();
    let (list, _) = rest.split_once("</ul>").unwrap();
    list.split("<li>").skip(1).collect()
}

fn number(provider: &TestProvider, sql: &str) -> i64 {
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn a_session_is_shown_by_its_browser_its_times_and_its_place() {
    let provider = provider();
    let here = Browser {
        user_agent: FIREFOX.into(),
        country: Some("DE".into()),
        ..Browser::new(&provider)
    };
    here.sign_in_on(&here.get("/auth/account"), LOGIN);
    provider.sleep(DAY / 2);
    let (other, _) = signed_in(&provider, LOGIN);
    let app = provider.put_app();
    here.authorize(&app, LOGIN, &[]);

    let page = here.get("/auth/account");
    let items = items(&page);
    assert_eq!(items.len(), 2);
    for text in [
        "<b>Firefox on Linux</b>",
        "This browser",
        "Signed in on <time datetime=\"2026-05-28\">",
        "Country: Germany",
        "<code>192.0.2.0/24</code>",
    ] {
        assert!(items[0].contains(text), "{text}: {}", items[0]);
    }
    assert!(!items[0].contains("<form"), "this browser signs out by another form");
    for text in ["<b>Unknown browser</b>", "Last used on <time datetime=\"2026-05-29\">", "<form"] {
        assert!(items[1].contains(text), "{text}: {}", items[1]);
    }
    assert!(!items[1].contains("This browser") && !items[1].contains("Country"), "{}", items[1]);
    assert!(other.get("/auth/account").body.contains("<b>Firefox on Linux</b>"));
}

#[test]
fn a_country_is_named_in_the_users_language_and_by_its_code_without_a_name() {
    for (country, language, shown) in [
        ("DE", "de", Some("Land: Deutschland")),
        ("DE", "en", Some("Country: Germany")),
        ("QQ", "en", Some("Country: QQ")),
        ("XX", "en", None),
        ("T1", "en", None),
        ("de", "en", None),
        ("<b>", "en", None),
        ("", "en", None),
    ] {
        let provider = provider();
        let browser = Browser {
            country: Some(country.into()),
            language: language.into(),
            ..Browser::new(&provider)
        };
        let page = browser.sign_in_on(&browser.get("/auth/account"), LOGIN);
        match shown {
            Some(shown) => assert!(page.body.contains(shown), "{country}: {}", page.body),
            None => assert!(!page.body.contains("Country:"), "{country}: {}", page.body),
        }
    }
}

#[test]
fn what_is_stored_of_a_browser_is_of_a_list_and_new_at_each_sign_in() {
    let provider = provider();
    let hostile = format!("{FIREFOX} <script> alice@example.com {}", "x".repeat(8_000));
    let mut browser = Browser { user_agent: hostile, ..Browser::new(&provider) };
    browser.sign_in_on(&browser.get("/auth/account"), LOGIN);
    let stored = || -> String {
        let sql = "SELECT concat_ws('|', browser, system, country, network) FROM sessions";
        provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
    };
    assert_eq!(stored(), "Firefox|Linux|192.0.2.0/24");

    // The same session, with the password entered again, from elsewhere.
    browser.address = "2001:db8:1:2::3".into();
    browser.country = Some("FR".into());
    browser.user_agent = "curl/8".into();
    let app = provider.put_app();
    let page = browser.get(&app.authorize(&[("prompt", "login")]));
    browser.sign_in_on(&page, LOGIN);
    assert_eq!(stored(), "FR|2001:db8:1::/48");
}

#[test]
fn a_session_of_before_the_upgrade_is_shown_as_unknown_and_ends_like_others() {
    let provider = provider();
    let (old, _) = signed_in(&provider, LOGIN);
    let sql = "UPDATE sessions SET browser = NULL, system = NULL, country = NULL, network = NULL";
    provider.platform.primary.execute(sql, ()).unwrap();
    let (here, page) = signed_in(&provider, LOGIN);
    let items = items(&page);
    assert!(items[1].contains("<b>Unknown browser</b>"), "{}", items[1]);
    assert!(items[1].contains("The place is unknown."), "{}", items[1]);
    here.submit_form(&end_forms(&page)[0], &[]);
    assert!(!is_signed_in(&old));
}

#[test]
fn a_form_ends_one_other_session_and_a_second_click_changes_nothing() {
    let provider = provider();
    let (one, _) = signed_in(&provider, LOGIN);
    provider.sleep(60);
    let (two, _) = signed_in(&provider, LOGIN);
    provider.sleep(60);
    let (here, page) = signed_in(&provider, LOGIN);
    provider.forget_events();
    let forms = end_forms(&page);
    assert_eq!(forms.len(), 3);
    // The last used is first.
    for _ in 0..2 {
        let page = here.submit_form(&forms[0], &[]);
        assert_eq!(page.status, 200);
        assert!(page.body.contains("The other browser is signed out."), "{}", page.body);
        assert_eq!(end_forms(&page).len(), 2);
    }
    assert_eq!([is_signed_in(&one), is_signed_in(&two), is_signed_in(&here)], [true, false, true]);
    let event =
        "session.ended by user of alice {\"reason\":\"signed_out_elsewhere\",\"sessions\":1}";
    assert_eq!(provider.events(), [event]);
}

#[test]
fn all_other_sessions_end_and_no_session_of_another_user() {
    let provider = provider();
    provider.put_user("bob");
    let (bob, _) = signed_in(&provider, "bob");
    let others: Vec<_> = (0..3).map(|_| signed_in(&provider, LOGIN).0).collect();
    let (here, page) = signed_in(&provider, LOGIN);
    provider.forget_events();
    let page = here.submit_form(end_forms(&page).last().unwrap(), &[]);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("All other browsers are signed out."), "{}", page.body);
    assert!(end_forms(&page).is_empty() && items(&page).len() == 1);
    assert!(others.iter().all(|other| !is_signed_in(other)));
    assert!(is_signed_in(&here) && is_signed_in(&bob));
    let event =
        "session.ended by user of alice {\"reason\":\"signed_out_elsewhere\",\"sessions\":3}";
    assert_eq!(provider.events(), [event]);
}

#[test]
fn forms_of_another_session_user_or_browser_end_nothing() {
    let provider = provider();
    provider.put_user("bob");
    let (alice, page) = signed_in(&provider, LOGIN);
    let (other, other_page) = signed_in(&provider, LOGIN);
    let (bob, bobs_page) = signed_in(&provider, "bob");
    let (second_bob, _) = signed_in(&provider, "bob");
    let stranger = Browser::new(&provider);
    let forms = end_forms(&other_page);

    // Forms of another session, and of no session.
    for form in &forms {
        assert_eq!(alice.submit_form(form, &[]).status, 400);
        assert_eq!(bob.submit_form(form, &[]).status, 400);
        assert!(is_login(&stranger.submit_form(form, &[])));
    }
    // The handle of another user's session, or of a page of another session, in a form of one's own.
    let handle =
        |form: &Form| form.fields.iter().find(|(name, _)| name == "session").unwrap().1.clone();
    let bobs_form = form_to(&bob.get("/auth/account"), SESSIONS);
    for wanted in [handle(&forms[0]), handle(&end_forms(&page).pop().unwrap_or(forms[0].clone()))] {
        if wanted != "others" {
            assert_eq!(bob.submit_form(&bobs_form, &[("session", &wanted)]).status, 200);
        }
    }
    let handles = |page: &TestResponse| end_forms(page).iter().map(handle).collect::<Vec<_>>();
    assert!(handles(&bobs_page).is_empty(), "bob had one session then");
    assert_ne!(handles(&alice.get("/auth/account"))[0], handles(&other.get("/auth/account"))[0]);
    // Fields that are wrong in other ways.
    for wanted in ["", "Others", "others ", "*", "%", "0", "' OR 1 --"] {
        assert_eq!(bob.submit_form(&bobs_form, &[("session", wanted)]).status, 200, "{wanted}");
    }
    let long = "x".repeat(65);
    assert_eq!(bob.submit_form(&bobs_form, &[("session", &long)]).status, 400);
    for browser in [&alice, &other, &bob, &second_bob] {
        assert!(is_signed_in(browser));
    }
}

#[test]
fn neither_the_id_nor_the_cookie_of_a_session_is_in_a_page() {
    let provider = provider();
    let (other, _) = signed_in(&provider, LOGIN);
    let (here, page) = signed_in(&provider, LOGIN);
    let sql = "SELECT id || ' ' || cookie_hash FROM sessions";
    let mut statement = provider.platform.primary.prepare(sql).unwrap();
    let rows = statement.query_map((), |row| row.get::<_, String>(0)).unwrap();
    let secrets: Vec<_> = rows
        .flat_map(|row| {
            let row = row.unwrap();
            row.split(' ').map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(secrets.len(), 4);
    let cookies =
        [&other, &here].map(|browser| browser.cookies.borrow()["__Host-postern-session"].clone());
    for secret in secrets.iter().chain(&cookies) {
        assert!(!page.body.contains(secret), "{secret}");
    }
}

#[test]
fn an_expired_form_ends_nothing_and_is_shown_anew() {
    let provider = provider();
    let (other, _) = signed_in(&provider, LOGIN);
    let (here, page) = signed_in(&provider, LOGIN);
    provider.sleep(3_600);
    for form in end_forms(&page) {
        let page = here.submit_form(&form, &[]);
        assert_eq!(page.status, 400);
        assert!(page.body.contains("This form has expired."));
        assert!(is_signed_in(&other));
    }
    let page = here.get("/auth/account");
    here.submit_form(&end_forms(&page)[0], &[]);
    assert!(!is_signed_in(&other));
}

#[test]
fn a_session_that_was_ended_elsewhere_ends_nothing_and_leads_to_the_sign_in() {
    let provider = provider();
    let (third, _) = signed_in(&provider, LOGIN);
    let (here, page) = signed_in(&provider, LOGIN);
    let (other, others_page) = signed_in(&provider, LOGIN);
    other.submit_form(end_forms(&others_page).last().unwrap(), &[]);
    assert!(!is_signed_in(&third));
    for form in end_forms(&page) {
        assert!(is_login(&here.submit_form(&form, &[])));
        assert!(is_signed_in(&other));
    }
}

#[test]
fn a_session_that_expired_is_not_listed() {
    let provider = provider();
    let (_unused, _) = signed_in(&provider, LOGIN);
    provider.sleep(DAY);
    let (here, page) = signed_in(&provider, LOGIN);
    assert_eq!(items(&page).len(), 1, "{}", page.body);
    assert!(end_forms(&page).is_empty());
    assert!(is_signed_in(&here));
}

#[test]
fn a_user_with_a_thousand_sessions_sees_twenty_and_ends_all() {
    let provider = provider();
    let (here, _) = signed_in(&provider, LOGIN);
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
                INSERT INTO sessions (id, cookie_hash, sub, auth_time, used_at) \
                SELECT 'id ' || i, 'cookie ' || i, 'alice', ?1, ?1 + i FROM n";
    provider.platform.primary.execute(fill, [NOW - DAY / 2]).unwrap();
    let page = here.get("/auth/account");
    assert_eq!(items(&page).len(), 20);
    assert!(items(&page)[0].contains("This browser"), "it is the least recently used one");
    assert!(page.body.contains("Only the ones that were used last are shown."));
    let sessions = || number(&provider, "SELECT count(*) FROM sessions");
    here.submit_form(&end_forms(&page)[18], &[]);
    assert_eq!(sessions(), 3_000);
    let page = here.submit_form(end_forms(&here.get("/auth/account")).last().unwrap(), &[]);
    assert!(!page.body.contains("Only the ones"));
    assert_eq!(sessions(), 1);
}

#[test]
fn a_lost_response_of_the_database_ends_a_session_once() {
    for form in [0, 1] {
        let provider = provider();
        let (other, _) = signed_in(&provider, LOGIN);
        let (here, page) = signed_in(&provider, LOGIN);
        provider.forget_events();
        provider.platform.lost_responses.set(1);
        let page = here.submit_form(&end_forms(&page)[form], &[]);
        assert_eq!(provider.platform.lost_responses.get(), 0);
        assert_eq!(page.status, 200);
        assert!(end_forms(&page).is_empty() && !is_signed_in(&other));
        assert_eq!(provider.events().len(), 1, "{:?}", provider.events());
    }
}

#[test]
fn a_session_that_ends_meanwhile_ends_nothing() {
    let provider = provider();
    let (other, _) = signed_in(&provider, LOGIN);
    provider.sleep(60);
    let (here, page) = signed_in(&provider, LOGIN);
    // Between the request that finds the session to end and the one that ends it.
    let sql = "DELETE FROM sessions WHERE auth_time = (SELECT max(auth_time) FROM sessions)";
    provider.platform.before_batches.borrow_mut().push_back(sql);
    assert!(is_login(&here.submit_form(&end_forms(&page)[0], &[])));
    assert!(is_signed_in(&other));
}

#[test]
fn the_urls_of_the_forms_lead_to_the_account_page() {
    let provider = provider();
    for path in [SESSIONS, "/auth/account/password"] {
        let response = provider.send(get(path));
        assert_eq!(response.status, 303);
        assert_eq!(response.header("location"), Some("https://login.example.com/auth/account"));
        // A form of another site arrives without the session.
        let stranger = Browser::new(&provider);
        let fields = [("token", "x"), ("session", "others"), ("current_password", PASSWORD)];
        assert!(is_login(&stranger.follow(stranger.post(path, &fields))));
    }
}
