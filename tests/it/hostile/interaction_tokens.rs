//! Interaction tokens with a valid code, each sent to every place that accepts one: only the token of the place's own
//! step, of its own time, has an effect.

use postern::crypto::mac::{MacKey, Purpose};
use postern::secret::{ReplaceableSecret, Secret, hash};

use super::forms::field;
use crate::browser::{Browser, PASSWORD, TestClient, is_choice, is_consent, is_login};
use crate::test_provider::{KEY_ENCRYPTION_KEY, NOW, TestProvider, TestResponse};

const LOGIN: &str = "alice@example.com";
const STEPS: [&str; 8] = [
    "account",
    "change_password",
    "consent",
    "continue",
    "device",
    "login",
    "select_account",
    "switch",
];
const HOUR: i64 = 3_600;
/// The default of `CLOCK_LEEWAY`.
const LEEWAY: i64 = 5;

/// Alice's browser, in which she is signed in.
struct Alice<'a> {
    provider: &'a TestProvider,
    browser: Browser<'a>,
    app: TestClient,
}

/// A place that accepts interaction tokens.
struct Place {
    name: &'static str,
    /// The step whose tokens it accepts.
    step: &'static str,
    /// Sends a token, and returns whether it had an effect.
    accepts: fn(&Alice<'_>, Forge<'_>) -> bool,
}

/// The request and the user that the place expects.
type Content<'a> = (&'a str, &'a str);

/// Makes a token with this content.
type Forge<'a> = &'a dyn Fn(Content<'_>) -> String;

const PLACES: [Place; 10] = [
    Place { name: "the login form", step: "login", accepts: accepts_at_login },
    Place { name: "the consent form", step: "consent", accepts: accepts_at_consent },
    Place { name: "the account chooser", step: "select_account", accepts: accepts_at_choice },
    Place { name: "the query, for a user", step: "continue", accepts: accepts_in_query },
    Place { name: "the query, for nobody", step: "switch", accepts: accepts_switch_in_query },
    Place { name: "the form that withdraws", step: "account", accepts: accepts_withdrawal },
    Place { name: "the form that signs out", step: "account", accepts: accepts_sign_out },
    Place { name: "the form that ends sessions", step: "account", accepts: accepts_end_of_others },
    Place {
        name: "the form for the password",
        step: "change_password",
        accepts: accepts_new_password,
    },
    Place { name: "the form for devices", step: "device", accepts: accepts_user_code },
];

fn accepts_at_login(alice: &Alice<'_>, token: Forge<'_>) -> bool {
    let query = alice.app.authorize_query(&[]);
    let token = token((&query, ""));
    let fields =
        [("request", &*query), ("token", &token), ("login", LOGIN), ("password", PASSWORD)];
    alice.browser.post("/auth/login", &fields).status == 303
}

fn accepts_at_consent(alice: &Alice<'_>, token: Forge<'_>) -> bool {
    let query = alice.app.authorize_query(&[("prompt", "consent")]);
    let shown = field(&alice.browser.get(&format!("/auth/authorize?{query}")), "shown");
    let token = token((&format!("{query}#{shown}"), "alice"));
    let fields =
        [("request", &*query), ("shown", &shown), ("token", &token), ("decision", "allow")];
    let response = alice.browser.post("/auth/consent", &fields);
    let has_code = response.header("refresh").is_some_and(|url| url.contains("code="));
    assert_eq!(has_code, !is_consent(&response), "{}", response.body);
    has_code
}

fn accepts_at_choice(alice: &Alice<'_>, token: Forge<'_>) -> bool {
    let query = alice.app.authorize_query(&[("prompt", "select_account")]);
    let token = token((&query, "alice"));
    let fields = [("request", &*query), ("token", &token), ("decision", "continue")];
    let response = alice.browser.post("/auth/select-account", &fields);
    !response.header("location").unwrap().ends_with("&resume=")
}

/// The response to a request that shows the account chooser, with this token.
fn choice(alice: &Alice<'_>, sub: &str, token: Forge<'_>) -> TestResponse {
    let query = alice.app.authorize_query(&[("prompt", "select_account")]);
    let token = token((&query, sub));
    alice.browser.get(&format!("/auth/authorize?{query}&resume={token}"))
}

fn accepts_in_query(alice: &Alice<'_>, token: Forge<'_>) -> bool {
    !is_choice(&choice(alice, "alice", token))
}

fn accepts_switch_in_query(alice: &Alice<'_>, token: Forge<'_>) -> bool {
    let response = choice(alice, "", token);
    assert_eq!(is_choice(&response), !is_login(&response), "{}", response.body);
    is_login(&response)
}

/// The token of the account page is bound to the session by its cookie.
fn session(alice: &Alice<'_>) -> String {
    hash(&alice.browser.cookies.borrow()["__Host-postern-session"])
}

fn accepts_withdrawal(alice: &Alice<'_>, token: Forge<'_>) -> bool {
    let consents = || {
        let sql = "SELECT count(*) FROM consents";
        alice.provider.platform.primary.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap()
    };
    let before = consents();
    let token = token(("", &session(alice)));
    alice.browser.post("/auth/account", &[("token", &token), ("client_id", "app")]);
    before - consents() == 1
}

fn accepts_sign_out(alice: &Alice<'_>, token: Forge<'_>) -> bool {
    let token = token(("", &session(alice)));
    alice.browser.post("/auth/signout", &[("token", &token)]);
    is_login(&alice.browser.get("/auth/account"))
}

fn accepts_end_of_others(alice: &Alice<'_>, token: Forge<'_>) -> bool {
    let other = Browser::new(alice.provider);
    other.sign_in_on(&other.get("/auth/account"), LOGIN);
    let token = token(("", &session(alice)));
    alice.browser.post("/auth/account/sessions", &[("token", &token), ("session", "others")]);
    is_login(&other.get("/auth/account"))
}

fn accepts_new_password(alice: &Alice<'_>, token: Forge<'_>) -> bool {
    let token = token((LOGIN, &session(alice)));
    // The same password, so that she signs in again.
    let fields = [
        ("token", &*token),
        ("login", LOGIN),
        ("current_password", PASSWORD),
        ("new_password", PASSWORD),
    ];
    let page = alice.browser.post("/auth/account/password", &fields);
    page.body.contains("Your password is changed")
}

fn accepts_user_code(alice: &Alice<'_>, token: Forge<'_>) -> bool {
    let fields = [("token", &*token(("", ""))), ("user_code", "x")];
    let page = alice.browser.post("/device", &fields);
    // The text is no code, which the page says once the form has passed.
    page.body.contains("eight letters")
}

impl Alice<'_> {
    /// Whether a token of this step and time has an effect at this place.
    fn is_accepted(&self, place: &Place, step: &str, began_at: i64) -> bool {
        // What the last token did is undone: she is signed in and has allowed the application.
        self.browser.authorize(&self.app, LOGIN, &[]);
        let current = Some(Secret::new(KEY_ENCRYPTION_KEY.into()));
        let mac = MacKey::new(&ReplaceableSecret { current, previous: None }).unwrap();
        let cookies = self.browser.cookies.borrow().clone();
        let id = cookies.iter().find(|(name, _)| name.contains("-browser.")).unwrap().1;
        (place.accepts)(self, &|(request, sub)| {
            let time = began_at.to_string();
            let code = mac.code(Purpose::Interaction, &[step, &time, id, request, sub]);
            format!("{time}.{}.{code}", &id[..8])
        })
    }
}

fn with_alice(test: impl Fn(&Alice<'_>)) {
    let provider = TestProvider::new();
    provider.put_alice_with_password();
    let app = provider.put_app();
    test(&Alice { provider: &provider, browser: Browser::new(&provider), app });
}

#[test]
fn a_token_of_one_step_has_no_effect_at_another() {
    with_alice(|alice| {
        for place in &PLACES {
            for step in STEPS {
                let is_own = step == place.step;
                assert_eq!(alice.is_accepted(place, step, NOW), is_own, "{step} at {}", place.name);
            }
        }
    });
}

#[test]
fn a_token_of_another_time_has_no_effect() {
    with_alice(|alice| {
        for place in &PLACES {
            for (time, is_valid) in [
                (NOW - HOUR, false),
                (NOW - HOUR + 1, true),
                (NOW + LEEWAY, true),
                (NOW + LEEWAY + 1, false),
                (NOW + HOUR, false),
                (-NOW, false),
            ] {
                let name = place.name;
                assert_eq!(
                    alice.is_accepted(place, place.step, time),
                    is_valid,
                    "{time} at {name}"
                );
            }
        }
    });
}
