//! Public keys of clients (RFC 7517), to verify client assertions and request objects.
//!
//! A key of an unknown type is ignored, as RFC 7517 section 5 recommends. A key that is used is checked as strictly as
//! the provider's own keys. A set that contains a private key is rejected as a whole, so that the client's developer
//! notices the leak. Of each key only the fields that are used are stored, so that stored sets are small.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fmt;

use super::ed25519::is_ed25519_key;
use super::jwk::P256_BYTES;

/// The largest number of keys in a set.
const KEYS_LIMIT: usize = 32;
/// The allowed sizes of an RSA modulus, in bytes. A shorter one is weak, a longer one slow.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// The size of a signature of ES256 (RFC 7518 section 3.4) and `EdDSA` (RFC 8032 section 5.1.6).
const CURVE_SIGNATURE_BYTES: usize = 64;

/// JWK fields that only private and symmetric keys have (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1).
const PRIVATE_FIELDS: [&str; 8] = ["d", "dp", "dq", "k", "oth", "p", "q", "qi"];

/// An algorithm that clients may sign with (RFC 7518 section 3.1, RFC 8037 section 3.1).
///
/// The type differs from [`Algorithm`](super::jwk::Algorithm), because the provider signs with only two of these.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum ClientAlgorithm {
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

impl ClientAlgorithm {
    /// Every algorithm, with each of its names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("ES256", Self::Es256),
        ("EdDSA", Self::EdDsa),
        // The newer name of the same algorithm (RFC 9864 section 2.2).
        ("Ed25519", Self::EdDsa),
        ("PS256", Self::Ps256),
        ("RS256", Self::Rs256),
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }

    /// Returns the algorithm with this registered name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, algorithm)| algorithm)
    }
}

/// The JWK fields that differ from key to key, as base64url.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Material {
    Ec { x: String, y: String },
    Okp { x: String },
    Rsa { n: String },
}

/// A public key of a client that can verify signatures.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientKey {
    alg: Option<ClientAlgorithm>,
    kid: Option<String>,
    material: Material,
}

impl ClientKey {
    /// Serializes the key as a JWK with only the required fields (RFC 7638 section 3.2).
    pub fn jwk(&self) -> String {
        Value::Object(self.required()).to_string()
    }

    /// The required fields, in lexicographic order.
    fn required(&self) -> Map<String, Value> {
        let fields: &[(&str, &str)] = match &self.material {
            Material::Ec { x, y } => &[("crv", "P-256"), ("kty", "EC"), ("x", x), ("y", y)],
            Material::Okp { x } => &[("crv", "Ed25519"), ("kty", "OKP"), ("x", x)],
            Material::Rsa { n } => &[("e", "AQAB"), ("kty", "RSA"), ("n", n)],
        };
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
    }

    /// The stored form of the key: the required fields, and `alg` and `kid` if the key has them.
    fn to_value(&self) -> Value {
        let mut fields = self.required();
        fields.extend(self.alg.map(|alg| ("alg".to_owned(), alg.name().into())));
        fields.extend(self.kid.as_deref().map(|kid| ("kid".to_owned(), kid.into())));
        Value::Object(fields)
    }

    /// Returns the key's thumbprint (RFC 7638).
    pub fn thumbprint(&self) -> String {
        Base64UrlUnpadded::encode_string(&Sha256::digest(self.jwk()))
    }

    /// Returns the size of a signature by the key: for RSA that of the modulus (RFC 8017 sections 8.1.2 and 8.2.2).
    pub fn signature_bytes(&self) -> usize {
        match &self.material {
            Material::Ec { .. } | Material::Okp { .. } => CURVE_SIGNATURE_BYTES,
            // Four characters of base64url are three bytes, and the last two or three are one or two.
            Material::Rsa { n } => n.len() * 3 / 4,
        }
    }

    /// Returns whether the key can be used with this algorithm.
    fn is_for(&self, alg: ClientAlgorithm) -> bool {
        let has_type = match alg {
            ClientAlgorithm::Es256 => matches!(self.material, Material::Ec { .. }),
            ClientAlgorithm::EdDsa => matches!(self.material, Material::Okp { .. }),
            ClientAlgorithm::Ps256 | ClientAlgorithm::Rs256 => {
                matches!(self.material, Material::Rsa { .. })
            }
        };
        has_type && self.alg.is_none_or(|own| own == alg)
    }

    /// Parses a key. Returns `None` for any key that cannot verify signatures.
    fn from_fields(fields: &Map<String, Value>) -> Option<Self> {
        let text = |name| fields.get(name).and_then(Value::as_str);
        // RFC 7517 sections 4.2 to 4.4: `use`, `key_ops` and `alg` restrict the use of a key.
        let alg = match fields.get("alg") {
            None => None,
            Some(name) => Some(ClientAlgorithm::from_name(name.as_str()?)?),
        };
        if fields.get("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        if let Some(operations) = fields.get("key_ops")
            && !operations.as_array()?.iter().any(|operation| operation == "verify")
        {
            return None;
        }
        let material = match text("kty")? {
            "EC" => ec(text("crv")?, text("x")?, text("y")?)?,
            "OKP" => okp(text("crv")?, text("x")?)?,
            "RSA" => rsa(text("n")?, text("e")?)?,
            _ => return None,
        };
        let key = Self { alg, kid: text("kid").map(str::to_owned), material };
        alg.is_none_or(|alg| key.is_for(alg)).then_some(key)
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

fn ec(crv: &str, x: &str, y: &str) -> Option<Material> {
    let (x_bytes, y_bytes) = (decode(x)?, decode(y)?);
    if crv != "P-256" || x_bytes.len() != P256_BYTES || y_bytes.len() != P256_BYTES {
        return None;
    }
    let point = [&[4], x_bytes.as_slice(), &y_bytes].concat();
    p256::PublicKey::from_sec1_bytes(&point).ok()?;
    Some(Material::Ec { x: x.to_owned(), y: y.to_owned() })
}

fn okp(crv: &str, x: &str) -> Option<Material> {
    let is_valid = crv == "Ed25519" && is_ed25519_key(&decode(x)?);
    is_valid.then(|| Material::Okp { x: x.to_owned() })
}

fn rsa(n: &str, e: &str) -> Option<Material> {
    let modulus = decode(n)?;
    let is_full = modulus.first().is_some_and(|first| first & 0x80 != 0);
    let is_odd = modulus.last().is_some_and(|last| last & 1 == 1);
    let is_valid = MODULUS_BYTES.contains(&modulus.len()) && is_full && is_odd && e == "AQAB";
    is_valid.then(|| Material::Rsa { n: n.to_owned() })
}

/// The keys of a client's JWK Set (RFC 7517 section 5) that can verify signatures: at least one, except in old rows.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct ClientKeys(Vec<ClientKey>);

/// Why a client's JWK Set is rejected. The `Display` text follows the name of the metadata field that has the set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JwkSetError {
    /// A key has a field that only private and symmetric keys have.
    HasSecret {
        /// The index of the key in the set.
        index: usize,
        /// The name of the field.
        field: &'static str,
    },
    /// No key can verify signatures.
    NoUsableKey,
    /// The value has no array `keys`.
    NotASet,
    /// The set has more than 32 keys.
    TooManyKeys,
}

impl fmt::Display for JwkSetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HasSecret { index, field } => write!(
                formatter,
                "keys[{index}] must not have {field:?}, a parameter of a private or symmetric key; \
                 replace the key, because it is no longer secret"
            ),
            Self::NoUsableKey => formatter.write_str(
                "must have a key for ES256, EdDSA (Ed25519), PS256 or RS256 (2048 to 4096 bits, \
                 exponent 65537), whose alg, if it has one, is of its kty",
            ),
            Self::NotASet => {
                formatter.write_str("must be a JWK Set: an object with the array \"keys\"")
            }
            Self::TooManyKeys => write!(formatter, "must have at most {KEYS_LIMIT} keys"),
        }
    }
}

impl TryFrom<Value> for ClientKeys {
    type Error = JwkSetError;

    fn try_from(set: Value) -> Result<Self, Self::Error> {
        // Versions until 0.2.0 stored keys with the `alg` of another key type.
        let is_old = |error: &JwkSetError| *error == JwkSetError::NoUsableKey;
        Self::from_json(&set).or_else(|e| is_old(&e).then_some(Self(Vec::new())).ok_or(e))
    }
}

impl From<ClientKeys> for Value {
    fn from(keys: ClientKeys) -> Self {
        let keys: Vec<_> = keys.0.iter().map(ClientKey::to_value).collect();
        Value::Object(Map::from_iter([("keys".to_owned(), keys.into())]))
    }
}

impl ClientKeys {
    /// Parses a JWK Set. Keys that cannot verify signatures are left out.
    pub fn from_json(set: &Value) -> Result<Self, JwkSetError> {
        let keys = set.get("keys").and_then(Value::as_array).ok_or(JwkSetError::NotASet)?;
        if keys.len() > KEYS_LIMIT {
            return Err(JwkSetError::TooManyKeys);
        }
        for (index, key) in keys.iter().enumerate() {
            if let Some(field) = PRIVATE_FIELDS.into_iter().find(|name| key.get(name).is_some()) {
                return Err(JwkSetError::HasSecret { index, field });
            }
        }
        let keys: Vec<_> =
            keys.iter().filter_map(Value::as_object).filter_map(ClientKey::from_fields).collect();
        if keys.is_empty() { Err(JwkSetError::NoUsableKey) } else { Ok(Self(keys)) }
    }

    /// Returns the keys that may have made a signature: the keys for `alg`, and of those only the ones with this `kid`
    /// if the header has one.
    pub fn candidates(
        &self,
        alg: ClientAlgorithm,
        kid: Option<&str>,
    ) -> impl Iterator<Item = &ClientKey> {
        let is_candidate = move |key: &&ClientKey| {
            key.is_for(alg) && kid.is_none_or(|kid| key.kid.as_deref() == Some(kid))
        };
        self.0.iter().filter(is_candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// This key is from RFC 7515 appendix A.3, the next from RFC 8037 appendix A.2 and RFC 7638 section 3.1.
    fn ec() -> Value {
        json!({
            "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        })
    }

    fn okp() -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
    }

    fn rsa() -> Value {
        json!({
            "kty": "RSA", "e": "AQAB",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        })
    }

    fn with(mut key: Value, field: &str, value: Value) -> Value {
        key[field] = value;
        key
    }

    fn count(keys: &[Value], alg: &str, kid: Option<&str>) -> usize {
        let alg = ClientAlgorithm::from_name(alg).unwrap();
        ClientKeys::from_json(&json!({ "keys": keys })).unwrap().candidates(alg, kid).count()
    }

    #[test]
    fn a_key_verifies_its_alg_or_every_algorithm_of_its_type() {
        let keys = [ec(), okp(), rsa(), with(rsa(), "alg", json!("PS256"))];
        for (alg, expected) in [("ES256", 1), ("EdDSA", 1), ("RS256", 1), ("PS256", 2)] {
            assert_eq!(count(&keys, alg, None), expected, "{alg}");
        }
    }

    #[test]
    fn a_signature_with_a_kid_is_verified_with_that_key_only() {
        let keys = [with(ec(), "kid", json!("a")), with(ec(), "kid", json!("b")), ec()];
        assert_eq!((count(&keys, "ES256", Some("a")), count(&keys, "ES256", Some("c"))), (1, 0));
        assert_eq!((count(&keys, "ES256", None), count(&keys, "RS256", Some("a"))), (3, 0));
    }

    #[test]
    fn a_key_that_cannot_verify_is_ignored() {
        for (what, key) in [
            ("another use", with(ec(), "use", json!("enc"))),
            ("another operation", with(ec(), "key_ops", json!(["sign"]))),
            ("another algorithm", with(rsa(), "alg", json!("RSA-OAEP"))),
            ("HS256", with(rsa(), "alg", json!("HS256"))),
            ("the algorithm of another key type", with(ec(), "alg", json!("EdDSA"))),
            ("an algorithm that is no text", with(ec(), "alg", json!(1))),
            ("another curve", with(ec(), "crv", json!("P-384"))),
            ("a point beside the curve", with(ec(), "x", ec()["y"].clone())),
            (
                "a padded coordinate",
                with(ec(), "x", json!("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU=")),
            ),
            ("X25519", with(okp(), "crv", json!("X25519"))),
            ("a short key", with(okp(), "x", json!("AAAA"))),
            ("a point of small order", with(okp(), "x", json!(format!("AQ{:A<41}", "")))),
            ("another exponent", with(rsa(), "e", json!("Aw"))),
            ("a short modulus", with(rsa(), "n", json!("3w"))),
            ("a quotation mark", with(rsa(), "n", json!("\"}"))),
            ("another kind", json!({ "kty": "XYZ" })),
            ("no kind", json!({})),
            ("no object", json!("key")),
        ] {
            assert_eq!(count(&[key.clone(), okp()], "EdDSA", None), 1, "{what}");
            let alone = json!({ "keys": [key] });
            assert_eq!(ClientKeys::from_json(&alone), Err(JwkSetError::NoUsableKey), "{what}");
            assert_eq!(ClientKeys::try_from(alone), Ok(ClientKeys(Vec::new())), "{what}");
        }
    }

    #[test]
    fn a_set_with_a_private_key_is_rejected_as_a_whole() {
        for field in PRIVATE_FIELDS {
            let set = json!({ "keys": [ec(), with(rsa(), field, json!("AQAB"))] });
            let error = JwkSetError::HasSecret { index: 1, field };
            assert_eq!(ClientKeys::from_json(&set), Err(error));
            assert!(error.to_string().contains("private"), "{error}");
        }
        for set in [json!({}), json!([]), json!({ "keys": {} }), json!({ "keys": [] }), json!(null)]
        {
            assert!(ClientKeys::from_json(&set).is_err(), "{set}");
        }
        let many = json!({ "keys": vec![ec(); KEYS_LIMIT + 1] });
        assert_eq!(ClientKeys::from_json(&many), Err(JwkSetError::TooManyKeys));
    }

    #[test]
    fn thumbprints_match_the_examples_of_the_specifications() {
        let keys = ClientKeys::from_json(&json!({ "keys": [rsa(), okp()] })).unwrap();
        // RFC 7638 section 3.1, RFC 8037 appendix A.3.
        let expected = [
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        ];
        assert_eq!(keys.0.iter().map(ClientKey::thumbprint).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn only_the_fields_that_are_used_are_stored() {
        let named = with(with(ec(), "kid", json!("a")), "alg", json!("ES256"));
        let kept = json!({ "keys": [named.clone(), okp(), rsa()] });
        let noisy = with(with(named, "use", json!("sig")), "x5c", json!(vec![0; 1_000]));
        let set = json!({ "keys": [noisy, okp(), rsa(), { "kty": "XYZ" }], "x": [[[[]]]] });
        let keys = ClientKeys::from_json(&set).unwrap();
        assert_eq!(Value::from(keys.clone()), kept);
        assert_eq!(ClientKeys::from_json(&kept).unwrap(), keys);
    }
}
