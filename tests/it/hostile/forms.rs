//! Forged forms and interaction tokens: of another browser, request, step, user or time, replayed, or without
//! the cookie that they are bound to.

use crate::browser::{
    Browser, TestClient, answer, encode, error_page, form, is_choice, is_consent, is_login,
};
use crate::test_provider::{ISSUER, TestProvider, TestResponse, post};

const HOUR: i64 = 3_600;

/// The value of a field in the first form of a page.
pub fn field(page: &TestResponse, name: &str) -> String {
    let fields = form(page).fields;
    fields.into_iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1
}

fn count(provider: &TestProvider, sql: &str) -> i64 {
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

/// Provider and app with the users alice and mallory.
fn provider() -> (TestProvider, TestClient) {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    provider.put_user("mallory");
    let app = provider.put_app();
    (provider, app)
}

const LOGIN: &str = "alice@example.com";
const PASSWORD: (&str, &str) = ("password", crate::browser::PASSWORD);

#[test]
fn a_login_form_works_only_in_its_browser_for_its_request() {
    let (provider, app) = provider();
    let (alice, mallory) = (Browser::new(&provider), Browser::new(&provider));
    let page = alice.get(&app.authorize(&[]));
    let (request, token) = (field(&page, "request"), field(&page, "token"));
    let fields_with = |token: &str, request: &str| {
        [("request", request), ("token", token), ("login", "mallory"), PASSWORD]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let others_page = mallory.get(&app.authorize(&[]));
    let other_request = alice.get(&app.authorize(&[("state", "another")]));
    let account_page = alice.get("/auth/account");
    let code = token.split_once('.').unwrap().1;
    for (name, fields) in [
        ("another browser's", fields_with(&field(&others_page, "token"), &request)),
        ("another request's", fields_with(&field(&other_request, "token"), &request)),
        ("its own, for another request", fields_with(&token, &field(&other_request, "request"))),
        ("its own, for the account page", fields_with(&token, "")),
        ("the account page's", fields_with(&field(&account_page, "token"), &request)),
        ("none", fields_with("", &request)),
        ("a bare time", fields_with("1780000000.", &request)),
        ("another time", fields_with(&format!("1779999999.{code}"), &request)),
        ("the same time in another spelling", fields_with(&format!("+{token}"), &request)),
        ("one cut short", fields_with(&token[..token.len() - 1], &request)),
    ] {
        let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let response = alice.post("/auth/login", &fields);
        assert_eq!(response.status, 400, "{name}");
        assert!(response.cookies().iter().all(|cookie| !cookie.contains("session=")), "{name}");
        assert_eq!(response.header("location"), None, "{name}");
    }
    assert_eq!(count(&provider, "SELECT count(*) FROM sessions"), 0);
    assert_eq!(
        count(&provider, "SELECT count(*) FROM sign_in_attempts"),
        0,
        "no password is checked"
    );

    // The same form posted by another site: the browser sends no cookies.
    let fields = [("request", &*request), ("token", &token), ("login", "mallory"), PASSWORD];
    let response = provider.send(post("/auth/login").form(&encode(&fields)));
    assert_eq!(response.status, 400);
    assert!(response.cookies().iter().all(|cookie| !cookie.contains("session=")));

    provider.sleep(HOUR);
    assert_eq!(alice.post("/auth/login", &fields).status, 400, "the form has expired");
    assert_eq!(count(&provider, "SELECT count(*) FROM sessions"), 0);
    provider.sleep(-1);
    assert_eq!(alice.post("/auth/login", &fields).status, 303, "before that it is valid");
}

#[test]
fn a_form_with_a_duplicate_field_is_refused() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let page = alice.get(&app.authorize(&[]));
    for name in ["request", "token", "login", "password"] {
        let (request, token) = (field(&page, "request"), field(&page, "token"));
        let fields =
            [("request", &*request), ("token", &token), ("login", LOGIN), PASSWORD, (name, "x")];
        assert!(error_page(&alice.post("/auth/login", &fields)).contains("duplicate parameter: "));
    }
}

#[test]
fn an_oversized_form_is_refused() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let page = alice.sign_in_on(&alice.get(&app.authorize(&[])), LOGIN);
    let (request, token) = (field(&page, "request"), field(&page, "token"));
    let long = "x".repeat(20_000);
    for path in ["login", "consent", "select-account", "signout"] {
        for name in ["request", "token", "login", "password", "decision", "shown"] {
            let mut fields = vec![("request", &*request), ("token", &token)];
            fields.retain(|(known, _)| *known != name);
            fields.push((name, &long));
            let response = alice.post(&format!("/auth/{path}"), &fields);
            let is_read = !matches!(
                (path, name),
                ("consent", "login" | "password")
                    | ("login", "decision" | "shown")
                    | ("select-account", "login" | "password" | "shown")
                    | ("signout", "login" | "password" | "decision" | "shown")
            );
            assert!(!is_read || error_page(&response).contains("longer than"), "{path} {name}");
        }
        let response = alice.post(&format!("/auth/{path}"), &[("token", &"t".repeat(100_000))]);
        assert_eq!(response.status, 413);
    }
    for (path, name) in [
        ("sessions", "session"),
        ("sessions", "token"),
        ("password", "login"),
        ("password", "current_password"),
        ("password", "new_password"),
        ("password", "end_access"),
        ("password", "visible"),
        ("password", "token"),
    ] {
        let path = format!("/auth/account/{path}");
        // Longer than the field, but not than the whole form.
        let long = "x".repeat(if path.ends_with("sessions") { 100 } else { 3_100 });
        let response = alice.post(&path, &[(name, &long)]);
        assert!(error_page(&response).contains(&format!("{name}: longer than")), "{path} {name}");
        let response = alice.post(&path, &[(name, "x"), (name, "y")]);
        assert!(error_page(&response).contains("duplicate parameter: "), "{path} {name}");
    }
    let response = alice.post("/auth/account", &[("token", &long)]);
    assert!(
        response.status == 413 && error_page(&response).contains("not a form of this provider")
    );
}

#[test]
fn consent_is_bound_to_user_request_and_browser() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let mallory = Browser::new(&provider);
    let page = alice.sign_in_on(&alice.get(&app.authorize(&[])), LOGIN);
    let mallorys = mallory.sign_in_on(&mallory.get(&app.authorize(&[])), "mallory");
    let wider = alice.get(&app.authorize(&[("scope", "openid phone address")]));
    let choice = alice.get(&app.authorize(&[("prompt", "select_account")]));
    assert!(is_consent(&page) && is_consent(&mallorys) && is_consent(&wider) && is_choice(&choice));
    let (request, token) = (field(&page, "request"), field(&page, "token"));
    let allow = |browser: &Browser<'_>, request: &str, token: &str| {
        let fields = [("request", request), ("token", token), ("decision", "allow")];
        browser.post("/auth/consent", &fields)
    };
    for (name, response) in [
        ("another user's", allow(&alice, &request, &field(&mallorys, "token"))),
        ("given by another user", allow(&mallory, &request, &token)),
        ("of a smaller request", allow(&alice, &field(&wider, "request"), &token)),
        ("of a larger one", allow(&alice, &request, &field(&wider, "token"))),
        ("of another step", allow(&alice, &field(&choice, "request"), &field(&choice, "token"))),
        ("none", allow(&alice, &request, "")),
    ] {
        assert_eq!(response.header("location"), None, "{name}");
        assert!(is_consent(&response) || is_choice(&response), "{name}: the page is shown again");
    }
    let fields = [("request", &*request), ("token", &token), ("decision", "allow")];
    let response = provider.send(post("/auth/consent").form(&encode(&fields)));
    assert!(is_login(&response), "a cross-site request has no session");
    assert_eq!(count(&provider, "SELECT count(*) FROM grants"), 0);
    assert_eq!(count(&provider, "SELECT count(*) FROM consents"), 0);

    // Another user is signed in to the same browser.
    let switched = alice.sign_in_on(&alice.get(&app.authorize(&[("prompt", "login")])), "mallory");
    assert!(is_consent(&switched));
    assert!(is_consent(&allow(&alice, &request, &token)));
    assert_eq!(count(&provider, "SELECT count(*) FROM grants"), 0);
}

#[test]
fn a_consent_form_expires_and_a_stored_request_completes_once() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let page = alice.follow(alice.get(&provider.push(&app, &[])));
    let consent = alice.sign_in_on(&page, LOGIN);
    provider.sleep(HOUR - 1);
    let response = alice.submit(&consent, &[("decision", "allow")]);
    assert!(answer(&response, &app.redirect_uri).contains_key("code"));
    provider.sleep(30);
    for decision in ["allow", "deny", "switch"] {
        let response = alice.submit(&consent, &[("decision", decision)]);
        assert!(error_page(&response).contains("already completed"), "{decision}");
    }
    assert_eq!(count(&provider, "SELECT count(*) FROM grants"), 1);

    let wider = alice.get(&app.authorize(&[("scope", "openid phone")]));
    provider.sleep(HOUR);
    assert!(is_consent(&alice.submit(&wider, &[("decision", "allow")])), "the page is shown again");
    assert_eq!(count(&provider, "SELECT count(*) FROM grants"), 1);
}

#[test]
fn an_account_is_chosen_only_by_its_own_form() {
    let (provider, app) = provider();
    let (alice, mallory) = (Browser::new(&provider), Browser::new(&provider));
    alice.authorize(&app, LOGIN, &[]);
    mallory.authorize(&app, "mallory", &[]);
    let target = app.authorize(&[("prompt", "select_account")]);
    let (page, mallorys) = (alice.get(&target), mallory.get(&target));
    let consent = alice.get(&app.authorize(&[("prompt", "consent")]));
    for token in [field(&mallorys, "token"), field(&consent, "token"), String::new()] {
        for decision in ["continue", "switch"] {
            let response = alice.submit(&page, &[("token", &token), ("decision", decision)]);
            assert!(is_choice(&response), "the choice is shown again");
        }
    }
    let response = alice.submit(&page, &[("decision", "x")]);
    assert!(is_choice(&response));
    let response = alice.submit(&page, &[("decision", "continue")]);
    assert!(answer(&response, &app.redirect_uri).contains_key("code"));
}

/// Postern's forms return their fields unchanged, so this one is forged. It must not reach a header.
#[test]
fn a_forged_request_field_gets_an_error_page() {
    let (provider, _) = provider();
    let alice = Browser::new(&provider);
    for request in ["\r\nSet-Cookie: a=b", "a\nb", "\0", "a b", "é", "\u{2028}", "a#b", "\t"] {
        for path in ["/auth/select-account", "/auth/consent", "/auth/login"] {
            let response = alice.post(path, &[("request", request), ("decision", "continue")]);
            assert!(error_page(&response).contains("is not a form of this provider"), "{path}");
            assert_eq!(response.status, 400);
        }
    }
}

#[test]
fn only_the_owner_revokes_a_grant_or_ends_a_session() {
    let (provider, app) = provider();
    let (alice, mallory) = (Browser::new(&provider), Browser::new(&provider));
    alice.authorize(&app, LOGIN, &[]);
    mallory.authorize(&app, "mallory", &[]);
    let alices = field(&alice.get("/auth/account"), "token");
    let mallorys = field(&mallory.get("/auth/account"), "token");
    let consent = field(&alice.get(&app.authorize(&[("prompt", "consent")])), "token");
    for token in [&mallorys, &consent, "", &alices[..alices.len() - 1]] {
        let own = format!("{ISSUER}/auth/account");
        for (path, expected) in [
            // The page, with a notice.
            ("/auth/account", (400, None)),
            ("/auth/signout", (303, Some(own.as_str()))),
        ] {
            let response = alice.post(path, &[("token", token), ("client_id", "app")]);
            assert_eq!((response.status, response.header("location")), expected);
            assert_eq!(response.cookies().len(), 0);
        }
    }
    for (path, status) in [("/auth/account", 400), ("/auth/signout", 303)] {
        // Another site's form: the browser sends no cookies.
        let fields = [("token", alices.as_str()), ("client_id", "app")];
        let response = provider.send(post(path).form(&encode(&fields)));
        let ends = |cookie: &&str| cookie.contains("session=");
        assert!(!response.cookies().iter().any(ends), "{path} removes no cookie");
        assert_eq!(mallory.post(path, &fields).status, status, "another user cannot use it either");
    }
    provider.sleep(HOUR);
    alice.post("/auth/account", &[("token", &alices), ("client_id", "app")]);
    alice.post("/auth/signout", &[("token", &alices)]);
    assert_eq!(count(&provider, "SELECT count(*) FROM consents"), 2);
    assert_eq!(count(&provider, "SELECT count(*) FROM sessions"), 2);
    assert_eq!(count(&provider, "SELECT count(*) FROM grants WHERE revoked_at IS NULL"), 2);

    // The user's own form, which does not affect mallory.
    let alices = field(&alice.get("/auth/account"), "token");
    alice.post("/auth/account", &[("token", &alices), ("client_id", "app")]);
    let left = "SELECT count(*) FROM consents WHERE sub = 'mallory'";
    assert_eq!((count(&provider, "SELECT count(*) FROM consents"), count(&provider, left)), (1, 1));
    let response = alice.post("/auth/signout", &[("token", &alices)]);
    assert_eq!((response.status, response.cookies().len()), (200, 1));
    let left = "SELECT count(*) FROM sessions WHERE sub = 'mallory'";
    assert_eq!((count(&provider, "SELECT count(*) FROM sessions"), count(&provider, left)), (1, 1));
    assert_eq!(
        alice.post("/auth/signout", &[("token", &alices)]).status,
        200,
        "signing out twice succeeds"
    );
}

/// An interaction token in the URL is valid for one hour, with this request, browser and user.
#[test]
fn an_interaction_token_in_the_url_is_bound_to_user_and_browser() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let target = app.authorize(&[("prompt", "login select_account")]);
    let page = alice.get(&target);
    let fields = form(&page).fields;
    let mut fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    fields.extend([("login", LOGIN), PASSWORD]);
    let resumed = alice.post("/auth/login", &fields).header("location").unwrap().to_owned();
    let (_, token) = resumed.rsplit_once("&resume=").unwrap();
    assert!(is_consent(&alice.get(&resumed)), "the new sign-in is also the choice");

    let mallory = Browser::new(&provider);
    mallory.sign_in_on(&mallory.get(&app.authorize(&[])), "mallory");
    assert!(is_login(&mallory.get(&resumed)), "another browser");
    let session = |browser: &Browser<'_>| {
        let cookies = browser.cookies.borrow();
        cookies.iter().find(|(name, _)| name.contains("session")).unwrap().1.clone()
    };
    let thief = Browser::new(&provider);
    thief.cookies.borrow_mut().insert("__Host-postern-session".into(), session(&alice));
    assert!(is_login(&thief.get(&resumed)), "the session's cookie without the browser's");
    let other = app.authorize(&[("prompt", "login select_account"), ("state", "another")]);
    assert!(is_login(&alice.get(&format!("{other}&resume={token}"))), "another request");
    assert!(
        is_login(&alice.get(&format!("{target}&x=1&resume={token}"))),
        "a request with another parameter"
    );
    for token in ["", "x", "1780000000.x", &token[1..], &format!("{token}x")] {
        assert!(is_login(&alice.get(&format!("{target}&resume={token}"))), "{token}");
    }
    let login_token = field(&page, "token");
    assert!(is_login(&alice.get(&format!("{target}&resume={login_token}"))), "another step");
    alice.cookies.borrow_mut().insert("__Host-postern-session".into(), session(&mallory));
    assert!(is_login(&alice.get(&resumed)), "another user in the same browser");

    alice.sign_in_on(&alice.get(&app.authorize(&[("prompt", "login")])), LOGIN);
    provider.sleep(HOUR);
    assert!(is_login(&alice.get(&resumed)), "an hour later");
    assert_eq!(count(&provider, "SELECT count(*) FROM grants"), 0);
}
