//! One file per endpoint, named as its specification names it.

pub mod admin;
pub mod discovery;
pub mod jwks;
pub mod resource_metadata;
pub mod userinfo;
