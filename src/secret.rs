//! Secrets of the configuration, and random texts that are handed out once and stored only as their hash: cookies,
//! authorization codes, refresh tokens, client secrets and handles of stored requests.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret. It is not part of the `Debug` output, is wiped when dropped, and is compared in constant time.
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the secret's text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns whether `guess` is the secret. Digests are compared in constant time, so that the duration reveals
    /// neither the secret nor its length.
    pub fn matches(&self, guess: &str) -> bool {
        Sha256::digest(self.0.as_bytes()).ct_eq(&Sha256::digest(guess)).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// A secret of the configuration that can be replaced without an outage: while the previous one is set, too, what was
/// made under it is still accepted.
#[derive(Debug, Default)]
pub struct ReplaceableSecret {
    /// The secret under which everything new is made.
    pub current: Option<Secret>,
    /// The secret that is accepted as well.
    pub previous: Option<Secret>,
}

/// Returns whether a text has the form of a random text: 43 base64url characters (256 bits).
pub fn is_random_text(text: &str) -> bool {
    is_part_of_hash(text, 43)
}

/// Returns whether a text can be so many characters of a [`hash`].
pub fn is_part_of_hash(text: &str, characters: u8) -> bool {
    let is_base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.len() == usize::from(characters) && text.bytes().all(is_base64url)
}

/// Returns the hash under which a random text is stored. SHA-256 is enough, because 256 random bits cannot be guessed.
pub fn hash(text: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(text))
}

/// Returns whether `presented` hashes to `stored`, in constant time.
pub fn hashes_to(presented: &str, stored: &str) -> bool {
    same_hash(&hash(presented), stored)
}

/// Returns whether two hashes are equal, in constant time.
pub fn same_hash(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
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
    fn only_the_same_text_hashes_to_the_stored_hash() {
        assert!(hashes_to("text", &hash("text")));
        assert!(!hashes_to("Text", &hash("text")) && !hashes_to("text", "") && !hashes_to("", ""));
    }
}
