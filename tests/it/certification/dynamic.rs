//! The plan "Dynamic": a client for each module, which registers itself and signs what proves who it is.

use super::checks::{check_discovery, check_error, check_jwks, check_token_response, verified};
use super::pages::check_login_page;
use crate::jwks::{ALWAYS, foreign_key, insert_key};
use crate::signer::{Signer, by_assertion};
use crate::visitor::{
    CALLBACK, Party, Visitor, answer, claims, decode, encode, error_page, field, header, is_login,
};
use crate::world::{ISSUER, Told, World, delete, get, post, variables};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use postern::ports::Document;
use serde_json::{Value, json};

const JWKS_URI: &str = "https://app.example/jwks.json";

/// A provider that lets clients register themselves, and allows what this plan asks for.
struct Suite {
    world: World,
    discovery: Value,
    signer: Signer,
}

/// A client of a module's.
struct Client {
    registered: Value,
    party: Party,
}

impl Suite {
    fn new() -> Self {
        let mut all = variables();
        all.extend([("REGISTRATION", "open".to_owned()), ("ALLOW_IMPLICIT", "true".to_owned())]);
        let world = World::configured(all);
        world.has_entropy.set(true);
        world.send(get("/auth/jwks.json"));
        world.put_alice_with_password();
        let discovery = check_discovery(&world, ISSUER);
        check_jwks(&world, &discovery);
        // Without a kid, but where its keys are fetched.
        Self { world, discovery, signer: Signer::new("RS256", None, 0) }
    }

    fn supports(&self, field: &str, value: &str) -> bool {
        self.discovery[field].as_array().is_some_and(|list| list.contains(&value.into()))
    }

    fn send_registration(&self, fields: Value) -> Told {
        let mut document = json!({
            "client_name": "The App", "redirect_uris": [CALLBACK], "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "private_key_jwt", "jwks": self.signer.jwks(),
        });
        for (name, value) in fields.as_object().unwrap() {
            document[name] = value.clone();
        }
        document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.world.send(post("/auth/register").json(&document))
    }

    /// Registers a client: what every module checks of the answer.
    fn register(&self, fields: Value) -> Client {
        let told = self.send_registration(fields);
        assert_eq!(
            (told.status, told.header("content-type")),
            (201, Some("application/json")),
            "{}",
            told.body
        );
        let registered = told.json();
        assert!(registered["registration_access_token"].is_string());
        let uri = registered["registration_client_uri"].as_str().unwrap();
        assert!(uri.starts_with("https://"), "{uri}");
        let has_secret = registered.get("client_secret").is_some();
        assert_eq!(has_secret, registered.get("client_secret_expires_at").is_some());
        let party = Party {
            id: registered["client_id"].as_str().unwrap().into(),
            secret: None,
            redirect_uri: registered["redirect_uris"][0].as_str().unwrap().into(),
        };
        Client { registered, party }
    }

    /// What every module ends with.
    fn unregister(&self, client: &Client) {
        let uri = client.registered["registration_client_uri"].as_str().unwrap();
        let token = client.registered["registration_access_token"].as_str().unwrap();
        let request = delete(uri.strip_prefix(ISSUER).unwrap()).bearer(token);
        assert_eq!(self.world.send(request).status, 204);
    }

    fn assertion(&self, client: &Client, signer: &Signer) -> String {
        let now = self.world.now.get();
        let mut claims = signer.claims(&self.world, &client.party.id);
        (claims["aud"], claims["nbf"]) = (self.discovery["token_endpoint"].clone(), now.into());
        signer.sign(&claims)
    }

    /// The first answer to a request of a client's.
    fn ask(&self, browser: &Visitor<'_>, client: &Client, parameters: &[(&str, &str)]) -> Told {
        browser.get(&client.party.authorize(&usual(parameters)))
    }

    /// Somebody signs in and agrees, and the client gets its tokens.
    fn flow(&self, client: &Client, parameters: &[(&str, &str)]) -> Value {
        let browser = Visitor::new(&self.world);
        let told = browser.agree(self.ask(&browser, client, parameters), "alice@example.com");
        self.redeem(client, &answer(&told, &client.party.redirect_uri)["code"])
    }

    fn redeem(&self, client: &Client, code: &str) -> Value {
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &client.party.redirect_uri),
        ];
        let assertion = self.assertion(client, &self.signer);
        let told = self.world.send(by_assertion(&assertion, &parameters));
        assert_eq!(told.status, 200, "{}", told.body);
        let tokens = told.json();
        check_token_response(&told, tokens["scope"].as_str().unwrap());
        let jwks = check_jwks(&self.world, &self.discovery);
        let id_token = tokens["id_token"].as_str().unwrap();
        let id_token_claims = verified(id_token, &jwks);
        assert!(header(id_token)["kid"].is_string());
        let bearer = tokens["access_token"].as_str().unwrap();
        let told = self.world.send(get("/auth/userinfo").bearer(bearer));
        assert_eq!(told.status, 200, "{}", told.body);
        if client.registered.get("userinfo_signed_response_alg").is_none() {
            assert_eq!(told.json()["sub"], id_token_claims["sub"]);
        }
        tokens
    }

    fn refresh(&self, client: &Client, signer: &Signer, token: &str) -> Told {
        let parameters = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.world.send(by_assertion(&self.assertion(client, signer), &parameters))
    }

    fn serve(&self, url: &str, media_type: &str, text: &str) {
        let document = Document { status: 200, media_type: media_type.into(), text: text.into() };
        self.world.platform.web.borrow_mut().insert(url.into(), document);
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

/// Skipped by the suite where `none` is not advertised.
#[test]
fn oidcc_idtoken_unsigned() {
    let suite = Suite::new();
    assert!(!suite.supports("id_token_signing_alg_values_supported", "none"));
    let told = suite.send_registration(json!({ "id_token_signed_response_alg": "none" }));
    assert_eq!(told.error().as_deref(), Some("invalid_client_metadata"));
}

#[test]
fn oidcc_userinfo_rs256() {
    let suite = Suite::new();
    assert!(suite.supports("userinfo_signing_alg_values_supported", "RS256"));
    let client = suite.register(json!({ "userinfo_signed_response_alg": "RS256" }));
    let tokens = suite.flow(&client, &[("scope", "openid email")]);
    let bearer = tokens["access_token"].as_str().unwrap();
    let told = suite.world.send(get("/auth/userinfo").bearer(bearer));
    assert_eq!(told.header("content-type"), Some("application/jwt"));
    assert_eq!(header(&told.body)["alg"], "RS256");
    let userinfo = verified(&told.body, &check_jwks(&suite.world, &suite.discovery));
    assert_eq!((&userinfo["iss"], &userinfo["aud"]), (&json!(ISSUER), &json!(client.party.id)));
    assert_eq!(userinfo["sub"], claims(tokens["id_token"].as_str().unwrap())["sub"]);
    assert!(userinfo.get("nonce").is_none());
    suite.unregister(&client);
}

#[test]
fn oidcc_ensure_redirect_uri_in_authorization_request() {
    let suite = Suite::new();
    let two = json!([CALLBACK, "https://app.example/second"]);
    let client = suite.register(json!({ "redirect_uris": two }));
    let told = suite.ask(&Visitor::new(&suite.world), &client, &[("redirect_uri", "")]);
    assert!(error_page(&told).contains("redirect_uri is missing"));
    suite.unregister(&client);
}

#[test]
fn oidcc_redirect_uri_query_ok() {
    let suite = Suite::new();
    let client = suite.register(json!({ "redirect_uris": ["https://app.example/cb?foo=bar"] }));
    let browser = Visitor::new(&suite.world);
    let told = browser.agree(suite.ask(&browser, &client, &[]), "alice@example.com");
    let (_, query) = told.header("location").unwrap().split_once('?').unwrap();
    let parameters = decode(query);
    assert_eq!(parameters["foo"], "bar");
    suite.redeem(&client, &parameters["code"]);
    suite.unregister(&client);
}

fn check_redirect_uri_refused(registered: &str, asked: &str) {
    let suite = Suite::new();
    let client = suite.register(json!({ "redirect_uris": [registered] }));
    let told = suite.ask(&Visitor::new(&suite.world), &client, &[("redirect_uri", asked)]);
    assert!(error_page(&told).contains("redirect_uri is none of those"), "{}", told.body);
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
    let told =
        Suite::new().send_registration(json!({ "redirect_uris": [format!("{CALLBACK}#f")] }));
    assert_eq!((told.status, told.header("content-type")), (400, Some("application/json")));
    assert_eq!(told.error().as_deref(), Some("invalid_redirect_uri"));
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

/// The login page of a client that says this of itself.
fn shown(field: &str, value: &str, bytes: Option<&[u8]>) -> String {
    let suite = Suite::new();
    if let Some(bytes) = bytes {
        suite.serve(value, "image/jpeg", &Base64::encode_string(bytes));
    }
    let client = suite.register(json!({ field: value }));
    assert_eq!(client.registered[field], value);
    let page = suite.ask(&Visitor::new(&suite.world), &client, &[]);
    check_login_page(&page);
    suite.unregister(&client);
    page.body
}

#[test]
fn oidcc_registration_logo_uri() {
    let page = shown("logo_uri", "https://app.example/mark.jpg", Some(b"\xff\xd8\xff\xe0 mark"));
    assert!(page.contains("<img class=\"logo\" src=\"data:image/jpeg;base64,"), "{page}");
}

#[test]
fn oidcc_registration_policy_uri() {
    let page = shown("policy_uri", "https://app.example/policy", None);
    assert!(page.contains("href=\"https://app.example/policy\""), "{page}");
}

#[test]
fn oidcc_registration_tos_uri() {
    let page = shown("tos_uri", "https://app.example/terms", None);
    assert!(page.contains("href=\"https://app.example/terms\""), "{page}");
}

#[test]
fn oidcc_registration_jwks_uri() {
    let mut suite = Suite::new();
    suite.signer = Signer::new("RS256", Some("a"), 0);
    suite.serve_keys(&suite.signer);
    let client = suite.register(json!({ "jwks": null, "jwks_uri": JWKS_URI }));
    assert_eq!(client.registered["jwks_uri"], JWKS_URI);
    suite.world.platform.take_counts();
    suite.flow(&client, &[]);
    assert_eq!(suite.world.platform.take_counts().fetches, 1);
    suite.unregister(&client);
}

fn sector(listed: &Value) -> (Suite, Told) {
    let suite = Suite::new();
    assert!(suite.supports("subject_types_supported", "pairwise"));
    let uri = "https://app.example/sector.json";
    suite.serve(uri, "application/json", &listed.to_string());
    let fields = json!({ "subject_type": "pairwise", "sector_identifier_uri": uri });
    let told = suite.send_registration(fields);
    (suite, told)
}

#[test]
fn oidcc_registration_sector_uri() {
    let (_, told) = sector(&json!([CALLBACK]));
    assert_eq!((told.status, &told.json()["subject_type"]), (201, &json!("pairwise")));
}

#[test]
fn oidcc_registration_sector_bad() {
    let (_, told) = sector(&json!(["https://app.example/another"]));
    let expected = (400, Some("application/json"), Some("invalid_client_metadata"));
    assert_eq!((told.status, told.header("content-type"), told.error().as_deref()), expected);
}

/// The operator puts a new key into service while the suite waits.
#[test]
fn oidcc_server_rotate_keys() {
    let suite = Suite::new();
    let before = check_jwks(&suite.world, &suite.discovery)["keys"].as_array().unwrap().clone();
    insert_key(&suite.world, &foreign_key(1), ALWAYS);
    suite
        .world
        .sleep(postern::lifetimes::KEY_SET_SECONDS + postern::lifetimes::KEY_SET_REVIEW_SECONDS);
    let after = check_jwks(&suite.world, &suite.discovery)["keys"].as_array().unwrap().clone();
    let added: Vec<_> = after.iter().filter(|key| !before.contains(key)).collect();
    assert_eq!((added.len(), &added[0]["kty"]), (1, &json!("EC")));
    assert!(before.iter().all(|key| after.contains(key)), "what was signed can be verified");
}

#[test]
fn oidcc_refresh_token_rp_key_rotation() {
    let mut suite = Suite::new();
    suite.signer = Signer::new("RS256", Some("a"), 0);
    suite.serve_keys(&suite.signer);
    let client = suite.register(json!({ "jwks": null, "jwks_uri": JWKS_URI }));
    let asked = [("scope", "openid offline_access"), ("prompt", "consent")];
    let tokens = suite.flow(&client, &asked);
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let told = suite.refresh(&client, &suite.signer, refresh_token);
    let refresh_token = field(&told, "refresh_token");
    let new = Signer::new("RS256", Some("b"), 1);
    suite.serve_keys(&new);
    suite.world.sleep(60);
    assert!(!field(&suite.refresh(&client, &new, &refresh_token), "id_token").is_empty());
    suite.unregister(&client);
}

/// Skipped by the suite, which reads in discovery that `none` is not accepted.
#[test]
fn oidcc_request_uri_unsigned() {
    let suite = Suite::new();
    assert!(!suite.supports("request_object_signing_alg_values_supported", "none"));
    let told = suite.send_registration(json!({ "request_object_signing_alg": "none" }));
    assert_eq!(told.error().as_deref(), Some("invalid_client_metadata"));
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
        "iss": client.party.id, "aud": ISSUER, "client_id": client.party.id, "nonce": "n",
        "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid", "state": "s",
    });
    let (url, _) = uri.split_once('#').unwrap();
    suite.serve(url, "application/jose", &suite.signer.sign(&request));
    let browser = Visitor::new(&suite.world);
    let query = [
        ("client_id", client.party.id.as_str()),
        ("response_type", "code"),
        ("scope", "openid"),
        ("request_uri", uri),
    ];
    let told = browser.get(&format!("/auth/authorize?{}", encode(&query)));
    let told = browser.agree(told, "alice@example.com");
    let response = answer(&told, CALLBACK);
    assert_eq!(response["state"], "s");
    let tokens = suite.redeem(&client, &response["code"]);
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["nonce"], "n");
    suite.unregister(&client);
}

/// Skipped by the suite as an unsigned object; one that is signed says where the answer goes.
#[test]
fn oidcc_ensure_request_object_with_redirect_uri() {
    let suite = Suite::new();
    let client = suite.register(json!({}));
    let request = json!({
        "client_id": client.party.id, "redirect_uri": CALLBACK, "response_type": "code",
        "scope": "openid", "state": "s",
    });
    let unregistered = format!("{CALLBACK}&c4Zq1");
    let browser = Visitor::new(&suite.world);
    let ask = |object: &str| {
        let object = [("request", object), ("redirect_uri", unregistered.as_str())];
        suite.ask(&browser, &client, &object)
    };
    assert!(is_login(&ask(&suite.signer.sign(&request))));
    let encoded = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let unsigned = format!("{}.{}.", encoded(&json!({ "alg": "none" })), encoded(&request));
    assert!(error_page(&ask(&unsigned)).contains("invalid_request_object"));
    let error = suite.ask(&browser, &client, &[("request", &unsigned), ("state", "s")]);
    check_error(&answer(&error, CALLBACK), Some("s"));
    suite.unregister(&client);
}

#[test]
fn oidcc_refresh_token() {
    let suite = Suite::new();
    let (one, two) = (suite.register(json!({})), suite.register(json!({})));
    let asked = [("scope", "openid offline_access"), ("prompt", "consent")];
    let tokens = [suite.flow(&one, &asked), suite.flow(&two, &asked)];
    suite.world.sleep(1);
    let told = suite.refresh(&one, &suite.signer, tokens[0]["refresh_token"].as_str().unwrap());
    let refreshed = claims(&field(&told, "id_token"));
    let id_token = claims(tokens[0]["id_token"].as_str().unwrap());
    for claim in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(refreshed[claim], id_token[claim]);
    }
    let told = suite.refresh(&one, &suite.signer, tokens[1]["refresh_token"].as_str().unwrap());
    assert_eq!((told.status, told.error().as_deref()), (400, Some("invalid_grant")));
    suite.unregister(&one);
    suite.unregister(&two);
}

#[test]
fn oidcc_ensure_client_assertion_with_iss_aud_succeeds() {
    let suite = Suite::new();
    let client = suite.register(json!({}));
    let asked = [("scope", "openid offline_access"), ("prompt", "consent")];
    let refresh_token = suite.flow(&client, &asked)["refresh_token"].as_str().unwrap().to_owned();
    let assertion = suite.signer.assertion(&suite.world, &client.party.id);
    assert_eq!(claims(&assertion)["aud"], ISSUER);
    let parameters = [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token)];
    let told = suite.world.send(by_assertion(&assertion, &parameters));
    assert!(!field(&told, "access_token").is_empty());
    suite.unregister(&client);
}
