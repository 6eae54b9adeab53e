//! Every page in every state, as HTML and headers.

use base64ct::{Base64, Encoding};
use postern::config::Config;
use postern::error::Advice;
use postern::http::Response;
use postern::pages::{
    Account, AccountActions, AccountNotice, Application, Brand, ChooseAccount, Client, CodeNotice,
    ConfiguredScopes, Consent, ConsentNotice, Device, DeviceDecided, DeviceForm, ErrorPage,
    FormPost, Home, Incident, KeyTimeline, Leaving, Login, Notice, Onward, PasswordNotice,
    PublishedKey, Refusal, SignOut, SignedIn, SignedOut, Texts, ui_locales_supported,
};
use postern::protocol::authorization::device_request::{DeviceRequest, RequestingDevice};
use postern::protocol::authorization::resources::Resources;
use postern::protocol::authorization::user_code::UserCode;
use postern::protocol::user::scope::{ScopeTable, Scopes};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

fn no_scopes_of_the_operator() -> ConfiguredScopes<'static> {
    static RESOURCES: LazyLock<Resources> = LazyLock::new(Resources::default);
    static TABLE: LazyLock<ScopeTable> = LazyLock::new(ScopeTable::default);
    ConfiguredScopes { resources: &RESOURCES, table: &TABLE }
}

/// A provider with every variable that pages show.
fn brand() -> Brand<'static> {
    static CONFIG: LazyLock<Config> = LazyLock::new(|| {
        let variables = [
            ("ISSUER", "https://login.example.com"),
            ("NAME", "Example <Login>"),
            ("LOGO_URL", "https://example.com/logo.png"),
            ("COLOR", "#ffcc00"),
            ("SUPPORT_URL", "mailto:help@example.com"),
            ("PRIVACY_URL", "https://example.com/privacy?a=1&b=2"),
            ("HELP_URL", "https://example.com/password"),
        ];
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Config::parse(|name| value(name).map(|(_, text)| (*text).to_owned())).unwrap()
    });
    (&*CONFIG).into()
}

/// A client of the operator.
fn client(name: &str) -> Client<'static> {
    Client {
        name: name.to_owned(),
        is_verified: true,
        document_host: None,
        client_uri: Some("https://app.example/"),
        logo: Some("data:image/png;base64,AA=="),
        policy_uri: Some("https://app.example/privacy"),
        tos_uri: Some("https://app.example/terms"),
    }
}

/// A client that nobody has verified.
fn stranger() -> Client<'static> {
    Client { is_verified: false, ..client("Reset your password here") }
}

/// A client of the operator that has only a name.
fn bare() -> Client<'static> {
    Client { name: "Bare".into(), is_verified: true, ..Client::unnamed("bare") }
}

const CALLBACK: &str = "https://app.example/cb";

fn texts(tag: &str) -> &'static Texts {
    Texts::choose(Some(tag), None)
}

fn login(texts: &'static Texts) -> Login<'static> {
    Login {
        brand: brand(),
        texts,
        client: Some(client("Quarterly Reports")),
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
        brand: brand(),
        configured: no_scopes_of_the_operator(),
        shown: "openid  ",
        texts,
        notice: None,
        client: client("Quarterly Reports"),
        redirect_uri: Some(CALLBACK),
        device: None,
        account: "alice@example.com",
        account_url: "/auth/account",
        scope: Scopes::parse("openid profile email").unwrap(),
        claims: &[],
        action: "/auth/consent",
        request: "the request",
        token: "the token",
    }
}

/// The device of a request that says this about itself.
fn requesting(text: &str) -> RequestingDevice {
    let user_code = UserCode::parse("WDJB-MJHT", str::to_owned).unwrap();
    let text = || Some(text.to_owned());
    let request = DeviceRequest {
        requested_at: 1_780_000_000 - 90,
        network: "192.0.2.0/24".into(),
        country: text(),
        program: text(),
    };
    RequestingDevice { user_code, request }
}

/// A device in the network of the browser.
fn near(device: &RequestingDevice) -> Device<'_> {
    Device {
        device,
        browser_network: "198.51.100.0/24",
        browser_country: Some("DE"),
        now: 1_780_000_000,
    }
}

fn device_form(texts: &'static Texts) -> DeviceForm<'static> {
    DeviceForm {
        brand: brand(),
        texts,
        action: "/device",
        token: "the token",
        user_code: "",
        account_url: "/auth/account",
        notice: None,
    }
}

fn incident(description: &str) -> Incident<'_> {
    Incident { code: "invalid_request", description, at: 1_780_000_000, request_id: None }
}

fn home(texts: &'static Texts) -> Home<'static> {
    let key = PublishedKey {
        alg: "ES256",
        kid: "the-kid",
        publish_from: 0,
        sign_from: 0,
        sign_until: None,
        retire_at: None,
    };
    Home {
        brand: brand(),
        texts,
        issuer: "https://login.example.com",
        account_url: "https://login.example.com/auth/account",
        discovery_url: "https://login.example.com/.well-known/openid-configuration",
        endpoints: &[],
        keys: Some(KeyTimeline::new(vec![key], 1_780_000_000)),
    }
}

fn signed_out<'a>(texts: &'static Texts, applications: &'a [Client<'a>]) -> SignedOut<'a> {
    SignedOut {
        brand: brand(),
        texts,
        applications,
        account_url: "/auth/account",
        frames: &[],
        onward: None,
    }
}

fn sign_out<'a>(texts: &'static Texts, applications: &'a [Client<'a>]) -> SignOut<'a> {
    SignOut {
        brand: brand(),
        texts,
        refused: None,
        account: "alice@example.com",
        applications,
        post_logout_redirect_uri: Some("https://app.example/?state=x"),
        action: "/auth/signout",
        account_url: "/auth/account",
        request: "client_id=app&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2F&state=x",
        token: "the token",
    }
}

/// Sessions with everything that is known of one, and with nothing.
fn signed_in() -> [SignedIn<'static>; 3] {
    let here = SignedIn {
        handle: None,
        browser: Some("Firefox"),
        system: Some("Linux"),
        country: Some("Germany".into()),
        network: Some("192.0.2.0/24"),
        since: 1_767_225_600,
        used: 1_773_273_600,
    };
    let phone = SignedIn {
        handle: Some("the handle".into()),
        browser: Some("Samsung Internet"),
        system: Some("Android"),
        country: Some("France".into()),
        network: Some("2001:db8:1::/48"),
        ..here
    };
    let unknown = SignedIn {
        handle: Some("another handle".into()),
        browser: None,
        system: None,
        country: None,
        network: None,
        ..here
    };
    [here, phone, unknown]
}

/// The results of the other forms of the account page.
fn account_notices() -> [(&'static str, AccountNotice<'static>); 8] {
    let password = |notice| AccountNotice::Password { notice, ends_access: true };
    [
        ("account-other", AccountNotice::OtherSignedOut),
        ("account-others", AccountNotice::OthersSignedOut),
        ("account-changed", AccountNotice::PasswordChanged { ended_access: true }),
        ("account-wrong", password(PasswordNotice::WrongCurrent)),
        ("account-invalid", password(PasswordNotice::Invalid)),
        ("account-too-many", password(PasswordNotice::TooManyAttempts { wait: 300 })),
        ("account-visible", password(PasswordNotice::Typing { visible: true })),
        ("account-hidden", password(PasswordNotice::Typing { visible: false })),
    ]
}

/// Every page in every state.
fn gallery(texts: &'static Texts) -> Vec<(&'static str, Response)> {
    let notices = [
        ("login-wrong", Notice::WrongCredentials),
        ("login-too-many", Notice::TooManyAttempts { wait: 300 }),
        ("login-expired", Notice::FormExpired),
        ("login-cookies", Notice::CookiesNeeded),
        ("login-other", Notice::OtherAccountWanted),
        ("login-visible", Notice::PasswordVisible),
    ];
    let applications = [
        Application {
            configured: no_scopes_of_the_operator(),
            client: client("Quarterly Reports"),
            client_id: "reports",
            scope: Scopes::parse("openid profile email offline_access").unwrap(),
            claims: &[],
            since: 1_767_225_600,
            used: Some(1_773_273_600),
        },
        Application {
            configured: no_scopes_of_the_operator(),
            client: bare(),
            client_id: "bare",
            scope: Scopes::parse("openid groups").unwrap(),
            claims: &["birthdate"],
            since: 1_798_761_599,
            used: None,
        },
    ];
    let signed_in = signed_in();
    let account = Account {
        brand: brand(),
        texts,
        notice: None,
        account: "alice@example.com",
        login: "alice@example.com",
        applications: &applications,
        signed_in: &signed_in,
        has_more: true,
        actions: AccountActions {
            withdraw: "/auth/account",
            sign_out: "/auth/signout",
            end_sessions: "/auth/account/sessions",
            change_password: "/auth/account/password",
        },
        token: "the token",
        password_token: Some("the token"),
    };
    let mut pages = vec![
        ("login", login(texts).response()),
        ("login-bare", Login { client: None, redirect_uri: None, ..login(texts) }.response()),
        ("login-prefilled", Login { login: "alice", ..login(texts) }.response()),
        (
            "choose",
            ChooseAccount {
                brand: brand(),
                texts,
                client: client("Quarterly Reports"),
                redirect_uri: Some(CALLBACK),
                name: Some("Alice Adams"),
                login: "alice@example.com",
                action: "/auth/choose",
                request: "the request",
                token: "the token",
            }
            .response(),
        ),
        ("consent", consent(texts).response()),
        (
            "consent-expired",
            Consent { notice: Some(ConsentNotice::FormExpired), ..consent(texts) }.response(),
        ),
        (
            "consent-changed",
            Consent { notice: Some(ConsentNotice::Changed), ..consent(texts) }.response(),
        ),
        ("login-stranger", Login { client: Some(stranger()), ..login(texts) }.response()),
        ("consent-stranger", Consent { client: stranger(), ..consent(texts) }.response()),
        (
            "consent-device",
            Consent { client: bare(), redirect_uri: Some("com.example.app:/cb"), ..consent(texts) }
                .response(),
        ),
        (
            "consent-many",
            Consent {
                brand: brand(),
                configured: no_scopes_of_the_operator(),
                shown: "openid  ",
                client: client(LONG_NAME),
                redirect_uri: Some(
                    "https://a-very-long-host-name-of-a-department.of.an.example/cb",
                ),
                account: "a.person.with.a.very.long.address@a-very-long-host-name.example",
                scope: Scopes::parse(
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
        ("account-empty", Account { applications: &[], ..account.clone() }.response()),
        (
            "account-withdrawn",
            Account { notice: Some(AccountNotice::Withdrawn(stranger())), ..account.clone() }
                .response(),
        ),
        (
            "account-expired",
            Account { notice: Some(AccountNotice::FormExpired), ..account.clone() }.response(),
        ),
        ("signed-out", signed_out(texts, &[]).response()),
        ("signed-out-used", signed_out(texts, &[client("Reports"), stranger()]).response()),
        (
            "signed-out-leaving",
            SignedOut {
                frames: &["https://app.example/logout?iss=x&sid=y".to_owned()],
                onward: Some(Onward { url: "https://app.example/?state=x", is_automatic: true }),
                ..signed_out(texts, &[])
            }
            .response(),
        ),
        (
            "signed-out-stranger",
            SignedOut {
                onward: Some(Onward { url: "https://app.example/?state=x", is_automatic: false }),
                ..signed_out(texts, &[])
            }
            .response(),
        ),
        ("sign-out", sign_out(texts, &[client("Reports"), stranger()]).response()),
        ("sign-out-bare", sign_out(texts, &[]).response()),
        (
            "sign-out-refused",
            SignOut {
                refused: Some(Refusal {
                    status: 400,
                    incident: incident("client_id: must be the aud of id_token_hint"),
                }),
                post_logout_redirect_uri: None,
                ..sign_out(texts, &[])
            }
            .response(),
        ),
        (
            "leaving",
            Leaving { brand: brand(), texts, url: "https://app.example/cb?code=x&state=y" }
                .response(),
        ),
        (
            "error",
            ErrorPage {
                brand: brand(),
                texts,
                status: 400,
                incident: incident(
                    "redirect_uri: https://app.example/cb is not registered for the client app",
                ),
                advice: Advice::TellApplication,
                again_url: None,
                home_url: Some("https://login.example.com"),
            }
            .response(),
        ),
        ("home", home(texts).response()),
        (
            "form-post",
            FormPost {
                brand: brand(),
                texts,
                redirect_uri: CALLBACK,
                parameters: &[("code", "the code"), ("state", "the state")],
            }
            .response(),
        ),
    ];
    let requesting = requesting("NL");
    let of_device =
        || Consent { redirect_uri: None, device: Some(near(&requesting)), ..consent(texts) };
    let elsewhere = Device { browser_network: "203.0.113.0/24", ..near(&requesting) };
    let wrong = Some(CodeNotice::WrongCode);
    let too_many = Some(CodeNotice::TooManyCodes { wait: 1_200, may_sign_in: true });
    let of_device_pages = [
        ("device", device_form(texts).response()),
        ("device-linked", DeviceForm { user_code: "WDJB-MJHT", ..device_form(texts) }.response()),
        (
            "device-wrong",
            DeviceForm { notice: wrong, user_code: "WDJB MJHT", ..device_form(texts) }.response(),
        ),
        ("device-too-many", DeviceForm { notice: too_many, ..device_form(texts) }.response()),
        ("consent-other-device", of_device().response()),
        (
            "consent-other-device-stranger",
            Consent { client: stranger(), device: Some(elsewhere), ..of_device() }.response(),
        ),
        ("device-allowed", DeviceDecided { brand: brand(), texts, is_allowed: true }.response()),
        ("device-denied", DeviceDecided { brand: brand(), texts, is_allowed: false }.response()),
    ];
    pages.extend(of_device_pages);
    pages.extend(account_notices().map(|(name, notice)| {
        (name, Account { notice: Some(notice), ..account.clone() }.response())
    }));
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

/// The text between the first `start` and the next `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(inside, _)| inside)
}

/// Checks that the policy has the hash of an inline element's text, as browsers compute it.
fn assert_allowed(response: &Response, directive: &str, element: &str) {
    let inside =
        between(&response.body, &format!("<{element}>"), &format!("</{element}>")).unwrap();
    assert!(!inside.contains('\r'), "browsers normalize CR before they hash");
    let hash = Base64::encode_string(&Sha256::digest(inside));
    let policy = header(response, "content-security-policy");
    assert!(policy.contains(&format!("{directive} 'sha256-{hash}'")), "{policy}");
}

#[test]
fn every_page_allows_exactly_its_own_style_and_script() {
    for (name, response) in gallery(texts("en")) {
        assert_allowed(&response, "style-src", "style");
        let has_script = ["form-post", "signed-out-leaving"].contains(&name);
        assert_eq!(response.body.contains("<script"), has_script, "{name}");
        if has_script {
            assert_allowed(&response, "script-src", "script");
        }
    }
}

#[test]
fn every_page_has_the_headers_of_a_page() {
    for tag in ui_locales_supported() {
        for (name, response) in gallery(texts(tag)) {
            assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
            assert_eq!(header(&response, "cache-control"), "no-store");
            assert_eq!(header(&response, "content-language"), tag);
            assert_eq!(header(&response, "x-frame-options"), "DENY");
            let referrer = match name {
                "form-post" => "origin",
                "leaving" => "no-referrer",
                _ => "same-origin",
            };
            assert_eq!(header(&response, "referrer-policy"), referrer);
            let policy = header(&response, "content-security-policy");
            for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
                assert!(policy.contains(directive), "{name}: {policy}");
            }
            let has_copy = response.body.contains("src=\"data:");
            assert_eq!(policy.contains("img-src data: 'self';"), has_copy, "{name}: {policy}");
            assert_eq!(policy.contains("img-src 'self';"), !has_copy, "{name}: {policy}");
            assert!(
                !policy.contains("unsafe") && !policy.contains("script-src data:"),
                "{name}: {policy}"
            );
            assert!(response.body.starts_with("<!DOCTYPE html>"), "{name}");
            assert!(response.body.contains(&format!("<html lang=\"{tag}\">")), "{name}");
            let title = between(&response.body, "<title>", "</title>").unwrap();
            assert!(!title.trim().is_empty(), "{name}");
        }
    }
}

#[test]
fn every_page_shows_whose_login_it_is() {
    for tag in ui_locales_supported() {
        for (name, Response { body, .. }) in gallery(texts(tag)) {
            if name == "home" {
                // Its heading has the name.
                assert!(
                    body.contains("<h1><bdi class=\"name\">Example &#60;Login&#62;</bdi></h1>")
                );
                continue;
            }
            let header = between(&body, "<header class=\"provider\">", "</header>").unwrap();
            assert!(
                header.contains("<img src=\"https://login.example.com/auth/icon.svg?v="),
                "{name}"
            );
            assert!(header.contains("<bdi class=\"name\">Example &#60;Login&#62;</bdi>"), "{name}");
            assert!(body.contains("<link rel=\"icon\" href=\"https://login.example.com/auth/icon"));
            assert!(body.contains("<meta name=\"theme-color\" content=\"#ffcc00\">"), "{name}");
            let footer = between(&body, "<footer class=\"provider\">", "</footer>").unwrap();
            assert!(footer.contains("<a href=\"mailto:help@example.com\">"), "{name}: {footer}");
            assert!(footer.contains("href=\"https://example.com/privacy?a=1&#38;b=2\""), "{name}");
            assert!(
                !body.contains("https://example.com/logo.png"),
                "{name}: another site learns of it"
            );
        }
    }
}

#[test]
fn the_policy_allows_the_colors_of_the_operator() {
    for (_, response) in gallery(texts("en")) {
        let (_, style) = response.body.split_once("</style>").unwrap();
        let style = between(style, "<style>", "</style>").unwrap();
        assert!(style.starts_with(":root{--button:#ffcc00;"), "{style}");
        let hash = Base64::encode_string(&Sha256::digest(style));
        let policy = header(&response, "content-security-policy");
        assert!(policy.contains(&format!("' 'sha256-{hash}';")), "{policy}");
    }
}

#[test]
fn without_a_configuration_a_page_shows_nobody() {
    let page = SignedOut { brand: Brand::default(), ..signed_out(texts("en"), &[]) }.response();
    for absent in ["provider\"", "<img", "rel=\"icon\"", "theme-color"] {
        assert!(!page.body.contains(absent), "{absent}");
    }
    assert!(header(&page, "content-security-policy").contains("; img-src 'none';"));
}

#[test]
fn a_notice_has_its_status() {
    for (notice, status, retry_after) in [
        (Notice::WrongCredentials, 403, None),
        (Notice::TooManyAttempts { wait: 42 }, 429, Some("42")),
        (Notice::FormExpired, 400, None),
        (Notice::CookiesNeeded, 400, None),
        (Notice::OtherAccountWanted, 200, None),
        (Notice::PasswordVisible, 200, None),
    ] {
        let response = Login { notice: Some(notice), ..login(texts("en")) }.response();
        assert_eq!(response.status, status);
        let response = response.headers.iter().find(|(name, _)| *name == "retry-after");
        assert_eq!(response.map(|(_, value)| &**value), retry_after);
    }
}

#[test]
fn form_action_allows_only_the_scheme_of_the_redirect_uri() {
    let form_action = |redirect_uri| {
        let response = Login { redirect_uri, ..login(texts("en")) }.response();
        let policy = header(&response, "content-security-policy").to_owned() + ";";
        between(&policy, "form-action ", ";").unwrap().to_owned()
    };
    for (redirect_uri, expected) in [
        (None, "'self'"),
        (Some("https://app.example/cb"), "'self'"),
        (Some("http://localhost:3000/cb"), "'self'"),
        (Some("com.example.app:/cb"), "'self' com.example.app:"),
        (Some("javascript:alert(1)"), "'self'"),
        (Some("a.b 'unsafe-inline':x"), "'self'"),
    ] {
        assert_eq!(form_action(redirect_uri), expected, "{redirect_uri:?}");
    }
    let empty = signed_out(texts("en"), &[]).response();
    assert!(header(&empty, "content-security-policy").contains("form-action 'none'"));
}

#[test]
fn the_page_of_a_form_post_allows_the_scheme_of_its_target() {
    for (redirect_uri, expected) in [
        ("https://app.example/cb", "form-action 'self' https:;"),
        ("http://localhost:3000/cb", "form-action 'self' http:;"),
    ] {
        let page = FormPost { brand: brand(), texts: texts("en"), redirect_uri, parameters: &[] }
            .response();
        assert!(header(&page, "content-security-policy").contains(expected));
    }
}

#[test]
fn the_page_that_leaves_names_its_target_twice_and_posts_nowhere() {
    for tag in ui_locales_supported() {
        let url = "https://app.example/cb?a=1&code=x;y&state='%20\"z\"&iss=i#f";
        let page = Leaving { brand: brand(), texts: texts(tag), url }.response();
        assert_eq!(header(&page, "refresh"), format!("0;url={url}"));
        let link = between(&page.body, "<main", "</main>").unwrap();
        assert_eq!(parsed(between(link, " href=\"", "\">").unwrap()), url);
        let policy = header(&page, "content-security-policy");
        assert!(policy.ends_with("; form-action 'none'"), "{policy}");
        assert!(!page.body.contains("<form") && !page.body.contains("<script"));
    }
}

#[test]
fn a_url_without_http_or_https_is_not_linked() {
    for url in
        ["javascript:alert(1)", "data:text/html,x", " https://a.example", "https://\"a", "//a"]
    {
        let client =
            Client { client_uri: Some(url), policy_uri: Some(url), tos_uri: Some(url), ..bare() };
        let body = Login { client: Some(client), brand: Brand::default(), ..login(texts("en")) }
            .response()
            .body;
        let content = between(&body, "<main", "</main>").unwrap();
        assert!(!content.contains("href") && !content.contains("src="), "{url}: {body}");
    }
}

#[test]
fn the_title_says_that_the_user_was_not_signed_in() {
    let title = |notice| {
        let body = Login { notice, ..login(texts("en")) }.response().body;
        between(&body, "<title>", "</title>").unwrap().to_owned()
    };
    for notice in [
        Notice::WrongCredentials,
        Notice::TooManyAttempts { wait: 1 },
        Notice::FormExpired,
        Notice::CookiesNeeded,
    ] {
        assert_eq!(title(Some(notice)), "Error: Sign in – Quarterly Reports");
    }
    for notice in [None, Some(Notice::OtherAccountWanted), Some(Notice::PasswordVisible)] {
        assert_eq!(title(notice), "Sign in – Quarterly Reports");
    }
}

#[test]
fn the_first_button_of_the_sign_in_form_signs_in() {
    // The Enter key presses it.
    for notice in [None, Some(Notice::PasswordVisible)] {
        let body = Login { notice, ..login(texts("en")) }.response().body;
        let form = between(&body, "<form", "</form>").unwrap();
        let buttons: Vec<_> = form.split("<button").skip(1).collect();
        assert!(buttons[0].starts_with(" class=\"primary\">Sign in<"), "{}", buttons[0]);
        assert!(buttons[1].contains(" name=\"visible\""), "{}", buttons[1]);
        assert_eq!(buttons.len(), 2);
    }
}

const HOSTILE: &str = "\"><script>alert(1)</script>'{{ 7 }}&amp;";

/// Every view with `text` in each field that may contain any text.
fn filled_with(text: &'static str) -> Vec<Response> {
    let texts = texts("en");
    let client = || Client {
        name: text.to_owned(),
        is_verified: true,
        document_host: Some(text.to_owned()),
        client_uri: Some(text),
        logo: Some(text),
        policy_uri: Some(text),
        tos_uri: Some(text),
    };
    let (action, request, token, account) = (text, text, text, text);
    let scope = Scopes::parse("openid <script>alert(1)</script>").unwrap();
    let claims = &[text];
    let application = Application {
        client: client(),
        client_id: text,
        configured: no_scopes_of_the_operator(),
        scope: scope.clone(),
        claims,
        since: i64::MIN,
        used: Some(i64::MAX),
    };
    let applications = &[application];
    let requesting = requesting(text);
    vec![
        DeviceForm { user_code: text, account_url: text, action, token, ..device_form(texts) }
            .response(),
        Login {
            brand: brand(),
            texts,
            client: Some(client()),
            redirect_uri: Some(text),
            action,
            request,
            token,
            login: text,
            notice: None,
        }
        .response(),
        ChooseAccount {
            brand: brand(),
            texts,
            client: client(),
            redirect_uri: Some(text),
            name: Some(text),
            login: text,
            action,
            request,
            token,
        }
        .response(),
        SignedOut { account_url: text, ..signed_out(texts, &[client()]) }.response(),
        SignedOut {
            frames: &[text.to_owned()],
            onward: Some(Onward { url: text, is_automatic: true }),
            ..signed_out(texts, &[])
        }
        .response(),
        SignOut {
            brand: brand(),
            texts,
            refused: Some(Refusal { status: 400, incident: incident(text) }),
            account,
            applications: &[client()],
            post_logout_redirect_uri: Some(text),
            action,
            account_url: text,
            request,
            token,
        }
        .response(),
        Consent {
            brand: brand(),
            configured: no_scopes_of_the_operator(),
            shown: "openid  ",
            texts,
            notice: Some(ConsentNotice::Changed),
            client: client(),
            redirect_uri: Some(text),
            device: Some(near(&requesting)),
            account,
            account_url: text,
            scope,
            claims,
            action,
            request,
            token,
        }
        .response(),
        Account {
            brand: brand(),
            texts,
            notice: Some(AccountNotice::Withdrawn(client())),
            account,
            login: text,
            applications,
            signed_in: &[SignedIn {
                handle: Some(text.to_owned()),
                browser: Some(text),
                system: Some(text),
                country: Some(text.to_owned()),
                network: Some(text),
                since: 0,
                used: 0,
            }],
            has_more: false,
            actions: AccountActions {
                withdraw: text,
                sign_out: text,
                end_sessions: text,
                change_password: text,
            },
            token,
            password_token: Some(text),
        }
        .response(),
        ErrorPage {
            brand: brand(),
            texts,
            status: 400,
            incident: incident(text),
            again_url: Some(text),
            home_url: Some(text),
            advice: Advice::StartAgain,
        }
        .response(),
        FormPost { brand: brand(), texts, redirect_uri: text, parameters: &[(text, text)] }
            .response(),
        Leaving { brand: brand(), texts, url: text }.response(),
    ]
}

#[test]
fn no_value_becomes_markup_or_policy() {
    for (hostile, harmless) in filled_with(HOSTILE).into_iter().zip(filled_with("harmless")) {
        let tags = |response: &Response| response.body.matches('<').count();
        assert_eq!(tags(&hostile), tags(&harmless), "{}", hostile.body);
        let quotes = |response: &Response| response.body.matches('"').count();
        assert_eq!(quotes(&hostile), quotes(&harmless), "{}", hostile.body);
        let policy = |response| header(response, "content-security-policy").to_owned();
        assert_eq!(policy(&hostile), policy(&harmless));
    }
}

/// An attribute's value after HTML parsing, which normalizes line ends to LF.
fn parsed(value: &str) -> String {
    let mut text = value.replace("\r\n", "\n").replace('\r', "\n");
    for (reference, character) in [
        ("&#13;", "\r"),
        ("&#10;", "\n"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
    ] {
        text = text.replace(reference, character);
    }
    text
}

#[test]
fn form_post_preserves_a_value() {
    for state in [
        "",
        "plain",
        "\"quoted\" 'once' & <b> &amp; &#13;",
        "one\r\ntwo\nthree\rfour\n\r\r\n",
        "\r",
        "\n",
        "größe\u{0}\u{2028}",
        "  spaces\t",
    ] {
        let parameters = [("state", state)];
        let page = FormPost {
            brand: brand(),
            texts: texts("en"),
            redirect_uri: CALLBACK,
            parameters: &parameters,
        };
        let body = page.response().body;
        let value = between(&body, "name=\"state\" value=\"", "\">").unwrap();
        assert_eq!(parsed(value), state, "{value}");
    }
}

#[test]
fn the_consent_page_names_the_destination() {
    let destination = |redirect_uri| {
        let body = Consent { redirect_uri, ..consent(texts("en")) }.response().body;
        (body.contains("You will then go to"), body.contains("on your own device"))
    };
    assert_eq!(destination(Some("https://app.example:8443/cb")), (true, false));
    assert_eq!(destination(Some("http://127.0.0.1:4000/cb")), (false, true));
    assert_eq!(destination(Some("com.example.app:/cb")), (false, true));
}

#[test]
fn the_question_about_an_application_of_the_device_is_a_sentence_in_every_language() {
    for tag in ui_locales_supported() {
        let page = Consent {
            client: stranger(),
            redirect_uri: Some("http://127.0.0.1/cb"),
            ..consent(texts(tag))
        };
        let body = page.response().body;
        let question = between(&body, "<h1>", "</h1>").unwrap();
        let first = question.trim_start_matches('¿').chars().next().unwrap();
        assert!(first.is_uppercase() && question.trim_end().ends_with('?'), "{question}");
        assert_eq!(between(&body, "<title>", "</title>"), Some(question));
    }
}

#[test]
fn no_link_can_focus_what_a_user_would_press() {
    for file in std::fs::read_dir("templates").unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for tag in text.split('<').filter(|tag| tag.starts_with("a ") || tag.starts_with("button"))
        {
            let (tag, _) = tag.split_once('>').unwrap();
            assert!(!tag.contains(" id="), "a link of another site can have this fragment: {tag}");
        }
    }
}

#[test]
fn the_first_empty_field_has_the_focus_and_refers_to_the_notice() {
    let input = |page: Login<'_>, name: &str| {
        let body = page.response().body;
        between(&body, &format!("<input id=\"{name}\""), ">").unwrap().to_owned()
    };
    assert!(input(login(texts("en")), "login").contains(" autofocus"));
    assert!(!input(login(texts("en")), "password").contains(" autofocus"));
    let wrong =
        || Login { login: "alice", notice: Some(Notice::WrongCredentials), ..login(texts("en")) };
    assert!(!input(wrong(), "login").contains(" autofocus"));
    let password = input(wrong(), "password");
    assert!(password.contains(" autofocus") && password.contains(" aria-describedby=\"notice\""));
    assert!(
        wrong().response().body.contains("id=\"notice\" class=\"notice error\" role=\"alert\"")
    );
}
