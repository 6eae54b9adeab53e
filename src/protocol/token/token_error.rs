//! Errors of the token endpoint (RFC 6749 section 5.2, RFC 8628 section 3.5).

use crate::protocol::description::Description;

/// The same error for an unknown client and for wrong credentials, so that it does not disclose whether the client
/// exists.
pub const CLIENT_REFUSED: TokenError = TokenError::InvalidClient(Description::fixed(
    "client authentication failed: the client is unknown, or its credentials are wrong",
));

/// An error response of the token endpoint. Descriptions are for the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TokenError {
    /// The user has denied the request of the device.
    AccessDenied,
    /// The user has not decided yet about the request of the device.
    AuthorizationPending,
    /// The device code has expired.
    ExpiredToken,
    /// Client authentication failed.
    InvalidClient(Description),
    /// The code or refresh token is invalid, expired, revoked or issued to another client.
    InvalidGrant(Description),
    /// The request is malformed, for example because a parameter is missing or repeated.
    InvalidRequest(Description),
    /// The requested scope is malformed, or exceeds what the client may get or was granted.
    InvalidScope(Description),
    /// The requested resource is unknown or was not granted (RFC 8707 section 2).
    InvalidTarget(Description),
    /// The device polls too often.
    SlowDown,
    /// The client has not registered this grant type.
    UnauthorizedClient(Description),
    /// The provider does not support this grant type.
    UnsupportedGrantType,
}

impl TokenError {
    /// Returns the HTTP status code of the response.
    pub fn status(&self) -> u16 {
        match self {
            Self::InvalidClient(_) => 401,
            _ => 400,
        }
    }

    pub fn code(&self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::AuthorizationPending => "authorization_pending",
            Self::ExpiredToken => "expired_token",
            Self::InvalidClient(_) => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidScope(_) => "invalid_scope",
            Self::InvalidTarget(_) => "invalid_target",
            Self::SlowDown => "slow_down",
            Self::UnauthorizedClient(_) => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }

    /// Returns the text of `error_description`.
    pub fn description(&self) -> Description {
        match self {
            Self::AccessDenied => Description::fixed("the user denied the request"),
            Self::AuthorizationPending => {
                Description::fixed("the user has not decided yet; poll again after the interval")
            }
            Self::ExpiredToken => Description::fixed(
                "device_code: expired; send another device authorization request",
            ),
            Self::SlowDown => Description::fixed(
                "polled too early; wait 5 seconds longer from now on, also before later requests",
            ),
            Self::InvalidClient(description)
            | Self::InvalidGrant(description)
            | Self::InvalidRequest(description)
            | Self::InvalidScope(description)
            | Self::InvalidTarget(description)
            | Self::UnauthorizedClient(description) => description.clone(),
            Self::UnsupportedGrantType => Description::fixed(
                "grant_type: not in grant_types_supported of the provider metadata",
            ),
        }
    }
}
