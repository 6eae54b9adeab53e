//! The suite as a relying party: its client, its requests, and the checks of every module.

use super::checks::{
    check_claims, check_code, check_discovery, check_error, check_id_token, check_jwks,
    check_token_response, verified,
};
use crate::browser::{Browser, TestClient, answer, encode, form};
use crate::test_provider::{ISSUER, TestProvider, TestRequest, TestResponse, get, post};
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Has every allowed character that HTML or a URL would need to escape.
pub const STATE: &str = "a state\"'<b>&amp;=+%20;\\/#?~";
pub const NONCE: &str = "a nonce\"'<b>&amp;=+%20;\\/#?~";

/// The response mode.
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

/// The parameters of a request or of a response.
pub type Parameters = BTreeMap<String, String>;

/// The results of a successful flow, all of them checked.
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
    /// A string of the token response.
    pub fn token(&self, name: &str) -> &str {
        self.tokens[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", self.tokens))
    }
}

impl Suite {
    /// Fetches discovery and the keys and registers a client, as every module does first.
    pub fn new(mode: Mode) -> Self {
        let provider = TestProvider::with_keys();
        provider.has_entropy.set(true);
        provider.put_alice_with_password();
        let discovery = check_discovery(&provider, ISSUER);
        let jwks = check_jwks(&provider, &discovery);
        let client = provider.put_client_with("client", json!({}));
        Self { provider, mode, client, discovery, jwks }
    }

    /// A browser without a session.
    pub fn browser(&self) -> Browser<'_> {
        Browser::new(&self.provider)
    }

    /// The query of a request for the scope `openid`. `parameters` replace the defaults; an empty value
    /// removes one.
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

    /// The first response to an authorization request of the suite's client.
    pub fn send_request(&self, browser: &Browser<'_>, parameters: &[(&str, &str)]) -> TestResponse {
        browser.get(&format!("/auth/authorize?{}", self.query(&self.client, parameters)))
    }

    /// The parameters that reach the client, by a redirect or by a self-submitting form.
    pub fn response(&self, response: &TestResponse, client: &TestClient) -> Parameters {
        match self.mode {
            Mode::Query => answer(response, &client.redirect_uri),
            Mode::FormPost => posted(response, &client.redirect_uri),
        }
    }

    /// The code of a successful authorization response.
    pub fn code(&self, response: &TestResponse, client: &TestClient) -> String {
        let mut response = self.response(response, client);
        let code = response.remove("code").unwrap_or_else(|| panic!("no code: {response:?}"));
        check_code(&code);
        let rest = BTreeMap::from([("iss", ISSUER), ("state", STATE)]);
        assert_eq!(response, rest.into_iter().map(|(n, v)| (n.into(), v.into())).collect());
        code
    }

    /// The error code of an authorization response with this state.
    pub fn error(&self, response: &TestResponse, state: Option<&str>) -> String {
        let response = self.response(response, &self.client);
        check_error(&response, state);
        response["error"].clone()
    }

    /// Runs a flow in which alice allows everything.
    pub fn flow(&self, browser: &Browser<'_>, parameters: &[(&str, &str)]) -> Flow {
        let response = browser.agree(self.send_request(browser, parameters), "alice@example.com");
        self.finish(&response, parameters)
    }

    /// Finishes a flow after the authorization response.
    pub fn finish(&self, response: &TestResponse, parameters: &[(&str, &str)]) -> Flow {
        let code = self.code(response, &self.client);
        let response = self.redeem(&self.client, &code, &[]);
        self.tokens(&response, &self.client, code, parameters)
    }

    /// Checks a token response and fetches userinfo with its access token.
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

    /// Verifies an ID token and returns its claims.
    pub fn verify(&self, id_token: &str) -> Value {
        verified(id_token, &self.jwks)
    }

    /// Redeems a code with `client_secret_basic` and the additional parameters `more`.
    pub fn redeem(&self, client: &TestClient, code: &str, more: &[(&str, &str)]) -> TestResponse {
        let mut parameters = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", client.redirect_uri.as_str()),
        ];
        parameters.extend(more);
        self.token(client, &parameters)
    }

    /// Sends a token request. RFC 6749 §2.3.1 requires the id and the secret to be form-encoded before Basic.
    pub fn token(&self, client: &TestClient, parameters: &[(&str, &str)]) -> TestResponse {
        let encoded = |text: &str| encode(&[("", text)])[1..].to_owned();
        let secret = client.secret.as_deref().unwrap();
        let credentials = format!("{}:{}", encoded(&client.id), encoded(secret));
        let authorization = format!("Basic {}", Base64::encode_string(credentials.as_bytes()));
        let request = post("/auth/token").with("authorization", &authorization);
        self.provider.send(request.form(&encode(parameters)))
    }

    /// Checks a successful userinfo response and returns its claims.
    pub fn userinfo(&self, request: TestRequest) -> Value {
        let response = self.provider.send(request);
        assert_eq!(response.status, 200, "{}", response.body);
        assert_eq!(response.header("content-type"), Some("application/json"));
        check_claims(&response.json(), self.provider.now.get());
        response.json()
    }
}

/// The parameters of the self-submitting form. The URL has none of them, and the form does not change the
/// content type from `application/x-www-form-urlencoded`.
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
    assert_eq!(parameters.len(), form.fields.len(), "duplicate field: {form:?}");
    parameters
}
