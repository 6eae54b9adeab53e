//! Every credential that the provider hands out is accepted at its own door, unchanged, and at no other door.

use crate::browser::{Browser, TestClient, VERIFIER, encode, form, is_login};
use crate::properties::check;
use crate::test_provider::{
    ADMIN_TOKEN, ISSUER, TestProvider, TestRequest, get, post, variables_with,
};
use proptest::prelude::any;
use proptest::sample::Index;
use serde_json::{Value, json};

const LOGIN: &str = "alice@example.com";
const ORDERS: &str = "https://orders.example/api";
const RESOURCES: &str = r#"{"https://orders.example/api":["orders:read"]}"#;
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const REQUEST_URI: &str = "urn:ietf:params:oauth:request_uri:";
/// The page shows this for a text that is no user code, once its form has passed.
const NOT_A_CODE: &str = "eight letters";
/// The page shows this for a wrong password, once its form has passed.
const WRONG_PASSWORD: &str = "is not right";
const SESSION: &str = "__Host-postern-session";

/// A provider, an application with every grant type, and the browser of alice, who is signed in.
struct World<'a> {
    provider: &'a TestProvider,
    app: TestClient,
    browser: Browser<'a>,
    /// The path of the configuration endpoint of a client that has registered itself.
    configuration: String,
}

/// A place that accepts a credential.
struct Door {
    name: &'static str,
    /// The credentials that it accepts.
    own: &'static [&'static str],
    /// Whether it accepts a text.
    accepts: fn(&World<'_>, &str) -> bool,
}

/// The doors that spend a credential are the last.
const DOORS: [Door; 15] = [
    Door { name: "userinfo", own: &["access token"], accepts: accepts_at_userinfo },
    Door {
        name: "introspection",
        own: &["access token", "API token", "refresh token"],
        accepts: accepts_at_introspection,
    },
    Door { name: "configuration", own: &["registration token"], accepts: accepts_at_configuration },
    Door { name: "the operator's interface", own: &["admin token"], accepts: accepts_at_admin },
    Door { name: "client authentication", own: &["client secret"], accepts: accepts_as_secret },
    Door { name: "the session cookie", own: &["session cookie"], accepts: accepts_as_session },
    Door { name: "the browser cookie", own: &["browser cookie"], accepts: accepts_as_browser },
    Door { name: "an opened request", own: &["handle"], accepts: accepts_as_handle },
    Door { name: "the login form", own: &["login form"], accepts: accepts_at_login },
    Door { name: "the form for devices", own: &["device form"], accepts: accepts_at_device },
    Door { name: "registration", own: &["initial access token"], accepts: accepts_at_registration },
    Door { name: "the code grant", own: &["code"], accepts: accepts_as_code },
    Door { name: "a poll", own: &["device code"], accepts: accepts_as_device_code },
    Door { name: "refresh", own: &["refresh token"], accepts: accepts_at_refresh },
    // It signs her out.
    Door { name: "the hint of a logout", own: &["ID token"], accepts: accepts_as_hint },
];

impl World<'_> {
    fn send_by(&self, request: TestRequest, token: &str) -> u16 {
        self.provider.send(request.bearer(token)).status
    }

    fn gets_tokens(&self, parameters: &[(&str, &str)]) -> bool {
        let response = self.provider.token(&self.app, parameters);
        assert!([200, 400].contains(&response.status), "{}", response.body);
        response.status == 200
    }

    /// The browser, with one of its cookies changed.
    fn browser_with(&self, name: &str, value: &str) -> Browser<'_> {
        let browser = Browser::new(self.provider);
        browser.cookies.replace(self.browser.cookies.borrow().clone());
        browser.cookies.borrow_mut().insert(name.into(), value.into());
        browser
    }

    /// The name of the cookie that forms are bound to.
    fn browser_cookie(&self) -> (String, String) {
        let cookies = self.browser.cookies.borrow();
        let (name, value) = cookies.iter().find(|(name, _)| name.contains("-browser.")).unwrap();
        (name.clone(), value.clone())
    }
}

fn accepts_at_userinfo(world: &World<'_>, token: &str) -> bool {
    world.send_by(get("/auth/userinfo"), token) == 200
}

fn accepts_at_introspection(world: &World<'_>, token: &str) -> bool {
    let secret = world.app.secret.as_deref().unwrap();
    let form = [("token", token), ("client_id", &*world.app.id), ("client_secret", secret)];
    let response = world.provider.send(post("/auth/introspect").form(&encode(&form)));
    response.json()["active"].as_bool().unwrap()
}

fn accepts_at_configuration(world: &World<'_>, token: &str) -> bool {
    world.send_by(get(&world.configuration), token) == 200
}

fn accepts_at_admin(world: &World<'_>, token: &str) -> bool {
    world.send_by(get("/admin/keys"), token) == 200
}

fn accepts_as_secret(world: &World<'_>, secret: &str) -> bool {
    let form = [("token", "x"), ("client_id", &*world.app.id), ("client_secret", secret)];
    world.provider.send(post("/auth/introspect").form(&encode(&form))).status == 200
}

fn accepts_as_session(world: &World<'_>, cookie: &str) -> bool {
    !is_login(&world.browser_with(SESSION, cookie).get("/auth/account"))
}

fn accepts_as_browser(world: &World<'_>, cookie: &str) -> bool {
    let page = world.browser.get("/device");
    let browser = world.browser_with(&world.browser_cookie().0, cookie);
    browser.submit(&page, &[("user_code", "x")]).body.contains(NOT_A_CODE)
}

fn accepts_as_handle(world: &World<'_>, handle: &str) -> bool {
    let query = encode(&[("handle", handle)]);
    world.browser.get(&format!("/auth/authorize?{query}")).status == 200
}

fn accepts_at_login(world: &World<'_>, token: &str) -> bool {
    let query = world.app.authorize_query(&[("prompt", "login")]);
    // The wrong password shows that the token has passed.
    let fields = [("request", &*query), ("token", token), ("login", "nobody"), ("password", "x")];
    world.provider.platform.primary.execute("DELETE FROM sign_in_attempts", []).unwrap();
    let page = world.browser.post("/auth/login", &fields);
    page.body.contains(WRONG_PASSWORD)
}

fn accepts_at_device(world: &World<'_>, token: &str) -> bool {
    let fields = [("token", token), ("user_code", "x")];
    world.browser.post("/device", &fields).body.contains(NOT_A_CODE)
}

fn accepts_as_hint(world: &World<'_>, token: &str) -> bool {
    let query = encode(&[("id_token_hint", token), ("client_id", &world.app.id)]);
    world.browser.get(&format!("/auth/logout?{query}"));
    // A page requires a confirmation, unless the hint proves that it is her.
    is_login(&world.browser.get("/auth/account"))
}

fn accepts_at_registration(world: &World<'_>, token: &str) -> bool {
    let document = json!({ "redirect_uris": ["https://other.example/cb"] });
    world.send_by(post("/auth/register").json(&document), token) == 201
}

fn accepts_as_code(world: &World<'_>, code: &str) -> bool {
    world.gets_tokens(&[
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &world.app.redirect_uri),
        ("code_verifier", VERIFIER),
    ])
}

fn accepts_as_device_code(world: &World<'_>, code: &str) -> bool {
    world.gets_tokens(&[("grant_type", DEVICE_CODE), ("device_code", code)])
}

fn accepts_at_refresh(world: &World<'_>, token: &str) -> bool {
    world.gets_tokens(&[("grant_type", "refresh_token"), ("refresh_token", token)])
}

fn text(document: &Value, name: &str) -> String {
    document[name].as_str().unwrap_or_else(|| panic!("no {name}: {document}")).to_owned()
}

/// Every credential, by name.
fn credentials(world: &World<'_>) -> Vec<(&'static str, String)> {
    let World { provider, app, browser, .. } = world;
    let scope = [("scope", "openid email offline_access orders:read")];
    // The others follow within the time of a code, and after the interval of a device.
    let code = browser.authorize(app, LOGIN, &scope);
    let tokens = provider.redeem(app, &browser.authorize(app, LOGIN, &scope)).json();
    let for_api = browser.authorize(app, LOGIN, &scope);
    let for_api = provider.token(
        app,
        &[
            ("grant_type", "authorization_code"),
            ("code", &for_api),
            ("redirect_uri", &app.redirect_uri),
            ("code_verifier", VERIFIER),
            ("resource", ORDERS),
        ],
    );
    let secret = app.secret.clone().unwrap();
    let fields = [("client_id", &*app.id), ("client_secret", &*secret), ("scope", "openid")];
    let device = provider.send(post("/auth/device").form(&encode(&fields))).json();
    let page =
        browser.submit(&browser.get("/device"), &[("user_code", &text(&device, "user_code"))]);
    browser.submit_form(&form(&page), &[("decision", "allow")]);
    provider.sleep(10);
    let target = provider.push(app, &[("prompt", "consent")]);
    let opened = browser.get(&target);
    let handle = opened.header("location").unwrap().split_once("handle=").unwrap().1.to_owned();
    let (_, request_uri) = target.split_once("request_uri=").unwrap();
    let reference = encode(&[("", REQUEST_URI)]);
    let reference = request_uri.strip_prefix(reference.trim_start_matches('=')).unwrap();
    let token_of =
        |page| form(page).fields.iter().find(|(name, _)| name == "token").unwrap().1.clone();
    let login = browser.get(&app.authorize(&[("prompt", "login")]));
    let initial = provider
        .send(post("/admin/initial-access-tokens").by_operator().json(&json!({ "uses": 9 })));
    vec![
        ("code", code),
        ("access token", text(&tokens, "access_token")),
        ("refresh token", text(&tokens, "refresh_token")),
        ("ID token", text(&tokens, "id_token")),
        ("API token", text(&for_api.json(), "access_token")),
        ("device code", text(&device, "device_code")),
        ("user code", text(&device, "user_code")),
        ("handle", handle),
        ("reference of a pushed request", reference.to_owned()),
        ("login form", token_of(&login)),
        ("device form", token_of(&browser.get("/device"))),
        ("client secret", secret),
        ("admin token", ADMIN_TOKEN.to_owned()),
        ("initial access token", text(&initial.json(), "initial_access_token")),
        ("session cookie", browser.cookies.borrow()[SESSION].clone()),
        ("browser cookie", world.browser_cookie().1),
        ("device cookie", browser.cookies.borrow()["__Host-postern-device"].clone()),
    ]
}

fn with_world(test: impl Fn(&World<'_>, &[(&'static str, String)])) {
    let mut variables = variables_with("RESOURCES", RESOURCES);
    variables.push(("REGISTRATION", "token".into()));
    let provider = TestProvider::configured(variables);
    provider.has_entropy.set(true);
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    let app = provider.put_client_with(
        "app",
        json!({
            "scope": "openid profile email offline_access orders:read",
            "grant_types": ["authorization_code", "refresh_token", DEVICE_CODE],
        }),
    );
    let browser = Browser::new(&provider);
    browser.sign_in_on(&browser.get("/auth/account"), LOGIN);
    let initial =
        provider.send(post("/admin/initial-access-tokens").by_operator().json(&json!({})));
    let initial = text(&initial.json(), "initial_access_token");
    let document = json!({ "redirect_uris": ["https://self.example/cb"] });
    let registered = provider.send(post("/auth/register").bearer(&initial).json(&document)).json();
    let url = text(&registered, "registration_client_uri");
    let configuration = url.strip_prefix(ISSUER).unwrap().to_owned();
    let world = World { provider: &provider, app, browser, configuration };
    let mut all = credentials(&world);
    all.push(("registration token", text(&registered, "registration_access_token")));
    test(&world, &all);
}

/// The doors of others come first, because some credentials are spent at their own.
#[test]
fn a_credential_is_accepted_at_its_own_door_only() {
    with_world(|world, all| {
        for door in &DOORS {
            for (name, credential) in all.iter().filter(|(name, _)| !door.own.contains(name)) {
                assert!(!(door.accepts)(world, credential), "{name} at {}", door.name);
            }
        }
        for door in &DOORS {
            for own in door.own {
                let (_, credential) = all.iter().find(|(name, _)| name == own).unwrap();
                assert!((door.accepts)(world, credential), "{own} at {}", door.name);
            }
        }
    });
}

/// Texts that a lenient reader of base64url takes for this one.
fn look_alikes(credential: &str) -> Vec<String> {
    let last = credential.chars().last().unwrap();
    // The last character of 256 bits has two bits that mean nothing, that of a signature has four.
    let others =
        ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).filter(|c| *c != last);
    let begin = &credential[..credential.len() - 1];
    let mut all: Vec<_> = others.map(|other| format!("{begin}{other}")).collect();
    all.extend(["=", "==", "A", "%3D"].map(|more| format!("{credential}{more}")));
    all.extend([
        begin.to_owned(),
        credential.to_ascii_lowercase(),
        credential.to_ascii_uppercase(),
        credential.replace('-', "+").replace('_', "/"),
    ]);
    all.retain(|other| other != credential);
    all
}

#[test]
fn a_changed_credential_is_not_accepted_at_its_own_door() {
    with_world(|world, all| {
        let doors: Vec<_> =
            DOORS.iter().flat_map(|door| door.own.iter().map(move |own| (door, *own))).collect();
        let find = |own: &str| &all.iter().find(|(name, _)| *name == own).unwrap().1;
        for (door, own) in &doors {
            // Not all of them, because each is read in the same way.
            for other in look_alikes(find(own)).into_iter().step_by(11) {
                assert!(!(door.accepts)(world, &other), "{own} as {other} at {}", door.name);
            }
        }
        check(150, &(any::<Index>(), any::<Index>(), 0..7u8), |(door, place, bit)| {
            let (door, own) = doors[door.index(doors.len())];
            let mut bytes = find(own).clone().into_bytes();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let flipped = String::from_utf8(bytes).unwrap();
            // A header or a cookie cannot have it.
            if flipped.bytes().any(|b| !b.is_ascii_graphic() || b == b';') {
                return;
            }
            assert!(!(door.accepts)(world, &flipped), "bit {bit} of byte {place} of {own}");
        });
        for (door, own) in doors {
            assert!((door.accepts)(world, find(own)), "{own} at {}", door.name);
        }
    });
}
