//! The checks that the suite runs in every module.

use super::suite::Parameters;
use crate::browser::{TestClient, claims, header};
use crate::platform::number;
use crate::test_provider::{ISSUER, TestProvider, TestResponse, get};
use base64ct::{Base64UrlUnpadded, Encoding};
use p256::ecdsa::signature::Verifier;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// 1990-01-01.
const YEAR_1990: i64 = 631_152_000;
const FIVE_MINUTES: i64 = 300;
const YEAR: i64 = 365 * 86_400;

/// The ID token claims that need no request for them.
const ID_TOKEN_CLAIMS: [&str; 11] =
    ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"];

/// The path of a URL at the issuer's origin.
pub fn path<'a>(url: &'a str, issuer: &str) -> &'a str {
    let authority = issuer.find("://").unwrap() + 3;
    let origin = &issuer[..issuer[authority..].find('/').map_or(issuer.len(), |at| authority + at)];
    url.strip_prefix(origin).unwrap_or_else(|| panic!("{url} is not at {origin}"))
}

/// Fetches the metadata of an issuer.
pub fn check_discovery(provider: &TestProvider, issuer: &str) -> Value {
    let url = format!("{issuer}/.well-known/openid-configuration");
    let response = provider.send(get(path(&url, issuer)));
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    let metadata = response.json();
    assert_eq!(metadata["issuer"], issuer);
    metadata
}

/// Fetches the key set. Each key must be public, complete, of a known type, and have its own `kid`.
pub fn check_jwks(provider: &TestProvider, discovery: &Value) -> Value {
    let issuer = discovery["issuer"].as_str().unwrap();
    let response = provider.send(get(path(discovery["jwks_uri"].as_str().unwrap(), issuer)));
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    let jwks = response.json();
    let keys = jwks["keys"].as_array().unwrap();
    let kids: BTreeSet<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert!(!keys.is_empty() && kids.len() == keys.len() && !kids.contains(""), "{jwks}");
    for key in keys {
        check_key(key);
    }
    let algs: BTreeSet<_> = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect();
    assert!(algs.contains("RS256"), "{jwks}");
    jwks
}

fn check_key(key: &Value) {
    let (numbers, known) = match key["kty"].as_str().unwrap() {
        "RSA" => (vec!["n", "e"], ("RS256", None)),
        "EC" => (vec!["x", "y"], ("ES256", Some("P-256"))),
        kty => panic!("a key of type {kty}"),
    };
    assert_eq!((key["alg"].as_str().unwrap(), key["crv"].as_str()), known);
    assert_eq!(key["use"], "sig");
    for field in numbers {
        assert!(!decode(key[field].as_str().unwrap()).is_empty(), "{key}");
    }
    // `k` is the secret of an `oct` key; the others are private parts.
    for field in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert!(key.get(field).is_none(), "{key}");
    }
    // Panics if the numbers do not form a key.
    assert!(!is_signed_by(key, b"", &[0; 64]));
}

fn decode(text: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(text).unwrap_or_else(|_| panic!("not unpadded base64url: {text}"))
}

fn is_signed_by(key: &Value, message: &[u8], signature: &[u8]) -> bool {
    if key["kty"] == "RSA" {
        let key = rsa::PublicKey::new(number(key, "n"), number(key, "e")).unwrap();
        let key = rsa::pkcs1v15::VerifyingKey::<Sha256>::new(key);
        return rsa::pkcs1v15::Signature::try_from(signature)
            .is_ok_and(|signature| key.verify(message, &signature).is_ok());
    }
    let coordinate = |field: &str| decode(key[field].as_str().unwrap());
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
    p256::ecdsa::Signature::from_slice(signature)
        .is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

/// Verifies a token with the key that its header names, and returns the claims.
pub fn verified(token: &str, jwks: &Value) -> Value {
    let header = header(token);
    let kty = match header["alg"].as_str().unwrap() {
        "RS256" => "RSA",
        "ES256" => "EC",
        alg => panic!("alg is {alg}"),
    };
    let is_or_absent = |key: &Value, field: &str, value: &Value| {
        key.get(field).is_none_or(|stated| stated == value)
    };
    let keys = jwks["keys"].as_array().unwrap().iter().filter(|key| {
        key["kid"] == header["kid"]
            && key["kty"] == kty
            && is_or_absent(key, "alg", &header["alg"])
            && is_or_absent(key, "use", &"sig".into())
    });
    let keys: Vec<_> = keys.collect();
    assert_eq!(keys.len(), 1, "{header} {jwks}");
    let (message, signature) = token.rsplit_once('.').unwrap();
    assert!(is_signed_by(keys[0], message.as_bytes(), &decode(signature)), "{token}");
    claims(token)
}

/// A code has at least 16 bytes and more than 96 bits of entropy, measured by its own characters.
pub fn check_code(code: &str) {
    assert!(code.len() >= 16 && entropy(code) > 96.0, "{code}");
    assert!(code.bytes().all(|b| (0x20..0x7f).contains(&b)), "RFC 6749 appendix A.11: {code}");
}

/// The Shannon entropy of the whole text, in bits.
pub fn entropy(text: &str) -> f64 {
    let length = text.len() as f64;
    let characters: BTreeSet<_> = text.chars().collect();
    let bits = |character: char| {
        let share = text.matches(character).count() as f64 / length;
        -share * share.log2()
    };
    length * characters.into_iter().map(bits).sum::<f64>()
}

/// Checks a token response (RFC 6749 section 5.1).
pub fn check_token_response(response: &TestResponse, scope: &str) -> Value {
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let tokens = response.json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert!(tokens["expires_in"].as_i64().unwrap() > 0, "{tokens}");
    assert_eq!(tokens["scope"], scope);
    check_code(tokens["access_token"].as_str().unwrap());
    tokens
}

/// Checks an error of the token endpoint (RFC 6749 section 5.2).
pub fn check_token_error(response: &TestResponse, error: &str) {
    assert_eq!(
        (response.status, response.error().as_deref()),
        (400, Some(error)),
        "{}",
        response.body
    );
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    check_description(response.json()["error_description"].as_str().unwrap());
}

/// Checks an ID token (Core sections 2 and 3.1.3.7), which has no claim that was not requested.
pub fn check_id_token(
    id_token: &Value,
    client: &TestClient,
    nonce: Option<&str>,
    access_token: &str,
    now: i64,
) {
    let number =
        |name: &str| id_token[name].as_i64().unwrap_or_else(|| panic!("{name} is missing"));
    assert_eq!(id_token["iss"], ISSUER);
    assert_eq!(id_token["aud"], client.id);
    assert!((now - FIVE_MINUTES..now + 50 * YEAR).contains(&number("exp")), "{id_token}");
    assert!((number("iat") - now).abs() <= FIVE_MINUTES, "{id_token}");
    assert!((now - YEAR..=now).contains(&number("auth_time")), "{id_token}");
    assert!(!id_token["acr"].as_str().unwrap().is_empty());
    assert_eq!(id_token.get("nonce").map(|nonce| nonce.as_str().unwrap()), nonce);
    let sub = id_token["sub"].as_str().unwrap();
    assert!((1..=255).contains(&sub.len()) && sub.bytes().all(|b| (0x20..0x7f).contains(&b)));
    let half = &Sha256::digest(access_token)[..16];
    assert_eq!(id_token["at_hash"], Base64UrlUnpadded::encode_string(half));
    for name in id_token.as_object().unwrap().keys() {
        assert!(ID_TOKEN_CLAIMS.contains(&name.as_str()), "{name} was not requested");
    }
    check_claims(id_token, now);
}

/// Checks the formats of standard claims (Core section 5.1), in an ID token or in userinfo.
pub fn check_claims(claims: &Value, now: i64) {
    for (name, value) in claims.as_object().unwrap() {
        match name.as_str() {
            "email_verified" | "phone_number_verified" => assert!(value.is_boolean(), "{value}"),
            "updated_at" => assert!((YEAR_1990..=now).contains(&value.as_i64().unwrap())),
            "birthdate" => check_birthdate(value.as_str().unwrap()),
            "address" => value.as_object().unwrap().values().for_each(check_text),
            "auth_time" | "exp" | "iat" => assert!(value.is_i64()),
            "amr" => value.as_array().unwrap().iter().for_each(check_text),
            _ => check_text(value),
        }
    }
}

fn check_text(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is not a string"));
    assert!(!text.trim().is_empty() && text != "null", "{value}");
}

/// `YYYY-MM-DD`, where the year may be 0000, or `YYYY`.
fn check_birthdate(text: &str) {
    let parts: Vec<_> = text.split('-').collect();
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
    assert!(parts.iter().all(|part| is_number(part)), "{text}");
    assert!(lengths == [4, 2, 2] || lengths == [4], "{text}");
}

/// Checks an error of the authorization endpoint (Core section 3.1.2.6). It has no other parameters.
pub fn check_error(response: &Parameters, state: Option<&str>) {
    assert_eq!(response.get("state").map(String::as_str), state);
    assert_eq!(response["iss"], ISSUER);
    check_description(&response["error_description"]);
    for name in response.keys() {
        let is_expected = ["error", "error_description", "state", "iss"].contains(&name.as_str());
        assert!(is_expected, "{name} in {response:?}");
    }
}

/// RFC 6749 section 4.1.2.1 allows printable ASCII except the quotation mark and the backslash.
fn check_description(text: &str) {
    let is_allowed = |b: u8| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\';
    assert!(!text.is_empty() && text.bytes().all(is_allowed), "{text}");
}
