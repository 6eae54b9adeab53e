//! Opaque secrets: random texts that are given out once and stored as their hash. Cookies, codes, refresh tokens,
//! handles, client secrets.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::context::Cx;
use crate::error::Internal;

/// 256 random bits as base64url.
///
/// # Errors
/// As [`Cx::random`].
pub fn random_text(cx: &Cx<'_>) -> Result<String, Internal> {
    Ok(Base64UrlUnpadded::encode_string(&cx.random::<32>()?))
}

/// Whether a text could be one of [`random_text`].
pub fn is_random_text(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// What such a text is stored as. 256 random bits need no slow hash.
pub fn hash(text: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(text))
}
