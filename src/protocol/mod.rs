//! The vocabulary of OAuth 2.0 and OpenID Connect, free of I/O: untrusted text becomes a type here.

pub mod access_token;
pub mod authorize_request;
pub mod bearer;
pub mod claims;
pub mod claims_request;
pub mod client_assertion;
pub mod client_auth;
pub mod client_jwt;
pub mod client_metadata;
pub mod id_token;
pub mod localized;
pub mod login;
pub mod members;
pub mod outbound_url;
pub mod params;
pub mod password;
pub mod pkce;
pub mod redirect_uri;
pub mod registration_error;
pub mod request_object;
pub mod resources;
pub mod scope;
pub mod token_error;
pub mod unsupported_metadata;
