//! Encryption of private keys at rest: AES-256-GCM under the secret `KEY_ENCRYPTION_KEY`. The key's `kid` is the
//! associated data, so that rows cannot be exchanged.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64ct::{Base64UrlUnpadded, Encoding};
use std::borrow::Cow;
use zeroize::Zeroizing;

use crate::error::Internal;
use crate::jose::jwk::PrivateKey;
use crate::secret::Secret;

const VARIABLE: &str = "KEY_ENCRYPTION_KEY";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// Decodes the secret, 32 bytes as base64url.
///
/// # Errors
/// [`Internal::Misconfigured`] when the secret is absent or has another form.
pub fn secret_key(secret: Option<&Secret>) -> Result<Zeroizing<[u8; KEY_BYTES]>, Internal> {
    let secret =
        secret.ok_or_else(|| misconfigured("not set; no signing key can be used without it"))?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let length = Base64UrlUnpadded::decode(secret.expose().trim_end_matches('='), &mut *key)
        .map(<[u8]>::len);
    if length != Ok(KEY_BYTES) {
        return Err(misconfigured("must be 32 bytes as base64url (43 characters)"));
    }
    Ok(key)
}

/// Encrypts and decrypts private keys.
pub struct Sealer(Zeroizing<[u8; KEY_BYTES]>);

impl Sealer {
    /// Creates a sealer from the secret, which is 32 bytes as base64url.
    ///
    /// # Errors
    /// [`Internal::Misconfigured`] when the secret is absent or has another form.
    pub fn new(secret: Option<&Secret>) -> Result<Self, Internal> {
        Ok(Self(secret_key(secret)?))
    }

    /// Creates the cipher on demand, because most requests only check that the secret is valid.
    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&Key::<Aes256Gcm>::from(*self.0))
    }

    /// Encrypts a key. Returns the nonce and the ciphertext as base64url. The nonce must be random.
    ///
    /// # Errors
    /// [`Internal::Broken`] when the cipher fails, which it does only for inputs that are far larger than a key.
    pub fn seal(&self, key: &PrivateKey, nonce: [u8; NONCE_BYTES]) -> Result<String, Internal> {
        let jwk = key.to_jwk();
        let payload = Payload { msg: jwk.as_bytes(), aad: key.kid().as_bytes() };
        let ciphertext = self.cipher().encrypt(&Nonce::from(nonce), payload).map_err(|_| {
            Internal::Broken { detail: "a private key could not be encrypted".into() }
        })?;
        Ok(Base64UrlUnpadded::encode_string(&[nonce.as_slice(), &ciphertext].concat()))
    }

    /// Decrypts the key `kid` that [`Sealer::seal`] encrypted.
    ///
    /// # Errors
    /// [`Internal::Misconfigured`] when the key was sealed under another secret. A damaged or exchanged row gives the
    /// same error, because AES-GCM does not distinguish the two.
    pub fn open(&self, sealed: &str, kid: &str) -> Result<PrivateKey, Internal> {
        self.try_open(sealed, kid).ok_or_else(|| {
            misconfigured(format!(
                "does not decrypt the signing key {kid}; the key was encrypted under another \
                 secret, or its row is damaged"
            ))
        })
    }

    fn try_open(&self, sealed: &str, kid: &str) -> Option<PrivateKey> {
        let sealed = Base64UrlUnpadded::decode_vec(sealed).ok()?;
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: ciphertext, aad: kid.as_bytes() };
        let jwk = Zeroizing::new(self.cipher().decrypt(&Nonce::from(*nonce), payload).ok()?);
        PrivateKey::from_jwk(&jwk).filter(|key| key.kid() == kid)
    }
}

fn misconfigured(reason: impl Into<Cow<'static, str>>) -> Internal {
    Internal::Misconfigured { variable: VARIABLE, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::json;
    use crate::jose::jwk::{EcPrivateKey, P256_BYTES};

    fn sealer(byte: u8) -> Sealer {
        let secret = Secret::new(Base64UrlUnpadded::encode_string(&[byte; KEY_BYTES]));
        Sealer::new(Some(&secret)).unwrap()
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
            let secret = secret.map(|text| Secret::new(text.to_owned()));
            let error = Sealer::new(secret.as_ref()).err().unwrap().detail();
            assert!(error.starts_with("KEY_ENCRYPTION_KEY: "), "{error}");
        }
    }
}
