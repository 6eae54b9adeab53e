//! Errors of the token endpoint (RFC 6749 section 5.2).

/// An error response of the token endpoint. Descriptions are ASCII without quotation mark and backslash (RFC 6749
/// section 5.2), and never quote the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenError {
    /// Client authentication failed.
    InvalidClient(&'static str),
    /// The code or refresh token is invalid, expired, revoked or issued to another client.
    InvalidGrant(&'static str),
    /// The request is malformed, for example because a parameter is missing or repeated.
    InvalidRequest(&'static str),
    /// The requested scope is malformed, or exceeds what the client may get or was granted.
    InvalidScope(&'static str),
    /// The requested resource is unknown or was not granted (RFC 8707 section 2).
    InvalidTarget(&'static str),
    /// The client has not registered this grant type.
    UnauthorizedClient(&'static str),
    /// The provider does not support this grant type.
    UnsupportedGrantType,
}

impl TokenError {
    /// Returns the HTTP status code of the response.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidClient(_) => 401,
            _ => 400,
        }
    }

    /// Returns the error code.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidClient(_) => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidScope(_) => "invalid_scope",
            Self::InvalidTarget(_) => "invalid_target",
            Self::UnauthorizedClient(_) => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }

    /// Returns the text of `error_description`.
    pub fn description(self) -> &'static str {
        match self {
            Self::InvalidClient(description)
            | Self::InvalidGrant(description)
            | Self::InvalidRequest(description)
            | Self::InvalidScope(description)
            | Self::InvalidTarget(description)
            | Self::UnauthorizedClient(description) => description,
            Self::UnsupportedGrantType => "grant_type is none that is served here",
        }
    }
}
