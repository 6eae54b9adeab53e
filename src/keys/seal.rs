//! Private keys at rest: AES-256-GCM under the secret `KEY_ENCRYPTION_KEY`, bound to their kid.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64ct::{Base64UrlUnpadded, Encoding};
use std::borrow::Cow;
use zeroize::Zeroizing;

use crate::config::Secret;
use crate::context::Cx;
use crate::error::Internal;
use crate::jose::jwk::PrivateKey;

const VARIABLE: &str = "KEY_ENCRYPTION_KEY";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// The 32 bytes of the secret.
///
/// # Errors
/// As [`Sealer::new`].
pub fn secret_key(secret: Option<&Secret>) -> Result<Zeroizing<[u8; KEY_BYTES]>, Internal> {
    let secret = secret.ok_or_else(|| misconfigured("is not set: no signing key can be used"))?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let length = Base64UrlUnpadded::decode(secret.expose().trim_end_matches('='), &mut *key)
        .map(<[u8]>::len);
    if length != Ok(KEY_BYTES) {
        return Err(misconfigured("is not 32 bytes as base64url (43 characters)"));
    }
    Ok(key)
}

/// Seals and opens private keys.
pub struct Sealer(Aes256Gcm);

impl Sealer {
    /// A sealer under the secret, which is 32 bytes as base64url.
    ///
    /// # Errors
    /// [`Internal::Misconfigured`] when the secret is absent or has another form.
    pub fn new(secret: Option<&Secret>) -> Result<Self, Internal> {
        Ok(Self(Aes256Gcm::new(&Key::<Aes256Gcm>::from(*secret_key(secret)?))))
    }

    /// The key as base64url of a random nonce and the ciphertext.
    ///
    /// # Errors
    /// [`Internal::Unavailable`] when there is no randomness.
    pub fn seal(&self, key: &PrivateKey, cx: &Cx<'_>) -> Result<String, Internal> {
        let nonce: [u8; NONCE_BYTES] = cx.random()?;
        let jwk = key.to_jwk();
        let payload = Payload { msg: jwk.as_bytes(), aad: key.public().kid().as_bytes() };
        let ciphertext = self
            .0
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| Internal::Broken { detail: "a private key could not be sealed".into() })?;
        Ok(Base64UrlUnpadded::encode_string(&[nonce.as_slice(), &ciphertext].concat()))
    }

    /// Opens what [`Sealer::seal`] made of the key `kid`.
    ///
    /// # Errors
    /// [`Internal::Misconfigured`] when the secret is not the one it was sealed under, which cannot
    /// be told from a damaged or exchanged row.
    pub fn open(&self, sealed: &str, kid: &str) -> Result<PrivateKey, Internal> {
        self.try_open(sealed, kid).ok_or_else(|| {
            misconfigured(format!(
                "does not open the signing key {kid}: it is not the secret that the key was sealed \
                 under, or the key's row was damaged"
            ))
        })
    }

    fn try_open(&self, sealed: &str, kid: &str) -> Option<PrivateKey> {
        let sealed = Base64UrlUnpadded::decode_vec(sealed).ok()?;
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: ciphertext, aad: kid.as_bytes() };
        let jwk = Zeroizing::new(self.0.decrypt(&Nonce::from(*nonce), payload).ok()?);
        PrivateKey::from_jwk(&jwk).filter(|key| key.public().kid() == kid)
    }
}

fn misconfigured(reason: impl Into<Cow<'static, str>>) -> Internal {
    Internal::Misconfigured { variable: VARIABLE, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn sealer(byte: u8) -> Sealer {
        let secret = Secret::new(Base64UrlUnpadded::encode_string(&[byte; KEY_BYTES]));
        Sealer::new(Some(&secret)).unwrap()
    }

    fn key(seed: u8) -> (PrivateKey, String) {
        let counter = Cell::new(seed);
        let randomness = |bytes: &mut [u8]| {
            bytes.fill(counter.get());
            counter.set(counter.get() + 1);
            Ok(())
        };
        let cx = Cx::new(0, &randomness);
        let key = PrivateKey::generate(&cx).unwrap();
        let sealed = sealer(7).seal(&key, &cx).unwrap();
        (key, sealed)
    }

    #[test]
    fn a_sealed_key_opens_under_its_secret_and_kid_only() {
        let (mine, sealed) = key(1);
        let (other, _) = key(3);
        let kid = mine.public().kid();
        assert_eq!(sealer(7).open(&sealed, kid).unwrap().scalar(), mine.scalar());
        assert!(sealer(8).open(&sealed, kid).unwrap_err().detail().contains("does not open"));
        assert!(sealer(7).open(&sealed, other.public().kid()).is_err());
        for damaged in [sealed.replace('A', "B"), sealed.repeat(2), "AAAA".into(), String::new()] {
            assert!(sealer(7).open(&damaged, kid).is_err());
        }
    }

    #[test]
    fn the_sealed_form_does_not_contain_the_key() {
        let (key, sealed) = key(1);
        let sealed = Base64UrlUnpadded::decode_vec(&sealed).unwrap();
        assert!(
            !sealed.windows(8).any(|window| key.scalar().windows(8).any(|part| part == window))
        );
        assert!(!String::from_utf8_lossy(&sealed).contains("kty"));
    }

    #[test]
    fn a_missing_or_malformed_secret_is_named() {
        for secret in
            [None, Some(""), Some("AAAA"), Some("not base64url, but some 43 characters long")]
        {
            let secret = secret.map(|text| Secret::new(text.to_owned()));
            let error = Sealer::new(secret.as_ref()).err().unwrap().detail();
            assert!(error.starts_with("KEY_ENCRYPTION_KEY is not"), "{error}");
        }
    }
}
