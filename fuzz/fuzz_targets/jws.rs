//! Signed tokens before their signature is verified: `Jws`, and what access tokens and hints must have.
//!
//! Input: a choice; then the text of a token, or its header, payload and signature before they are encoded; then the
//! place and the value of a byte to change.
#![no_main]

use base64ct::{Base64UrlUnpadded, Encoding};
use fuzz::{ISSUER, NOW, Parts, compact, is_description};
use libfuzzer_sys::fuzz_target;
use postern::jose::json::parse_object;
use postern::jose::jwk::Algorithm;
use postern::jose::jws::{Jws, serialize};
use postern::protocol::token::access_token::{
    AccessTokenType, Expected, check_claims, check_header, check_times,
};
use postern::protocol::token::id_token::HintedIdToken;

fuzz_target!(|input: &[u8]| {
    let mut parts = Parts::of(input);
    let is_raw = parts.choice().is_multiple_of(4);
    let token = if is_raw {
        parts.text().into_owned()
    } else {
        let (header, payload, signature) = (parts.bytes(), parts.bytes(), parts.bytes());
        let token = compact(header, payload, signature);
        let is_well_formed = parse_object(header).is_ok() && parse_object(payload).is_ok();
        assert_eq!(Jws::parse(&token).is_ok(), is_well_formed);
        token
    };
    let jws = match Jws::parse(&token) {
        Ok(jws) => jws,
        Err(error) => {
            assert!(is_description(error.description()));
            return;
        }
    };
    // No other text is the same token.
    assert_eq!(serialize(jws.signing_input, &jws.signature), token);
    let encoded: Vec<_> = token.split('.').collect();
    assert_eq!(encoded.len(), 3);
    for (part, fields) in encoded.iter().zip([&jws.header, &jws.payload]) {
        let bytes = Base64UrlUnpadded::decode_vec(part).expect("base64url");
        assert_eq!(Base64UrlUnpadded::encode_string(&bytes), *part);
        assert_eq!(parse_object(&bytes).ok().as_ref(), Some(fields));
    }
    change(&token, &jws, parts.rest());
    checks(&jws);
    let (signature, signing_input) = jws.into_signed();
    assert_eq!(serialize(signing_input, &signature), token);
});

/// A token with another byte is refused, or its signed text or its signature differs.
fn change(token: &str, jws: &Jws<'_>, change: &[u8]) {
    let [place, value, ..] = change else { return };
    let mut bytes = token.as_bytes().to_vec();
    let place = usize::from(*place) * 7 % bytes.len();
    if bytes[place] == *value {
        return;
    }
    bytes[place] = *value;
    let Ok(text) = String::from_utf8(bytes) else { return };
    if let Ok(other) = Jws::parse(&text) {
        assert!(other.signing_input != jws.signing_input || other.signature != jws.signature);
    }
}

/// Accepted tokens have the claims that they must have, and no token is two kinds of token.
fn checks(jws: &Jws<'_>) {
    let expected = |typ| Expected {
        iss: ISSUER,
        aud: "https://login.example.com/auth/userinfo",
        alg: Algorithm::Es256,
        typ,
        may_be_machines: true,
        now: NOW,
        leeway: 5,
    };
    let mut types = Vec::new();
    for typ in [AccessTokenType::AtJwt, AccessTokenType::Jwt] {
        let expected = expected(typ);
        match check_header(jws, &expected) {
            Ok(kid) => {
                types.push(typ);
                assert_eq!(jws.header["kid"], *kid);
                assert!(jws.header["alg"] == "ES256" && !jws.header.contains_key("crit"));
            }
            Err(error) => assert!(is_description(error.description())),
        }
        match check_claims(&jws.payload, &expected) {
            Ok(token) => {
                let claims = &jws.payload;
                assert!(claims["iss"] == ISSUER && token.aud == expected.aud);
                assert!(claims["sub"] == *token.sub && !token.sub.is_empty());
                assert!(claims["exp"] == token.exp && token.exp + 5 > NOW && token.nbf <= NOW + 5);
                assert!(token.grant_id.is_some() || token.sub == token.client_id);
                assert!(check_times(&token, &expected).is_ok());
            }
            Err(error) => assert!(is_description(error.description())),
        }
    }
    assert!(types.len() < 2);
    match HintedIdToken::from_jws(jws) {
        Ok(hint) => {
            assert!(jws.header["typ"] == "JWT" && jws.payload.contains_key("auth_time"));
            assert!(jws.payload["sub"] == *hint.sub);
            assert!(!types.contains(&AccessTokenType::AtJwt));
        }
        Err(error) => assert!(is_description(error.description())),
    }
}
