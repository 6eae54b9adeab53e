//! Keys: the JWK Set of a client, and the provider's own keys as its rows and its published set have them.
#![no_main]

use base64ct::{Base64UrlUnpadded, Encoding};
use libfuzzer_sys::fuzz_target;
use postern::jose::client_jwk::{ClientAlgorithm, ClientKeys, JwkSetError};
use postern::jose::json::{from_own, parse_value};
use postern::jose::jwk::{Algorithm, JwkSet, PrivateKey, PublicKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

fuzz_target!(|input: &[u8]| {
    if let Ok(set) = parse_value(input) {
        of_client(&set);
    }
    if let Ok(set) = from_own::<JwkSet>(input) {
        let written = serde_json::to_string(&set).expect("a set");
        let again: JwkSet = from_own(&written).expect("its own text");
        assert_eq!(again.keys, set.keys);
        set.keys.iter().for_each(published);
    }
    if let Ok(key) = from_own::<PublicKey>(input) {
        published(&key);
    }
    if let Some(key) = PrivateKey::from_jwk(input) {
        let again = PrivateKey::from_jwk(key.to_jwk().as_bytes()).expect("its own text");
        assert_eq!((again.kid(), again.alg()), (key.kid(), key.alg()));
        assert_eq!(*again.to_jwk(), *key.to_jwk());
        assert_eq!(key.public().kid(), key.kid());
        assert_eq!(format!("{key:?}"), format!("PrivateKey({})", key.kid()));
        published(&key.public());
    }
});

/// A published key has no secret, and its `kid` is its thumbprint (RFC 7638).
fn published(key: &PublicKey) {
    let written = serde_json::to_value(key).expect("a key");
    assert!(PRIVATE.iter().all(|name| written.get(name).is_none()));
    let names: &[&str] = match key.alg() {
        Algorithm::Es256 => &["crv", "kty", "x", "y"],
        Algorithm::Rs256 => &["e", "kty", "n"],
    };
    assert_eq!(thumbprint(&written, names), key.kid());
    assert_eq!(serde_json::from_value::<PublicKey>(written).ok().as_ref(), Some(key));
}

fn thumbprint(key: &Value, names: &[&str]) -> String {
    let fields: Vec<_> = names.iter().map(|name| format!("{name:?}:{}", key[name])).collect();
    Base64UrlUnpadded::encode_string(&Sha256::digest(format!("{{{}}}", fields.join(","))))
}

fn of_client(set: &Value) {
    let keys = match ClientKeys::from_json(set) {
        Ok(keys) => keys,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            if let JwkSetError::HasSecret { index, field } = error {
                assert!(set["keys"][index].get(field).is_some());
            }
            return;
        }
    };
    let sent = set["keys"].as_array().expect("an array");
    assert!((1..=32).contains(&sent.len()));
    assert!(sent.iter().all(|key| PRIVATE.iter().all(|name| key.get(name).is_none())));

    // Stored and read again, they are the same keys.
    let stored = Value::from(keys.clone());
    assert_eq!(ClientKeys::from_json(&stored).as_ref(), Ok(&keys));
    assert_eq!(from_own::<ClientKeys>(&stored.to_string()).ok().as_ref(), Some(&keys));
    let kept = stored["keys"].as_array().expect("an array");
    assert!((1..=sent.len()).contains(&kept.len()));

    let mut usable = 0;
    for (name, alg) in ClientAlgorithm::ALL {
        let candidates: Vec<_> = keys.candidates(alg, None).collect();
        usable += candidates.len();
        for key in candidates {
            let jwk = parse_value(key.jwk().as_bytes()).expect("a JWK");
            let names: Vec<_> =
                jwk.as_object().expect("an object").keys().map(String::as_str).collect();
            assert_eq!(thumbprint(&jwk, &names), key.thumbprint());
            let bytes = key.signature_bytes();
            match name {
                "PS256" | "RS256" => {
                    let modulus = Base64UrlUnpadded::decode_vec(jwk["n"].as_str().expect("n"));
                    let modulus = modulus.expect("base64url");
                    assert!(modulus.len() == bytes && (256..=512).contains(&bytes));
                    assert!(modulus[0] >= 0x80 && modulus[bytes - 1] % 2 == 1);
                }
                "ES256" => {
                    let decode =
                        |name: &str| Base64UrlUnpadded::decode_vec(jwk[name].as_str().expect(name));
                    let point =
                        [vec![4], decode("x").expect("x"), decode("y").expect("y")].concat();
                    assert!(p256::PublicKey::from_sec1_bytes(&point).is_ok() && bytes == 64);
                }
                _ => {
                    let x = Base64UrlUnpadded::decode_vec(jwk["x"].as_str().expect("x"));
                    assert_eq!((x.expect("base64url").len(), bytes), (32, 64));
                }
            }
        }
        let by_kid: Vec<_> = keys.candidates(alg, Some("a")).collect();
        assert!(by_kid.iter().all(|key| keys.candidates(alg, None).any(|other| other == *key)));
    }
    // Each kept key can verify something.
    assert!(usable >= kept.len());
}
