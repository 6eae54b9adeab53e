//! OAuth 2.0 and OpenID Connect without I/O, clock, randomness or configuration: text in, types out.
//!
//! - [`authorization`]: authorization requests, and what they consist of
//! - [`client`]: clients: their metadata, and how they prove who they are
//! - [`token`]: tokens, and the errors about them
//! - [`user`]: users: their claims, the scopes that release them, logins and passwords
//! - [`params`], [`json_object`]: the two forms in which all of it comes
//! - [`authority`]: hosts and ports of URLs
//! - [`invalid_field`], [`text_forms`]: what is wrong with a document, and what its texts must be

pub mod authority;
pub mod authorization;
pub mod client;
pub mod invalid_field;
pub mod json_object;
pub mod params;
pub mod text_forms;
pub mod token;
pub mod user;
