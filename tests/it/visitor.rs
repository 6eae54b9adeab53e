//! A person with a browser: it keeps cookies, fills in forms, and follows redirects as far as the provider's own.

use crate::world::{ISSUER, Told, World, get, post, put};
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

/// Made once: it costs what a sign-in costs.
static PASSWORD_HASH: LazyLock<String> = LazyLock::new(|| hash_at(19_456, 2));

/// The PHC string of [`PASSWORD`], at some cost.
pub fn hash_at(memory: u32, passes: u32) -> String {
    let params = Params::new(memory, passes, 1, None).unwrap();
    let hash: PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(PASSWORD.as_bytes(), &[7; 16])
        .unwrap();
    hash.to_string()
}

/// A client as a relying party knows itself.
#[derive(Clone, Debug)]
pub struct Party {
    pub id: String,
    pub secret: Option<String>,
    pub redirect_uri: String,
}

/// Encodes parameters as a form does.
pub fn encode(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// Decodes them; none stands twice.
pub fn decode(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let twice = parameters.insert(name.to_string(), value.to_string());
        assert_eq!(twice, None, "{name} stands twice in {query}");
    }
    parameters
}

impl World {
    /// Alice, with a password.
    pub fn put_alice_with_password(&self) {
        self.put_alice();
        self.put_password("alice");
    }

    /// A user of nothing but a login and a password.
    pub fn put_user(&self, sub: &str) {
        let user = json!({ "login": sub, "claims": {} });
        let told = self.send(put(&format!("/admin/users/{sub}")).by_operator().json(&user));
        assert_eq!(told.status, 200, "{}", told.body);
        self.put_password(sub);
    }

    fn put_password(&self, sub: &str) {
        self.put_password_hash(sub, &PASSWORD_HASH);
    }

    /// Gives a user a password by its hash.
    pub fn put_password_hash(&self, sub: &str, hash: &str) {
        let user = json!({ "password_hash": hash });
        let told = self.send(put(&format!("/admin/users/{sub}")).by_operator().json(&user));
        assert_eq!(told.status, 200, "{}", told.body);
    }

    /// A client of this id, by the members that differ from the usual.
    pub fn put_party(&self, id: &str, fields: Value) -> Party {
        let mut document = json!({
            "client_name": "The App", "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
        });
        for (name, value) in fields.as_object().unwrap() {
            document[name] = value.clone();
        }
        let told = self.send(put(&format!("/admin/clients/{id}")).by_operator().json(&document));
        assert_eq!(told.status, 200, "{}", told.body);
        let told = told.json();
        Party {
            id: id.to_owned(),
            secret: told.get("client_secret").map(|secret| secret.as_str().unwrap().to_owned()),
            redirect_uri: told["redirect_uris"][0].as_str().unwrap().to_owned(),
        }
    }

    /// The usual: a confidential client that is not trusted.
    pub fn put_app(&self) -> Party {
        self.put_party("app", json!({}))
    }

    /// What the token endpoint says to a client.
    pub fn token(&self, party: &Party, parameters: &[(&str, &str)]) -> Told {
        let mut parameters = parameters.to_vec();
        parameters.push(("client_id", &party.id));
        if let Some(secret) = &party.secret {
            parameters.push(("client_secret", secret));
        }
        self.send(post("/auth/token").form(&encode(&parameters)))
    }

    pub fn redeem(&self, party: &Party, code: &str) -> Told {
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &party.redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        self.token(party, &parameters)
    }

    pub fn refresh(&self, party: &Party, refresh_token: &str) -> Told {
        self.token(party, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
    }
}

impl Party {
    /// An authorization request of this client's, with a challenge, by the parameters that differ from the
    /// usual; an empty value leaves one out.
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

pub struct Visitor<'a> {
    world: &'a World,
    pub cookies: RefCell<BTreeMap<String, String>>,
    pub address: String,
    pub language: String,
}

/// A form as the page shows it.
#[derive(Clone, Debug)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl<'a> Visitor<'a> {
    pub fn new(world: &'a World) -> Self {
        Self {
            world,
            cookies: RefCell::default(),
            address: "192.0.2.1".into(),
            language: "en".into(),
        }
    }

    /// Asks for a URL of the provider's, or a path there.
    pub fn get(&self, target: &str) -> Told {
        self.send(get(target.strip_prefix(ISSUER).unwrap_or(target)))
    }

    pub fn post(&self, target: &str, parameters: &[(&str, &str)]) -> Told {
        let target = target.strip_prefix(ISSUER).unwrap_or(target);
        self.send(post(target).form(&encode(parameters)))
    }

    fn send(&self, request: crate::world::Ask) -> Told {
        let cookies: Vec<_> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request =
            request.with("cf-connecting-ip", &self.address).with("accept-language", &self.language);
        if !cookies.is_empty() {
            request = request.with("cookie", &cookies.join("; "));
        }
        let told = self.world.send(request);
        for cookie in told.cookies() {
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
        told
    }

    /// Follows redirects within the provider.
    pub fn follow(&self, mut told: Told) -> Told {
        for _ in 0..10 {
            match told.header("location") {
                Some(location) if location.starts_with(&format!("{ISSUER}/")) => {
                    assert_eq!(told.status, 303);
                    told = self.get(location);
                }
                _ => return told,
            }
        }
        panic!("redirected in a circle");
    }

    /// Submits the page's first form with some fields filled in, and follows.
    pub fn submit(&self, page: &Told, filled: &[(&str, &str)]) -> Told {
        self.submit_form(&form(page), filled)
    }

    /// Submits one of the page's forms, with some fields filled in, and follows.
    pub fn submit_form(&self, form: &Form, filled: &[(&str, &str)]) -> Told {
        let mut fields: Vec<(&str, &str)> =
            form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        for (name, value) in filled {
            fields.retain(|(known, _)| known != name);
            fields.push((name, value));
        }
        self.follow(self.post(&form.action, &fields))
    }

    /// Fills in the login form.
    pub fn sign_in_on(&self, page: &Told, login: &str) -> Told {
        assert!(is_login(page), "{} {}", page.status, page.body);
        self.submit(page, &[("login", login), ("password", PASSWORD)])
    }

    /// Goes through a request as somebody who agrees to everything, and returns the code.
    pub fn authorize(&self, party: &Party, login: &str, parameters: &[(&str, &str)]) -> String {
        let told = self.agree(self.get(&party.authorize(parameters)), login);
        let mut answer = answer(&told, &party.redirect_uri);
        answer.remove("code").unwrap_or_else(|| panic!("no code: {answer:?}"))
    }

    /// Goes on from a page as somebody who agrees to everything, until the client gets its answer.
    pub fn agree(&self, mut told: Told, login: &str) -> Told {
        if is_login(&told) {
            told = self.sign_in_on(&told, login);
        }
        if is_consent(&told) {
            told = self.submit(&told, &[("decision", "allow")]);
        }
        told
    }
}

pub fn is_login(told: &Told) -> bool {
    told.body.contains("name=\"password\"")
}

pub fn is_consent(told: &Told) -> bool {
    told.body.contains("value=\"allow\"")
}

pub fn is_choice(told: &Told) -> bool {
    told.body.contains("value=\"continue\"")
}

/// What a page says went wrong; there is no form and no redirect.
pub fn error_page(told: &Told) -> String {
    assert_eq!(told.header("location"), None);
    assert!((400..600).contains(&told.status), "{}", told.status);
    assert_eq!(told.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(!told.body.contains("<form"), "{}", told.body);
    told.body.clone()
}

/// The parameters that go to the client by the redirect.
pub fn answer(told: &Told, redirect_uri: &str) -> BTreeMap<String, String> {
    assert_eq!(told.status, 303, "{}", told.body);
    assert_eq!(told.header("cache-control"), Some("no-store"));
    let location = told.header("location").unwrap();
    let rest = location.strip_prefix(redirect_uri).unwrap_or_else(|| panic!("{location}"));
    decode(rest.strip_prefix(['?', '&']).unwrap())
}

/// The page's first form.
pub fn form(page: &Told) -> Form {
    forms(page).into_iter().next().unwrap_or_else(|| panic!("no form: {}", page.body))
}

/// The page's first form that leads to this path.
pub fn form_to(page: &Told, path: &str) -> Form {
    let mut forms = forms(page).into_iter();
    forms.find(|form| form.action.ends_with(path)).unwrap_or_else(|| panic!("{}", page.body))
}

fn forms(page: &Told) -> Vec<Form> {
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

fn attribute(tag: &str, name: &str) -> String {
    let start = tag.find(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name} in {tag}"));
    let value = tag[start + name.len() + 2..].split('"').next().unwrap();
    unescaped(value)
}

/// A text as it was before it was escaped, once.
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

/// The claims of a JWT, its signature unchecked.
pub fn claims(jwt: &str) -> Value {
    part(jwt, 1)
}

/// The header of a JWT.
pub fn header(jwt: &str) -> Value {
    part(jwt, 0)
}

fn part(jwt: &str, index: usize) -> Value {
    let part = jwt.split('.').nth(index).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
}

/// A text member of a JSON answer.
pub fn field(told: &Told, name: &str) -> String {
    assert_eq!(told.status, 200, "{}", told.body);
    told.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", told.body)).to_owned()
}
