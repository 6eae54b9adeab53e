//! The plans "RP-Initiated Logout", "Back-Channel Logout" and "Front-Channel Logout", with a client of the operator's and with one that has
//! registered itself.

use super::checks::{check_discovery, check_jwks, verified};
use crate::browser::{
    Browser, CALLBACK, CHALLENGE, TestClient, answer, claims, decode, destination, encode, field,
    is_login,
};
use crate::logout::{asks, is_signed_out_page};
use crate::signer::Signer;
use crate::test_provider::{ISSUER, TestProvider, TestResponse, get, post, put, variables_with};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

const AFTER: &str = "https://app.example/post-logout";
const BACKCHANNEL: &str = "https://app.example/backchannel";
const FRONTCHANNEL: &str = "https://app.example/frontchannel";

/// A user who has signed in to the suite's client.
struct Suite<'a> {
    provider: &'a TestProvider,
    browser: Browser<'a>,
    client: TestClient,
    discovery: Value,
    id_token: String,
}

/// Runs a module with each kind of client.
fn run(module: impl Fn(&Suite<'_>)) {
    for is_registered_by_itself in [false, true] {
        let provider = TestProvider::configured(variables_with("REGISTRATION", "open"));
        provider.has_entropy.set(true);
        provider.send(get("/auth/jwks.json"));
        provider.put_alice_with_password();
        let discovery = check_discovery(&provider, ISSUER);
        let jwks = check_jwks(&provider, &discovery);
        let document = json!({
            "client_name": "The App", "redirect_uris": [CALLBACK], "response_types": ["code"],
            "post_logout_redirect_uris": [AFTER], "frontchannel_logout_uri": FRONTCHANNEL,
            "frontchannel_logout_session_required": true,
            "backchannel_logout_uri": BACKCHANNEL, "backchannel_logout_session_required": true,
        });
        let request = match is_registered_by_itself {
            true => post("/auth/register").json(&document),
            false => put("/admin/clients/client").by_operator().json(&document),
        };
        let registered = provider.send(request).json();
        let text = |name: &str| registered[name].as_str().unwrap().to_owned();
        let client = TestClient {
            id: text("client_id"),
            secret: Some(text("client_secret")),
            redirect_uri: CALLBACK.into(),
        };
        let browser = Browser::new(&provider);
        let code = browser.authorize(&client, "alice@example.com", &[("scope", "openid")]);
        let id_token = field(&provider.redeem(&client, &code), "id_token");
        verified(&id_token, &jwks);
        provider.platform.form_statuses.borrow_mut().insert(BACKCHANNEL.into(), 200);
        module(&Suite { provider: &provider, browser, client, discovery, id_token });
    }
}

impl Suite<'_> {
    /// Sends the browser to the endpoint.
    fn log_out(&self, parameters: &[(&str, &str)]) -> TestResponse {
        let endpoint = self.discovery["end_session_endpoint"].as_str().unwrap();
        self.browser.get(&format!("{endpoint}?{}", encode(parameters)))
    }

    /// The URL that the browser goes to at last, and the frames that it loads before.
    fn result(&self, response: &TestResponse) -> (String, Vec<String>) {
        let frames = crate::logout::frames(response);
        match response.header("refresh") {
            Some(refresh) => (refresh.split_once(";url=").unwrap().1.to_owned(), frames),
            None => (destination(response).to_owned(), frames),
        }
    }

    /// Checks that nobody is signed in.
    fn check_signed_out(&self) {
        let target = self.client.authorize(&[("prompt", "none"), ("code_challenge", CHALLENGE)]);
        let response = self.browser.get(&target);
        // A client that registered itself gets the error once its user clicks, because the consent is that of a session.
        let error = match response.status {
            303 => answer(&response, CALLBACK)["error"].clone(),
            _ => crate::browser::offered(&response, CALLBACK)["error"].clone(),
        };
        assert_eq!(error, "login_required");
        assert!(is_login(&self.browser.get(&self.client.authorize(&[]))));
    }

    fn check_signed_in(&self) {
        let parameters = [("prompt", "none"), ("scope", "openid")];
        let response = self.browser.get(&self.client.authorize(&parameters));
        assert!(answer(&response, CALLBACK).contains_key("code"));
    }

    /// Checks that a request gets an error page or a confirmation page, does not redirect, and ends nothing.
    fn check_refused(&self, parameters: &[(&str, &str)]) {
        let page = self.log_out(parameters);
        assert!(asks(&page), "{}", page.body);
        self.check_signed_in();
    }

    /// Checks that a request leads to the page that says that the user is signed out.
    fn check_page(&self, parameters: &[(&str, &str)]) {
        let page = self.log_out(parameters);
        let page = if asks(&page) { self.browser.submit(&page, &[]) } else { page };
        assert!(is_signed_out_page(&page), "{}", page.body);
        self.check_signed_out();
    }

    fn usual(&self) -> Vec<(&str, &str)> {
        vec![("id_token_hint", self.id_token.as_str()), ("post_logout_redirect_uri", AFTER)]
    }
}

fn part(value: &Value) -> String {
    Base64UrlUnpadded::encode_string(value.to_string().as_bytes())
}

#[test]
fn oidcc_rp_initiated_logout_discovery_endpoint_verification() {
    run(|suite| {
        let endpoint = suite.discovery["end_session_endpoint"].as_str().unwrap();
        assert!(endpoint.starts_with("https://"), "{endpoint}");
    });
}

#[test]
fn oidcc_rp_initiated_logout() {
    run(|suite| {
        let state = "aB3-".repeat(32);
        let mut parameters = suite.usual();
        parameters.push(("state", &state));
        let (url, _) = suite.result(&suite.log_out(&parameters));
        let query = url.strip_prefix(AFTER).unwrap().strip_prefix('?').unwrap();
        assert_eq!(decode(query), [("state".to_owned(), state.clone())].into());
        suite.check_signed_out();
    });
}

#[test]
fn oidcc_rp_initiated_logout_no_state() {
    run(|suite| {
        assert_eq!(suite.result(&suite.log_out(&suite.usual())).0, AFTER);
        suite.check_signed_out();
    });
}

#[test]
fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri() {
    run(|suite| {
        let uri = "https://app.example/another";
        let hint = ("id_token_hint", suite.id_token.as_str());
        suite.check_refused(&[hint, ("post_logout_redirect_uri", uri), ("state", "s")]);
    });
}

#[test]
fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri() {
    run(|suite| {
        let uri = format!("{AFTER}?foo=bar");
        let hint = ("id_token_hint", suite.id_token.as_str());
        suite.check_refused(&[hint, ("post_logout_redirect_uri", &uri), ("state", "s")]);
    });
}

#[test]
fn oidcc_rp_initiated_logout_modified_id_token_hint() {
    run(|suite| {
        let unsigned = json!({ "alg": "none" });
        for header in [unsigned.clone(), {
            let mut header = crate::browser::header(&suite.id_token);
            header["alg"] = "none".into();
            header
        }] {
            let hint = format!("{}.{}.", part(&header), part(&claims(&suite.id_token)));
            let uri = ("post_logout_redirect_uri", AFTER);
            suite.check_refused(&[("id_token_hint", &hint), uri, ("state", "s")]);
        }
    });
}

#[test]
fn oidcc_rp_initiated_logout_bad_id_token_hint() {
    run(|suite| {
        let hint = Signer::new("RS256", Some("of the client"), 0).sign(&claims(&suite.id_token));
        let uri = ("post_logout_redirect_uri", AFTER);
        suite.check_refused(&[("id_token_hint", &hint), uri, ("state", "s")]);
    });
}

#[test]
fn oidcc_rp_initiated_logout_no_id_token_hint() {
    run(|suite| suite.check_refused(&[("post_logout_redirect_uri", AFTER), ("state", "s")]));
}

#[test]
fn oidcc_rp_initiated_logout_no_params() {
    run(|suite| suite.check_page(&[]));
}

#[test]
fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri() {
    run(|suite| suite.check_page(&[("id_token_hint", &suite.id_token), ("state", "s")]));
}

#[test]
fn oidcc_rp_initiated_logout_only_state() {
    run(|suite| suite.check_page(&[("state", "s")]));
}

#[test]
fn oidcc_backchannel_logout_discovery_endpoint_verification() {
    run(|suite| {
        for field in ["backchannel_logout_supported", "backchannel_logout_session_supported"] {
            assert_eq!(suite.discovery[field], true, "{field}");
        }
        let endpoint = suite.discovery["end_session_endpoint"].as_str().unwrap();
        assert!(endpoint.starts_with("https://"), "{endpoint}");
    });
}

#[test]
fn oidcc_backchannel_rp_initiated_logout() {
    run(|suite| {
        let state = "aB3-".repeat(32);
        let mut parameters = suite.usual();
        parameters.push(("state", &state));
        let (url, _) = suite.result(&suite.log_out(&parameters));
        assert_eq!(url, format!("{AFTER}?state={state}"));

        // The only field is the token, with the claims of the ID token.
        let [(to, body)] = suite.provider.platform.forms.take().try_into().unwrap();
        assert_eq!(to, BACKCHANNEL);
        let form = decode(&body);
        assert_eq!(form.len(), 1, "{form:?}");
        let jwks = check_jwks(suite.provider, &suite.discovery);
        verified(&form["logout_token"], &jwks);
        let (token, id_token) = (claims(&form["logout_token"]), claims(&suite.id_token));
        for claim in ["iss", "aud", "sub", "sid"] {
            assert!(token[claim].is_string(), "{token}");
            assert_eq!(token[claim], id_token[claim], "{claim}");
        }
        let now = suite.provider.now.get();
        assert!((now - 86_400..=now).contains(&token["iat"].as_i64().unwrap()), "{token}");
        assert!(token["jti"].is_string() && token.get("nonce").is_none(), "{token}");
        let event = "http://schemas.openid.net/event/backchannel-logout";
        assert_eq!(token["events"], json!({ event: {} }));
        suite.check_signed_out();
    });
}

#[test]
fn oidcc_frontchannel_logout_discovery_endpoint_verification() {
    run(|suite| {
        for field in ["frontchannel_logout_supported", "frontchannel_logout_session_supported"] {
            assert_eq!(suite.discovery[field], true, "{field}");
        }
        for (field, url) in suite.discovery.as_object().unwrap() {
            let url = url.as_str().unwrap_or("https://");
            assert!(!field.ends_with("_endpoint") || url.starts_with("https://"), "{field}");
        }
    });
}

#[test]
fn oidcc_frontchannel_rp_initiated_logout() {
    run(|suite| {
        let state = "aB3-".repeat(32);
        let mut parameters = suite.usual();
        parameters.push(("state", &state));
        let (url, frames) = suite.result(&suite.log_out(&parameters));
        assert_eq!(url, format!("{AFTER}?state={state}"));
        let query =
            decode(frames[0].strip_prefix(FRONTCHANNEL).unwrap().strip_prefix('?').unwrap());
        let sid = claims(&suite.id_token)["sid"].as_str().unwrap().to_owned();
        assert_eq!(frames.len(), 1);
        assert_eq!(query, [("iss".to_owned(), ISSUER.to_owned()), ("sid".to_owned(), sid)].into());
        suite.check_signed_out();
    });
}
