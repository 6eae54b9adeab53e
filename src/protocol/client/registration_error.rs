//! Errors of registration (RFC 7591 section 3.2.2). Those about its tokens are those of bearer tokens.

/// The longest description, in characters: what a client sent may stand in it.
const DESCRIPTION_LIMIT: usize = 300;

/// Why a client was not registered, or its registration not changed.
#[derive(Debug, Eq, PartialEq)]
pub enum RegistrationError {
    /// The metadata cannot be honoured. Begins with the member that is wrong.
    InvalidClientMetadata(String),
    /// A redirect URI cannot be registered.
    InvalidRedirectUri(String),
    /// Too many clients come from this address.
    TooOften {
        /// For how many seconds it is to wait.
        pause: i64,
    },
}

impl RegistrationError {
    /// The error of a complaint, which begins with the member that it is about.
    pub fn of(complaint: String) -> Self {
        if complaint.starts_with("redirect_uris") {
            Self::InvalidRedirectUri(complaint)
        } else {
            Self::InvalidClientMetadata(complaint)
        }
    }

    /// The error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidClientMetadata(_) => "invalid_client_metadata",
            Self::InvalidRedirectUri(_) => "invalid_redirect_uri",
            Self::TooOften { .. } => "temporarily_unavailable",
        }
    }

    /// What was wrong: ASCII without quotation mark or backslash, whatever the client sent.
    pub fn description(&self) -> String {
        match self {
            Self::InvalidClientMetadata(complaint) | Self::InvalidRedirectUri(complaint) => {
                let plain = complaint.chars().map(|c| match c {
                    '"' => '\'',
                    ' '..='~' if c != '\\' => c,
                    _ => '?',
                });
                plain.take(DESCRIPTION_LIMIT).collect()
            }
            Self::TooOften { .. } => "too many clients are registered from this address".into(),
        }
    }

    /// The status it is answered with.
    pub fn status(&self) -> u16 {
        match self {
            Self::InvalidClientMetadata(_) | Self::InvalidRedirectUri(_) => 400,
            Self::TooOften { .. } => 429,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RegistrationError;

    #[test]
    fn a_description_is_plain_ascii_of_some_length() {
        let error = RegistrationError::of("client_name#\"é\\\n\u{7f} must".into());
        assert_eq!(error.description(), "client_name#'???? must");
        let error = RegistrationError::of(format!("redirect_uris{}", "x".repeat(5_000)));
        assert_eq!((error.code(), error.description().len()), ("invalid_redirect_uri", 300));
    }
}
