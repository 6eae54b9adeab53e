//! Errors of client registration (RFC 7591 section 3.2.2). Errors about its access tokens are in
//! [`bearer`](crate::protocol::token::bearer).

use crate::protocol::client::metadata::MetadataError;
use crate::protocol::description::Description;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::NotAnObject;

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
    UnreadBody(Description),
}

impl RegistrationError {
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

    /// Returns the text of `error_description`.
    pub fn description(&self) -> Description {
        match self {
            Self::Metadata(error) => Description::new(error),
            Self::NotAnObject(error) => Description::new(error),
            Self::NotJson => Description::fixed("Content-Type: must be application/json"),
            Self::TooOften { pause } => Description::new(format_args!(
                "too many registrations from this address; try again in {pause} seconds"
            )),
            Self::UnreadBody(description) => description.clone(),
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
        assert_eq!(error.description().as_str(), "client_name#'????: wrong");
        let field = InvalidField::new("redirect_uris[0]", "x".repeat(5_000));
        let error = RegistrationError::from(MetadataError::RedirectUri(field));
        assert_eq!(
            (error.code(), error.description().as_str().len()),
            ("invalid_redirect_uri", 300)
        );
    }
}
