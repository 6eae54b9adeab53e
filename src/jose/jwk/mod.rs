//! JSON Web Keys (RFC 7517): public keys that are proven when they are parsed, and private keys that
//! never print.

mod ec;
mod rsa;

pub use ec::{EcPrivateKey, EcPublicKey, P256_BYTES};
pub use rsa::{RSA_BYTES, RsaPrivateKey, RsaPublicKey};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

use crate::jose::json;

/// An algorithm that the provider signs with (RFC 7518 section 3.1). Symmetric ones and `none` have no name here.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, and a modulus of 2048 bits.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// Every one of them.
    pub const ALL: [Self; 2] = [Self::Es256, Self::Rs256];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm of this registered name.
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

/// A public signing key, proven: fit for the one algorithm that it names, and its `kid` its
/// thumbprint.
///
/// The type has no place for a private member, for another key type or for a symmetric key, neither
/// when it is written nor when it is read.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum PublicKey {
    /// For [`Algorithm::Es256`].
    Ec(EcPublicKey),
    /// For [`Algorithm::Rs256`].
    Rsa(RsaPublicKey),
}

impl PublicKey {
    /// The algorithm that this key verifies, and no other.
    pub fn alg(&self) -> Algorithm {
        match self {
            Self::Ec(_) => Algorithm::Es256,
            Self::Rsa(_) => Algorithm::Rs256,
        }
    }

    /// The key's id: its RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        match self {
            Self::Ec(key) => key.kid(),
            Self::Rsa(key) => key.kid(),
        }
    }
}

/// A JWK Set (RFC 7517 section 5).
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JwkSet {
    /// The keys.
    pub keys: Vec<PublicKey>,
}

/// A private signing key. It prints its `kid` and nothing else, and is wiped when dropped.
#[derive(Clone)]
pub enum PrivateKey {
    /// For [`Algorithm::Es256`].
    Ec(EcPrivateKey),
    /// For [`Algorithm::Rs256`].
    Rsa(RsaPrivateKey),
}

impl PrivateKey {
    /// The algorithm that this key signs with, and no other.
    pub fn alg(&self) -> Algorithm {
        match self {
            Self::Ec(_) => Algorithm::Es256,
            Self::Rsa(_) => Algorithm::Rs256,
        }
    }

    /// The key's id: its RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        match self {
            Self::Ec(key) => key.public().kid(),
            Self::Rsa(key) => key.public().kid(),
        }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Ec(key) => PublicKey::Ec(key.public().clone()),
            Self::Rsa(key) => PublicKey::Rsa(key.public().clone()),
        }
    }

    /// The key as a private JWK (RFC 7518 sections 6.2.2 and 6.3.2): what is sealed, and what
    /// SubtleCrypto imports.
    pub fn to_jwk(&self) -> Zeroizing<String> {
        match self {
            Self::Ec(key) => key.to_jwk(),
            Self::Rsa(key) => key.to_jwk(),
        }
    }

    /// The key of a private JWK: one that [`PrivateKey::to_jwk`] wrote, or an RSA key that
    /// SubtleCrypto exported. The public half follows from it.
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

/// Why a public key is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JwkError {
    /// A coordinate of an EC key is not one of P-256.
    Coordinates,
    /// The `kid` is not the key's thumbprint.
    Kid,
    /// The modulus of an RSA key is not encoded in 256 bytes.
    ModulusLength,
    /// The modulus of an RSA key is even, or too small.
    Modulus,
    /// The point of an EC key is not on the curve.
    Point,
}

impl fmt::Display for JwkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Coordinates => "x and y are not coordinates of 32 bytes",
            Self::Kid => "the kid is not the key's thumbprint",
            Self::ModulusLength => "n is not a number of 256 bytes",
            Self::Modulus => "n is not an odd number of 2048 bits",
            Self::Point => "the point is not on the curve",
        })
    }
}

/// What every key here is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
enum KeyUse {
    #[serde(rename = "sig")]
    Signature,
}

/// RFC 7638 section 3: SHA-256 over a key's required members in lexicographic order.
fn thumbprint(required: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(required))
}

/// Decodes canonical base64url of exactly as many bytes as there is room.
fn decode_exactly(text: &str, into: &mut [u8]) -> Option<()> {
    let room = into.len();
    let length = Base64UrlUnpadded::decode(text, into).ok()?.len();
    (length == room).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_is_known_by_its_registered_name_alone() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        for name in ["none", "HS256", "es256", "RS384", "PS256", ""] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_private_key_is_told_by_its_key_type() {
        for jwk in [r#"{"d":"AA"}"#, r#"{"kty":"oct","k":"AA"}"#, r#"{"kty":"EC"}"#, "", "[]"] {
            assert!(PrivateKey::from_jwk(jwk.as_bytes()).is_none(), "{jwk}");
        }
    }
}
