//! JWTs that clients sign: client assertions and request objects, before their signature is verified.
//!
//! Input: a choice; then the text of a JWT, or its header, payload and signature before they are encoded.
#![no_main]

use fuzz::{ISSUER, NOW, Parts, compact, is_description};
use libfuzzer_sys::fuzz_target;
use postern::jose::client_jwk::ClientAlgorithm;
use postern::jose::jws::Jws;
use postern::protocol::authorization::authorize_request::PARAMETERS;
use postern::protocol::authorization::request_object::{self, Passing, RequestObject};
use postern::protocol::client::assertion::{self, ClientAssertion};
use postern::protocol::client::jwt::{ClientJwt, ClientSignature};
use postern::protocol::same_uri::is_same_uri;
use serde_json::Value;

const LEEWAY: i64 = 5;
const TOKEN_ENDPOINT: &str = "https://login.example.com/auth/token";

fuzz_target!(|input: &[u8]| {
    let mut parts = Parts::of(input);
    let is_raw = parts.choice().is_multiple_of(4);
    let text = if is_raw {
        parts.text().into_owned()
    } else {
        let (header, payload) = (parts.bytes(), parts.bytes());
        compact(header, payload, parts.rest())
    };
    let expected =
        assertion::Expected { audiences: &[ISSUER, TOKEN_ENDPOINT], leeway: LEEWAY, now: NOW };
    let assertion = ClientAssertion::parse(&text, &expected);
    match &assertion {
        Ok(assertion) => is_assertion(&text, assertion),
        Err(error) => assert!(is_description(error.description())),
    }
    for passing in [Passing::ByReference, Passing::ByValue] {
        let expected = request_object::Expected {
            client_id: "app",
            issuer: ISSUER,
            leeway: LEEWAY,
            now: NOW,
            passing,
        };
        match RequestObject::parse(&text, &expected) {
            Ok(object) => {
                // No JWT is both, because then one could be used for the other.
                assert!(assertion.as_ref().map_or(true, |assertion| assertion.client_id != "app"));
                is_request(&text, object, passing);
            }
            Err(error) => assert!(is_description(error.description())),
        }
    }
    if let Ok(jwt) = ClientJwt::parse(&text, ["JWT", "x+jwt"])
        && let Ok(times) = jwt.claims.check_times(NOW, LEEWAY)
    {
        assert!(times.exp.is_none_or(|exp| exp > NOW - LEEWAY));
        assert!(times.begin.is_none_or(|begin| begin <= NOW + 10));
    }
});

fn is_signed(text: &str, signature: &ClientSignature<'_>) -> serde_json::Map<String, Value> {
    let jws = Jws::parse(text).expect("a JWS");
    assert_eq!(jws.header_text("alg").and_then(ClientAlgorithm::from_name), Some(signature.alg));
    assert_eq!(jws.header_text("kid"), signature.kid.as_deref());
    assert!(!jws.header.contains_key("crit"));
    assert_eq!(
        (jws.signing_input, &jws.signature),
        (signature.signing_input, &signature.signature)
    );
    jws.payload
}

fn is_assertion(text: &str, assertion: &ClientAssertion<'_>) {
    let claims = is_signed(text, &assertion.signature);
    assert!(text.len() <= 16_384);
    assert!(claims["iss"] == *assertion.client_id && claims["sub"] == *assertion.client_id);
    assert!(claims["jti"] == *assertion.jti && (1..=512).contains(&assertion.jti.len()));
    // A stored `jti` is remembered for as long as the assertion counts, and for an hour at most.
    assert!((NOW - LEEWAY + 1..=NOW + 3_600 + LEEWAY).contains(&assertion.exp));
    let is_here = |aud: &Value| {
        aud.as_str()
            .is_some_and(|aud| [ISSUER, TOKEN_ENDPOINT].iter().any(|own| is_same_uri(own, aud)))
    };
    match &claims["aud"] {
        Value::Array(auds) => assert!(!auds.is_empty() && auds.iter().all(is_here)),
        aud => assert!(is_here(aud)),
    }
}

fn is_request(text: &str, object: RequestObject<'_>, passing: Passing) {
    let claims = is_signed(text, &object.signature);
    assert!(text.len() <= request_object::SIZE_LIMIT && claims["client_id"] == "app");
    assert!(claims.get("sub").is_none_or(|sub| sub != "app"));
    if passing == Passing::ByValue {
        let has = |name: &str| claims.contains_key(name);
        assert!(has("exp") || has("iat") || has("nbf"));
    }
    let params = object.into_parameters();
    for name in PARAMETERS {
        let values: Vec<_> = params.all(name).collect();
        assert!(values.len() <= if name == "resource" { 100 } else { 1 });
        match claims.get(name) {
            None | Some(Value::Null) => assert!(values.is_empty()),
            Some(Value::String(text)) => assert!(values == [text] || text.is_empty()),
            Some(Value::Array(all)) if name == "resource" => assert_eq!(all.len(), values.len()),
            Some(other) => assert_eq!(values, [other.to_string()]),
        }
    }
    assert!(params.all("request").chain(params.all("request_uri")).next().is_none());
}
