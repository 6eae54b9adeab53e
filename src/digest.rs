//! Short digests, for cache keys, entity tags and what a page shows.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

/// Returns a digest of `parts`: 128 bits as base64url. The length of each part is hashed too, so that `["ab", "c"]` and
/// `["a", "bc"]` have different digests.
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
