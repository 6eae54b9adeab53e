//! The parts of JOSE (JSON Object Signing and Encryption) that a provider needs: JSON, JWK and JWS. The parsers are
//! strict: they reject input that deviates from the specifications.

pub mod client_jwk;
mod ed25519;
pub mod json;
pub mod jwk;
pub mod jws;
