//! A field of a JSON document that is not as it must be.

use std::fmt;

/// Why a document is refused: one of its fields, and what is wrong with it. Displayed as `field: reason`, for whoever
/// wrote the document.
#[derive(Debug, Eq, PartialEq)]
pub struct InvalidField {
    /// The field's name, with the path to it: `redirect_uris[0]`, `claims.email`.
    pub field: String,
    /// What the field must be, or what it is and must not be.
    pub reason: String,
}

impl InvalidField {
    /// A field that is wrong for this reason.
    pub fn new(field: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self { field: field.to_string(), reason: reason.to_string() }
    }

    /// An element of a field that is an array.
    pub fn element(field: &str, index: usize, reason: impl fmt::Display) -> Self {
        Self::new(format_args!("{field}[{index}]"), reason)
    }

    /// A field that must be there.
    pub fn missing(field: &str) -> Self {
        Self::new(field, "missing")
    }

    /// A field that the document must not have.
    pub fn unknown(field: &str) -> Self {
        Self::new(field, "unknown field")
    }
}

impl fmt::Display for InvalidField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.reason)
    }
}
