//! The endpoints that clients call.

pub mod configuration;
pub mod par;
pub mod registration;
pub mod token;
pub mod userinfo;
