//! The relying party that the suite is: its clients, its requests, and what it checks in every module.

use super::checks::{
    check_claims, check_code, check_discovery, check_error, check_id_token, check_jwks,
    check_token_response, verified,
};
use crate::browser::{Browser, TestClient, answer, encode, form};
use crate::test_provider::{ISSUER, TestProvider, TestRequest, TestResponse, get, post};
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Every character that a state may have and a page or a URL could spoil.
pub const STATE: &str = "a state\"'<b>&amp;=+%20;\\/#?~";
pub const NONCE: &str = "a nonce\"'<b>&amp;=+%20;\\/#?~";

/// How answers travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    FormPost,
    Query,
}

pub struct Suite {
    pub provider: TestProvider,
    pub mode: Mode,
    pub client: TestClient,
    pub discovery: Value,
    jwks: Value,
}

/// The parameters of a request or of an answer.
pub type Parameters = BTreeMap<String, String>;

/// What came of a flow that succeeded: all of it is checked.
#[derive(Clone, Debug)]
pub struct Flow {
    pub code: String,
    /// The token response.
    pub tokens: Value,
    /// The ID token's claims.
    pub id_token: Value,
    pub userinfo: Value,
}

impl Flow {
    /// A member of the token response.
    pub fn token(&self, name: &str) -> &str {
        self.tokens[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", self.tokens))
    }
}

impl Suite {
    /// What every module begins with: discovery, the keys, and its client.
    pub fn new(mode: Mode) -> Self {
        let provider = TestProvider::with_keys();
        provider.has_entropy.set(true);
        provider.put_alice_with_password();
        let discovery = check_discovery(&provider, ISSUER);
        let jwks = check_jwks(&provider, &discovery);
        let client = provider.put_client_with("client", json!({}));
        Self { provider, mode, client, discovery, jwks }
    }

    /// A browser in which nobody is signed in.
    pub fn browser(&self) -> Browser<'_> {
        Browser::new(&self.provider)
    }

    /// The query of a request for the scope `openid`, but for these parameters; empty ones are left out.
    pub fn query(&self, client: &TestClient, parameters: &[(&str, &str)]) -> String {
        let mut all = vec![
            ("scope", "openid"),
            ("state", STATE),
            ("nonce", NONCE),
            ("code_challenge", ""),
            ("code_challenge_method", ""),
        ];
        if self.mode == Mode::FormPost {
            all.push(("response_mode", "form_post"));
        }
        all.extend(parameters);
        client.authorize_query(&all)
    }

    /// The first answer to a request of the usual client's.
    pub fn send_request(&self, browser: &Browser<'_>, parameters: &[(&str, &str)]) -> TestResponse {
        browser.get(&format!("/auth/authorize?{}", self.query(&self.client, parameters)))
    }

    /// The parameters that the client gets: by a redirect, or from the page that posts them.
    pub fn response(&self, response: &TestResponse, client: &TestClient) -> Parameters {
        match self.mode {
            Mode::Query => answer(response, &client.redirect_uri),
            Mode::FormPost => posted(response, &client.redirect_uri),
        }
    }

    /// The code of an answer.
    pub fn code(&self, response: &TestResponse, client: &TestClient) -> String {
        let mut response = self.response(response, client);
        let code = response.remove("code").unwrap_or_else(|| panic!("no code: {response:?}"));
        check_code(&code);
        let rest = BTreeMap::from([("iss", ISSUER), ("state", STATE)]);
        assert_eq!(response, rest.into_iter().map(|(n, v)| (n.into(), v.into())).collect());
        code
    }

    /// The code of the error that an answer is, with this state.
    pub fn error(&self, response: &TestResponse, state: Option<&str>) -> String {
        let response = self.response(response, &self.client);
        check_error(&response, state);
        response["error"].clone()
    }

    /// A flow of the usual client's in which the person agrees to everything.
    pub fn flow(&self, browser: &Browser<'_>, parameters: &[(&str, &str)]) -> Flow {
        let response = browser.agree(self.send_request(browser, parameters), "alice@example.com");
        self.finish(&response, parameters)
    }

    /// The rest of a flow, from the answer to a request of these parameters.
    pub fn finish(&self, response: &TestResponse, parameters: &[(&str, &str)]) -> Flow {
        let code = self.code(response, &self.client);
        let response = self.redeem(&self.client, &code, &[]);
        self.tokens(&response, &self.client, code, parameters)
    }

    /// What was got for a code.
    pub fn tokens(
        &self,
        response: &TestResponse,
        client: &TestClient,
        code: String,
        parameters: &[(&str, &str)],
    ) -> Flow {
        let requested: BTreeMap<_, _> = parameters.iter().copied().collect();
        let scope = requested.get("scope").unwrap_or(&"openid");
        let tokens = check_token_response(response, scope);
        let nonce = requested.get("nonce").copied().unwrap_or(NONCE);
        let nonce = Some(nonce).filter(|nonce| !nonce.is_empty());
        let access_token = tokens["access_token"].as_str().unwrap();
        let id_token = self.verify(tokens["id_token"].as_str().unwrap());
        check_id_token(&id_token, client, nonce, access_token, self.provider.now.get());
        let userinfo = self.userinfo(get("/auth/userinfo").bearer(access_token));
        assert_eq!(userinfo["sub"], id_token["sub"]);
        Flow { code, id_token, userinfo, tokens }
    }

    /// The claims of an ID token, whose signature is verified.
    pub fn verify(&self, id_token: &str) -> Value {
        verified(id_token, &self.jwks)
    }

    /// Redeems a code by `client_secret_basic`, with these parameters more.
    pub fn redeem(&self, client: &TestClient, code: &str, more: &[(&str, &str)]) -> TestResponse {
        let mut parameters = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", client.redirect_uri.as_str()),
        ];
        parameters.extend(more);
        self.token(client, &parameters)
    }

    /// Asks the token endpoint. Id and secret are form-encoded before they become Basic credentials.
    pub fn token(&self, client: &TestClient, parameters: &[(&str, &str)]) -> TestResponse {
        let encoded = |text: &str| encode(&[("", text)])[1..].to_owned();
        let secret = client.secret.as_deref().unwrap();
        let credentials = format!("{}:{}", encoded(&client.id), encoded(secret));
        let authorization = format!("Basic {}", Base64::encode_string(credentials.as_bytes()));
        let request = post("/auth/token").with("authorization", &authorization);
        self.provider.send(request.form(&encode(parameters)))
    }

    /// What userinfo tells.
    pub fn userinfo(&self, request: TestRequest) -> Value {
        let response = self.provider.send(request);
        assert_eq!(response.status, 200, "{}", response.body);
        assert_eq!(response.header("content-type"), Some("application/json"));
        check_claims(&response.json(), self.provider.now.get());
        response.json()
    }
}

/// The parameters that a browser posts at once: nothing in the URL, and the content type exactly that of a
/// form, which browsers send where the form does not say otherwise.
fn posted(response: &TestResponse, redirect_uri: &str) -> Parameters {
    assert_eq!((response.status, response.header("location")), (200, None), "{}", response.body);
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.body.matches("<form").count(), 1);
    assert!(response.body.contains("<form method=\"post\" action=\""), "{}", response.body);
    assert!(!response.body.contains("enctype") && !response.body.contains("formaction"));
    assert!(
        response.body.contains("<script>HTMLFormElement.prototype.submit.call(document.forms[0])")
    );
    let policy = response.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' https:"), "{policy}");
    let form = form(response);
    assert_eq!(form.action, redirect_uri);
    assert_eq!(response.body.matches("<input").count(), form.fields.len());
    let parameters: Parameters = form.fields.iter().cloned().collect();
    assert_eq!(parameters.len(), form.fields.len(), "one stands twice: {form:?}");
    parameters
}
