//! Bearer tokens in requests (RFC 6750 section 2), and the errors about them (section 3).

use crate::http::{BodyError, Request};
use crate::jose::jws::JwsError;
use crate::protocol::params::{FORM, Given, Params, is_media_type};
use crate::protocol::token::access_token::AccessTokenError;

/// The largest form body that is read for a token, in bytes: twice the largest token.
pub const BODY_LIMIT: usize = 16_384;

/// The longest token that is looked at, in bytes.
pub const TOKEN_LIMIT: usize = 8_192;

/// The one parameter that is looked at.
const ACCESS_TOKEN: &str = "access_token";

/// Why a bearer token was not accepted (RFC 6750 section 3.1). The words are for the peer: ASCII
/// without quotation mark or backslash, and nothing of what was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BearerError {
    /// 403: the token is good, and lacks the scope openid.
    InsufficientScope,
    /// 400: the request breaks the rules on how a token is sent.
    InvalidRequest(&'static str),
    /// 401: the token is not one of ours, or not any more.
    InvalidToken(&'static str),
    /// 401 without an error code: no token came along.
    NoCredentials,
}

impl BearerError {
    /// The status it is answered with.
    pub fn status(self) -> u16 {
        match self {
            Self::InsufficientScope => 403,
            Self::InvalidRequest(_) => 400,
            Self::InvalidToken(_) | Self::NoCredentials => 401,
        }
    }

    /// The error code, where there is one.
    pub fn code(self) -> Option<&'static str> {
        match self {
            Self::InsufficientScope => Some("insufficient_scope"),
            Self::InvalidRequest(_) => Some("invalid_request"),
            Self::InvalidToken(_) => Some("invalid_token"),
            Self::NoCredentials => None,
        }
    }

    /// What was wrong.
    pub fn description(self) -> &'static str {
        match self {
            Self::InsufficientScope => "the token was issued without the scope openid",
            Self::InvalidRequest(description) | Self::InvalidToken(description) => description,
            Self::NoCredentials => "an access token is needed, as Authorization: Bearer",
        }
    }
}

impl From<AccessTokenError> for BearerError {
    fn from(error: AccessTokenError) -> Self {
        Self::InvalidToken(error.description())
    }
}

impl From<JwsError> for BearerError {
    fn from(error: JwsError) -> Self {
        Self::InvalidToken(error.description())
    }
}

/// The one bearer token of a request that follows RFC 6750: in the `Authorization` header, or, where
/// `in_body` allows it (never with GET, section 2.2), in a form body.
///
/// # Errors
/// [`BearerError::NoCredentials`] or [`BearerError::InvalidRequest`].
pub async fn token(request: &impl Request, in_body: bool) -> Result<String, BearerError> {
    // Section 2.3, and RFC 9700 section 4.3.2: a URL ends up in logs and histories.
    let query = access_token_of(request.query().unwrap_or_default().as_bytes())?;
    if query.get(ACCESS_TOKEN) != Given::Absent {
        return Err(BearerError::InvalidRequest("an access token must not be in the URL"));
    }
    let header = match request.header("authorization") {
        Some(value) => header_token(&value)?.map(str::to_owned),
        None => None,
    };
    let body = if in_body { body_token(request).await? } else { None };
    match (header, body) {
        (Some(_), Some(_)) => {
            Err(BearerError::InvalidRequest("an access token must be sent in one way only"))
        }
        (Some(token), None) | (None, Some(token)) if token.len() > TOKEN_LIMIT => {
            Err(BearerError::InvalidToken("the token is larger than 8192 bytes"))
        }
        (Some(token), None) | (None, Some(token)) => Ok(token),
        (None, None) => Err(BearerError::NoCredentials),
    }
}

/// The parameter `access_token` of a query or a body.
fn access_token_of(text: &[u8]) -> Result<Params, BearerError> {
    Params::parse(text, &[&[ACCESS_TOKEN]])
        .map_err(|malformed| BearerError::InvalidRequest(malformed.description()))
}

/// Section 2.1: `Bearer 1*SP b64token`, the scheme in any case. Another scheme is no credentials.
fn header_token(value: &str) -> Result<Option<&str>, BearerError> {
    if has_two_credentials(value) {
        return Err(BearerError::InvalidRequest("there are two Authorization headers"));
    }
    let scheme_length = value.bytes().take_while(|&b| is_token_byte(b)).count();
    let (scheme, rest) = value.split_at(scheme_length);
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Ok(None);
    }
    let token = rest.trim_start_matches(' ');
    if token.len() == rest.len() || !is_b64token(token) {
        return Err(BearerError::InvalidRequest(
            "the Authorization header is not one bearer token",
        ));
    }
    Ok(Some(token))
}

/// Two header fields arrive joined by a comma (RFC 9110 section 5.3). Within one, a comma separates
/// `name=value` parameters only (section 11.4), so anything else behind a comma is a second one.
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

/// Section 2.2: a form body, with any charset parameter, and one `access_token` in it.
async fn body_token(request: &impl Request) -> Result<Option<String>, BearerError> {
    let is_form = request.header("content-type").is_some_and(|text| is_media_type(&text, FORM));
    if !is_form {
        return Ok(None);
    }
    let body = request.body(BODY_LIMIT).await.map_err(|error| {
        BearerError::InvalidRequest(match error {
            BodyError::Interrupted => "the body could not be read",
            BodyError::TooLarge => "the body is larger than 16384 bytes",
        })
    })?;
    match access_token_of(&body)?.get(ACCESS_TOKEN) {
        Given::Absent => Ok(None),
        Given::Doubled => Err(BearerError::InvalidRequest("access_token stands twice")),
        Given::Once(token) if is_b64token(token) => Ok(Some(token.to_owned())),
        Given::Once(_) => Err(BearerError::InvalidRequest("access_token is not a b64token")),
    }
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
pub fn is_b64token(text: &str) -> bool {
    let unpadded = text.trim_end_matches('=');
    !unpadded.is_empty()
        && unpadded.bytes().all(|b| {
            matches!(b, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
        })
}

/// RFC 9110 section 5.6.2: tchar.
fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_bearer_in_any_case_and_then_spaces() {
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
    fn two_headers_are_told_from_one_with_parameters() {
        for value in [
            "Bearer a, Bearer a",
            "Basic YTpi, Bearer abc",
            "Basic a, Basic b",
            "Digest a=b, Bearer abc",
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
