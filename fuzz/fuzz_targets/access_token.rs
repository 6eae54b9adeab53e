//! A valid access token with other bytes: it is refused, by its form, its claims or its signature.
//!
//! Input: places and values of bytes to change, insert or delete.
#![no_main]

use base64ct::{Base64UrlUnpadded, Encoding};
use fuzz::{ISSUER, NOW};
use libfuzzer_sys::fuzz_target;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use postern::jose::jwk::{Algorithm, EcPrivateKey, PrivateKey};
use postern::jose::jws::{Jws, serialize, signing_input};
use postern::protocol::token::access_token::{
    AccessToken, AccessTokenType, Expected, TYP, check_claims, check_header,
};
use std::sync::LazyLock;
use zeroize::Zeroizing;

const USERINFO: &str = "https://login.example.com/auth/userinfo";

struct Valid {
    token: String,
    kid: String,
    key: VerifyingKey,
}

static VALID: LazyLock<Valid> = LazyLock::new(|| {
    let scalar = [5; 32];
    let private = EcPrivateKey::from_scalar(Zeroizing::new(scalar)).expect("a scalar");
    let kid = private.public().kid().to_owned();
    let claims = AccessToken {
        aud: USERINFO.to_owned(),
        client_id: "app".to_owned(),
        exp: NOW + 300,
        grant_id: Some("a-grant".to_owned()),
        iat: NOW,
        jti: "a-token".to_owned(),
        nbf: NOW,
        scope: "openid email".to_owned(),
        sub: "alice".to_owned(),
    };
    let input =
        signing_input(&PrivateKey::Ec(private), TYP, &claims.to_claims(ISSUER)).expect("claims");
    let signing = SigningKey::from_slice(&scalar).expect("a scalar");
    let signature: Signature = signing.sign(input.as_bytes());
    let token = serialize(&input, &signature.to_bytes());
    Valid { token, kid, key: *signing.verifying_key() }
});

/// Verifies a token as userinfo does.
fn is_valid(token: &str) -> bool {
    let Ok(jws) = Jws::parse(token) else { return false };
    let expected = Expected {
        iss: ISSUER,
        aud: USERINFO,
        alg: Algorithm::Es256,
        typ: AccessTokenType::AtJwt,
        may_be_machines: false,
        now: NOW,
        leeway: 5,
    };
    check_header(&jws, &expected).is_ok_and(|kid| kid == VALID.kid)
        && check_claims(&jws.payload, &expected).is_ok()
        && Signature::from_slice(&jws.signature).is_ok_and(|signature| {
            VALID.key.verify(jws.signing_input.as_bytes(), &signature).is_ok()
        })
}

fuzz_target!(|input: &[u8]| {
    if input.is_empty() {
        assert!(is_valid(&VALID.token));
        return;
    }
    let mut bytes = VALID.token.clone().into_bytes();
    for change in input.chunks_exact(4).take(8) {
        let [high, low, kind, value] = *change else { return };
        let place = usize::from(u16::from_be_bytes([high, low])) % bytes.len();
        match kind % 4 {
            0 => bytes.insert(place, value),
            1 => drop(bytes.remove(place)),
            // One bit, and another character of the alphabet.
            2 => bytes[place] ^= 1 << (value % 8),
            _ => {
                let text = Base64UrlUnpadded::encode_string(&[value]);
                bytes[place] = text.as_bytes()[0];
            }
        }
    }
    let Ok(changed) = String::from_utf8(bytes) else { return };
    if changed != VALID.token {
        assert!(!is_valid(&changed), "accepted: {changed}");
    }
});
