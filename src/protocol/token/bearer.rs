//! Bearer tokens in the `Authorization` header (RFC 6750 section 2.1), and the errors about them (section 3).

use crate::jose::jws::JwsError;
use crate::protocol::description::Description;
use crate::protocol::token::access_token::AccessTokenError;

/// An error about a bearer token (RFC 6750 section 3.1), with a description for the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BearerError {
    /// 403: the token is valid, but lacks the scope `openid`.
    InsufficientScope,
    /// 400: the request is malformed, or does not send the token as RFC 6750 section 2 requires.
    InvalidRequest(Description),
    /// 401: the token is malformed, expired, revoked or from another issuer.
    InvalidToken(Description),
    /// 401: the request has no access token.
    NoCredentials,
    /// 401 from the registration endpoint, which accepts an initial access token (RFC 7591 section 3).
    NoInitialAccessToken,
    /// The same at the client configuration endpoint (RFC 7592 section 2).
    NoRegistrationAccessToken,
}

impl BearerError {
    /// Returns the HTTP status code of the response.
    pub fn status(&self) -> u16 {
        match self {
            Self::InsufficientScope => 403,
            Self::InvalidRequest(_) => 400,
            Self::InvalidToken(_)
            | Self::NoCredentials
            | Self::NoInitialAccessToken
            | Self::NoRegistrationAccessToken => 401,
        }
    }

    /// Returns the error code. RFC 6750 names none for a request without a token, but client libraries need one.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidToken(_)
            | Self::NoCredentials
            | Self::NoInitialAccessToken
            | Self::NoRegistrationAccessToken => "invalid_token",
        }
    }

    /// Returns whether the request has no token. Its challenge has no error code (RFC 6750 section 3.1).
    pub fn is_without_token(&self) -> bool {
        matches!(
            self,
            Self::NoCredentials | Self::NoInitialAccessToken | Self::NoRegistrationAccessToken
        )
    }

    /// Returns the text of `error_description`.
    pub fn description(&self) -> Description {
        Description::fixed(match self {
            Self::InsufficientScope => "access token: the scope openid was not granted",
            Self::InvalidRequest(description) | Self::InvalidToken(description) => {
                return description.clone();
            }
            Self::NoCredentials => "an access token is needed, as Authorization: Bearer",
            Self::NoInitialAccessToken => {
                "an initial access token is needed, as Authorization: Bearer; the operator makes one \
                 with 'postern registration token'"
            }
            Self::NoRegistrationAccessToken => {
                "the registration access token of this client is needed, as Authorization: Bearer"
            }
        })
    }
}

impl From<AccessTokenError> for BearerError {
    fn from(error: AccessTokenError) -> Self {
        Self::InvalidToken(Description::new(format_args!("access token: {}", error.description())))
    }
}

impl From<JwsError> for BearerError {
    fn from(error: JwsError) -> Self {
        Self::InvalidToken(Description::new(format_args!("access token: {}", error.description())))
    }
}

/// Returns the token of an `Authorization` header: `Bearer 1*SP b64token`, with the scheme in any case. Returns `None`
/// for another scheme.
///
/// # Errors
/// [`BearerError::InvalidRequest`] when the token is malformed or there are two headers.
pub fn header_token(value: &str) -> Result<Option<&str>, BearerError> {
    if has_two_credentials(value) {
        return Err(BearerError::InvalidRequest("duplicate header: Authorization".into()));
    }
    let scheme_length = value.bytes().take_while(|&b| is_token_byte(b)).count();
    let (scheme, rest) = value.split_at(scheme_length);
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Ok(None);
    }
    let token = rest.trim_start_matches(' ');
    if token.len() == rest.len() || !is_b64token(token) {
        return Err(BearerError::InvalidRequest(
            "Authorization: must have one bearer token".into(),
        ));
    }
    Ok(Some(token))
}

/// Returns whether two header fields were joined by a comma (RFC 9110 section 5.3). Within one field, a comma separates
/// `name=value` parameters only (section 11.4), so that anything else after a comma is a second field.
fn has_two_credentials(value: &str) -> bool {
    if !value.contains(',') {
        return false;
    }
    let mut quoted = false;
    let mut escaped = false;
    value
        .split(|c| {
            if escaped {
                escaped = false;
            } else if c == '\\' && quoted {
                escaped = true;
            } else if c == '"' {
                quoted = !quoted;
            }
            c == ',' && !quoted
        })
        .skip(1)
        .map(str::trim)
        .any(|element| {
            let name_length = element.bytes().take_while(|&b| is_token_byte(b)).count();
            let (name, after_name) = element.split_at(name_length);
            !element.is_empty() && (name.is_empty() || !after_name.trim_start().starts_with('='))
        })
}

/// Returns whether a text is `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750 section 2.1).
pub fn is_b64token(text: &str) -> bool {
    let unpadded = text.trim_end_matches('=');
    !unpadded.is_empty()
        && unpadded.bytes().all(|b| {
            matches!(b, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
        })
}

/// Returns whether a byte is a `tchar` (RFC 9110 section 5.6.2).
fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_case_insensitive_and_followed_by_spaces() {
        for value in ["Bearer abc", "bearer abc", "BEARER   abc"] {
            assert_eq!(header_token(value), Ok(Some("abc")), "{value}");
        }
        for value in
            ["Basic YTpi", "Digest username=\"a, b\", realm=\"x\"", "", "DPoP abc", "Bearer2 a"]
        {
            assert_eq!(header_token(value), Ok(None), "{value}");
        }
        for value in
            ["Bearer", "Bearer ", "Bearer\tabc", "Bearer a b", "Bearer a,b", "Bearer =", "Bearer é"]
        {
            assert!(header_token(value).is_err(), "{value}");
        }
    }

    #[test]
    fn two_headers_are_distinguished_from_one_with_parameters() {
        for value in [
            "Bearer a, Bearer a",
            "Basic YTpi, Bearer abc",
            "Basic a, Basic b",
            "Digest a=b, Bearer abc",
            "Digest a=\"b\", Bearer abc",
            "a, b",
            "Negotiate, Bearer x==",
        ] {
            assert!(has_two_credentials(value), "{value}");
        }
        for value in [
            "Bearer a",
            "Digest a=b, c=\"d, Bearer e\", f = g",
            "Digest a=\"\\\", Bearer b\"",
            "Basic a,",
        ] {
            assert!(!has_two_credentials(value), "{value}");
        }
    }
}
