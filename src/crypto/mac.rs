//! What the provider lets pass through other hands and knows again: message authentication codes under a key
//! that follows from the secret `KEY_ENCRYPTION_KEY`.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::crypto::seal::secret_key;
use crate::error::Internal;
use crate::secret::Secret;

/// What a code is made for. A code for one purpose says nothing about another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// What counts attempts to sign in.
    Counter,
    /// A cookie that tells a browser in which somebody has signed in before.
    Device,
    /// The successor of a refresh token.
    Successor,
    /// A session's id, as one client knows it.
    Sid,
    /// A form or a link that continues what a browser began.
    Interaction,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Counter => b"postern counter v1",
            Self::Device => b"postern device v1",
            Self::Successor => b"postern successor v1",
            Self::Sid => b"postern sid v1",
            Self::Interaction => b"postern ticket v1",
        }
    }
}

/// The key of the codes.
pub struct MacKey(Hmac<Sha256>);

impl MacKey {
    /// The key that follows from the secret.
    ///
    /// # Errors
    /// [`Internal::Misconfigured`] when the secret is absent or has another form.
    pub fn new(secret: Option<&Secret>) -> Result<Self, Internal> {
        // Not the secret itself: that is a key of another algorithm.
        let mut derivation = keyed(secret_key(secret)?.as_slice())?;
        derivation.update(b"postern message authentication v1");
        Ok(Self(keyed(&derivation.finalize().into_bytes())?))
    }

    /// The code of some parts: 256 bits as base64url (HMAC-SHA256, RFC 2104).
    pub fn code(&self, purpose: Purpose, parts: &[&str]) -> String {
        let mut mac = self.0.clone();
        mac.update(purpose.label());
        for part in parts {
            // Their lengths too, so that no two lists of parts are the same text.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes())
    }

    /// Whether `code` is the code of these parts; in constant time.
    pub fn is_code(&self, code: &str, purpose: Purpose, parts: &[&str]) -> bool {
        self.code(purpose, parts).as_bytes().ct_eq(code.as_bytes()).into()
    }
}

fn keyed(key: &[u8]) -> Result<Hmac<Sha256>, Internal> {
    Hmac::new_from_slice(key).map_err(|error| Internal::Broken { detail: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MacKey {
        let secret = Secret::new(Base64UrlUnpadded::encode_string(&[byte; 32]));
        MacKey::new(Some(&secret)).unwrap()
    }

    #[test]
    fn a_code_stands_for_its_key_purpose_and_parts_alone() {
        let code = key(7).code(Purpose::Interaction, &["ab", "c"]);
        assert_eq!(code.len(), 43);
        assert!(key(7).is_code(&code, Purpose::Interaction, &["ab", "c"]));
        assert!(!key(8).is_code(&code, Purpose::Interaction, &["ab", "c"]));
        assert!(!key(7).is_code(&code, Purpose::Sid, &["ab", "c"]));
        for parts in [&["a", "bc"][..], &["abc"], &["ab", "c", ""], &[]] {
            assert!(!key(7).is_code(&code, Purpose::Interaction, parts), "{parts:?}");
        }
        for wrong in ["", code.split_at(1).1, &format!("{code}A")] {
            assert!(!key(7).is_code(wrong, Purpose::Interaction, &["ab", "c"]));
        }
    }
}
