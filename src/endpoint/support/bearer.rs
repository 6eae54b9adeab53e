//! The bearer token of a request (RFC 6750 section 2).

use super::body::{self, Limit, has_media_type, limit};
use crate::http::Request;
use crate::protocol::params::{FORM, ParamValue, Params};
use crate::protocol::token::bearer::{BearerError, header_token, is_b64token};

/// The largest form body that is read for a token: twice the longest token.
const BODY_LIMIT: Limit = limit!(16_384);

/// The longest accepted token, in bytes.
pub const TOKEN_LIMIT: usize = 8_192;

/// The parameter that carries a token.
const ACCESS_TOKEN: &str = "access_token";

/// Returns the bearer token of a request: from the `Authorization` header, or from a form body if `in_body` is true.
/// RFC 6750 section 2.2 forbids that for GET.
///
/// # Errors
/// - [`BearerError::NoCredentials`] if there is no token
/// - [`BearerError::InvalidRequest`] if the token is in the URL, malformed, or sent in more than one way
/// - [`BearerError::InvalidToken`] if the token is longer than [`TOKEN_LIMIT`]
pub async fn bearer_token(request: &impl Request, in_body: bool) -> Result<String, BearerError> {
    // A token in the URL is refused, because URLs are logged and kept in histories (RFC 9700 section 4.3.2).
    let query = access_token_of(request.query().as_bytes())?;
    if query.get(ACCESS_TOKEN) != ParamValue::Absent {
        return Err(BearerError::InvalidRequest("access_token: must not be in the URL".into()));
    }
    let header = match request.header("authorization") {
        Some(value) => header_token(&value)?.map(str::to_owned),
        None => None,
    };
    let body = if in_body { body_token(request).await? } else { None };
    match (header, body) {
        (Some(_), Some(_)) => Err(BearerError::InvalidRequest(
            "more than one access token: send it in the Authorization header or in the body".into(),
        )),
        (Some(token), None) | (None, Some(token)) if token.len() > TOKEN_LIMIT => {
            Err(BearerError::InvalidToken("access token: longer than 8192 bytes".into()))
        }
        (Some(token), None) | (None, Some(token)) => Ok(token),
        (None, None) => Err(BearerError::NoCredentials),
    }
}

/// Parses the parameter `access_token` of a query or a form body.
fn access_token_of(text: &[u8]) -> Result<Params, BearerError> {
    Params::parse(text, &[&[ACCESS_TOKEN]])
        .map_err(|malformed| BearerError::InvalidRequest(malformed.description()))
}

/// Returns the token of a form body with any charset parameter (section 2.2). Bodies of another media type have no
/// token.
async fn body_token(request: &impl Request) -> Result<Option<String>, BearerError> {
    if !has_media_type(request, FORM) {
        return Ok(None);
    }
    let body = body::read(request, BODY_LIMIT)
        .await
        .map_err(|error| BearerError::InvalidRequest(error.description()))?;
    match access_token_of(&body)?.get(ACCESS_TOKEN) {
        ParamValue::Absent => Ok(None),
        ParamValue::Duplicate => {
            Err(BearerError::InvalidRequest("duplicate parameter: access_token".into()))
        }
        ParamValue::Single(token) if is_b64token(token) => Ok(Some(token.to_owned())),
        ParamValue::Single(_) => Err(BearerError::InvalidRequest(
            "access_token: must be a b64token (RFC 6750 section 2.1)".into(),
        )),
    }
}
