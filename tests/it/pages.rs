//! Every page in every state, as a browser gets it.

use base64ct::{Base64, Encoding};
use postern::http::Response;
use postern::pages::{
    Account, Advice, Application, ChooseAccount, Client, Consent, ErrorPage, FormPost, Login,
    Notice, SignedOut, Texts,
};
use postern::protocol::scope::Granted;
use sha2::{Digest, Sha256};

const CLIENT: Client<'_> = Client {
    name: "Quarterly Reports",
    client_uri: Some("https://app.example/"),
    logo_uri: Some("https://app.example/logo.png"),
    policy_uri: Some("https://app.example/privacy"),
    tos_uri: Some("https://app.example/terms"),
};

/// A client that has only a name.
const BARE: Client<'_> =
    Client { name: "Bare", client_uri: None, logo_uri: None, policy_uri: None, tos_uri: None };

const CALLBACK: &str = "https://app.example/cb";

fn texts(tag: &str) -> &'static Texts {
    Texts::choose(Some(tag), None)
}

fn login(texts: &'static Texts) -> Login<'static> {
    Login {
        texts,
        client: Some(CLIENT),
        redirect_uri: Some(CALLBACK),
        action: "/auth/login",
        request: "the request",
        token: "the token",
        login: "",
        notice: None,
    }
}

fn consent(texts: &'static Texts) -> Consent<'static> {
    Consent {
        texts,
        client: CLIENT,
        redirect_uri: CALLBACK,
        account: "alice@example.com",
        scope: Granted::parse("openid profile email").unwrap(),
        claims: &[],
        action: "/auth/consent",
        request: "the request",
        token: "the token",
    }
}

/// Every page in every state.
fn gallery(texts: &'static Texts) -> Vec<(&'static str, Response)> {
    let notices = [
        ("login-wrong", Notice::WrongCredentials),
        ("login-too-many", Notice::TooManyAttempts { wait: 300 }),
        ("login-expired", Notice::FormExpired),
        ("login-cookies", Notice::CookiesNeeded),
        ("login-other", Notice::OtherAccountWanted),
        ("login-unavailable", Notice::Unavailable),
    ];
    let applications = [
        Application {
            client: CLIENT,
            client_id: "reports",
            scope: Granted::parse("openid profile email offline_access").unwrap(),
            claims: &[],
            since: 1_767_225_600,
        },
        Application {
            client: BARE,
            client_id: "bare",
            scope: Granted::parse("openid groups").unwrap(),
            claims: &["birthdate"],
            since: 1_798_761_599,
        },
    ];
    let account = Account {
        texts,
        account: "alice@example.com",
        applications: &applications,
        withdraw_action: "/auth/account/withdraw",
        sign_out_action: "/auth/account/sign-out",
        token: "the token",
    };
    let mut pages = vec![
        ("login", login(texts).response()),
        ("login-bare", Login { client: None, redirect_uri: None, ..login(texts) }.response()),
        ("login-prefilled", Login { login: "alice", ..login(texts) }.response()),
        (
            "choose",
            ChooseAccount {
                texts,
                client: CLIENT,
                redirect_uri: CALLBACK,
                account: "alice@example.com",
                action: "/auth/choose",
                request: "the request",
                token: "the token",
            }
            .response(),
        ),
        ("consent", consent(texts).response()),
        (
            "consent-device",
            Consent { client: BARE, redirect_uri: "com.example.app:/cb", ..consent(texts) }
                .response(),
        ),
        (
            "consent-many",
            Consent {
                client: Client { name: LONG_NAME, ..CLIENT },
                redirect_uri: "https://a-very-long-host-name-of-a-department.of.an.example/cb",
                account: "a.person.with.a.very.long.address@a-very-long-host-name.example",
                scope: Granted::parse(
                    "openid profile email address phone offline_access groups \
                     https://api.example/a/very/long/scope/that/does/not/end.readwrite",
                )
                .unwrap(),
                claims: &["name", "birthdate", "badge_number"],
                ..consent(texts)
            }
            .response(),
        ),
        ("account", account.response()),
        ("account-empty", Account { applications: &[], ..account }.response()),
        ("signed-out", SignedOut { texts }.response()),
        (
            "error",
            ErrorPage {
                texts,
                status: 400,
                code: "invalid_request",
                description: "the redirect_uri is not one that this client has registered",
                advice: Advice::TellApplication,
            }
            .response(),
        ),
        (
            "form-post",
            FormPost {
                texts,
                redirect_uri: CALLBACK,
                parameters: &[("code", "the code"), ("state", "the state")],
            }
            .response(),
        ),
    ];
    pages.extend(notices.map(|(name, notice)| {
        (name, Login { login: "alice", notice: Some(notice), ..login(texts) }.response())
    }));
    pages
}

const LONG_NAME: &str =
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenverwaltung of the Department of Everything";

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let values: Vec<_> = response.headers.iter().filter(|(known, _)| *known == name).collect();
    assert_eq!(values.len(), 1, "{name}");
    &values[0].1
}

/// What stands between the first `start` and the next `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(inside, _)| inside)
}

/// What stands in an inline element, as the browser hashes it.
fn assert_allowed(response: &Response, directive: &str, element: &str) {
    let inside =
        between(&response.body, &format!("<{element}>"), &format!("</{element}>")).unwrap();
    assert!(!inside.contains('\r'), "the browser would hash another text");
    let hash = Base64::encode_string(&Sha256::digest(inside));
    let policy = header(response, "content-security-policy");
    assert!(policy.contains(&format!("{directive} 'sha256-{hash}'")), "{policy}");
}

#[test]
fn every_page_allows_the_very_style_and_script_it_has() {
    for (name, response) in gallery(texts("en")) {
        assert_allowed(&response, "style-src", "style");
        assert_eq!(response.body.contains("<script"), name == "form-post", "{name}");
        if name == "form-post" {
            assert_allowed(&response, "script-src", "script");
        }
    }
}
