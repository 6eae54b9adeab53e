//! Users: claims, scopes, logins and passwords.

pub mod claims;
pub mod login;
pub mod password;
pub mod scope;
pub mod scope_value;
pub mod scope_words;
pub mod user_agent;
