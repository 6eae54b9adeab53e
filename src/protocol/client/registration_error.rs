//! Errors of registration (RFC 7591 section 3.2.2). Those about its tokens are those of bearer tokens.

use crate::protocol::client::metadata::MetadataError;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::NotAnObject;

/// The longest description, in characters: it may quote what a client sent.
const DESCRIPTION_LIMIT: usize = 300;

/// Why a client was not registered, or its registration not changed.
#[derive(Debug)]
pub enum RegistrationError {
    /// The metadata, or another field of the document, cannot be honoured.
    Metadata(MetadataError),
    /// The body is not a JSON object.
    NotAnObject(NotAnObject),
    /// The body has another media type than JSON.
    NotJson,
    /// Too many clients come from this address.
    TooOften {
        /// For how many seconds it is to wait.
        pause: i64,
    },
    /// The body did not arrive, or is too large.
    UnreadBody(&'static str),
}

impl RegistrationError {
    /// The error code.
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

    /// What was wrong: ASCII without quotation mark or backslash, whatever the client sent.
    pub fn description(&self) -> String {
        match self {
            Self::Metadata(error) => plain(&error.to_string()),
            Self::NotAnObject(error) => plain(&error.to_string()),
            Self::NotJson => "the body must be application/json".into(),
            Self::TooOften { .. } => "too many clients are registered from this address".into(),
            Self::UnreadBody(description) => (*description).into(),
        }
    }

    /// The status it is answered with.
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
    fn a_description_is_plain_ascii_of_some_length() {
        let error =
            RegistrationError::from(InvalidField::new("client_name#\"é\\\n\u{7f}", "wrong"));
        assert_eq!(error.description(), "client_name#'????: wrong");
        let field = InvalidField::new("redirect_uris[0]", "x".repeat(5_000));
        let error = RegistrationError::from(MetadataError::RedirectUri(field));
        assert_eq!((error.code(), error.description().len()), ("invalid_redirect_uri", 300));
    }
}
