//! Errors of client registration (RFC 7591 section 3.2.2). Errors about its access tokens are in
//! [`bearer`](crate::protocol::token::bearer).

use crate::protocol::client::metadata::MetadataError;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::NotAnObject;

/// The maximum length of a description, in characters, because it may quote the request.
const DESCRIPTION_LIMIT: usize = 300;

/// An error in a request to register a client or to change its registration.
#[derive(Debug)]
pub enum RegistrationError {
    /// The metadata or another field of the document is invalid.
    Metadata(MetadataError),
    /// The body is not a JSON object, or it has a duplicate field.
    NotAnObject(NotAnObject),
    /// The media type of the body is not `application/json`.
    NotJson,
    /// This address has sent too many requests.
    TooOften {
        /// The value of `Retry-After`, in seconds.
        pause: i64,
    },
    /// The body is incomplete or too large. The text is the description.
    UnreadBody(&'static str),
}

impl RegistrationError {
    /// Returns the error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Metadata(MetadataError::RedirectUri(_)) => "invalid_redirect_uri",
            Self::Metadata(MetadataError::Field(_) | MetadataError::TooLarge { .. })
            | Self::NotAnObject(_)
            | Self::NotJson
            | Self::UnreadBody(_) => "invalid_client_metadata",
            Self::TooOften { .. } => "temporarily_unavailable",
        }
    }

    /// Returns the text of `error_description`. Characters of the request that it must not have (RFC 6749 section 5.2)
    /// are replaced.
    pub fn description(&self) -> String {
        match self {
            Self::Metadata(error) => plain(&error.to_string()),
            Self::NotAnObject(error) => plain(&error.to_string()),
            Self::NotJson => "the body must be application/json".into(),
            Self::TooOften { .. } => "too many clients are registered from this address".into(),
            Self::UnreadBody(description) => (*description).into(),
        }
    }

    /// Returns the HTTP status code of the response.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooOften { .. } => 429,
            _ => 400,
        }
    }
}

fn plain(text: &str) -> String {
    let plain = text.chars().map(|c| match c {
        '"' => '\'',
        ' '..='~' if c != '\\' => c,
        _ => '?',
    });
    plain.take(DESCRIPTION_LIMIT).collect()
}

impl From<InvalidField> for RegistrationError {
    fn from(error: InvalidField) -> Self {
        Self::Metadata(error.into())
    }
}

impl From<MetadataError> for RegistrationError {
    fn from(error: MetadataError) -> Self {
        Self::Metadata(error)
    }
}

impl From<NotAnObject> for RegistrationError {
    fn from(error: NotAnObject) -> Self {
        Self::NotAnObject(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_printable_ascii_of_limited_length() {
        let error =
            RegistrationError::from(InvalidField::new("client_name#\"é\\\n\u{7f}", "wrong"));
        assert_eq!(error.description(), "client_name#'????: wrong");
        let field = InvalidField::new("redirect_uris[0]", "x".repeat(5_000));
        let error = RegistrationError::from(MetadataError::RedirectUri(field));
        assert_eq!((error.code(), error.description().len()), ("invalid_redirect_uri", 300));
    }
}
