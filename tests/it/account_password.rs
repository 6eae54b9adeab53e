//! The form of the account page that changes the password.

use crate::browser::{Browser, Form, PASSWORD, field, form_to, is_login};
use crate::test_provider::{TestProvider, TestRequest, TestResponse, get, put};
use serde_json::json;

const LOGIN: &str = "alice@example.com";
const PATH: &str = "/auth/account/password";
const NEW: &str = "tortoise lantern gravel";
const CHANGED: &str = "Your password is changed";
const WRONG: &str = "The current password is not right.";

fn provider() -> TestProvider {
    let provider = TestProvider::with_keys();
    provider.put_alice_with_password();
    provider
}

/// A browser in which alice is signed in, and the form that changes her password.
fn signed_in(provider: &TestProvider) -> (Browser<'_>, Form) {
    let browser = Browser::new(provider);
    let page = browser.sign_in_on(&browser.get("/auth/account"), LOGIN);
    let form = form_to(&page, PATH);
    (browser, form)
}

fn fields<'a>(current: &'a str, new: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("login", LOGIN), ("current_password", current), ("new_password", new)]
}

fn change(browser: &Browser<'_>, form: &Form, current: &str, new: &str) -> TestResponse {
    browser.submit_form(form, &fields(current, new))
}

/// The request that sends a form, as `browser` has its cookies now.
fn request(browser: &Browser<'_>, form: &Form, current: &str, new: &str) -> TestRequest {
    browser.request_of(form, &fields(current, new))
}

fn is_signed_in(browser: &Browser<'_>) -> bool {
    !is_login(&browser.get("/auth/account"))
}

/// Whether alice signs in with a password, in a new browser.
fn signs_in(provider: &TestProvider, password: &str) -> bool {
    let browser = Browser { address: "198.51.100.7".into(), ..Browser::new(provider) };
    let page = browser.get("/auth/account");
    let page = browser.submit(&page, &[("login", LOGIN), ("password", password)]);
    !is_login(&page)
}

fn session_cookie(browser: &Browser<'_>) -> String {
    browser.cookies.borrow()["__Host-postern-session"].clone()
}

#[test]
fn a_change_needs_the_current_password_and_ends_all_other_sessions() {
    let provider = provider();
    let (other, _) = signed_in(&provider);
    let (here, form) = signed_in(&provider);
    let old_cookie = session_cookie(&here);
    provider.forget_events();

    let page = change(&here, &form, "not the password", NEW);
    assert_eq!(page.status, 403);
    assert!(page.body.contains(WRONG) && page.body.contains("<details open>"), "{}", page.body);
    assert!(page.body.contains("<title>Error: Your account"), "{}", page.body);
    assert!(is_signed_in(&other) && signs_in(&provider, PASSWORD));

    provider.sleep(1);
    provider.forget_events();
    let page = change(&here, &form_to(&page, PATH), PASSWORD, NEW);
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains(CHANGED), "{}", page.body);
    assert_eq!(provider.events(), ["password.set by user of alice"]);
    assert!(is_signed_in(&here) && !is_signed_in(&other));
    assert_ne!(session_cookie(&here), old_cookie);
    assert!(!signs_in(&provider, PASSWORD) && signs_in(&provider, NEW));

    // The old cookie of this browser is that of no session.
    let thief = Browser::new(&provider);
    thief.cookies.borrow_mut().clone_from(&here.cookies.borrow());
    thief.cookies.borrow_mut().insert("__Host-postern-session".into(), old_cookie);
    assert!(!is_signed_in(&thief));
    // The page that was shown has forms for the session under the new cookie.
    let page = here.submit_form(&form_to(&page, "/auth/signout"), &[]);
    assert!(page.body.contains("You are signed out"), "{}", page.body);
}

#[test]
fn a_wrong_current_password_is_an_event_of_its_own() {
    let provider = provider();
    let (here, form) = signed_in(&provider);
    provider.forget_events();
    change(&here, &form, "not the password", NEW);
    assert_eq!(provider.events(), ["password.change_failed by user of alice"]);
}

#[test]
fn a_changed_password_keeps_the_session_of_the_clients_and_its_tokens() {
    let provider = provider();
    let app = provider.put_app();
    let (here, form) = signed_in(&provider);
    let scope = [("scope", "openid offline_access")];
    let tokens = provider.redeem(&app, &here.authorize(&app, LOGIN, &scope));
    let sid = |provider: &TestProvider| -> String {
        let sql = "SELECT sid FROM session_clients";
        provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
    };
    let before = sid(&provider);
    change(&here, &form, PASSWORD, NEW);
    let code = here.get(&app.authorize(&[("scope", "openid offline_access"), ("prompt", "none")]));
    assert!(code.header("location").unwrap().contains("code="));
    assert_eq!(sid(&provider), before);
    assert_eq!(provider.refresh(&app, &field(&tokens, "refresh_token")).status, 200);
}

#[test]
fn the_access_of_all_applications_ends_if_the_user_wants_that() {
    let provider = provider();
    provider.put_user("bob");
    let app = provider.put_app();
    let scope = [("scope", "openid offline_access")];
    let bob = Browser::new(&provider);
    let bobs = provider.redeem(&app, &bob.authorize(&app, "bob", &scope));
    let (here, form) = signed_in(&provider);
    let (other, _) = signed_in(&provider);
    let mine = [&here, &other]
        .map(|browser| provider.redeem(&app, &browser.authorize(&app, LOGIN, &scope)));
    let mut fields = fields(PASSWORD, NEW);
    fields.push(("end_access", "true"));
    let page = here.submit_form(&form, &fields);
    assert!(page.body.contains("Applications have lost their access"), "{}", page.body);
    for tokens in &mine {
        assert_eq!(provider.refresh(&app, &field(tokens, "refresh_token")).status, 400);
        let userinfo = provider.send(get("/auth/userinfo").bearer(&field(tokens, "access_token")));
        assert_eq!(userinfo.status, 401);
    }
    assert_eq!(provider.refresh(&app, &field(&bobs, "refresh_token")).status, 200);
    // The consent stays, so the next sign-in to the application needs no page.
    let code = here.get(&app.authorize(&[("scope", "openid"), ("prompt", "none")]));
    assert!(code.header("location").unwrap().contains("code="));
}

#[test]
fn a_new_password_must_have_the_length_that_the_operator_must_keep_to() {
    let provider = provider();
    let (here, form) = signed_in(&provider);
    provider.forget_events();
    let long = "x".repeat(1_025);
    for new in ["", "1234567", "😀😀😀😀", &long] {
        let page = change(&here, &form, PASSWORD, new);
        assert_eq!(page.status, 400);
        assert!(page.body.contains("It needs at least 8 characters."), "{new}: {}", page.body);
        assert!(!page.body.contains(PASSWORD));
    }
    assert!(provider.events().is_empty(), "no attempt was counted");
    // Nothing else is required: all lower case, spaces, a repetition.
    let page = change(&here, &form, PASSWORD, "aaaaaaaa");
    assert!(page.body.contains(CHANGED), "{}", page.body);
    // Both forms of one text are one password.
    let page = change(
        &here,
        &form_to(&page, PATH),
        "aaaaaaaa",
        "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}",
    );
    assert!(page.body.contains(CHANGED));
    assert!(signs_in(&provider, &"é".repeat(8)));
}

#[test]
fn guesses_are_counted_like_those_of_a_sign_in() {
    let provider = provider();
    let (here, form) = signed_in(&provider);
    for _ in 0..5 {
        assert_eq!(change(&here, &form, "a guess", NEW).status, 403);
    }
    // A second later the right password is too early, too.
    let page = change(&here, &form, PASSWORD, NEW);
    assert_eq!(page.status, 429);
    assert!(page.body.contains("Too many attempts."), "{}", page.body);
    assert_eq!(page.header("retry-after"), Some("1"));
    // And so is a sign-in in this browser: both have one counter.
    let page = here.get("/auth/account");
    let signed_out = here.submit_form(&form_to(&page, "/auth/signout"), &[]);
    assert_eq!(signed_out.status, 200);
    let login = here.get("/auth/account");
    assert_eq!(here.sign_in_on(&login, LOGIN).status, 429);
    // Another browser of the user is not affected.
    assert!(signs_in(&provider, PASSWORD));
}

#[test]
fn a_guesser_at_an_unlocked_browser_has_few_guesses_in_a_day() {
    let provider = provider();
    let (here, _) = signed_in(&provider);
    let app = provider.put_app();
    let mut guesses = 0;
    let mut form = form_to(&here.get("/auth/account"), PATH);
    for five_minutes in 0..24 * 12 {
        provider.sleep(300);
        if five_minutes % 6 == 0 {
            // The session is in use all day.
            here.authorize(&app, LOGIN, &[]);
            form = form_to(&here.get("/auth/account"), PATH);
        }
        guesses += i32::from(change(&here, &form, "a guess", NEW).status == 403);
    }
    assert!((20..40).contains(&guesses), "{guesses}");
}

#[test]
fn a_success_takes_its_own_attempt_back_and_no_earlier_failure() {
    let provider = provider();
    let (here, form) = signed_in(&provider);
    let failures = || -> Option<i64> {
        let sql = "SELECT max(failures) FROM sign_in_attempts";
        provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
    };
    change(&here, &form, "a guess", NEW);
    change(&here, &form, "a guess", NEW);
    assert_eq!(failures(), Some(2));
    change(&here, &form, PASSWORD, NEW);
    assert_eq!(failures(), Some(2));
}

#[test]
fn an_address_with_too_many_attempts_waits() {
    let provider = provider();
    let (here, form) = signed_in(&provider);
    provider.platform.rate_limit.set(Some(0));
    let page = change(&here, &form, PASSWORD, NEW);
    assert_eq!((page.status, page.header("retry-after")), (429, Some("60")));
}

#[test]
fn forms_of_another_session_user_browser_or_login_change_nothing() {
    let provider = provider();
    provider.put_user("bob");
    let (alice, _) = signed_in(&provider);
    let (other, others_form) = signed_in(&provider);
    let bob = Browser::new(&provider);
    let bobs_page = bob.sign_in_on(&bob.get("/auth/account"), "bob");
    let bobs_form = form_to(&bobs_page, PATH);
    let stranger = Browser::new(&provider);
    provider.forget_events();

    assert_eq!(change(&alice, &others_form, PASSWORD, NEW).status, 400);
    assert_eq!(change(&bob, &others_form, PASSWORD, NEW).status, 400);
    assert!(is_login(&change(&stranger, &others_form, PASSWORD, NEW)));
    // Bob's form with alice's login, whose attempts would count.
    let page = bob.submit_form(&bobs_form, &fields(PASSWORD, NEW));
    assert_eq!(page.status, 400);
    assert!(page.body.contains("This form has expired."));
    // A token of another form of the page.
    let token = form_to(&alice.get("/auth/account"), "/auth/signout").fields[0].1.clone();
    let mut fields = fields(PASSWORD, NEW);
    fields.push(("token", &token));
    assert_eq!(alice.submit_form(&others_form, &fields).status, 400);
    assert!(provider.events().is_empty(), "{:?}", provider.events());
    assert!(signs_in(&provider, PASSWORD) && is_signed_in(&other));
}

#[test]
fn an_expired_form_changes_nothing() {
    let provider = provider();
    let (here, form) = signed_in(&provider);
    provider.sleep(3_600);
    let page = change(&here, &form, PASSWORD, NEW);
    assert_eq!(page.status, 400);
    assert!(page.body.contains("This form has expired."));
    assert!(signs_in(&provider, PASSWORD));
}

#[test]
fn a_user_without_a_password_has_no_form() {
    let provider = provider();
    let (here, form) = signed_in(&provider);
    provider.platform.primary.execute("UPDATE users SET password_hash = NULL", ()).unwrap();
    assert!(!here.get("/auth/account").body.contains(PATH));
    // A form of before.
    let page = change(&here, &form, PASSWORD, NEW);
    assert_eq!(page.status, 403);
    assert!(!page.body.contains(PATH), "{}", page.body);
}

#[test]
fn the_passwords_can_be_shown_while_they_are_typed_and_no_page_contains_them() {
    let provider = provider();
    let (here, form) = signed_in(&provider);
    provider.forget_events();
    let mut typed = fields(PASSWORD, NEW);
    typed.extend([("visible", "true"), ("end_access", "true")]);
    let page = here.submit_form(&form, &typed);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("name=\"current_password\" type=\"text\" autocomplete=\"off\""));
    assert!(page.body.contains("value=\"true\" checked"), "the choice is kept");
    assert!(!page.body.contains(PASSWORD) && !page.body.contains(NEW));
    let page = here.submit_form(&form, &[("login", LOGIN), ("visible", "false")]);
    assert!(page.body.contains("name=\"current_password\" type=\"password\""));
    assert!(page.body.contains("<details open>"));
    assert!(provider.events().is_empty(), "no attempt was counted");
    let page = change(&here, &form_to(&page, PATH), PASSWORD, NEW);
    assert!(page.body.contains(CHANGED));
}

#[test]
fn a_form_that_is_sent_twice_changes_the_password_once_and_keeps_the_session() {
    // One after the other, and both at once.
    for at_once in [false, true] {
        let provider = provider();
        let (here, form) = signed_in(&provider);
        let requests = vec![request(&here, &form, PASSWORD, NEW); 2];
        let responses = if at_once {
            provider.send_at_once(requests)
        } else {
            requests.into_iter().map(|one| provider.send(one)).collect()
        };
        let cookies: Vec<_> = responses.iter().map(|one| one.header("set-cookie")).collect();
        assert!(cookies[0].is_some() && cookies[0] == cookies[1], "{cookies:?}");
        for response in &responses {
            assert_eq!(response.status, 200);
            assert!(response.body.contains(CHANGED), "{}", response.body);
        }
        assert!(signs_in(&provider, NEW));
        let changes =
            provider.events().iter().filter(|one| one.contains("password.set by user")).count();
        assert_eq!(changes, 1);
    }
}

#[test]
fn a_thief_with_the_old_cookie_does_not_get_the_new_one() {
    let provider = provider();
    let (here, form) = signed_in(&provider);
    let thief = Browser::new(&provider);
    thief.cookies.borrow_mut().clone_from(&here.cookies.borrow());
    change(&here, &form, PASSWORD, NEW);
    // The same form, with everything that the thief may know.
    for new in [PASSWORD, "another guess"] {
        let response = provider.send(request(&thief, &form, PASSWORD, new));
        assert!(is_login(&response), "{}", response.body);
        assert_eq!(response.header("set-cookie"), None);
    }
    assert!(is_signed_in(&here) && signs_in(&provider, NEW));
}

#[test]
fn of_two_changes_in_two_browsers_at_once_one_wins() {
    let provider = provider();
    let (one, form) = signed_in(&provider);
    let (two, other_form) = signed_in(&provider);
    let requests = vec![
        request(&one, &form, PASSWORD, NEW),
        request(&two, &other_form, PASSWORD, "another new password"),
    ];
    let responses = provider.send_at_once(requests);
    let won: Vec<_> = responses.iter().map(|one| one.body.contains(CHANGED)).collect();
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    assert!(responses.iter().zip(&won).all(|(one, won)| *won || is_login(one)));
    assert_eq!([signs_in(&provider, NEW), signs_in(&provider, "another new password")], won[..]);
    let sessions: i64 = provider
        .platform
        .primary
        .query_row("SELECT count(*) FROM sessions", (), |row| row.get(0))
        .unwrap();
    assert_eq!(sessions, 2, "the winner's, and that of the sign-in above");
}

#[test]
fn a_sign_in_with_the_old_password_does_not_outlive_a_change_at_the_same_time() {
    for sign_in_first in [false, true] {
        let provider = provider();
        let (here, form) = signed_in(&provider);
        let other = Browser { address: "198.51.100.7".into(), ..Browser::new(&provider) };
        let login = other.get("/auth/account");
        let sign_in = other.submission(&login, &[("login", LOGIN), ("password", PASSWORD)]);
        let mut requests = vec![request(&here, &form, PASSWORD, NEW), sign_in];
        if sign_in_first {
            requests.reverse();
        }
        let responses = provider.send_at_once(requests);
        assert!(responses.iter().any(|one| one.body.contains(CHANGED)));
        let sessions: i64 = provider
            .platform
            .primary
            .query_row("SELECT count(*) FROM sessions", (), |row| row.get(0))
            .unwrap();
        assert_eq!(sessions, 1, "only that of the browser that changed the password");
    }
}

#[test]
fn a_change_by_the_operator_meanwhile_wins() {
    let provider = provider();
    let (here, form) = signed_in(&provider);
    // After the current password was read, and before the change: this is what setting a password does.
    let sql = "UPDATE users SET password_hash = 'x'; DELETE FROM sessions";
    provider.platform.before_batches.borrow_mut().extend(["SELECT 1", sql]);
    assert!(is_login(&change(&here, &form, PASSWORD, NEW)));
    let hash: String = provider
        .platform
        .primary
        .query_row("SELECT password_hash FROM users", (), |row| row.get(0))
        .unwrap();
    assert_eq!(hash, "x");
}

#[test]
fn a_user_who_got_another_login_meanwhile_sees_the_form_anew() {
    let provider = provider();
    let (here, form) = signed_in(&provider);
    let renamed = put("/admin/users/alice").by_operator().json(&json!({ "login": "al" }));
    assert_eq!(provider.send(renamed).status, 200);
    let page = change(&here, &form, PASSWORD, NEW);
    assert_eq!(page.status, 400);
    let form = form_to(&page, PATH);
    let page = here.submit_form(
        &form,
        &[("login", "al"), ("current_password", PASSWORD), ("new_password", NEW)],
    );
    assert!(page.body.contains(CHANGED), "{}", page.body);
}

#[test]
fn a_lost_response_of_the_database_changes_the_password_once() {
    for lost_after in 0..2 {
        let provider = provider();
        let (other, _) = signed_in(&provider);
        let (here, form) = signed_in(&provider);
        provider.forget_events();
        provider.platform.responses_before_loss.set(lost_after);
        provider.platform.lost_responses.set(1);
        let mut fields = fields(PASSWORD, NEW);
        fields.push(("end_access", "true"));
        let page = here.submit_form(&form, &fields);
        assert_eq!(provider.platform.lost_responses.get(), 0);
        assert!(page.body.contains(CHANGED), "{lost_after}: {}", page.body);
        assert!(is_signed_in(&here) && !is_signed_in(&other) && signs_in(&provider, NEW));
        let events = provider.events();
        let changes = events.iter().filter(|one| one.contains("password.set")).count();
        assert_eq!(changes, 1, "{events:?}");
    }
}

#[test]
fn a_change_makes_the_new_session_as_recent_as_a_sign_in() {
    let provider = provider();
    let app = provider.put_app();
    let (here, _) = signed_in(&provider);
    here.authorize(&app, LOGIN, &[("scope", "openid")]);
    provider.sleep(600);
    let old = [("scope", "openid"), ("max_age", "300")];
    assert!(is_login(&here.get(&app.authorize(&old))));
    change(&here, &form_to(&here.get("/auth/account"), PATH), PASSWORD, NEW);
    assert!(!is_login(&here.get(&app.authorize(&old))));
}

#[test]
fn a_logout_token_is_queued_for_the_other_sessions_only() {
    let provider = provider();
    let app = provider
        .put_client_with("app", json!({ "backchannel_logout_uri": "https://app.example/logout" }));
    let (here, form) = signed_in(&provider);
    let (other, _) = signed_in(&provider);
    for browser in [&here, &other] {
        browser.authorize(&app, LOGIN, &[]);
    }
    change(&here, &form, PASSWORD, NEW);
    let deliveries: i64 = provider
        .platform
        .primary
        .query_row("SELECT count(*) FROM logout_deliveries", (), |row| row.get(0))
        .unwrap();
    assert_eq!(deliveries, 1);
}

#[test]
fn fields_that_no_page_has_are_refused() {
    let provider = provider();
    let (here, form) = signed_in(&provider);
    let long = "x".repeat(3 * 1_024 + 1);
    for field in [("end_access", "maybe"), ("visible", "perhaps"), ("new_password", &long)] {
        let mut fields = fields(PASSWORD, NEW);
        fields.retain(|(name, _)| *name != field.0);
        fields.push(field);
        assert_eq!(here.submit_form(&form, &fields).status, 400, "{field:?}");
    }
    assert!(signs_in(&provider, PASSWORD));
}
