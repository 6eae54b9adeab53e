//! A user's browser: keeps cookies, submits forms and follows redirects within the provider.

use crate::test_provider::{ISSUER, TestProvider, TestRequest, TestResponse, get, post, put};
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub const CALLBACK: &str = "https://app.example/cb?from=postern";
pub const PASSWORD: &str = "correct horse battery";
/// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Computed once, because a hash costs as much as a sign-in.
static PASSWORD_HASH: LazyLock<String> = LazyLock::new(|| hash_of(PASSWORD));

/// The PHC string of a password at today's cost.
pub fn hash_of(password: &str) -> String {
    hash_password(password, 19_456, 2)
}

/// The PHC string of [`PASSWORD`] for a memory size in KiB and a number of passes.
pub fn hash_at(memory: u32, passes: u32) -> String {
    hash_password(PASSWORD, memory, passes)
}

fn hash_password(password: &str, memory: u32, passes: u32) -> String {
    let params = Params::new(memory, passes, 1, None).unwrap();
    let hash: PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.as_bytes(), &[7; 16])
        .unwrap();
    hash.to_string()
}

/// A registered client with its credentials.
#[derive(Clone, Debug)]
pub struct TestClient {
    pub id: String,
    pub secret: Option<String>,
    pub redirect_uri: String,
}

/// Encodes parameters as `application/x-www-form-urlencoded`.
pub fn encode(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// Decodes a query or a form; fails if a parameter is repeated.
pub fn decode(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let twice = parameters.insert(name.to_string(), value.to_string());
        assert_eq!(twice, None, "duplicate {name} in {query}");
    }
    parameters
}

impl TestProvider {
    /// Stores alice with her claims and [`PASSWORD`].
    pub fn put_alice_with_password(&self) {
        self.put_alice();
        self.put_password("alice");
    }

    /// Stores a user who has a login and a password, but no claims.
    pub fn put_user(&self, sub: &str) {
        let user = json!({ "login": sub, "claims": {} });
        let response = self.send(put(&format!("/admin/users/{sub}")).by_operator().json(&user));
        assert_eq!(response.status, 200, "{}", response.body);
        self.put_password(sub);
    }

    fn put_password(&self, sub: &str) {
        self.put_password_hash(sub, &PASSWORD_HASH);
    }

    /// Gives a user a password by its hash.
    pub fn put_password_hash(&self, sub: &str, hash: &str) {
        let user = json!({ "password_hash": hash });
        let response = self.send(put(&format!("/admin/users/{sub}")).by_operator().json(&user));
        assert_eq!(response.status, 200, "{}", response.body);
    }

    /// Stores a client. `fields` replace the defaults of its metadata.
    pub fn put_client_with(&self, id: &str, fields: Value) -> TestClient {
        let mut document = json!({
            "client_name": "The App", "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
        });
        for (name, value) in fields.as_object().unwrap() {
            document[name] = value.clone();
        }
        let response =
            self.send(put(&format!("/admin/clients/{id}")).by_operator().json(&document));
        assert_eq!(response.status, 200, "{}", response.body);
        let response = response.json();
        TestClient {
            id: id.to_owned(),
            secret: response.get("client_secret").map(|secret| secret.as_str().unwrap().to_owned()),
            redirect_uri: response["redirect_uris"][0].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// Stores a confidential client that is not trusted.
    pub fn put_app(&self) -> TestClient {
        self.put_client_with("app", json!({}))
    }

    /// Sends a token request with the client's authentication.
    pub fn token(&self, client: &TestClient, parameters: &[(&str, &str)]) -> TestResponse {
        let mut parameters = parameters.to_vec();
        parameters.push(("client_id", &client.id));
        if let Some(secret) = &client.secret {
            parameters.push(("client_secret", secret));
        }
        self.send(post("/auth/token").form(&encode(&parameters)))
    }

    pub fn redeem(&self, client: &TestClient, code: &str) -> TestResponse {
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &client.redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        self.token(client, &parameters)
    }

    /// Pushes an authorization request with the client's secret. Returns the target that the client redirects a browser to.
    pub fn push(&self, client: &TestClient, parameters: &[(&str, &str)]) -> String {
        let secret = client.secret.as_ref().map(|secret| ("client_secret", secret.as_str()));
        let form = format!("{}&{}", client.authorize_query(parameters), encode(secret.as_slice()));
        let response = self.send(post("/auth/par").form(&form));
        assert_eq!(response.status, 201, "{}", response.body);
        let response = response.json();
        let request_uri = response["request_uri"].as_str().unwrap();
        let query = encode(&[("client_id", &client.id), ("request_uri", request_uri)]);
        format!("/auth/authorize?{query}")
    }

    pub fn refresh(&self, client: &TestClient, refresh_token: &str) -> TestResponse {
        self.token(client, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
    }
}

impl TestClient {
    /// The path and query of an authorization request with a code challenge. `parameters` replace the
    /// defaults; an empty value removes one.
    pub fn authorize(&self, parameters: &[(&str, &str)]) -> String {
        format!("/auth/authorize?{}", self.authorize_query(parameters))
    }

    pub fn authorize_query(&self, parameters: &[(&str, &str)]) -> String {
        let usual = [
            ("client_id", self.id.as_str()),
            ("redirect_uri", &self.redirect_uri),
            ("response_type", "code"),
            ("scope", "openid profile email"),
            ("state", "the state"),
            ("nonce", "the nonce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let mut all: Vec<_> = usual.to_vec();
        for (name, value) in parameters {
            all.retain(|(known, _)| known != name);
            if !value.is_empty() {
                all.push((name, value));
            }
        }
        encode(&all)
    }
}

pub struct Browser<'a> {
    pub provider: &'a TestProvider,
    pub cookies: RefCell<BTreeMap<String, String>>,
    pub address: String,
    pub language: String,
    /// What it sends as `User-Agent`, if it does.
    pub user_agent: String,
    /// What the platform says about its country.
    pub country: Option<String>,
}

/// A form of a page, with its hidden fields.
#[derive(Clone, Debug)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// The fields, with those that the user fills in.
    fn filled<'b>(&'b self, filled: &[(&'b str, &'b str)]) -> Vec<(&'b str, &'b str)> {
        let hidden = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let is_kept = |(name, _): &(&str, &str)| filled.iter().all(|(other, _)| other != name);
        hidden.filter(is_kept).chain(filled.iter().copied()).collect()
    }
}

impl<'a> Browser<'a> {
    pub fn new(provider: &'a TestProvider) -> Self {
        Self {
            provider,
            cookies: RefCell::default(),
            address: "192.0.2.1".into(),
            language: "en".into(),
            user_agent: String::new(),
            country: None,
        }
    }

    /// Requests a path, or a URL of the provider.
    pub fn get(&self, target: &str) -> TestResponse {
        self.send(get(target.strip_prefix(ISSUER).unwrap_or(target)))
    }

    pub fn post(&self, target: &str, parameters: &[(&str, &str)]) -> TestResponse {
        let target = target.strip_prefix(ISSUER).unwrap_or(target);
        self.send(post(target).form(&encode(parameters)))
    }

    /// Adds the headers that this browser sends.
    fn with_headers(&self, request: TestRequest) -> TestRequest {
        let cookies: Vec<_> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request =
            request.with("cf-connecting-ip", &self.address).with("accept-language", &self.language);
        let request = request.with("user-agent", &self.user_agent).with_country(&self.country);
        if cookies.is_empty() { request } else { request.with("cookie", &cookies.join("; ")) }
    }

    pub fn send(&self, request: TestRequest) -> TestResponse {
        let response = self.provider.send(self.with_headers(request));
        for cookie in response.cookies() {
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            assert!(attributes.starts_with("Path=/; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
            let (name, value) = pair.split_once('=').unwrap();
            assert!(name.starts_with("__Host-postern-"), "{cookie}");
            if attributes.ends_with("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.into(), value.into());
            }
        }
        response
    }

    /// Follows redirects within the provider, at most ten.
    pub fn follow(&self, mut response: TestResponse) -> TestResponse {
        for _ in 0..10 {
            match response.header("location") {
                Some(location) if location.starts_with(&format!("{ISSUER}/")) => {
                    assert_eq!(response.status, 303);
                    response = self.get(location);
                }
                _ => return response,
            }
        }
        panic!("too many redirects");
    }

    /// Fills in the page's first form, submits it and follows the redirects.
    pub fn submit(&self, page: &TestResponse, filled: &[(&str, &str)]) -> TestResponse {
        self.submit_form(&form(page), filled)
    }

    /// Fills in this form, submits it and follows the redirects.
    pub fn submit_form(&self, form: &Form, filled: &[(&str, &str)]) -> TestResponse {
        self.follow(self.post(&form.action, &form.filled(filled)))
    }

    /// The request that submits the page's first form.
    pub fn submission(&self, page: &TestResponse, filled: &[(&str, &str)]) -> TestRequest {
        self.request_of(&form(page), filled)
    }

    /// The request that submits this form.
    pub fn request_of(&self, form: &Form, filled: &[(&str, &str)]) -> TestRequest {
        let action = form.action.strip_prefix(ISSUER).unwrap_or(&form.action);
        self.with_headers(post(action).form(&encode(&form.filled(filled))))
    }

    /// Fills in the login form and submits it.
    pub fn sign_in_on(&self, page: &TestResponse, login: &str) -> TestResponse {
        assert!(is_login(page), "{} {}", page.status, page.body);
        self.submit(page, &[("login", login), ("password", PASSWORD)])
    }

    /// Runs an authorization request as a user who allows everything, and returns the code.
    pub fn authorize(
        &self,
        client: &TestClient,
        login: &str,
        parameters: &[(&str, &str)],
    ) -> String {
        let response = self.agree(self.get(&client.authorize(parameters)), login);
        let mut answer = answer(&response, &client.redirect_uri);
        answer.remove("code").unwrap_or_else(|| panic!("no code: {answer:?}"))
    }

    /// Signs in and consents where a page requires it. Returns the response after these pages.
    pub fn agree(&self, mut response: TestResponse, login: &str) -> TestResponse {
        if is_login(&response) {
            response = self.sign_in_on(&response, login);
        }
        if is_consent(&response) {
            response = self.submit(&response, &[("decision", "allow")]);
        }
        response
    }
}

pub fn is_login(response: &TestResponse) -> bool {
    response.body.contains("name=\"password\"")
}

pub fn is_consent(response: &TestResponse) -> bool {
    response.body.contains("value=\"allow\"")
}

pub fn is_choice(response: &TestResponse) -> bool {
    response.body.contains("value=\"continue\"")
}

/// Checks that this is an error page without a form or a redirect, and returns its HTML.
pub fn error_page(response: &TestResponse) -> String {
    assert_eq!(response.header("location"), None);
    assert!((400..600).contains(&response.status), "{}", response.status);
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(!response.body.contains("<form"), "{}", response.body);
    response.body.clone()
}

/// The URL to which a response sends the browser: by a redirect or, after a form, by a page that leaves.
pub fn destination(response: &TestResponse) -> &str {
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let Some(refresh) = response.header("refresh") else {
        assert_eq!(response.status, 303, "{}", response.body);
        return response.header("location").unwrap();
    };
    assert_eq!((response.status, response.header("location")), (200, None));
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    let policy = response.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';") && policy.ends_with("form-action 'none'"));
    let url = refresh.strip_prefix("0;url=").unwrap();
    let (_, link) = response.body.split_once("<a ").unwrap();
    assert_eq!(attribute(link, "href"), url);
    url
}

/// The parameters that a redirect, or a page that leaves, carries to the client. An error has a fragment, so that the
/// browser adds none.
pub fn answer(response: &TestResponse, redirect_uri: &str) -> BTreeMap<String, String> {
    parameters_of(destination(response), redirect_uri)
}

/// The parameters of a response to the client by this URL: in the fragment if `redirect_uri` ends in `#`.
pub fn parameters_of(url: &str, redirect_uri: &str) -> BTreeMap<String, String> {
    let rest = url.strip_prefix(redirect_uri).unwrap_or_else(|| panic!("{url}"));
    if redirect_uri.ends_with('#') {
        return decode(rest);
    }
    let query = rest.strip_prefix(['?', '&']).unwrap();
    let parameters = decode(query.strip_suffix("#_").unwrap_or(query));
    assert_eq!(query.ends_with("#_"), parameters.contains_key("error"), "{url}");
    parameters
}

/// The way by which the page of an error leads to a client that nobody vouches for, once the user clicks.
#[derive(Debug)]
pub struct Offer {
    /// The URL of a link, or that a form is posted to.
    pub target: String,
    /// The fields of the form, if it is one.
    pub fields: Option<Vec<(String, String)>>,
}

/// Finds the offer of a page, and checks that the browser does not leave by itself.
pub fn offer(page: &TestResponse) -> Offer {
    assert!((400..600).contains(&page.status), "{} {}", page.status, page.body);
    assert_eq!((page.header("location"), page.header("refresh")), (None, None));
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert_eq!(page.cookies(), Vec::<&str>::new());
    assert!(!page.body.contains("<script") && !page.body.contains("http-equiv"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("script-src"));
    let (before, element) =
        page.body.split_once("data-to=\"client\"").unwrap_or_else(|| panic!("{}", page.body));
    if before.ends_with("<button ") {
        let form = form(page);
        return Offer { target: form.action, fields: Some(form.fields) };
    }
    assert!(!page.body.contains("<form") && policy.ends_with("form-action 'none'"), "{policy}");
    Offer { target: attribute(element, "href"), fields: None }
}

/// The parameters that the link of such a page carries.
pub fn offered(page: &TestResponse, redirect_uri: &str) -> BTreeMap<String, String> {
    parameters_of(&offer(page).target, redirect_uri)
}

/// The same as [`answer`], if the parameters are in the fragment.
pub fn fragment(response: &TestResponse, redirect_uri: &str) -> BTreeMap<String, String> {
    let location = destination(response);
    let rest = location.strip_prefix(redirect_uri).unwrap_or_else(|| panic!("{location}"));
    decode(rest.strip_prefix('#').unwrap_or_else(|| panic!("{location}")))
}

/// The page's first form.
pub fn form(page: &TestResponse) -> Form {
    forms(page).into_iter().next().unwrap_or_else(|| panic!("no form: {}", page.body))
}

/// The page's first form with this action.
pub fn form_to(page: &TestResponse, path: &str) -> Form {
    let mut forms = forms(page).into_iter();
    forms.find(|form| form.action.ends_with(path)).unwrap_or_else(|| panic!("{}", page.body))
}

/// The forms of a page.
pub fn forms(page: &TestResponse) -> Vec<Form> {
    page.body
        .split("<form")
        .skip(1)
        .map(|html| form_of(html.split("</form>").next().unwrap()))
        .collect()
}

fn form_of(html: &str) -> Form {
    let fields = html
        .split("<input")
        .skip(1)
        .filter(|input| input.contains("type=\"hidden\""))
        .map(|input| {
            let tag = input.split('>').next().unwrap();
            (attribute(tag, "name"), attribute(tag, "value"))
        })
        .collect();
    Form { action: attribute(html.split('>').next().unwrap(), "action"), fields }
}

pub fn attribute(tag: &str, name: &str) -> String {
    let start = tag.find(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name} in {tag}"));
    let value = tag[start + name.len() + 2..].split('"').next().unwrap();
    unescaped(value)
}

/// Resolves character references, once.
fn unescaped(html: &str) -> String {
    let mut pieces = html.split('&');
    let mut text = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once(';').unwrap_or_else(|| panic!("a bare & in {html}"));
        text.push(match name {
            "#34" | "quot" => '"',
            "#39" => '\'',
            "#60" | "lt" => '<',
            "#62" | "gt" => '>',
            "#13" => '\r',
            "#10" => '\n',
            "#38" | "amp" => '&',
            other => panic!("&{other}; in {html}"),
        });
        text.push_str(rest);
    }
    text
}

/// The claims of a JWT. The signature is not verified.
pub fn claims(jwt: &str) -> Value {
    part(jwt, 1)
}

/// The header of a JWT. The signature is not verified.
pub fn header(jwt: &str) -> Value {
    part(jwt, 0)
}

fn part(jwt: &str, index: usize) -> Value {
    let part = jwt.split('.').nth(index).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
}

/// A string of a successful JSON response.
pub fn field(response: &TestResponse, name: &str) -> String {
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name}: {}", response.body))
        .to_owned()
}
