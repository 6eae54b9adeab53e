//! Errors of authorization requests that go to the client.

use crate::protocol::token::id_token::IdTokenHintError;

/// An error that goes to the client (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AuthorizeError {
    /// The error code.
    pub code: &'static str,
    /// What was wrong: ASCII without quotation mark or backslash, and nothing of what was sent.
    pub description: &'static str,
}

impl AuthorizeError {
    /// An error of this code.
    pub const fn new(code: &'static str, description: &'static str) -> Self {
        Self { code, description }
    }
}

impl From<IdTokenHintError> for AuthorizeError {
    fn from(error: IdTokenHintError) -> Self {
        Self::new("invalid_request", error.description())
    }
}
