//! Secrets: those of the configuration, and random texts that are given out once and stored as their hash (cookies,
//! codes, refresh tokens, handles, client secrets).

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret. It prints nothing, is wiped when it is dropped, and is compared in constant time.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret's text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `guess` is the secret. Takes as long for every guess of the same length: digests are
    /// compared, so that not even the secret's length shows.
    pub fn matches(&self, guess: &str) -> bool {
        Sha256::digest(self.0.as_bytes()).ct_eq(&Sha256::digest(guess)).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Whether a text has the form of a random text: 256 bits as base64url.
pub fn is_random_text(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The form in which a random text is stored. 256 random bits need no slow hash.
pub fn hash(text: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(text))
}

/// Whether `presented` hashes to `stored`, in constant time.
pub fn hashes_to(presented: &str, stored: &str) -> bool {
    hash(presented).as_bytes().ct_eq(stored.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_and_matches_only_itself() {
        let secret = Secret::new("correct horse".into());
        assert_eq!(format!("{secret:?}"), "Secret");
        assert!(secret.matches("correct horse"));
        assert!(!secret.matches("correct hors") && !secret.matches("") && !secret.matches("x"));
    }

    #[test]
    fn only_the_text_itself_hashes_to_what_is_stored() {
        assert!(hashes_to("text", &hash("text")));
        assert!(!hashes_to("Text", &hash("text")) && !hashes_to("text", "") && !hashes_to("", ""));
    }
}
