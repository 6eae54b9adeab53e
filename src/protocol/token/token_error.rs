//! Errors of the token endpoint (RFC 6749 section 5.2).

/// Why no token was issued. The words are for the peer: ASCII without quotation mark or backslash, and
/// nothing of what was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenError {
    /// Who the client is was not shown.
    InvalidClient(&'static str),
    /// The code or refresh token is not good, or not any more, or not this client's.
    InvalidGrant(&'static str),
    /// The request breaks the rules.
    InvalidRequest(&'static str),
    /// More was asked for than was granted.
    InvalidScope(&'static str),
    /// There is no such resource, or it was not granted (RFC 8707 section 2).
    InvalidTarget(&'static str),
    /// The client may not use this grant type.
    UnauthorizedClient(&'static str),
    /// There is no such grant type here.
    UnsupportedGrantType,
}

impl TokenError {
    /// The status it is answered with.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidClient(_) => 401,
            _ => 400,
        }
    }

    /// The error code.
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

    /// What was wrong.
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
