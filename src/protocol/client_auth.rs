//! How a client says who it is (RFC 6749 section 2.3, OpenID Connect Core section 9).

use base64ct::{Base64, Base64Unpadded, Encoding};
use percent_encoding::percent_decode_str;

use crate::config::Secret;
use crate::protocol::params::{Doubled, Params};
use crate::protocol::token_error::TokenError;

/// Who a request says it is from. Nothing of it is proven yet.
#[derive(Debug)]
pub struct Credentials {
    /// The client.
    pub client_id: String,
    /// Its secret; a public client has none.
    pub secret: Option<Secret>,
}

impl Credentials {
    /// Takes the one credential of a request: from the `Authorization` header, or from the body.
    ///
    /// # Errors
    /// [`TokenError::InvalidRequest`] for more than one, [`TokenError::InvalidClient`] for none or a
    /// malformed one.
    pub fn take(authorization: Option<&str>, params: &Params<'_>) -> Result<Self, TokenError> {
        let doubled =
            |_: Doubled| TokenError::InvalidRequest("a parameter of the client stands twice");
        let client_id = params.once("client_id").map_err(doubled)?;
        let secret = params.once("client_secret").map_err(doubled)?;
        if params.once("client_assertion") != Ok(None)
            || params.once("client_assertion_type") != Ok(None)
        {
            return Err(TokenError::InvalidClient("client assertions are not supported"));
        }
        let Some(header) = authorization else {
            let client_id = client_id.ok_or(TokenError::InvalidClient(
                "the request does not say which client it is from",
            ))?;
            let secret = secret.map(|secret| Secret::new(secret.to_owned()));
            return Ok(Self { client_id: client_id.to_owned(), secret });
        };
        if secret.is_some() {
            return Err(TokenError::InvalidRequest("a client must authenticate in one way only"));
        }
        let credentials = Self::of_basic(header)?;
        if client_id.is_some_and(|client_id| client_id != credentials.client_id) {
            return Err(TokenError::InvalidRequest(
                "client_id is not that of the Authorization header",
            ));
        }
        Ok(credentials)
    }

    /// RFC 6749 section 2.3.1: id and secret, each form-encoded, as HTTP Basic. Ours are the same with and
    /// without that encoding.
    fn of_basic(header: &str) -> Result<Self, TokenError> {
        let malformed = TokenError::InvalidClient("the Authorization header is not HTTP Basic");
        let (scheme, rest) = header.split_once(' ').ok_or(malformed)?;
        if !scheme.eq_ignore_ascii_case("Basic") {
            return Err(malformed);
        }
        let rest = rest.trim_matches(' ');
        let decoded = Base64::decode_vec(rest).or_else(|_| Base64Unpadded::decode_vec(rest));
        let text = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(malformed)?;
        let (client_id, secret) = text.split_once(':').ok_or(malformed)?;
        let decode = |text: &str| {
            let spaced = text.replace('+', " ");
            let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| malformed);
            decoded.map(String::from)
        };
        // Some public clients send an empty secret.
        let secret = Some(decode(secret)?).filter(|secret| !secret.is_empty()).map(Secret::new);
        Ok(Self { client_id: decode(client_id)?, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(header: Option<&str>, body: &str) -> Result<(String, Option<String>), TokenError> {
        let header = header.map(|text| match text.strip_prefix("raw:") {
            Some(raw) => raw.to_owned(),
            None => format!("Basic {}", Base64::encode_string(text.as_bytes())),
        });
        let params = Params::parse(body.as_bytes());
        Credentials::take(header.as_deref(), &params).map(|credentials| {
            let secret = credentials.secret.map(|secret| secret.expose().to_owned());
            (credentials.client_id, secret)
        })
    }

    #[test]
    fn a_client_says_who_it_is_in_one_of_three_ways() {
        let with = |secret: Option<&str>| Ok(("app".to_owned(), secret.map(str::to_owned)));
        assert_eq!(take(Some("app:s3cret"), ""), with(Some("s3cret")));
        assert_eq!(take(Some("app:s3cret"), "client_id=app"), with(Some("s3cret")));
        assert_eq!(take(Some("app:a%2Bb%3A+"), ""), with(Some("a+b: ")));
        assert_eq!(take(Some("app:a:b"), ""), with(Some("a:b")));
        assert_eq!(take(Some("app:"), ""), with(None));
        assert_eq!(take(Some("raw:bASIC  YXBwOngxMg=="), ""), with(Some("x12")));
        assert_eq!(take(Some("raw:Basic YXBwOngxMg"), ""), with(Some("x12")));
        assert_eq!(take(None, "client_id=app&client_secret=s3cret"), with(Some("s3cret")));
        assert_eq!(take(None, "client_id=app"), with(None));
    }

    #[test]
    fn one_credential_is_enough_and_a_second_is_refused() {
        for (header, body) in [
            (Some("app:s3cret"), "client_id=app&client_secret=s3cret"),
            (Some("app:s3cret"), "client_secret=s3cret"),
            (Some("app:s3cret"), "client_id=other"),
            (None, "client_id=app&client_id=app"),
            (None, "client_id=app&client_secret=a&client_secret=a"),
        ] {
            let error = take(header, body).unwrap_err();
            assert_eq!(error.code(), "invalid_request", "{header:?} {body}");
        }
        for (header, body) in [
            (None, ""),
            (None, "client_secret=s3cret"),
            (Some("raw:Bearer abc"), "client_id=app"),
            (Some("raw:Basic"), "client_id=app"),
            (Some("raw:Basic %%%"), ""),
            (Some("no colon"), ""),
            (Some("app:%FF"), ""),
            (None, "client_id=app&client_assertion=x"),
        ] {
            let error = take(header, body).unwrap_err();
            assert_eq!(error.code(), "invalid_client", "{header:?} {body}");
        }
    }
}
