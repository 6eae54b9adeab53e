//! The credentials of a request for client authentication (RFC 6749 section 2.3, OpenID Connect Core section 9).

use base64ct::{Base64, Base64Unpadded, Encoding};
use percent_encoding::percent_decode_str;

use crate::protocol::client::assertion;
use crate::protocol::params::{DuplicateParameter, Params};
use crate::protocol::token::token_error::TokenError;
use crate::secret::Secret;

/// The parameters of client authentication (RFC 6749 section 2.3.1, RFC 7521 section 4.2).
pub const PARAMETERS: [&str; 4] =
    ["client_assertion", "client_assertion_type", "client_id", "client_secret"];

/// The maximum length of an `Authorization` header, in bytes.
const HEADER_LIMIT: usize = 2_048;

/// The client that a request names, and its credentials. Neither is verified yet.
#[derive(Debug)]
pub enum Credentials {
    /// A JWT signed by the client (RFC 7523 section 2.2).
    Assertion {
        /// The JWT as it was sent.
        assertion: String,
        /// The parameter `client_id`, which is optional with an assertion.
        client_id: Option<String>,
    },
    /// No credentials: the client is public.
    Public { client_id: String },
    Secret {
        client_id: String,
        /// The secret as it was sent.
        secret: Secret,
    },
}

impl Credentials {
    /// Reads the credentials of a request, from the `Authorization` header or from the body.
    ///
    /// # Errors
    /// - [`TokenError::InvalidRequest`] when a parameter is repeated, or there is more than one credential or client id
    /// - [`TokenError::InvalidClient`] when the client id is missing, or the credentials are malformed
    pub fn from_request(authorization: Option<&str>, params: &Params) -> Result<Self, TokenError> {
        let doubled = |duplicate: DuplicateParameter| TokenError::InvalidRequest(duplicate.into());
        let client_id = params.once("client_id").map_err(doubled)?;
        let secret = params.once("client_secret").map_err(doubled)?;
        let assertion = params.once("client_assertion").map_err(doubled)?;
        let assertion_type = params.once("client_assertion_type").map_err(doubled)?;
        let ways = [authorization.is_some(), secret.is_some(), assertion.is_some()];
        if ways.into_iter().filter(|is_used| *is_used).count() > 1 {
            return Err(TokenError::InvalidRequest(
                "more than one client authentication method: send Authorization, client_secret or \
                 client_assertion"
                    .into(),
            ));
        }
        if let Some(header) = authorization {
            let (own_id, secret) = parse_basic(header)?;
            if client_id.is_some_and(|client_id| client_id != own_id) {
                return Err(TokenError::InvalidRequest(
                    "client_id: must be the client of the Authorization header".into(),
                ));
            }
            return Ok(Self::new(own_id, secret));
        }
        let client_id = client_id.map(str::to_owned);
        if let Some(assertion) = assertion {
            if assertion_type != Some(assertion::TYPE) {
                return Err(TokenError::InvalidClient(
                    "client_assertion_type: must be \
                     urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                        .into(),
                ));
            }
            return Ok(Self::Assertion { assertion: assertion.to_owned(), client_id });
        }
        let client_id = client_id.ok_or(TokenError::InvalidClient(
            "missing client authentication: send Authorization, client_assertion or client_id"
                .into(),
        ))?;
        Ok(Self::new(client_id, secret.map(|secret| Secret::new(secret.to_owned()))))
    }

    fn new(client_id: String, secret: Option<Secret>) -> Self {
        match secret {
            Some(secret) => Self::Secret { client_id, secret },
            None => Self::Public { client_id },
        }
    }
}

/// Parses HTTP Basic credentials: id and secret, each form-encoded (RFC 6749 section 2.3.1). The ids and secrets that
/// Postern generates have no characters that this encoding changes, so that clients without it work, too.
fn parse_basic(header: &str) -> Result<(String, Option<Secret>), TokenError> {
    if header.len() > HEADER_LIMIT {
        return Err(TokenError::InvalidClient("Authorization: longer than 2048 bytes".into()));
    }
    let malformed = || {
        TokenError::InvalidClient(
            "Authorization: must be Basic, with client_id and client_secret form-encoded".into(),
        )
    };
    let (scheme, rest) = header.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Err(malformed());
    }
    let rest = rest.trim_matches(' ');
    let decoded = Base64::decode_vec(rest).or_else(|_| Base64Unpadded::decode_vec(rest));
    let text =
        decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(malformed)?;
    let (client_id, secret) = text.split_once(':').ok_or_else(malformed)?;
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| malformed());
        decoded.map(String::from)
    };
    // An empty secret counts as none, because some public clients send one.
    let secret = Some(decode(secret)?).filter(|secret| !secret.is_empty()).map(Secret::new);
    Ok((decode(client_id)?, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: Option<&str>, body: &str) -> Result<(String, Option<String>), TokenError> {
        let header = header.map(|text| match text.strip_prefix("raw:") {
            Some(raw) => raw.to_owned(),
            None => format!("Basic {}", Base64::encode_string(text.as_bytes())),
        });
        let params = Params::parse(body.as_bytes(), &[&PARAMETERS]).unwrap();
        Credentials::from_request(header.as_deref(), &params).map(|credentials| match credentials {
            Credentials::Assertion { assertion, client_id } => {
                (client_id.unwrap_or_default(), Some(format!("signed {assertion}")))
            }
            Credentials::Public { client_id } => (client_id, None),
            Credentials::Secret { client_id, secret } => {
                (client_id, Some(secret.expose().to_owned()))
            }
        })
    }

    #[test]
    fn credentials_are_read_from_the_header_or_the_body() {
        let with = |secret: Option<&str>| Ok(("app".to_owned(), secret.map(str::to_owned)));
        assert_eq!(parse(Some("app:s3cret"), ""), with(Some("s3cret")));
        assert_eq!(parse(Some("app:s3cret"), "client_id=app"), with(Some("s3cret")));
        assert_eq!(parse(Some("app:a%2Bb%3A+"), ""), with(Some("a+b: ")));
        assert_eq!(parse(Some("app:a:b"), ""), with(Some("a:b")));
        assert_eq!(parse(Some("app:"), ""), with(None));
        assert_eq!(parse(Some("raw:bASIC  YXBwOngxMg=="), ""), with(Some("x12")));
        assert_eq!(parse(Some("raw:Basic YXBwOngxMg"), ""), with(Some("x12")));
        assert_eq!(parse(None, "client_id=app&client_secret=s3cret"), with(Some("s3cret")));
        assert_eq!(parse(None, "client_id=app"), with(None));
    }

    #[test]
    fn an_authorization_header_has_a_maximum_length() {
        // "Basic " and 510 groups of four characters are 2046 bytes, to which spaces may be added.
        let header = |spaces: usize| {
            let text = Base64::encode_string(format!("app:{}", "x".repeat(1_526)).as_bytes());
            format!("raw:Basic {}{text}", " ".repeat(spaces))
        };
        let parse = |spaces: usize| parse(Some(&header(spaces)), "");
        assert_eq!(header(2).len() - "raw:".len(), HEADER_LIMIT);
        assert!(parse(2).is_ok());
        assert_eq!(parse(3).unwrap_err().code(), "invalid_client");
    }

    #[test]
    fn missing_malformed_and_second_credentials_are_refused() {
        for (header, body) in [
            (Some("app:s3cret"), "client_id=app&client_secret=s3cret"),
            (Some("app:s3cret"), "client_secret=s3cret"),
            (Some("app:s3cret"), "client_id=other"),
            (None, "client_id=app&client_id=app"),
            (None, "client_id=app&client_secret=a&client_secret=a"),
        ] {
            let error = parse(header, body).unwrap_err();
            assert_eq!(error.code(), "invalid_request", "{header:?} {body}");
        }
        for (header, body) in [
            (None, ""),
            (None, "client_secret=s3cret"),
            (Some("raw:Bearer abc"), "client_id=app"),
            (Some("raw:Basic"), "client_id=app"),
            (Some("raw:Basic %%%"), ""),
            (Some("no colon"), ""),
            (Some(&format!("app:{}", "x".repeat(2_048))), ""),
            (Some("app:%FF"), ""),
            (None, "client_id=app&client_assertion=x"),
        ] {
            let error = parse(header, body).unwrap_err();
            assert_eq!(error.code(), "invalid_client", "{header:?} {body}");
        }
    }
}
