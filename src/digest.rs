//! Short digests, for cache keys and entity tags.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

/// A digest of some parts: 128 bits as base64url. Lists of parts that differ have digests that differ.
pub fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let [digest @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _]: [u8; 32] =
        hasher.finalize().into();
    let digest: [u8; 16] = digest;
    Base64UrlUnpadded::encode_string(&digest)
}
