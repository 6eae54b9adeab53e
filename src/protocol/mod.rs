//! The vocabulary of OAuth 2.0 and OpenID Connect, free of I/O: untrusted text becomes a type here.

pub mod access_token;
pub mod bearer;
pub mod claims;
pub mod client_metadata;
pub mod members;
pub mod params;
pub mod password;
pub mod redirect_uri;
pub mod scope;
