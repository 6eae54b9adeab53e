//! What the secret `KEY_ENCRYPTION_KEY` protects: sealed keys, and message authentication codes.

pub mod mac;
pub mod seal;
