//! Message authentication codes (MACs) for values that the provider hands out and later accepts again. The MAC key is
//! derived from the secret `KEY_ENCRYPTION_KEY`. While that is being replaced, codes are made under the current key and
//! accepted under the previous one, too. A code that nobody else may compute, and that must not change, is derived from
//! another secret.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::crypto::seal::SecretKeys;
use crate::error::Internal;
use crate::secret::ReplaceableSecret;

/// The purpose of a code. A code for one purpose is invalid for every other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// A client secret, derived from random bits that are stored, so that the same request can return it again.
    ClientSecret,
    /// The name of a counter of sign-in attempts, so that the database holds no logins and addresses.
    Counter,
    /// The device cookie, which identifies a browser in which a user has signed in before.
    Device,
    /// The handle of a device's request, derived from its user code.
    DeviceHandle,
    /// The first refresh token of a device, derived from its device code, so that a repeated response has the same one.
    FirstRefreshToken,
    /// The handle of a pushed request, derived from the id of the browser that opens it.
    Handle,
    /// A secret of a registration with an initial access token for one use, derived from token and document.
    Registration,
    /// The session cookie after a new password, derived from the one before and the form.
    SessionCookie,
    /// The name of a session on the account page, derived from the id of the session.
    SessionHandle,
    /// The next refresh token, derived from the one that is rotated.
    Successor,
    /// The claim `sid` for one client, derived from the id of the session, which no client sees (OpenID Connect
    /// Front-Channel Logout section 3).
    Sid,
    /// The token in a form or link that continues an interaction.
    Interaction,
    /// The user code of a device, derived from the hash of its device code.
    UserCode,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::ClientSecret => b"postern client secret v1",
            Self::Counter => b"postern counter v1",
            Self::Device => b"postern device v1",
            Self::DeviceHandle => b"postern device handle v1",
            Self::FirstRefreshToken => b"postern first refresh token v1",
            Self::Handle => b"postern handle v1",
            Self::Registration => b"postern registration v1",
            Self::SessionCookie => b"postern session cookie v1",
            Self::SessionHandle => b"postern session handle v1",
            Self::Successor => b"postern successor v1",
            Self::Sid => b"postern sid v1",
            Self::Interaction => b"postern ticket v1",
            Self::UserCode => b"postern user code v1",
        }
    }
}

/// The key of message authentication codes, and the previous key while `KEY_ENCRYPTION_KEY` is being replaced.
pub struct MacKey {
    current: Hmac<Sha256>,
    previous: Option<Hmac<Sha256>>,
}

impl MacKey {
    /// Derives the keys from the secrets.
    ///
    /// # Errors
    /// As [`SecretKeys::new`].
    pub fn new(secret: &ReplaceableSecret) -> Result<Self, Internal> {
        let SecretKeys { current, previous } = SecretKeys::new(secret)?;
        // The secret itself is a key for AES-GCM, and one key should serve one algorithm.
        let derived = |secret: &[u8]| {
            let mut derivation = keyed(secret)?;
            derivation.update(b"postern message authentication v1");
            keyed(&derivation.finalize().into_bytes())
        };
        let previous = previous.map(|secret| derived(secret.as_slice())).transpose()?;
        Ok(Self { current: derived(current.as_slice())?, previous })
    }

    /// Returns the previous key, for values that must be equal to those of an earlier request.
    pub fn previous(&self) -> Option<Self> {
        self.previous.clone().map(|current| Self { current, previous: None })
    }

    /// Computes the code of `parts` under the current key: 256 bits as base64url (HMAC-SHA256, RFC 2104).
    pub fn code(&self, purpose: Purpose, parts: &[&str]) -> String {
        code(self.current.clone(), purpose, parts)
    }

    /// Returns the code of `parts` under the current key, and the one under the previous key if there is one.
    pub fn codes(&self, purpose: Purpose, parts: &[&str]) -> impl Iterator<Item = String> {
        let keys = [Some(&self.current), self.previous.as_ref()].into_iter().flatten();
        keys.map(move |key| code(key.clone(), purpose, parts))
    }

    /// Returns whether `code` is the code of `parts` under one of the keys. The time taken does not depend on `code`,
    /// except for which key it was made under.
    pub fn is_code(&self, code: &str, purpose: Purpose, parts: &[&str]) -> bool {
        self.codes(purpose, parts).any(|own| own.as_bytes().ct_eq(code.as_bytes()).into())
    }
}

/// Derives a text from a random text that is secret itself. It does not depend on `KEY_ENCRYPTION_KEY`, so it is the same
/// text for as long as the secret lives.
///
/// # Errors
/// None: HMAC accepts keys of every length.
pub fn derive(secret: &str, purpose: Purpose, parts: &[&str]) -> Result<String, Internal> {
    Ok(code(keyed(secret.as_bytes())?, purpose, parts))
}

fn code(mut mac: Hmac<Sha256>, purpose: Purpose, parts: &[&str]) -> String {
    mac.update(purpose.label());
    for part in parts {
        // The length is included, because otherwise different lists of parts could be the same bytes.
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes())
}

fn keyed(key: &[u8]) -> Result<Hmac<Sha256>, Internal> {
    Hmac::new_from_slice(key).map_err(|error| Internal::Broken { detail: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn secret(byte: u8) -> Secret {
        Secret::new(Base64UrlUnpadded::encode_string(&[byte; 32]))
    }

    fn key(byte: u8) -> MacKey {
        MacKey::new(&ReplaceableSecret { current: Some(secret(byte)), previous: None }).unwrap()
    }

    #[test]
    fn a_code_is_made_under_the_current_key_and_accepted_under_the_previous_one() {
        let both = ReplaceableSecret { current: Some(secret(8)), previous: Some(secret(7)) };
        let both = MacKey::new(&both).unwrap();
        let parts = &["ab", "c"];
        let old = key(7).code(Purpose::Device, parts);
        let new = key(8).code(Purpose::Device, parts);
        assert_eq!(both.code(Purpose::Device, parts), new);
        assert_eq!(both.codes(Purpose::Device, parts).collect::<Vec<_>>(), [&*new, &*old]);
        assert_eq!(both.previous().unwrap().code(Purpose::Device, parts), old);
        assert!(both.is_code(&new, Purpose::Device, parts));
        assert!(both.is_code(&old, Purpose::Device, parts));
        assert!(!both.is_code(&old, Purpose::Interaction, parts));
        assert!(!both.is_code(&key(9).code(Purpose::Device, parts), Purpose::Device, parts));
        assert!(key(8).previous().is_none());
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
