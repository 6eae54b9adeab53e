//! RSA keys of 2048 bits, for RS256 (RFC 7518 sections 3.3 and 6.3).

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{JwkError, decode_exactly, thumbprint};
use crate::jose::json;

/// The size of a modulus, and of a signature.
pub const RSA_BYTES: usize = 256;

/// The only accepted exponent, 65537. A small one such as 3 allows forgeries against faulty verifiers, and a larger one
/// is slow.
pub(super) const EXPONENT: &str = "AQAB";

/// A valid public key: the modulus is odd and has 2048 bits, the exponent is 65537, and the `kid` is the thumbprint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RsaPublicKey {
    pub(super) kid: String,
    pub(super) n: String,
}

impl RsaPublicKey {
    /// Creates a key from its key ID and its modulus in base64url.
    pub(super) fn new(kid: &str, n: String) -> Result<Self, JwkError> {
        let key = Self::from_modulus(n)?;
        if key.kid == kid { Ok(key) } else { Err(JwkError::Kid) }
    }

    /// Creates a key from its modulus in base64url.
    fn from_modulus(n: String) -> Result<Self, JwkError> {
        let kid = thumbprint(&format!(r#"{{"e":"AQAB","kty":"RSA","n":"{n}"}}"#));
        let key = Self { kid, n };
        let modulus = key.modulus().ok_or(JwkError::ModulusLength)?;
        let [first, .., last] = modulus;
        if first & 0x80 == 0 || last & 1 == 0 {
            return Err(JwkError::Modulus);
        }
        Ok(key)
    }

    /// Returns the key ID: the key's thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the modulus, big-endian. It is `Some` for every valid key.
    pub fn modulus(&self) -> Option<[u8; RSA_BYTES]> {
        let mut modulus = [0; RSA_BYTES];
        decode_exactly(&self.n, &mut modulus)?;
        Some(modulus)
    }
}

/// A private key: the private JWK as SubtleCrypto exported it, and the public key that is derived from it. Only
/// SubtleCrypto signs with it, so its numbers are not decoded.
#[derive(Clone)]
pub struct RsaPrivateKey {
    public: RsaPublicKey,
    jwk: Zeroizing<String>,
}

impl RsaPrivateKey {
    pub fn public(&self) -> &RsaPublicKey {
        &self.public
    }

    pub(super) fn to_jwk(&self) -> Zeroizing<String> {
        self.jwk.clone()
    }

    pub(super) fn from_jwk(jwk: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(jwk).ok()?;
        let private: Private = json::from_own(text).ok()?;
        let public = RsaPublicKey::from_modulus(private.n.to_owned()).ok()?;
        private.is_complete().then(|| Self { public, jwk: Zeroizing::new(text.to_owned()) })
    }
}

/// The fields of a private JWK (RFC 7518 section 6.3.2). They are borrowed, so that parsing makes no copy of the
/// secret.
#[derive(Deserialize)]
struct Private<'a> {
    n: &'a str,
    e: &'a str,
    d: &'a str,
    p: &'a str,
    q: &'a str,
    dp: &'a str,
    dq: &'a str,
    qi: &'a str,
}

impl Private<'_> {
    fn is_complete(&self) -> bool {
        self.e == EXPONENT
            && [self.d, self.p, self.q, self.dp, self.dq, self.qi]
                .iter()
                .all(|part| !part.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use crate::jose::json;
    use crate::jose::jwk::{Algorithm, PrivateKey, PublicKey};
    use serde_json::{Value, json};

    /// The key of RFC 7638 section 3.1, with its thumbprint.
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    const KID: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

    fn text() -> String {
        format!(r#"{{"kty":"RSA","use":"sig","alg":"RS256","kid":"{KID}","n":"{N}","e":"AQAB"}}"#)
    }

    fn private() -> Value {
        let vectors = include_str!("../../../tests/vectors/rsa_private_keys.json");
        json::from_own::<Value>(vectors).unwrap()[0].clone()
    }

    fn parse(jwk: &Value) -> Option<PrivateKey> {
        PrivateKey::from_jwk(jwk.to_string().as_bytes())
    }

    #[test]
    fn a_public_key_reads_and_writes_the_same_bytes() {
        let key: PublicKey = json::from_own(&text()).unwrap();
        assert_eq!((key.alg(), key.kid()), (Algorithm::Rs256, KID));
        assert_eq!(serde_json::to_string(&key).unwrap(), text());
    }

    #[test]
    fn a_private_key_gives_its_public_key() {
        let key = parse(&private()).unwrap();
        let public = serde_json::to_value(key.public()).unwrap();
        assert_eq!(public["n"], private()["n"]);
        json::from_parsed::<PublicKey>(public).unwrap();
        assert_eq!(*key.to_jwk(), private().to_string());
    }

    #[test]
    fn an_incomplete_private_key_is_rejected() {
        for field in ["kty", "n", "e", "d", "p", "q", "dp", "dq", "qi"] {
            for wrong in [Value::Null, json!(""), json!(1), json!("AAEC")] {
                let mut jwk = private();
                jwk[field] = wrong.clone();
                let is_secret = !["kty", "n", "e"].contains(&field);
                let is_key = is_secret && wrong == "AAEC";
                assert_eq!(parse(&jwk).is_some(), is_key, "{field} {wrong}");
            }
            let mut jwk = private();
            jwk.as_object_mut().unwrap().remove(field);
            assert!(parse(&jwk).is_none(), "without {field}");
        }
    }

    #[test]
    fn an_invalid_public_key_is_rejected() {
        let short = N.get(4..).unwrap();
        let changes = [
            ("a private field", r#""n""#, r#""d":"AA","n""#, "unknown field"),
            ("a prime", r#""n""#, r#""p":"AA","n""#, "unknown field"),
            ("a duplicate field", r#""n""#, r#""kty":"RSA","n""#, "duplicate field"),
            ("another key type", r#""RSA""#, r#""oct""#, "the fields are"),
            ("the other key type", r#""RSA""#, r#""EC""#, "the fields are"),
            ("another use", r#""sig""#, r#""enc""#, "the fields are"),
            ("a larger hash", "RS256", "RS512", "unknown name"),
            ("another padding", "RS256", "PS256", "unknown name"),
            ("the other key type's algorithm", "RS256", "ES256", "the fields are"),
            ("a kid that is not its thumbprint", "NzbL", "AzbL", "thumbprint"),
            ("another exponent", "AQAB", "Aw", "the fields are"),
            ("a padded modulus", "DKgw\"", "DKgw==\"", "256 bytes"),
            ("a modulus that is not canonical", "DKgw\"", "DKgx\"", "256 bytes"),
            ("a shorter modulus", N, short, "256 bytes"),
            ("a modulus of 2047 bits", "0vx7", "Uvx7", "odd number of 2048 bits"),
            ("an even modulus", "DKgw", "DKgA", "odd number of 2048 bits"),
        ];
        for (what, from, to, reason) in changes {
            let wrong = text().replace(from, to);
            assert_ne!(wrong, text());
            let error = json::from_own::<PublicKey>(&wrong).unwrap_err().to_string();
            assert!(error.contains(reason), "{what}: {error}");
        }
    }

    #[test]
    fn a_modulus_is_odd_and_has_2048_bits() {
        let with = |n: &str| {
            let mut jwk = private();
            jwk["n"] = n.into();
            parse(&jwk).is_some()
        };
        assert!(with(N));
        assert!(!with(&N.replacen("0v", "Uv", 1)), "2047 bits");
        assert!(!with(&N.replace("DKgw", "DKgA")), "even");
        assert!(!with(&format!("AA{N}")), "a leading zero");
        assert!(!with(""));
    }

    #[test]
    fn a_private_key_prints_only_its_kid() {
        let key = parse(&private()).unwrap();
        assert_eq!(format!("{key:?}"), format!("PrivateKey({})", key.kid()));
    }
}
