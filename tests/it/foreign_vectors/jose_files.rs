//! Whole JWS with the JWK Sets that verify them, of Wycheproof and of the RFCs.
//!
//! Most payloads are texts, which no endpoint accepts. So the header is checked as that of a client's JWT with an empty
//! payload, and the signature over the original text.

use postern::jose::client_jwk::{ClientKeys, JwkSetError};
use postern::jose::jws::{Jws, JwsError};
use postern::protocol::client::jwt::{ClientJwt, ClientJwtError};
use serde_json::{Value, json};

use super::{ACCEPTED, Explained, KEY_REFUSED, REFUSED, Verdicts, assert_explained};
use super::{assert_golden_verdicts, read, verdict};
use crate::platform::Native;

const SYMMETRIC: &str = "a symmetric key is refused, because a JWK Set is public";
const PRIVATE: &str = "a set with a private key is refused, because the key is no longer secret";
const OTHER_ALGORITHM: &str = "the algorithm or the curve is not supported";
const NOT_COMPACT: &str = "a JWT is a compact JWS (RFC 7519 section 3)";

/// The files, the number of their vectors, and the explained disagreements.
const SUITES: [(&str, usize, &[Explained]); 3] = [
    ("json_web_key", 26, &[(SYMMETRIC, 4)]),
    ("json_web_signature", 112, &[(OTHER_ALGORITHM, 4), (SYMMETRIC, 10)]),
    ("rfc", 15, &[(NOT_COMPACT, 2), (OTHER_ALGORITHM, 1), (PRIVATE, 1), (SYMMETRIC, 1)]),
];

/// The verdict about a vector, and the reason if it is refused for what is not supported.
fn judge(platform: &Native, vector: &Value) -> (char, Option<&'static str>) {
    let (keys, jws) = (&vector["keys"], vector["jws"].as_str().unwrap());
    match ClientKeys::from_json(&json!({ "keys": keys })) {
        Ok(_) => {}
        Err(JwkSetError::HasSecret { field: "k", .. }) => return (KEY_REFUSED, Some(SYMMETRIC)),
        Err(JwkSetError::HasSecret { .. }) => return (KEY_REFUSED, Some(PRIVATE)),
        Err(_) => return (KEY_REFUSED, Some(OTHER_ALGORITHM)),
    }
    // The payload is the last part that is parsed, so with this error everything else is well-formed.
    match Jws::parse(jws) {
        Ok(_) | Err(JwsError::Payload) => {}
        Err(_) => return (REFUSED, jws.starts_with('{').then_some(NOT_COMPACT)),
    }
    let (signing_input, signature) = jws.rsplit_once('.').unwrap();
    let (header, _) = signing_input.split_once('.').unwrap();
    let signature = match ClientJwt::parse(&format!("{header}.e30.{signature}"), ["JWT", "JWT"]) {
        Ok(jwt) => (jwt.signature.alg, jwt.signature.kid, jwt.signature.signature),
        Err(ClientJwtError::Algorithm) => return (REFUSED, Some(OTHER_ALGORITHM)),
        Err(_) => return (REFUSED, None),
    };
    let (alg, kid, signature) = signature;
    let message = signing_input.as_bytes();
    (verdict(platform, keys, (alg.name(), kid.as_deref()), message, &signature), None)
}

#[test]
fn every_jws_of_wycheproof_and_of_the_rfcs_gets_its_verdict_or_a_reason() {
    let platform = Native::new();
    let mut golden = Verdicts::new();
    for (file, count, explained) in SUITES {
        let vectors = read(file);
        assert_eq!(vectors.len(), count, "the number of vectors in {file}");
        let mut reasons = Vec::new();
        let verdicts = golden.entry(file).or_default();
        for vector in &vectors {
            let (verdict, reason) = judge(&platform, vector);
            verdicts.push(verdict);
            if (vector["result"] == "valid") != (verdict == ACCEPTED) {
                let name = format!("{} {}", vector["id"], vector["comment"]);
                reasons.push((name, reason.filter(|_| verdict != ACCEPTED)));
            }
        }
        assert_explained(file, &reasons, explained);
        let agreeing = count - reasons.len();
        println!("{file}: {agreeing} of {count} agree; {} explained", reasons.len());
    }
    assert_golden_verdicts("verdicts_of_jose.json", &golden);
}

#[test]
fn no_endpoint_could_take_a_jws_of_wycheproof_for_a_jwt() {
    for file in ["json_web_key", "json_web_signature"] {
        for vector in read(file) {
            let jwt = ClientJwt::parse(vector["jws"].as_str().unwrap(), ["JWT", "JWT"]);
            assert!(jwt.is_err(), "{vector}");
        }
    }
}

/// The private keys of RFC 7517 appendix A.2, as far as this test needs them.
const PRIVATE_KEYS: [&str; 2] = [
    r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","use":"enc","kid":"1"}"#,
    r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","d":"X4cTteJY_gn4FYPsXB8rdXix5vwsg1FLN5E3EaG6RJoVH-HLLKD9M7dx5oo7GURknchnrRweUkC7hT5fJLM0WbFAKNLWY2vv7B6NqXSzUvxT0_YSfqijwp3RTzlBaCxWp4doFk5N2o8Gy_nHNKroADIkJ46pRUohsXywbReAdYaMwFs9tv8d_cPVY3i07a3t8MN6TNwm0dSawm9v47UiCl3Sk5ZiG7xojPLu4sbg1U2jx4IBTNBznbJSzFHK66jT8bgkuqsk0GjskDJk19Z4qwjwbsnn4j2WBii3RL-Us2lGVkY8fkFzme1z0HbIkfz0Y6mqnOYtqc0X4jfcKoAC8Q","alg":"RS256","kid":"2011-04-29"}"#,
];

#[test]
fn of_the_public_keys_of_rfc_7517_the_one_for_signatures_is_kept() {
    let mut keys = PRIVATE_KEYS.map(|key| serde_json::from_str::<Value>(key).unwrap());
    // Appendix A.2: each key has the secret `d`.
    let whole = ClientKeys::from_json(&json!({ "keys": keys }));
    assert_eq!(whole, Err(JwkSetError::HasSecret { index: 0, field: "d" }));
    for key in &mut keys {
        let alone = ClientKeys::from_json(&json!({ "keys": [key] }));
        assert_eq!(alone, Err(JwkSetError::HasSecret { index: 0, field: "d" }));
        key.as_object_mut().unwrap().remove("d").unwrap();
    }
    // Appendix A.1: the EC key is for encryption.
    let public = ClientKeys::from_json(&json!({ "keys": keys })).unwrap();
    keys[1].as_object_mut().unwrap().remove("use");
    assert_eq!(Value::from(public), json!({ "keys": [keys[1]] }));
    // Appendix A.3.
    let symmetric = json!([
        { "kty": "oct", "alg": "A128KW", "k": "GawgguFyGrWKav7AX4VKUg" },
        {
            "kty": "oct", "kid": "HMAC key used in JWS spec Appendix A.1 example",
            "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        },
    ]);
    let refused = ClientKeys::from_json(&json!({ "keys": symmetric }));
    assert_eq!(refused, Err(JwkSetError::HasSecret { index: 0, field: "k" }));
}
