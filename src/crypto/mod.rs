//! Cryptography under the secret `KEY_ENCRYPTION_KEY`: sealed private keys, and message authentication codes.

pub mod mac;
pub mod seal;
