//! Encryption of private keys at rest: AES-256-GCM under the secret `KEY_ENCRYPTION_KEY`. The key's `kid` is the
//! associated data, so that rows cannot be exchanged.
//!
//! While the secret is being replaced, `KEY_ENCRYPTION_KEY_PREVIOUS` opens keys, too, and
//! `maintenance/resealing.rs` seals them again under the current secret.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64ct::{Base64UrlUnpadded, Encoding};
use std::borrow::Cow;
use zeroize::Zeroizing;

use crate::error::Internal;
use crate::jose::jwk::PrivateKey;
use crate::secret::{ReplaceableSecret, Secret};

const VARIABLE: &str = "KEY_ENCRYPTION_KEY";
const PREVIOUS_VARIABLE: &str = "KEY_ENCRYPTION_KEY_PREVIOUS";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const MALFORMED: &str = "must be 32 bytes as base64url (43 characters)";

type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// The decoded secrets.
pub struct SecretKeys {
    pub current: KeyBytes,
    pub previous: Option<KeyBytes>,
}

impl SecretKeys {
    /// Decodes the secrets, each 32 bytes as base64url. A malformed previous one is left out, because a slip of the
    /// operator should not stop every sign-in; see [`check_previous`].
    ///
    /// # Errors
    /// [`Internal::Misconfigured`] when the current secret is absent or has another form.
    pub fn new(secret: &ReplaceableSecret) -> Result<Self, Internal> {
        let current = secret
            .current
            .as_ref()
            .ok_or_else(|| misconfigured("not set; no signing key can be used without it"))?;
        Ok(Self {
            current: decode(current).ok_or_else(|| misconfigured(MALFORMED))?,
            previous: secret.previous.as_ref().and_then(decode),
        })
    }
}

/// Checks the form of `KEY_ENCRYPTION_KEY_PREVIOUS`.
///
/// # Errors
/// [`Internal::Misconfigured`] when it is set and malformed, so that it opens nothing.
pub fn check_previous(secret: &ReplaceableSecret) -> Result<(), Internal> {
    match &secret.previous {
        Some(previous) if decode(previous).is_none() => {
            Err(Internal::Misconfigured { variable: PREVIOUS_VARIABLE, reason: MALFORMED.into() })
        }
        _ => Ok(()),
    }
}

fn decode(secret: &Secret) -> Option<KeyBytes> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let text = secret.expose().trim_end_matches('=');
    let length = Base64UrlUnpadded::decode(text, &mut *key).map(<[u8]>::len);
    (length == Ok(KEY_BYTES)).then_some(key)
}

/// A stored key, by the secret that opens it.
pub enum Opened {
    /// `KEY_ENCRYPTION_KEY` opens it.
    Current(PrivateKey),
    /// Only `KEY_ENCRYPTION_KEY_PREVIOUS` opens it.
    Previous(PrivateKey),
    /// Neither does, or the row is damaged: AES-GCM does not distinguish the two.
    Neither,
}

/// Encrypts and decrypts private keys.
pub struct Sealer(SecretKeys);

impl Sealer {
    /// Creates a sealer from the secrets.
    ///
    /// # Errors
    /// As [`SecretKeys::new`].
    pub fn new(secret: &ReplaceableSecret) -> Result<Self, Internal> {
        Ok(Self(SecretKeys::new(secret)?))
    }

    /// Encrypts a key under the current secret. Returns the nonce and the ciphertext as base64url. The nonce must be
    /// random.
    ///
    /// # Errors
    /// [`Internal::Broken`] when the cipher fails, which it does only for inputs that are far larger than a key.
    pub fn seal(&self, key: &PrivateKey, nonce: [u8; NONCE_BYTES]) -> Result<String, Internal> {
        let jwk = key.to_jwk();
        let payload = Payload { msg: jwk.as_bytes(), aad: key.kid().as_bytes() };
        let sealed = cipher(&self.0.current).encrypt(&Nonce::from(nonce), payload);
        let ciphertext = sealed.map_err(|_| Internal::Broken {
            detail: "a private key could not be encrypted".into(),
        })?;
        Ok(Base64UrlUnpadded::encode_string(&[nonce.as_slice(), &ciphertext].concat()))
    }

    /// Decrypts the key `kid` that [`Sealer::seal`] encrypted.
    ///
    /// # Errors
    /// [`Internal::Misconfigured`] when neither secret opens it.
    pub fn open(&self, sealed: &str, kid: &str) -> Result<PrivateKey, Internal> {
        match self.try_open(sealed, kid) {
            Opened::Current(key) | Opened::Previous(key) => Ok(key),
            Opened::Neither => Err(unreadable_key(kid)),
        }
    }

    /// Decrypts the key `kid`, and returns which secret opens it.
    pub fn try_open(&self, sealed: &str, kid: &str) -> Opened {
        let SecretKeys { current, previous } = &self.0;
        if let Some(key) = decrypt(current, sealed, kid) {
            return Opened::Current(key);
        }
        let previous = previous.as_ref().and_then(|secret| decrypt(secret, sealed, kid));
        previous.map_or(Opened::Neither, Opened::Previous)
    }
}

/// The error if neither secret opens the key `kid`.
pub fn unreadable_key(kid: &str) -> Internal {
    misconfigured(format!(
        "does not decrypt the signing key {kid}; the key was encrypted under another secret, or \
         its row is damaged"
    ))
}

fn cipher(secret: &KeyBytes) -> Aes256Gcm {
    Aes256Gcm::new(&Key::<Aes256Gcm>::from(**secret))
}

fn decrypt(secret: &KeyBytes, sealed: &str, kid: &str) -> Option<PrivateKey> {
    let sealed = Base64UrlUnpadded::decode_vec(sealed).ok()?;
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload { msg: ciphertext, aad: kid.as_bytes() };
    let jwk = Zeroizing::new(cipher(secret).decrypt(&Nonce::from(*nonce), payload).ok()?);
    PrivateKey::from_jwk(&jwk).filter(|key| key.kid() == kid)
}

fn misconfigured(reason: impl Into<Cow<'static, str>>) -> Internal {
    Internal::Misconfigured { variable: VARIABLE, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::json;
    use crate::jose::jwk::{EcPrivateKey, P256_BYTES};

    fn secret(byte: u8) -> Secret {
        Secret::new(Base64UrlUnpadded::encode_string(&[byte; KEY_BYTES]))
    }

    fn sealer(byte: u8) -> Sealer {
        let current = Some(secret(byte));
        Sealer::new(&ReplaceableSecret { current, previous: None }).unwrap()
    }

    fn seal(key: PrivateKey) -> (PrivateKey, String) {
        let sealed = sealer(7).seal(&key, [9; NONCE_BYTES]).unwrap();
        (key, sealed)
    }

    fn ec(byte: u8) -> PrivateKey {
        PrivateKey::Ec(EcPrivateKey::from_scalar(Zeroizing::new([byte; P256_BYTES])).unwrap())
    }

    fn rsa() -> PrivateKey {
        let vectors = include_str!("../../tests/vectors/rsa_private_keys.json");
        let keys: serde_json::Value = json::from_own(vectors).unwrap();
        PrivateKey::from_jwk(keys[0].to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_sealed_key_opens_under_its_secret_and_kid_only() {
        for (key, sealed) in [seal(ec(1)), seal(rsa())] {
            let kid = key.kid();
            assert_eq!(sealer(7).open(&sealed, kid).unwrap().to_jwk(), key.to_jwk());
            assert!(
                sealer(8).open(&sealed, kid).unwrap_err().detail().contains("does not decrypt")
            );
            assert!(sealer(7).open(&sealed, ec(3).kid()).is_err());
            for damaged in
                [sealed.replace('A', "B"), sealed.repeat(2), "AAAA".into(), String::new()]
            {
                assert!(sealer(7).open(&damaged, kid).is_err());
            }
        }
    }

    #[test]
    fn a_key_opens_under_the_current_or_the_previous_secret_and_is_sealed_under_the_current_one() {
        let both = ReplaceableSecret { current: Some(secret(8)), previous: Some(secret(7)) };
        let both = Sealer::new(&both).unwrap();
        for (key, sealed) in [seal(ec(1)), seal(rsa())] {
            let kid = key.kid();
            assert!(matches!(both.try_open(&sealed, kid), Opened::Previous(_)));
            assert_eq!(both.open(&sealed, kid).unwrap().to_jwk(), key.to_jwk());
            let again = both.seal(&key, [3; NONCE_BYTES]).unwrap();
            assert!(matches!(both.try_open(&again, kid), Opened::Current(_)));
            assert!(matches!(sealer(7).try_open(&again, kid), Opened::Neither));
            assert!(matches!(both.try_open(&sealed, ec(3).kid()), Opened::Neither));
        }
    }

    #[test]
    fn a_malformed_previous_secret_is_named_and_stops_nothing() {
        let with =
            |previous| ReplaceableSecret { current: Some(secret(7)), previous: Some(previous) };
        let malformed = with(Secret::new("AAAA".into()));
        let error = check_previous(&malformed).unwrap_err().detail();
        assert!(error.starts_with("KEY_ENCRYPTION_KEY_PREVIOUS: must be 32 bytes"), "{error}");
        let (key, sealed) = seal(ec(1));
        assert!(Sealer::new(&malformed).unwrap().open(&sealed, key.kid()).is_ok());
        assert!(check_previous(&with(secret(8))).is_ok());
        assert!(check_previous(&ReplaceableSecret::default()).is_ok());
    }

    #[test]
    fn the_ciphertext_does_not_contain_the_key() {
        for (key, sealed) in [seal(ec(1)), seal(rsa())] {
            let sealed = Base64UrlUnpadded::decode_vec(&sealed).unwrap();
            let jwk = key.to_jwk();
            let parts: Vec<_> = jwk.as_bytes().windows(8).collect();
            assert!(!sealed.windows(8).any(|window| parts.contains(&window)));
        }
    }

    #[test]
    fn a_missing_or_malformed_secret_is_named_in_the_error() {
        for secret in
            [None, Some(""), Some("AAAA"), Some("not base64url, but some 43 characters long")]
        {
            let current = secret.map(|text| Secret::new(text.to_owned()));
            let secret = ReplaceableSecret { current, previous: None };
            let error = Sealer::new(&secret).err().unwrap().detail();
            assert!(error.starts_with("KEY_ENCRYPTION_KEY: "), "{error}");
        }
    }
}
