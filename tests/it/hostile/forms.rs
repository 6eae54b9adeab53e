//! Forged forms and tickets: of another browser, request, step, user or time, replayed, or without the cookie
//! that they are bound to.

use crate::browser::{
    Browser, TestClient, answer, encode, error_page, form, is_choice, is_consent, is_login,
};
use crate::test_provider::{ISSUER, TestProvider, TestResponse, post};

const HOUR: i64 = 3_600;

/// What the first form of a page carries under this name.
pub fn field(page: &TestResponse, name: &str) -> String {
    let fields = form(page).fields;
    fields.into_iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1
}

fn count(provider: &TestProvider, sql: &str) -> i64 {
    provider.platform.primary.query_row(sql, (), |row| row.get(0)).unwrap()
}

/// Alice and an app; a mallory besides, who has an account.
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
fn nobody_is_signed_in_by_a_form_that_is_not_their_own() {
    let (provider, app) = provider();
    let (alice, mallory) = (Browser::new(&provider), Browser::new(&provider));
    let page = alice.get(&app.authorize(&[]));
    let (request, token) = (field(&page, "request"), field(&page, "token"));
    let hers = |token: &str, request: &str| {
        [("request", request), ("token", token), ("login", "mallory"), PASSWORD]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let others_page = mallory.get(&app.authorize(&[]));
    let other_request = alice.get(&app.authorize(&[("state", "another")]));
    let account_page = alice.get("/auth/account");
    let code = token.split_once('.').unwrap().1;
    for (what, fields) in [
        ("another browser's", hers(&field(&others_page, "token"), &request)),
        ("another request's", hers(&field(&other_request, "token"), &request)),
        ("its own, for another request", hers(&token, &field(&other_request, "request"))),
        ("its own, for the account page", hers(&token, "")),
        ("the account page's", hers(&field(&account_page, "token"), &request)),
        ("none", hers("", &request)),
        ("a bare time", hers("1780000000.", &request)),
        ("another time", hers(&format!("1779999999.{code}"), &request)),
        ("the same time in another spelling", hers(&format!("+{token}"), &request)),
        ("one cut short", hers(&token[..token.len() - 1], &request)),
    ] {
        let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let response = alice.post("/auth/login", &fields);
        assert_eq!(response.status, 400, "{what}");
        assert!(response.cookies().iter().all(|cookie| !cookie.contains("session=")), "{what}");
        assert_eq!(response.header("location"), None, "{what}");
    }
    assert_eq!(count(&provider, "SELECT count(*) FROM sessions"), 0);
    assert_eq!(count(&provider, "SELECT count(*) FROM sign_in_attempts"), 0, "none was looked at");

    // The same form, as another site would post it: cookies stay behind.
    let fields = [("request", &*request), ("token", &token), ("login", "mallory"), PASSWORD];
    let response = provider.send(post("/auth/login").form(&encode(&fields)));
    assert_eq!(response.status, 400);
    assert!(response.cookies().iter().all(|cookie| !cookie.contains("session=")));

    provider.sleep(HOUR);
    assert_eq!(alice.post("/auth/login", &fields).status, 400, "it was left open for too long");
    assert_eq!(count(&provider, "SELECT count(*) FROM sessions"), 0);
    provider.sleep(-1);
    assert_eq!(alice.post("/auth/login", &fields).status, 303, "and up to then it is good");
}

#[test]
fn a_field_that_stands_twice_is_taken_for_neither() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let page = alice.get(&app.authorize(&[]));
    for twice in ["request", "token", "login", "password"] {
        let (request, token) = (field(&page, "request"), field(&page, "token"));
        let fields =
            [("request", &*request), ("token", &token), ("login", LOGIN), PASSWORD, (twice, "x")];
        assert!(error_page(&alice.post("/auth/login", &fields)).contains("stands twice"));
    }
}

#[test]
fn a_form_is_no_larger_than_ours_are() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let page = alice.sign_in_on(&alice.get(&app.authorize(&[])), LOGIN);
    let (request, token) = (field(&page, "request"), field(&page, "token"));
    let long = "x".repeat(20_000);
    for path in ["login", "consent", "select-account"] {
        for name in ["request", "token", "login", "password", "decision", "shown"] {
            let mut fields = vec![("request", &*request), ("token", &token)];
            fields.retain(|(known, _)| *known != name);
            fields.push((name, &long));
            let response = alice.post(&format!("/auth/{path}"), &fields);
            let is_its = !matches!(
                (path, name),
                ("consent", "login" | "password")
                    | ("login", "decision" | "shown")
                    | ("select-account", "login" | "password" | "shown")
            );
            assert!(!is_its || error_page(&response).contains("too long"), "{path} {name}");
        }
        let response = alice.post(&format!("/auth/{path}"), &[("token", &"t".repeat(100_000))]);
        assert_eq!(response.status, 413);
    }
    for path in ["account", "signout"] {
        let response = alice.post(&format!("/auth/{path}"), &[("token", &long)]);
        assert!(response.status == 413 && error_page(&response).contains("not one of our forms"));
    }
}

#[test]
fn consent_is_given_by_who_was_asked_for_what_was_asked_in_that_browser() {
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
    for (what, response) in [
        ("another user's", allow(&alice, &request, &field(&mallorys, "token"))),
        ("given by another user", allow(&mallory, &request, &token)),
        ("of a smaller request", allow(&alice, &field(&wider, "request"), &token)),
        ("of a larger one", allow(&alice, &request, &field(&wider, "token"))),
        ("of another step", allow(&alice, &field(&choice, "request"), &field(&choice, "token"))),
        ("none", allow(&alice, &request, "")),
    ] {
        assert_eq!(response.header("location"), None, "{what}");
        assert!(
            is_consent(&response) || is_choice(&response),
            "{what}: asked again, of whoever it is"
        );
    }
    let fields = [("request", &*request), ("token", &token), ("decision", "allow")];
    let response = provider.send(post("/auth/consent").form(&encode(&fields)));
    assert!(is_login(&response), "from another site nobody is signed in");
    assert_eq!(count(&provider, "SELECT count(*) FROM grants"), 0);
    assert_eq!(count(&provider, "SELECT count(*) FROM consents"), 0);

    // In the same browser, somebody else by now.
    let switched = alice.sign_in_on(&alice.get(&app.authorize(&[("prompt", "login")])), "mallory");
    assert!(is_consent(&switched));
    assert!(is_consent(&allow(&alice, &request, &token)));
    assert_eq!(count(&provider, "SELECT count(*) FROM grants"), 0);
}

#[test]
fn consent_expires_and_a_kept_request_is_answered_once() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let response = provider.send(post("/auth/authorize").form(&app.authorize_query(&[])));
    let page = alice.get(response.header("location").unwrap());
    let consent = alice.sign_in_on(&page, LOGIN);
    provider.sleep(HOUR - 1);
    let response = alice.submit(&consent, &[("decision", "allow")]);
    assert!(answer(&response, &app.redirect_uri).contains_key("code"));
    for decision in ["allow", "deny", "switch"] {
        let response = alice.submit(&consent, &[("decision", decision)]);
        assert!(error_page(&response).contains("completed before"), "{decision}");
    }
    assert_eq!(count(&provider, "SELECT count(*) FROM grants"), 1);

    let wider = alice.get(&app.authorize(&[("scope", "openid phone")]));
    provider.sleep(HOUR);
    assert!(is_consent(&alice.submit(&wider, &[("decision", "allow")])), "asked again");
    assert_eq!(count(&provider, "SELECT count(*) FROM grants"), 1);
}

#[test]
fn an_account_is_chosen_by_its_own_form_alone() {
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
            assert!(is_choice(&response), "the question is asked again");
        }
    }
    let response = alice.submit(&page, &[("decision", "x")]);
    assert!(is_choice(&response));
    let response = alice.submit(&page, &[("decision", "continue")]);
    assert!(answer(&response, &app.redirect_uri).contains_key("code"));
}

/// The fields of our own forms come back as they were written. What is no query of ours goes into no header.
#[test]
fn a_request_that_no_form_of_ours_carries_gets_a_page() {
    let (provider, _) = provider();
    let alice = Browser::new(&provider);
    for request in ["\r\nSet-Cookie: a=b", "a\nb", "\0", "a b", "é", "\u{2028}", "a#b", "\t"] {
        for path in ["/auth/select-account", "/auth/consent", "/auth/login"] {
            let response = alice.post(path, &[("request", request), ("decision", "continue")]);
            assert!(error_page(&response).contains("is not one of our forms"), "{path}");
            assert_eq!(response.status, 400);
        }
    }
}

#[test]
fn grants_are_withdrawn_and_sessions_ended_by_their_owner_alone() {
    let (provider, app) = provider();
    let (alice, mallory) = (Browser::new(&provider), Browser::new(&provider));
    alice.authorize(&app, LOGIN, &[]);
    mallory.authorize(&app, "mallory", &[]);
    let hers = field(&alice.get("/auth/account"), "token");
    let mallorys = field(&mallory.get("/auth/account"), "token");
    let consent = field(&alice.get(&app.authorize(&[("prompt", "consent")])), "token");
    for token in [&mallorys, &consent, "", &hers[..hers.len() - 1]] {
        for path in ["/auth/account", "/auth/signout"] {
            let response = alice.post(path, &[("token", token), ("client_id", "app")]);
            let own = format!("{ISSUER}/auth/account");
            assert_eq!((response.status, response.header("location")), (303, Some(own.as_str())));
            assert_eq!(response.cookies().len(), 0);
        }
    }
    for path in ["/auth/account", "/auth/signout"] {
        // Another site's form: the cookies stay behind.
        let fields = [("token", hers.as_str()), ("client_id", "app")];
        let response = provider.send(post(path).form(&encode(&fields)));
        let ends = |cookie: &&str| cookie.contains("session=");
        assert!(!response.cookies().iter().any(ends), "{path} takes no cookie away");
        assert_eq!(mallory.post(path, &fields).status, 303, "nor does it by another user");
    }
    provider.sleep(HOUR);
    alice.post("/auth/account", &[("token", &hers), ("client_id", "app")]);
    alice.post("/auth/signout", &[("token", &hers)]);
    assert_eq!(count(&provider, "SELECT count(*) FROM consents"), 2);
    assert_eq!(count(&provider, "SELECT count(*) FROM sessions"), 2);
    assert_eq!(count(&provider, "SELECT count(*) FROM grants WHERE revoked_at IS NULL"), 2);

    // Her own, but not mallory's.
    let hers = field(&alice.get("/auth/account"), "token");
    alice.post("/auth/account", &[("token", &hers), ("client_id", "app")]);
    let left = "SELECT count(*) FROM consents WHERE sub = 'mallory'";
    assert_eq!((count(&provider, "SELECT count(*) FROM consents"), count(&provider, left)), (1, 1));
    let response = alice.post("/auth/signout", &[("token", &hers)]);
    assert_eq!((response.status, response.cookies().len()), (200, 1));
    let left = "SELECT count(*) FROM sessions WHERE sub = 'mallory'";
    assert_eq!((count(&provider, "SELECT count(*) FROM sessions"), count(&provider, left)), (1, 1));
    assert_eq!(alice.post("/auth/signout", &[("token", &hers)]).status, 200, "and once more");
}

/// A ticket in the URL lets go on with this request, in this browser, as this user, for an hour.
#[test]
fn a_ticket_in_the_url_is_of_no_use_to_anybody_else() {
    let (provider, app) = provider();
    let alice = Browser::new(&provider);
    let target = app.authorize(&[("prompt", "login select_account")]);
    let page = alice.get(&target);
    let fields = form(&page).fields;
    let mut fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    fields.extend([("login", LOGIN), PASSWORD]);
    let resumed = alice.post("/auth/login", &fields).header("location").unwrap().to_owned();
    let (_, ticket) = resumed.rsplit_once("&resume=").unwrap();
    assert!(is_consent(&alice.get(&resumed)), "signed in anew, and chosen by that");

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
    assert!(is_login(&alice.get(&format!("{other}&resume={ticket}"))), "another request");
    assert!(is_login(&alice.get(&format!("{target}&x=1&resume={ticket}"))), "more of a request");
    for ticket in ["", "x", "1780000000.x", &ticket[1..], &format!("{ticket}x")] {
        assert!(is_login(&alice.get(&format!("{target}&resume={ticket}"))), "{ticket}");
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
