//! The provider's signing keys as JSON Web Keys (RFC 7517). Public keys are validated when they are parsed. The `Debug`
//! output of private keys contains no secret.

mod ec;
mod rsa;

pub use ec::{EcPrivateKey, EcPublicKey, P256_BYTES};
pub use rsa::{RSA_BYTES, RsaPrivateKey, RsaPublicKey};

use rsa::EXPONENT;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

use crate::jose::json;

/// An algorithm that the provider signs with (RFC 7518 section 3.1). `none` and symmetric algorithms are not supported.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, and a modulus of 2048 bits.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::Es256, Self::Rs256];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// Returns the algorithm with this registered name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Returns the digest of `message` by the hash function of the algorithm.
    pub fn digest(self, message: &[u8]) -> impl AsRef<[u8]> {
        match self {
            Self::Es256 | Self::Rs256 => Sha256::digest(message),
        }
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize_name(deserializer, Self::from_name)
    }
}

/// A valid public signing key. It is for exactly one algorithm, and its `kid` is its thumbprint.
///
/// The type cannot hold private fields or a symmetric key, so that such a key is neither parsed nor published.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "JwkFields", into = "JwkFields")]
pub enum PublicKey {
    /// For [`Algorithm::Es256`].
    Ec(EcPublicKey),
    /// For [`Algorithm::Rs256`].
    Rsa(RsaPublicKey),
}

impl PublicKey {
    /// Returns the only algorithm that the key verifies.
    pub fn alg(&self) -> Algorithm {
        match self {
            Self::Ec(_) => Algorithm::Es256,
            Self::Rsa(_) => Algorithm::Rs256,
        }
    }

    /// Returns the key ID: the key's thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        match self {
            Self::Ec(key) => key.kid(),
            Self::Rsa(key) => key.kid(),
        }
    }

    /// Returns the size of a signature by the key (RFC 7518 sections 3.3 and 3.4).
    pub fn signature_bytes(&self) -> usize {
        match self {
            Self::Ec(_) => 2 * P256_BYTES,
            Self::Rsa(_) => RSA_BYTES,
        }
    }
}

/// The fields of a public JWK of any type. They are one struct and not an untagged enum, for which `serde` copies each
/// value before it knows the type, and tries one type after the other.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct JwkFields {
    kty: String,
    r#use: String,
    alg: Algorithm,
    kid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

const SIGNATURE: &str = "sig";
const P256: &str = "P-256";

impl TryFrom<JwkFields> for PublicKey {
    type Error = JwkError;

    fn try_from(fields: JwkFields) -> Result<Self, Self::Error> {
        let JwkFields { kty, r#use, alg, kid, crv, x, y, n, e } = fields;
        let key = match (&*kty, alg, (crv.as_deref(), x, y), (n, e.as_deref())) {
            ("EC", Algorithm::Es256, (Some(P256), Some(x), Some(y)), (None, None)) => {
                EcPublicKey::new(kid, x, y).map(Self::Ec)
            }
            ("RSA", Algorithm::Rs256, (None, None, None), (Some(n), Some(EXPONENT))) => {
                RsaPublicKey::new(&kid, n).map(Self::Rsa)
            }
            _ => Err(JwkError::Fields),
        };
        if r#use == SIGNATURE { key } else { Err(JwkError::Fields) }
    }
}

impl From<PublicKey> for JwkFields {
    fn from(key: PublicKey) -> Self {
        let fields = |kty: &str, alg, kid| Self {
            kty: kty.to_owned(),
            r#use: SIGNATURE.to_owned(),
            alg,
            kid,
            crv: None,
            x: None,
            y: None,
            n: None,
            e: None,
        };
        let alg = key.alg();
        match key {
            PublicKey::Ec(EcPublicKey { kid, x, y }) => Self {
                crv: Some(P256.to_owned()),
                x: Some(x),
                y: Some(y),
                ..fields("EC", alg, kid)
            },
            PublicKey::Rsa(RsaPublicKey { kid, n }) => {
                Self { n: Some(n), e: Some(EXPONENT.to_owned()), ..fields("RSA", alg, kid) }
            }
        }
    }
}

/// A JWK Set (RFC 7517 section 5).
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JwkSet {
    pub keys: Vec<PublicKey>,
}

/// A private signing key. Its `Debug` output is its `kid`, and its memory is wiped on drop.
#[derive(Clone)]
pub enum PrivateKey {
    /// For [`Algorithm::Es256`].
    Ec(EcPrivateKey),
    /// For [`Algorithm::Rs256`].
    Rsa(RsaPrivateKey),
}

impl PrivateKey {
    /// Returns the only algorithm that the key signs with.
    pub fn alg(&self) -> Algorithm {
        match self {
            Self::Ec(_) => Algorithm::Es256,
            Self::Rsa(_) => Algorithm::Rs256,
        }
    }

    /// Returns the key ID: the key's thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        match self {
            Self::Ec(key) => key.public().kid(),
            Self::Rsa(key) => key.public().kid(),
        }
    }

    pub fn public(&self) -> PublicKey {
        match self {
            Self::Ec(key) => PublicKey::Ec(key.public().clone()),
            Self::Rsa(key) => PublicKey::Rsa(key.public().clone()),
        }
    }

    /// Serializes the key as a private JWK (RFC 7518 sections 6.2.2 and 6.3.2). The key table stores this JWK sealed,
    /// and SubtleCrypto imports it.
    pub fn to_jwk(&self) -> Zeroizing<String> {
        match self {
            Self::Ec(key) => key.to_jwk(),
            Self::Rsa(key) => key.to_jwk(),
        }
    }

    /// Parses a private JWK that [`PrivateKey::to_jwk`] wrote, or an RSA key that SubtleCrypto exported. It contains
    /// the public key.
    pub fn from_jwk(jwk: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            kty: &'a str,
        }
        match json::from_own::<Kind>(jwk).ok()?.kty {
            "EC" => EcPrivateKey::from_jwk(jwk).map(Self::Ec),
            "RSA" => RsaPrivateKey::from_jwk(jwk).map(Self::Rsa),
            _ => None,
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey({})", self.kid())
    }
}

/// Why a public key is invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JwkError {
    /// A coordinate of an EC key does not have 32 bytes.
    Coordinates,
    /// A field is missing, or belongs to another type or algorithm.
    Fields,
    /// The `kid` is not the key's thumbprint.
    Kid,
    /// The modulus of an RSA key does not have 256 bytes.
    ModulusLength,
    /// The modulus of an RSA key is even, or has less than 2048 bits.
    Modulus,
    /// The point of an EC key is not on the curve.
    Point,
}

impl fmt::Display for JwkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Coordinates => "x and y are not coordinates of 32 bytes",
            Self::Fields => "the fields are neither those of an EC key nor those of an RSA key",
            Self::Kid => "the kid is not the key's thumbprint",
            Self::ModulusLength => "n is not a number of 256 bytes",
            Self::Modulus => "n is not an odd number of 2048 bits",
            Self::Point => "the point is not on the curve",
        })
    }
}

/// Hashes a key's required fields, given as JSON in lexicographic order (RFC 7638 section 3).
fn thumbprint(required: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(required))
}

/// Decodes canonical base64url. Fails unless it fills `into` exactly.
fn decode_exactly(text: &str, into: &mut [u8]) -> Option<()> {
    let size = into.len();
    let length = Base64UrlUnpadded::decode(text, into).ok()?.len();
    (length == size).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_has_only_its_registered_name() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        for name in ["none", "HS256", "es256", "RS384", "PS256", ""] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_private_jwk_without_a_known_kty_is_rejected() {
        for jwk in [r#"{"d":"AA"}"#, r#"{"kty":"oct","k":"AA"}"#, r#"{"kty":"EC"}"#, "", "[]"] {
            assert!(PrivateKey::from_jwk(jwk.as_bytes()).is_none(), "{jwk}");
        }
    }
}
