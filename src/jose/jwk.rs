//! JSON Web Keys (RFC 7517): public keys that are proven when they are parsed, and private keys that
//! never print.

use base64ct::{Base64UrlUnpadded, Encoding};
use p256::elliptic_curve::sec1::ToSec1Point;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

use crate::context::Cx;
use crate::error::Internal;

/// The bytes of a P-256 coordinate or scalar.
pub const P256_BYTES: usize = 32;
/// The same as base64url.
const P256_TEXT_BYTES: usize = 43;
/// More than a private JWK takes.
const PRIVATE_JWK_BYTES: usize = 256;

/// A signature algorithm (RFC 7518 section 3.1). Symmetric ones and `none` have no name here.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
}

impl Algorithm {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
        }
    }

    /// The algorithm of this registered name.
    pub fn from_name(name: &str) -> Option<Self> {
        (name == Self::Es256.name()).then_some(Self::Es256)
    }
}

/// A public signing key whose point is on its curve and whose `kid` is its thumbprint.
///
/// The type has no place for a private member, for another key type or for a symmetric key, neither
/// when it is written nor when it is read.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "Members", into = "Members")]
pub struct PublicKey(Members);

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Members {
    kty: KeyType,
    r#use: KeyUse,
    alg: Algorithm,
    kid: String,
    crv: Curve,
    x: String,
    y: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
enum KeyType {
    #[serde(rename = "EC")]
    Ec,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
enum KeyUse {
    #[serde(rename = "sig")]
    Signature,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
enum Curve {
    #[serde(rename = "P-256")]
    P256,
}

impl PublicKey {
    /// The algorithm that this key verifies, and no other.
    pub fn alg(&self) -> Algorithm {
        self.0.alg
    }

    /// The key's id: its RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.0.kid
    }

    /// The uncompressed point (SEC 1 section 2.3.3): `04 || x || y`.
    pub fn point(&self) -> Option<[u8; 1 + 2 * P256_BYTES]> {
        let mut point = [0; 1 + 2 * P256_BYTES];
        let (tag, coordinates) = point.split_first_mut()?;
        *tag = 4;
        let (x, y) = coordinates.split_at_mut(P256_BYTES);
        decode_coordinate(&self.0.x, x)?;
        decode_coordinate(&self.0.y, y)?;
        Some(point)
    }
}

fn decode_coordinate(text: &str, into: &mut [u8]) -> Option<()> {
    let length = Base64UrlUnpadded::decode(text, into).ok()?.len();
    (length == P256_BYTES).then_some(())
}

impl TryFrom<Members> for PublicKey {
    type Error = &'static str;

    fn try_from(members: Members) -> Result<Self, Self::Error> {
        let key = Self(members);
        let point = key.point().ok_or("x and y are not coordinates of 32 bytes")?;
        p256::PublicKey::from_sec1_bytes(&point).map_err(|_| "the point is not on the curve")?;
        if key.0.kid == thumbprint(&key.0.x, &key.0.y) {
            Ok(key)
        } else {
            Err("the kid is not the key's thumbprint")
        }
    }
}

impl From<PublicKey> for Members {
    fn from(key: PublicKey) -> Self {
        key.0
    }
}

/// RFC 7638 section 3: SHA-256 over the required members in lexicographic order.
fn thumbprint(x: &str, y: &str) -> String {
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Base64UrlUnpadded::encode_string(&Sha256::digest(members))
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
pub struct PrivateKey {
    public: PublicKey,
    scalar: Zeroizing<[u8; P256_BYTES]>,
}

impl PrivateKey {
    /// A new P-256 key.
    ///
    /// # Errors
    /// [`Internal::Unavailable`] when there is no randomness.
    pub fn generate(cx: &Cx<'_>) -> Result<Self, Internal> {
        loop {
            // Zero and numbers past the group's order are refused, once in 2^32 draws.
            if let Some(key) = Self::from_scalar(Zeroizing::new(cx.random()?)) {
                return Ok(key);
            }
        }
    }

    fn from_scalar(scalar: Zeroizing<[u8; P256_BYTES]>) -> Option<Self> {
        let secret = p256::SecretKey::from_slice(scalar.as_slice()).ok()?;
        let point = secret.public_key().to_sec1_point(false);
        let (x, y) = point.as_bytes().strip_prefix(&[4])?.split_at_checked(P256_BYTES)?;
        let (x, y) = (Base64UrlUnpadded::encode_string(x), Base64UrlUnpadded::encode_string(y));
        let public = PublicKey(Members {
            kty: KeyType::Ec,
            r#use: KeyUse::Signature,
            alg: Algorithm::Es256,
            kid: thumbprint(&x, &y),
            crv: Curve::P256,
            x,
            y,
        });
        Some(Self { public, scalar })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The secret scalar, big-endian.
    pub fn scalar(&self) -> &[u8; P256_BYTES] {
        &self.scalar
    }

    /// The key as a private JWK (RFC 7518 section 6.2.2): what is sealed, and what SubtleCrypto
    /// imports.
    pub fn to_jwk(&self) -> Zeroizing<String> {
        let mut buffer = Zeroizing::new([0; P256_TEXT_BYTES]);
        let d = Base64UrlUnpadded::encode(self.scalar(), buffer.as_mut_slice()).unwrap_or_default();
        let Members { x, y, .. } = &self.public.0;
        // Sized beforehand: a string that grows leaves copies of the secret behind.
        let mut jwk = Zeroizing::new(String::with_capacity(PRIVATE_JWK_BYTES));
        for part in
            [r#"{"kty":"EC","crv":"P-256","x":""#, x, r#"","y":""#, y, r#"","d":""#, d, r#""}"#]
        {
            jwk.push_str(part);
        }
        jwk
    }

    /// The key of a private JWK that [`PrivateKey::to_jwk`] wrote.
    pub fn from_jwk(jwk: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Private {
            d: Zeroizing<String>,
        }
        let Private { d } = serde_json::from_slice(jwk).ok()?;
        let mut scalar = Zeroizing::new([0; P256_BYTES]);
        decode_coordinate(&d, scalar.as_mut_slice())?;
        Self::from_scalar(scalar)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey({})", self.public.kid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 7515 appendix A.3, with the thumbprint that follows from it.
    const A3: &str = r#"{"kty":"EC","use":"sig","alg":"ES256","kid":"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const A3_PRIVATE: &[u8] = br#"{"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

    #[test]
    fn a_public_key_reads_and_writes_the_same_bytes() {
        let key: PublicKey = serde_json::from_str(A3).unwrap();
        assert_eq!(serde_json::to_string(&key).unwrap(), A3);
    }

    #[test]
    fn the_private_half_gives_the_public_half() {
        let key = PrivateKey::from_jwk(A3_PRIVATE).unwrap();
        assert_eq!(serde_json::to_string(key.public()).unwrap(), A3);
        assert_eq!(PrivateKey::from_jwk(key.to_jwk().as_bytes()).unwrap().scalar(), key.scalar());
    }

    #[test]
    fn a_key_that_is_not_proven_is_not_a_key() {
        let changes = [
            ("a private member", r#""crv""#, r#""d":"AA","crv""#),
            ("another key type", r#""EC""#, r#""oct""#),
            ("another curve", "P-256", "P-384"),
            ("another use", r#""sig""#, r#""enc""#),
            ("another algorithm", "ES256", "HS256"),
            ("a kid that is not its thumbprint", "oKIy", "AKIy"),
            ("a point off the curve", "f83O", "f83P"),
            ("a short coordinate", "f83OJ3D2xF1B", "f83OJ3D2"),
            ("a padded coordinate", "VEU\"", "VEU=\""),
        ];
        for (what, from, to) in changes {
            let text = A3.replace(from, to);
            assert_ne!(text, A3);
            assert!(serde_json::from_str::<PublicKey>(&text).is_err(), "{what}");
        }
    }

    #[test]
    fn a_private_key_prints_only_its_kid() {
        let key = PrivateKey::from_jwk(A3_PRIVATE).unwrap();
        assert_eq!(format!("{key:?}"), format!("PrivateKey({})", key.public().kid()));
    }
}
