//! Users.

pub mod claims;
pub mod login;
pub mod password;
pub mod scope;
