//! The state in which most steps begin: a user who is signed in, and clients of every kind to which she has consented.

use postern::ports::Document;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::browser::{
    Browser, CALLBACK, CHALLENGE, TestClient, VERIFIER, answer, decode, encode, form,
};
use crate::device::GRANT_TYPE;
use crate::signer::{ASSERTION_TYPE, Signer};
use crate::test_provider::{
    ISSUER, TestProvider, TestRequest, TestResponse, get, post, variables_with,
};

pub const ALICE: &str = "alice@example.com";
pub const DOCUMENT_URL: &str = "https://tool.example/client.json";
pub const API: &str = "https://orders.example/api";
pub const AFTER: &str = "https://app.example/signed-out";
pub const OFFLINE: &str = "openid email offline_access";

pub type Cookies = BTreeMap<String, String>;

/// A client, and how it authenticates.
#[derive(Clone)]
pub struct App {
    pub client: TestClient,
    pub signer: Option<Signer>,
    pub is_basic: bool,
}

pub struct World {
    /// With each client authentication method.
    pub apps: Vec<(&'static str, App)>,
    pub implicit: TestClient,
    pub machine: TestClient,
    pub tv: TestClient,
    /// The cookies of a browser in which alice is signed in, and has consented to each client.
    alice: Cookies,
}

impl App {
    /// A client that authenticates by the secret that it has, in the body.
    pub fn of(client: TestClient) -> Self {
        Self { client, signer: None, is_basic: false }
    }

    /// A request with the client's authentication.
    pub fn post(&self, provider: &TestProvider, path: &str, form: &[(&str, &str)]) -> TestRequest {
        let id = &self.client.id;
        let mut all = form.to_vec();
        let assertion = self.signer.as_ref().map(|signer| signer.assertion(provider, id));
        if let Some(assertion) = &assertion {
            all.extend([
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", assertion),
            ]);
        }
        all.retain(|(name, _)| !self.is_basic || *name != "client_id");
        if !self.is_basic && form.iter().all(|(name, _)| *name != "client_id") {
            all.push(("client_id", id));
        }
        let secret = self.client.secret.as_deref();
        match secret {
            Some(secret) if self.is_basic => {
                let pair = base64(&format!("{id}:{secret}"));
                post(path).form(&encode(&all)).with("authorization", &format!("Basic {pair}"))
            }
            Some(secret) => {
                all.push(("client_secret", secret));
                post(path).form(&encode(&all))
            }
            None => post(path).form(&encode(&all)),
        }
    }

    pub fn redemption(&self, provider: &TestProvider, code: &str) -> TestRequest {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.client.redirect_uri.as_str()),
            ("code_verifier", VERIFIER),
        ];
        self.post(provider, "/auth/token", &form)
    }

    pub fn refresh(&self, provider: &TestProvider, token: &str) -> TestRequest {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post(provider, "/auth/token", &form)
    }

    /// The form of a pushed authorization request.
    pub fn push(&self, provider: &TestProvider, parameters: &[(&str, &str)]) -> TestRequest {
        let query = self.client.authorize_query(parameters);
        let decoded = decode(&query);
        let pairs: Vec<_> = decoded.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.post(provider, "/auth/par", &pairs)
    }

    /// The query of a signed authorization request.
    pub fn signed(&self, provider: &TestProvider, parameters: &[(&str, &str)]) -> String {
        encode(&[("client_id", &self.client.id), ("request", &self.object(provider, parameters))])
    }

    pub fn object(&self, provider: &TestProvider, parameters: &[(&str, &str)]) -> String {
        let mut claims = json!({
            "iss": self.client.id, "aud": ISSUER, "client_id": self.client.id,
            "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid email",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256", "state": "the state",
            "iat": provider.now.get(), "nbf": provider.now.get(), "exp": provider.now.get() + 300,
        });
        for (name, value) in parameters {
            claims[*name] = (*value).into();
        }
        self.signer.as_ref().unwrap().sign(&claims)
    }
}

fn base64(text: &str) -> String {
    use base64ct::Encoding;
    base64ct::Base64::encode_string(text.as_bytes())
}

/// Serves a document at a URL.
pub fn serve(provider: &TestProvider, url: &str, media_type: &str, text: &str) {
    let (media_type, text) = (media_type.to_owned(), Some(text.to_owned()));
    let document = Document { status: 200, media_type, text, caching: Default::default() };
    provider.platform.web.borrow_mut().insert(url.to_owned(), document);
}

/// Serves the metadata of a client by document.
pub fn serve_client(provider: &TestProvider, url: &str) -> App {
    let document = json!({
        "client_id": url, "client_name": "The Tool", "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    });
    serve(provider, url, "application/json", &document.to_string());
    App::of(TestClient { id: url.to_owned(), secret: None, redirect_uri: CALLBACK.to_owned() })
}

pub fn provider() -> TestProvider {
    let mut variables = variables_with("REGISTRATION", "open");
    variables.push(("ALLOW_IMPLICIT", "true".into()));
    variables.push(("CLIENT_DOCUMENTS", "open".into()));
    variables.push(("RESOURCES", json!({ API: ["orders:read"] }).to_string()));
    let provider = TestProvider::configured(variables);
    provider.has_entropy.set(true);
    provider.send(get("/auth/jwks.json"));
    provider.put_alice_with_password();
    provider
}

fn clients(provider: &TestProvider) -> World {
    let signer = Signer::new("ES256", Some("key-1"), 0);
    let by = |method: &str| json!({ "token_endpoint_auth_method": method });
    let secret = App::of(provider.put_client_with("app", by("client_secret_post")));
    let basic = provider.put_client_with("basic", by("client_secret_basic"));
    let signing = provider.put_signing("signing", json!({ "jwks": signer.jwks() }));
    let apps = vec![
        ("client_secret_post", secret),
        ("client_secret_basic", App { is_basic: true, ..App::of(basic) }),
        ("none", App::of(provider.put_client_with("public", by("none")))),
        ("private_key_jwt", App { signer: Some(signer), ..App::of(signing) }),
        ("client by document", serve_client(provider, DOCUMENT_URL)),
        (
            "pairwise",
            App::of(provider.put_client_with("pairwise", json!({ "subject_type": "pairwise" }))),
        ),
    ];
    let implicit = json!({
        "grant_types": ["implicit"], "response_types": ["id_token token"],
        "token_endpoint_auth_method": "none",
    });
    let tv = json!({
        "redirect_uris": [CALLBACK], "grant_types": [GRANT_TYPE, "refresh_token"],
        "token_endpoint_auth_method": "none",
    });
    let machine = json!({
        "redirect_uris": null, "grant_types": ["client_credentials"], "scope": "orders:read",
    });
    World {
        apps,
        implicit: provider.put_client_with("implicit", implicit),
        machine: put_machine(provider, machine),
        tv: provider.put_client_with("tv", tv),
        alice: Cookies::new(),
    }
}

fn put_machine(provider: &TestProvider, mut document: Value) -> TestClient {
    document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let request = crate::test_provider::put("/admin/clients/machine").by_operator();
    let response = provider.send(request.json(&document));
    assert_eq!(response.status, 200, "{}", response.body);
    let secret = response.json()["client_secret"].as_str().map(ToOwned::to_owned);
    TestClient { id: "machine".into(), secret, redirect_uri: String::new() }
}

/// A provider, and what it knows.
pub fn world() -> (TestProvider, Rc<World>) {
    let provider = provider();
    let mut world = clients(&provider);
    let cookies = {
        let browser = Browser::new(&provider);
        for (_, app) in &world.apps {
            let scope = "openid profile email offline_access";
            browser.authorize(&app.client, ALICE, &[("scope", scope)]);
        }
        browser.agree(browser.get(&implicit_path(&world.implicit, &[])), ALICE);
        browser.cookies.take()
    };
    world.alice = cookies;
    (provider, Rc::new(world))
}

/// An authorization request that is answered with tokens.
pub fn implicit_path(client: &TestClient, parameters: &[(&str, &str)]) -> String {
    let mut all = vec![
        ("response_type", "id_token token"),
        ("scope", "openid email"),
        ("code_challenge", ""),
        ("code_challenge_method", ""),
    ];
    all.extend(parameters);
    client.authorize(&all)
}

impl World {
    pub fn app(&self, name: &str) -> App {
        self.apps.iter().find(|(known, _)| *known == name).unwrap().1.clone()
    }

    /// The browser in which alice is signed in.
    pub fn alice<'a>(&self, provider: &'a TestProvider) -> Browser<'a> {
        browser_with(provider, &self.alice)
    }

    pub fn code(&self, provider: &TestProvider, app: &App, parameters: &[(&str, &str)]) -> String {
        self.alice(provider).authorize(&app.client, ALICE, parameters)
    }

    /// Tokens of alice for this client, with a refresh token.
    pub fn tokens(&self, provider: &TestProvider, app: &App) -> Value {
        let code = self.code(provider, app, &[("scope", OFFLINE)]);
        let response = provider.send(app.redemption(provider, &code));
        assert_eq!(response.status, 200, "{}", response.body);
        response.json()
    }
}

pub fn browser_with<'a>(provider: &'a TestProvider, cookies: &Cookies) -> Browser<'a> {
    let browser = Browser::new(provider);
    browser.cookies.borrow_mut().clone_from(cookies);
    browser
}

/// A browser with the cookies that it had, and those of a response.
pub fn resume<'a>(
    provider: &'a TestProvider,
    cookies: &Cookies,
    response: &TestResponse,
) -> Browser<'a> {
    let browser = browser_with(provider, cookies);
    for cookie in response.cookies() {
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        browser.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
    }
    browser
}

/// The request of a browser by GET.
pub fn visit(browser: &Browser<'_>, target: &str) -> TestRequest {
    let target = target.strip_prefix(ISSUER).unwrap_or(target);
    let cookies = browser.cookies.borrow();
    let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = get(target).with("cf-connecting-ip", &browser.address);
    if pairs.is_empty() { request } else { request.with("cookie", &pairs.join("; ")) }
}

/// The request that submits the first form of a page.
pub fn submission(
    browser: &Browser<'_>,
    page: &TestResponse,
    filled: &[(&str, &str)],
) -> TestRequest {
    browser.request_of(&form(page), filled)
}

/// Userinfo by the access token of a response, and a refresh if there is a refresh token.
pub fn use_tokens(
    provider: &TestProvider,
    app: &App,
    response: &TestResponse,
) -> Vec<TestResponse> {
    let document = response.json();
    let text = |name: &str| document[name].as_str();
    let userinfo =
        text("access_token").map(|token| provider.send(get("/auth/userinfo").bearer(token)));
    let refreshed = text("refresh_token").map(|token| provider.send(app.refresh(provider, token)));
    userinfo.into_iter().chain(refreshed).collect()
}

/// Redeems the code of an authorization response, if it has one, and uses the tokens.
pub fn use_code(provider: &TestProvider, app: &App, response: &TestResponse) -> Vec<TestResponse> {
    let has_code = |header| response.header(header).is_some_and(|url| url.contains("&code="));
    if !has_code("location") && !has_code("refresh") {
        return vec![response.clone()];
    }
    let code = answer(response, &app.client.redirect_uri).remove("code").unwrap();
    let redeemed = provider.send(app.redemption(provider, &code));
    let mut used = use_tokens(provider, app, &redeemed);
    used.push(redeemed);
    used
}

/// Goes on from a page or a redirect to the code, and uses it.
pub fn finish(
    provider: &TestProvider,
    cookies: &Cookies,
    app: &App,
    response: &TestResponse,
) -> Vec<TestResponse> {
    let browser = resume(provider, cookies, response);
    let location = response.header("location").map(ToOwned::to_owned);
    let page = match location {
        Some(location) if location.starts_with(ISSUER) => browser.get(&location),
        _ => response.clone(),
    };
    let page = browser.follow(page);
    use_code(provider, app, &browser.agree(page, ALICE))
}

/// The access token in the fragment of a response, if it has one.
fn token_of_fragment(response: &TestResponse) -> Option<String> {
    let url = response.header("location").or(response.header("refresh"))?;
    let (_, fragment) = url.split_once('#')?;
    decode(fragment).remove("access_token")
}

/// Userinfo by the access token in the fragment of a response.
pub fn use_fragment(provider: &TestProvider, response: &TestResponse) -> Vec<TestResponse> {
    let token = token_of_fragment(response).into_iter();
    token.map(|token| provider.send(get("/auth/userinfo").bearer(&token))).collect()
}
