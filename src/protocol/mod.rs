//! OAuth 2.0 and OpenID Connect without I/O, clock, randomness or configuration. The functions parse and check input;
//! the time and the operator's policy are arguments.
//!
//! - [`authorization`]: authorization requests and their parameters
//! - [`client`]: client metadata and client authentication
//! - [`token`]: access tokens, ID tokens, and the errors about tokens
//! - [`user`]: claims, scopes, logins and passwords
//! - [`params`], [`json_object`]: readers of form parameters and of JSON objects
//! - [`authority`], [`own_host`], [`same_uri`]: the host and port of a URL, the provider's own host, and the equivalence
//!   of URIs
//! - [`description`]: the `error_description` of an OAuth error
//! - [`invalid_field`], [`text_forms`], [`unseen`]: errors about the fields of a document, and checks of text values

pub mod authority;
pub mod authorization;
pub mod client;
pub mod description;
pub mod invalid_field;
pub mod json_object;
pub mod own_host;
pub mod params;
pub mod same_uri;
pub mod text_forms;
pub mod token;
pub mod unseen;
pub mod user;
