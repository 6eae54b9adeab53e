//! Errors in authorization responses.

use crate::protocol::description::Description;
use crate::protocol::token::id_token::IdTokenHintError;

/// The error code of a request that may succeed later.
pub const TEMPORARILY_UNAVAILABLE: &str = "temporarily_unavailable";

/// An error that the redirect URI receives (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthorizeError {
    pub code: &'static str,
    /// The text of `error_description`.
    pub description: Description,
}

impl AuthorizeError {
    /// Creates an error. `code` is one of the specifications' error codes.
    pub fn new(code: &'static str, description: impl Into<Description>) -> Self {
        Self { code, description: description.into() }
    }
}

impl From<IdTokenHintError> for AuthorizeError {
    fn from(error: IdTokenHintError) -> Self {
        Self::new("invalid_request", error.description())
    }
}
