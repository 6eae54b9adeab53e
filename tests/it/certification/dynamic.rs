//! The plan "Dynamic": each module registers a client of its own, which signs its assertions and request
//! objects.

use super::checks::{check_discovery, check_error, check_jwks, check_token_response, verified};
use super::pages::check_login_page;
use crate::browser::{
    Browser, CALLBACK, TestClient, answer, claims, decode, destination, encode, error_page, field,
    header, is_consent, is_login, offered,
};
use crate::signer::{Signer, by_assertion};
use crate::test_provider::{ISSUER, TestProvider, TestResponse, delete, get, post, put, variables};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use postern::ports::Document;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const JWKS_URI: &str = "https://app.example/jwks.json";

/// A provider with open registration and the implicit grant.
struct Suite {
    provider: TestProvider,
    discovery: Value,
    signer: Signer,
}

/// A client that a module has registered.
struct Client {
    registered: Value,
    test_client: TestClient,
}

impl Suite {
    fn new() -> Self {
        let mut all = variables();
        all.extend([("REGISTRATION", "open".to_owned()), ("ALLOW_IMPLICIT", "true".to_owned())]);
        let provider = TestProvider::configured(all);
        provider.has_entropy.set(true);
        provider.send(get("/auth/jwks.json"));
        provider.put_alice_with_password();
        let discovery = check_discovery(&provider, ISSUER);
        check_jwks(&provider, &discovery);
        // Its keys have no `kid`, except where the provider fetches them.
        Self { provider, discovery, signer: Signer::new("RS256", None, 0) }
    }

    fn supports(&self, field: &str, value: &str) -> bool {
        self.discovery[field].as_array().is_some_and(|list| list.contains(&value.into()))
    }

    fn send_registration(&self, fields: Value) -> TestResponse {
        let mut document = json!({
            "client_name": "The App", "redirect_uris": [CALLBACK], "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "private_key_jwt", "jwks": self.signer.jwks(),
        });
        for (name, value) in fields.as_object().unwrap() {
            document[name] = value.clone();
        }
        document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.provider.send(post("/auth/register").json(&document))
    }

    /// Registers a client, and checks the response as every module does.
    fn register(&self, fields: Value) -> Client {
        let response = self.send_registration(fields);
        assert_eq!(
            (response.status, response.header("content-type")),
            (201, Some("application/json")),
            "{}",
            response.body
        );
        let registered = response.json();
        assert!(registered["registration_access_token"].is_string());
        let uri = registered["registration_client_uri"].as_str().unwrap();
        assert!(uri.starts_with("https://"), "{uri}");
        let has_secret = registered.get("client_secret").is_some();
        assert_eq!(has_secret, registered.get("client_secret_expires_at").is_some());
        let test_client = TestClient {
            id: registered["client_id"].as_str().unwrap().into(),
            secret: None,
            redirect_uri: registered["redirect_uris"][0].as_str().unwrap().into(),
        };
        Client { registered, test_client }
    }

    /// Deletes the registration, as every module does at its end.
    fn unregister(&self, client: &Client) {
        let uri = client.registered["registration_client_uri"].as_str().unwrap();
        let token = client.registered["registration_access_token"].as_str().unwrap();
        let request = delete(uri.strip_prefix(ISSUER).unwrap()).bearer(token);
        assert_eq!(self.provider.send(request).status, 204);
    }

    fn assertion(&self, client: &Client, signer: &Signer) -> String {
        let now = self.provider.now.get();
        let mut claims = signer.claims(&self.provider, &client.test_client.id);
        (claims["aud"], claims["nbf"]) = (self.discovery["token_endpoint"].clone(), now.into());
        signer.sign(&claims)
    }

    /// The first response to an authorization request.
    fn send_request(
        &self,
        browser: &Browser<'_>,
        client: &Client,
        parameters: &[(&str, &str)],
    ) -> TestResponse {
        browser.get(&client.test_client.authorize(&usual(parameters)))
    }

    /// Runs a flow in which alice signs in and consents. Returns the token response.
    fn flow(&self, client: &Client, parameters: &[(&str, &str)]) -> Value {
        let browser = Browser::new(&self.provider);
        let response =
            browser.agree(self.send_request(&browser, client, parameters), "alice@example.com");
        self.redeem(client, &answer(&response, &client.test_client.redirect_uri)["code"])
    }

    fn redeem(&self, client: &Client, code: &str) -> Value {
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &client.test_client.redirect_uri),
        ];
        let assertion = self.assertion(client, &self.signer);
        let response = self.provider.send(by_assertion(&assertion, &parameters));
        assert_eq!(response.status, 200, "{}", response.body);
        let tokens = response.json();
        check_token_response(&response, tokens["scope"].as_str().unwrap());
        let jwks = check_jwks(&self.provider, &self.discovery);
        let id_token = tokens["id_token"].as_str().unwrap();
        let id_token_claims = verified(id_token, &jwks);
        assert!(header(id_token)["kid"].is_string());
        let bearer = tokens["access_token"].as_str().unwrap();
        let response = self.provider.send(get("/auth/userinfo").bearer(bearer));
        assert_eq!(response.status, 200, "{}", response.body);
        if client.registered.get("userinfo_signed_response_alg").is_none() {
            assert_eq!(response.json()["sub"], id_token_claims["sub"]);
        }
        tokens
    }

    fn refresh(&self, client: &Client, signer: &Signer, token: &str) -> TestResponse {
        let parameters = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.provider.send(by_assertion(&self.assertion(client, signer), &parameters))
    }

    fn serve(&self, url: &str, media_type: &str, text: &str) {
        let document = Document {
            status: 200,
            media_type: media_type.into(),
            text: Some(text.into()),
            caching: Default::default(),
        };
        self.provider.platform.web.borrow_mut().insert(url.into(), document);
    }

    fn serve_keys(&self, signer: &Signer) {
        self.serve(JWKS_URI, "application/json", &signer.jwks().to_string());
    }
}

fn usual<'a>(parameters: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![("scope", "openid"), ("code_challenge", ""), ("code_challenge_method", "")];
    all.extend(parameters);
    all
}

#[test]
fn oidcc_idtoken_rs256() {
    let suite = Suite::new();
    let client = suite.register(json!({ "id_token_signed_response_alg": "RS256" }));
    assert_eq!(client.registered["id_token_signed_response_alg"], "RS256");
    let tokens = suite.flow(&client, &[]);
    let header = header(tokens["id_token"].as_str().unwrap());
    assert!(header["alg"] == "RS256" && header["kid"].is_string(), "{header}");
    suite.unregister(&client);
}

/// The suite skips this module, because `none` is not advertised.
#[test]
fn oidcc_idtoken_unsigned() {
    let suite = Suite::new();
    assert!(!suite.supports("id_token_signing_alg_values_supported", "none"));
    let response = suite.send_registration(json!({ "id_token_signed_response_alg": "none" }));
    assert_eq!(response.error().as_deref(), Some("invalid_client_metadata"));
}

#[test]
fn oidcc_userinfo_rs256() {
    let suite = Suite::new();
    assert!(suite.supports("userinfo_signing_alg_values_supported", "RS256"));
    let client = suite.register(json!({ "userinfo_signed_response_alg": "RS256" }));
    let tokens = suite.flow(&client, &[("scope", "openid email")]);
    let bearer = tokens["access_token"].as_str().unwrap();
    let response = suite.provider.send(get("/auth/userinfo").bearer(bearer));
    assert_eq!(response.header("content-type"), Some("application/jwt"));
    assert_eq!(header(&response.body)["alg"], "RS256");
    let userinfo = verified(&response.body, &check_jwks(&suite.provider, &suite.discovery));
    assert_eq!(
        (&userinfo["iss"], &userinfo["aud"]),
        (&json!(ISSUER), &json!(client.test_client.id))
    );
    assert_eq!(userinfo["sub"], claims(tokens["id_token"].as_str().unwrap())["sub"]);
    assert!(userinfo.get("nonce").is_none());
    suite.unregister(&client);
}

#[test]
fn oidcc_ensure_redirect_uri_in_authorization_request() {
    let suite = Suite::new();
    let two = json!([CALLBACK, "https://app.example/second"]);
    let client = suite.register(json!({ "redirect_uris": two }));
    let response =
        suite.send_request(&Browser::new(&suite.provider), &client, &[("redirect_uri", "")]);
    assert!(error_page(&response).contains("missing parameter: redirect_uri"));
    suite.unregister(&client);
}

#[test]
fn oidcc_redirect_uri_query_ok() {
    let suite = Suite::new();
    let client = suite.register(json!({ "redirect_uris": ["https://app.example/cb?foo=bar"] }));
    let browser = Browser::new(&suite.provider);
    let response = browser.agree(suite.send_request(&browser, &client, &[]), "alice@example.com");
    let (_, query) = destination(&response).split_once('?').unwrap();
    let parameters = decode(query);
    assert_eq!(parameters["foo"], "bar");
    suite.redeem(&client, &parameters["code"]);
    suite.unregister(&client);
}

fn check_redirect_uri_refused(registered: &str, requested: &str) {
    let suite = Suite::new();
    let client = suite.register(json!({ "redirect_uris": [registered] }));
    let response =
        suite.send_request(&Browser::new(&suite.provider), &client, &[("redirect_uri", requested)]);
    assert!(
        error_page(&response).contains("is not registered for the client"),
        "{}",
        response.body
    );
    suite.unregister(&client);
}

#[test]
fn oidcc_redirect_uri_query_mismatch() {
    check_redirect_uri_refused("https://app.example/cb?foo=bar", "https://app.example/cb?bar=foo");
}

#[test]
fn oidcc_redirect_uri_query_added() {
    check_redirect_uri_refused("https://app.example/cb", "https://app.example/cb?foo=bar");
}

#[test]
fn oidcc_redirect_uri_regfrag() {
    let response =
        Suite::new().send_registration(json!({ "redirect_uris": [format!("{CALLBACK}#f")] }));
    assert_eq!((response.status, response.header("content-type")), (400, Some("application/json")));
    assert_eq!(response.error().as_deref(), Some("invalid_redirect_uri"));
}

#[test]
fn oidcc_discovery_endpoint_verification() {
    let suite = Suite::new();
    for response_type in ["code", "id_token", "id_token token"] {
        assert!(suite.supports("response_types_supported", response_type), "{response_type}");
    }
    for grant_type in ["authorization_code", "implicit"] {
        assert!(suite.supports("grant_types_supported", grant_type), "{grant_type}");
    }
    let endpoint = suite.discovery["registration_endpoint"].as_str().unwrap();
    assert!(endpoint.starts_with("https://"), "{endpoint}");
}

#[test]
fn oidcc_server() {
    let suite = Suite::new();
    let client = suite.register(json!({}));
    let tokens = suite.flow(&client, &[]);
    assert!(tokens["expires_in"].as_i64().unwrap() > 0);
    suite.unregister(&client);
}

/// The consent page of a client with this metadata field. `bytes` are served at the URL. The login page has neither logo
/// nor links of a client that nobody vouches for.
fn consent_page_with(field: &str, value: &str, bytes: Option<&[u8]>) -> String {
    let suite = Suite::new();
    if let Some(bytes) = bytes {
        suite.serve(value, "image/jpeg", &Base64::encode_string(bytes));
    }
    let client = suite.register(json!({ field: value }));
    assert_eq!(client.registered[field], value);
    let browser = Browser::new(&suite.provider);
    let page = suite.send_request(&browser, &client, &[]);
    check_login_page(&page);
    let page = browser.sign_in_on(&page, "alice@example.com");
    assert!(is_consent(&page), "{}", page.body);
    suite.unregister(&client);
    page.body
}

#[test]
fn oidcc_registration_logo_uri() {
    let page = consent_page_with(
        "logo_uri",
        "https://app.example/mark.jpg",
        Some(b"\xff\xd8\xff\xe0 mark"),
    );
    assert!(page.contains("<img class=\"logo\" src=\"data:image/jpeg;base64,"), "{page}");
}

#[test]
fn oidcc_registration_policy_uri() {
    let page = consent_page_with("policy_uri", "https://app.example/policy", None);
    assert!(page.contains("href=\"https://app.example/policy\""), "{page}");
}

#[test]
fn oidcc_registration_tos_uri() {
    let page = consent_page_with("tos_uri", "https://app.example/terms", None);
    assert!(page.contains("href=\"https://app.example/terms\""), "{page}");
}

#[test]
fn oidcc_registration_jwks_uri() {
    let mut suite = Suite::new();
    suite.signer = Signer::new("RS256", Some("a"), 0);
    suite.serve_keys(&suite.signer);
    let client = suite.register(json!({ "jwks": null, "jwks_uri": JWKS_URI }));
    assert_eq!(client.registered["jwks_uri"], JWKS_URI);
    suite.provider.platform.take_counts();
    suite.flow(&client, &[]);
    assert_eq!(suite.provider.platform.take_counts().fetches, 1);
    suite.unregister(&client);
}

fn sector(listed: &Value) -> (Suite, TestResponse) {
    let suite = Suite::new();
    assert!(suite.supports("subject_types_supported", "pairwise"));
    let uri = "https://app.example/sector.json";
    suite.serve(uri, "application/json", &listed.to_string());
    let fields = json!({ "subject_type": "pairwise", "sector_identifier_uri": uri });
    let response = suite.send_registration(fields);
    (suite, response)
}

#[test]
fn oidcc_registration_sector_uri() {
    let (_, response) = sector(&json!([CALLBACK]));
    assert_eq!((response.status, &response.json()["subject_type"]), (201, &json!("pairwise")));
}

#[test]
fn oidcc_registration_sector_bad() {
    let (_, response) = sector(&json!(["https://app.example/another"]));
    let expected = (400, Some("application/json"), Some("invalid_client_metadata"));
    assert_eq!(
        (response.status, response.header("content-type"), response.error().as_deref()),
        expected
    );
}

/// The operator runs `npx postern key rotate` while the suite waits.
#[test]
fn oidcc_server_rotate_keys() {
    let suite = Suite::new();
    let before = check_jwks(&suite.provider, &suite.discovery)["keys"].as_array().unwrap().clone();
    let response = suite.provider.send(post("/admin/keys/rotate").by_operator());
    assert_eq!(response.status, 200, "{}", response.body);
    let after = check_jwks(&suite.provider, &suite.discovery)["keys"].as_array().unwrap().clone();
    let added: Vec<_> = after.iter().filter(|key| !before.contains(key)).collect();
    let types: BTreeSet<_> = added.iter().map(|key| key["kty"].as_str().unwrap()).collect();
    assert_eq!((added.len(), types), (2, BTreeSet::from(["EC", "RSA"])));
    assert!(before.iter().all(|key| after.contains(key)), "older signatures can still be verified");
}

#[test]
fn oidcc_refresh_token_rp_key_rotation() {
    let mut suite = Suite::new();
    suite.signer = Signer::new("RS256", Some("a"), 0);
    suite.serve_keys(&suite.signer);
    let client = suite.register(json!({ "jwks": null, "jwks_uri": JWKS_URI }));
    let parameters = [("scope", "openid offline_access"), ("prompt", "consent")];
    let tokens = suite.flow(&client, &parameters);
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let response = suite.refresh(&client, &suite.signer, refresh_token);
    let refresh_token = field(&response, "refresh_token");
    let new = Signer::new("RS256", Some("b"), 1);
    suite.serve_keys(&new);
    suite.provider.sleep(60);
    assert!(!field(&suite.refresh(&client, &new, &refresh_token), "id_token").is_empty());
    suite.unregister(&client);
}

/// The suite skips this module, because discovery does not list `none`.
#[test]
fn oidcc_request_uri_unsigned() {
    let suite = Suite::new();
    assert!(!suite.supports("request_object_signing_alg_values_supported", "none"));
    let response = suite.send_registration(json!({ "request_object_signing_alg": "none" }));
    assert_eq!(response.error().as_deref(), Some("invalid_client_metadata"));
}

#[test]
fn oidcc_request_uri_signed_rs256() {
    let suite = Suite::new();
    assert_eq!(suite.discovery["request_uri_parameter_supported"], true);
    assert!(suite.supports("request_object_signing_alg_values_supported", "RS256"));
    let uri = "https://app.example/requesturi/7f2a#Zr0Jq1wOqk";
    let fields = json!({ "request_object_signing_alg": "RS256", "request_uris": [uri] });
    let client = suite.register(fields);
    let request = json!({
        "iss": client.test_client.id, "aud": ISSUER, "client_id": client.test_client.id, "nonce": "n",
        "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid", "state": "s",
    });
    let (url, _) = uri.split_once('#').unwrap();
    suite.serve(url, "application/jose", &suite.signer.sign(&request));
    let browser = Browser::new(&suite.provider);
    let query = [
        ("client_id", client.test_client.id.as_str()),
        ("response_type", "code"),
        ("scope", "openid"),
        ("request_uri", uri),
    ];
    let response = browser.get(&format!("/auth/authorize?{}", encode(&query)));
    let response = browser.agree(response, "alice@example.com");
    let response = answer(&response, CALLBACK);
    assert_eq!(response["state"], "s");
    let tokens = suite.redeem(&client, &response["code"]);
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["nonce"], "n");
    suite.unregister(&client);
}

/// The suite sends an unsigned object and skips this module. A signed object decides where the response goes.
#[test]
fn oidcc_ensure_request_object_with_redirect_uri() {
    let suite = Suite::new();
    let client = suite.register(json!({}));
    let request = json!({
        "client_id": client.test_client.id, "redirect_uri": CALLBACK, "response_type": "code",
        "scope": "openid", "state": "s", "aud": ISSUER, "exp": suite.provider.now.get() + 60,
    });
    let unregistered = format!("{CALLBACK}&c4Zq1");
    let browser = Browser::new(&suite.provider);
    let send_request = |object: &str| {
        let object = [("request", object), ("redirect_uri", unregistered.as_str())];
        suite.send_request(&browser, &client, &object)
    };
    assert!(is_login(&send_request(&suite.signer.sign(&request))));
    let encoded = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let unsigned = format!("{}.{}.", encoded(&json!({ "alg": "none" })), encoded(&request));
    assert!(error_page(&send_request(&unsigned)).contains("invalid_request_object"));
    let error = suite.send_request(&browser, &client, &[("request", &unsigned), ("state", "s")]);
    check_error(&offered(&error, CALLBACK), Some("s"));
    suite.unregister(&client);
}

/// Modules of the plan "Basic" whose error needs no user, with a client that only registered itself: the suite's browser
/// clicks. Once the user has allowed the client, or the operator has stored it, no click is needed.
#[test]
fn a_registered_client_gets_its_errors_after_a_click_until_it_is_known() {
    let suite = Suite::new();
    let client = suite.register(json!({}));
    let modules = [("prompt", "none", "login_required"), ("response_type", "", "invalid_request")];
    for (parameter, value, error) in modules {
        let browser = Browser::new(&suite.provider);
        let page = suite.send_request(&browser, &client, &[(parameter, value), ("state", "s")]);
        let parameters = offered(&page, CALLBACK);
        check_error(&parameters, Some("s"));
        assert_eq!(parameters["error"], error);
    }
    let path = format!("/admin/clients/{}", client.test_client.id);
    let document = suite.provider.send(get(&path).by_operator()).json();
    assert_eq!(suite.provider.send(put(&path).by_operator().json(&document)).status, 200);
    for (parameter, value, error) in modules {
        let browser = Browser::new(&suite.provider);
        let response = suite.send_request(&browser, &client, &[(parameter, value), ("state", "s")]);
        assert_eq!(answer(&response, CALLBACK)["error"], error);
    }
}

#[test]
fn oidcc_refresh_token() {
    let suite = Suite::new();
    let (one, two) = (suite.register(json!({})), suite.register(json!({})));
    let parameters = [("scope", "openid offline_access"), ("prompt", "consent")];
    let tokens = [suite.flow(&one, &parameters), suite.flow(&two, &parameters)];
    suite.provider.sleep(1);
    let response = suite.refresh(&one, &suite.signer, tokens[0]["refresh_token"].as_str().unwrap());
    let refreshed = claims(&field(&response, "id_token"));
    let id_token = claims(tokens[0]["id_token"].as_str().unwrap());
    for claim in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(refreshed[claim], id_token[claim]);
    }
    let response = suite.refresh(&one, &suite.signer, tokens[1]["refresh_token"].as_str().unwrap());
    assert_eq!((response.status, response.error().as_deref()), (400, Some("invalid_grant")));
    suite.unregister(&one);
    suite.unregister(&two);
}

#[test]
fn oidcc_ensure_client_assertion_with_iss_aud_succeeds() {
    let suite = Suite::new();
    let client = suite.register(json!({}));
    let parameters = [("scope", "openid offline_access"), ("prompt", "consent")];
    let refresh_token =
        suite.flow(&client, &parameters)["refresh_token"].as_str().unwrap().to_owned();
    let assertion = suite.signer.assertion(&suite.provider, &client.test_client.id);
    assert_eq!(claims(&assertion)["aud"], ISSUER);
    let parameters = [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token)];
    let response = suite.provider.send(by_assertion(&assertion, &parameters));
    assert!(!field(&response, "access_token").is_empty());
    suite.unregister(&client);
}
