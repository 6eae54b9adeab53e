//! Message authentication codes (MACs) for values that the provider hands out and later accepts again. The MAC key is
//! derived from the secret `KEY_ENCRYPTION_KEY`.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::crypto::seal::secret_key;
use crate::error::Internal;
use crate::secret::Secret;

/// The purpose of a code. A code for one purpose is invalid for every other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// A client secret, derived from random bits that are stored, so that the same request can return it again.
    ClientSecret,
    /// The name of a counter of sign-in attempts, so that the database holds no logins and addresses.
    Counter,
    /// The device cookie, which identifies a browser in which a user has signed in before.
    Device,
    /// The handle of a pushed request in the browser that opens it.
    Handle,
    /// A secret of a registration with an initial access token for one use, derived from token and document.
    Registration,
    /// The next refresh token, derived from the one that is rotated.
    Successor,
    /// The claim `sid` of a session for one client (OpenID Connect Front-Channel Logout section 3).
    Sid,
    /// The token in a form or link that continues an interaction.
    Interaction,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::ClientSecret => b"postern client secret v1",
            Self::Counter => b"postern counter v1",
            Self::Device => b"postern device v1",
            Self::Handle => b"postern handle v1",
            Self::Registration => b"postern registration v1",
            Self::Successor => b"postern successor v1",
            Self::Sid => b"postern sid v1",
            Self::Interaction => b"postern ticket v1",
        }
    }
}

/// The key of message authentication codes.
pub struct MacKey(Hmac<Sha256>);

impl MacKey {
    /// Derives the key from the secret.
    ///
    /// # Errors
    /// [`Internal::Misconfigured`] when the secret is absent or has another form.
    pub fn new(secret: Option<&Secret>) -> Result<Self, Internal> {
        // The secret itself is a key for AES-GCM, and one key should serve one algorithm.
        let mut derivation = keyed(secret_key(secret)?.as_slice())?;
        derivation.update(b"postern message authentication v1");
        Ok(Self(keyed(&derivation.finalize().into_bytes())?))
    }

    /// Computes the code of `parts`: 256 bits as base64url (HMAC-SHA256, RFC 2104).
    pub fn code(&self, purpose: Purpose, parts: &[&str]) -> String {
        let mut mac = self.0.clone();
        mac.update(purpose.label());
        for part in parts {
            // The length is included, because otherwise different lists of parts could be the same bytes.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes())
    }

    /// Returns whether `code` is the code of `parts`, in constant time.
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
    fn a_code_is_valid_only_for_its_key_purpose_and_parts() {
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
