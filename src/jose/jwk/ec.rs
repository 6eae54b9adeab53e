//! P-256 keys, for ES256 (RFC 7518 sections 3.4 and 6.2).

use base64ct::{Base64UrlUnpadded, Encoding};
use p256::elliptic_curve::sec1::ToSec1Point;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{JwkError, decode_exactly, thumbprint};
use crate::jose::json;

/// The size of a P-256 coordinate or scalar.
pub const P256_BYTES: usize = 32;
/// An upper limit on the size of a private JWK.
const PRIVATE_JWK_BYTES: usize = 256;

/// A public key whose point is on the curve and whose `kid` is its thumbprint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EcPublicKey {
    pub(super) kid: String,
    pub(super) x: String,
    pub(super) y: String,
}

impl EcPublicKey {
    /// Creates a key from its key ID and its coordinates in base64url.
    pub(super) fn new(kid: String, x: String, y: String) -> Result<Self, JwkError> {
        let key = Self { kid, x, y };
        let point = key.point().ok_or(JwkError::Coordinates)?;
        p256::PublicKey::from_sec1_bytes(&point).map_err(|_| JwkError::Point)?;
        if key.kid == thumbprint_of(&key.x, &key.y) { Ok(key) } else { Err(JwkError::Kid) }
    }

    /// Returns the key ID: the key's thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the uncompressed point (SEC 1 section 2.3.3): `04 || x || y`.
    pub fn point(&self) -> Option<[u8; 1 + 2 * P256_BYTES]> {
        let mut point = [0; 1 + 2 * P256_BYTES];
        let (tag, coordinates) = point.split_first_mut()?;
        *tag = 4;
        let (x, y) = coordinates.split_at_mut(P256_BYTES);
        decode_exactly(&self.x, x)?;
        decode_exactly(&self.y, y)?;
        Some(point)
    }
}

fn thumbprint_of(x: &str, y: &str) -> String {
    thumbprint(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
}

/// A private key: its scalar, and the public key that is derived from it.
#[derive(Clone)]
pub struct EcPrivateKey {
    public: EcPublicKey,
    scalar: Zeroizing<[u8; P256_BYTES]>,
}

impl EcPrivateKey {
    /// Creates a key from a big-endian scalar. Returns `None` unless the scalar is at least 1 and below the group's
    /// order.
    pub fn from_scalar(scalar: Zeroizing<[u8; P256_BYTES]>) -> Option<Self> {
        let secret = p256::SecretKey::from_slice(scalar.as_slice()).ok()?;
        let point = secret.public_key().to_sec1_point(false);
        let (x, y) = point.as_bytes().strip_prefix(&[4])?.split_at_checked(P256_BYTES)?;
        let (x, y) = (Base64UrlUnpadded::encode_string(x), Base64UrlUnpadded::encode_string(y));
        let public = EcPublicKey { kid: thumbprint_of(&x, &y), x, y };
        Some(Self { public, scalar })
    }

    pub fn public(&self) -> &EcPublicKey {
        &self.public
    }

    /// Returns the secret scalar, big-endian.
    pub fn scalar(&self) -> &[u8; P256_BYTES] {
        &self.scalar
    }

    pub(super) fn to_jwk(&self) -> Zeroizing<String> {
        // This text is in one allocation, which is wiped on drop.
        let d = Zeroizing::new(Base64UrlUnpadded::encode_string(self.scalar()));
        let EcPublicKey { x, y, .. } = &self.public;
        // The capacity is fixed, because a string that grows leaves copies of the secret in freed memory.
        let mut jwk = Zeroizing::new(String::with_capacity(PRIVATE_JWK_BYTES));
        for part in [
            r#"{"kty":"EC","crv":"P-256","x":""#,
            x,
            r#"","y":""#,
            y,
            r#"","d":""#,
            d.as_str(),
            r#""}"#,
        ] {
            jwk.push_str(part);
        }
        jwk
    }

    /// Parses a private JWK, with its public key. The public key is not derived from the scalar, because that needs a
    /// sixth of the CPU of a new isolate's first token. Both were sealed as one text, and SubtleCrypto imports no key
    /// whose point is not that of its scalar.
    pub fn from_jwk(jwk: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Private<'a> {
            x: &'a str,
            y: &'a str,
            d: &'a str,
        }
        let Private { x, y, d } = json::from_own(jwk).ok()?;
        let mut scalar = Zeroizing::new([0; P256_BYTES]);
        decode_exactly(d, scalar.as_mut_slice())?;
        let public = EcPublicKey::new(thumbprint_of(x, y), x.to_owned(), y.to_owned()).ok()?;
        Some(Self { public, scalar })
    }
}

#[cfg(test)]
mod tests {
    use crate::jose::json;
    use crate::jose::jwk::{EcPrivateKey, PrivateKey, PublicKey};

    /// The key of RFC 7515 appendix A.3, with its thumbprint.
    const A3: &str = r#"{"kty":"EC","use":"sig","alg":"ES256","kid":"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const A3_PRIVATE: &[u8] = br#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

    #[test]
    fn a_public_key_reads_and_writes_the_same_bytes() {
        let key: PublicKey = json::from_own(A3).unwrap();
        assert_eq!(serde_json::to_string(&key).unwrap(), A3);
    }

    #[test]
    fn a_private_key_gives_its_public_key() {
        let key = PrivateKey::from_jwk(A3_PRIVATE).unwrap();
        assert_eq!(serde_json::to_string(&key.public()).unwrap(), A3);
        let key = EcPrivateKey::from_jwk(A3_PRIVATE).unwrap();
        assert_eq!(key.to_jwk().as_bytes(), A3_PRIVATE);
        let derived = EcPrivateKey::from_scalar(key.scalar().to_owned().into()).unwrap();
        assert_eq!(derived.to_jwk().as_bytes(), A3_PRIVATE);
    }

    #[test]
    fn a_private_key_without_a_valid_public_key_is_rejected() {
        let text = std::str::from_utf8(A3_PRIVATE).unwrap();
        for (from, to) in [(r#""x""#, r#""z""#), (r#""y""#, r#""z""#), ("f83O", "f83P")] {
            assert!(PrivateKey::from_jwk(text.replace(from, to).as_bytes()).is_none(), "{to}");
        }
    }

    #[test]
    fn an_invalid_public_key_is_rejected() {
        let changes = [
            ("a private field", r#""crv""#, r#""d":"AA","crv""#, "unknown field"),
            ("a duplicate field", r#""crv""#, r#""kty":"EC","crv""#, "duplicate field"),
            ("another key type", r#""EC""#, r#""oct""#, "the fields are"),
            ("the other key type", r#""EC""#, r#""RSA""#, "the fields are"),
            ("another curve", "P-256", "P-384", "the fields are"),
            ("another use", r#""sig""#, r#""enc""#, "the fields are"),
            ("another algorithm", "ES256", "HS256", "unknown name"),
            ("the other key type's algorithm", "ES256", "RS256", "the fields are"),
            ("a kid that is not its thumbprint", "oKIy", "AKIy", "thumbprint"),
            ("a point off the curve", "f83O", "f83P", "not on the curve"),
            ("a short coordinate", "f83OJ3D2xF1B", "f83OJ3D2", "coordinates of 32 bytes"),
            ("a padded coordinate", "VEU\"", "VEU=\"", "coordinates of 32 bytes"),
        ];
        for (what, from, to, reason) in changes {
            let text = A3.replace(from, to);
            assert_ne!(text, A3);
            let error = json::from_own::<PublicKey>(&text).unwrap_err().to_string();
            assert!(error.contains(reason), "{what}: {error}");
        }
    }

    #[test]
    fn a_private_key_prints_only_its_kid() {
        let key = PrivateKey::from_jwk(A3_PRIVATE).unwrap();
        assert_eq!(format!("{key:?}"), format!("PrivateKey({})", key.kid()));
    }
}
