//! JSON Object Signing and Encryption, as far as a provider needs it, and strictly: what is not
//! exactly as the specifications write it is refused.

pub mod client_jwk;
pub mod json;
pub mod jwk;
pub mod jws;
