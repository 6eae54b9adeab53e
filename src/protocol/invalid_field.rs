//! The error type for an invalid field of a JSON document.

use std::fmt;

/// An invalid field of a JSON document. Displayed as `field: reason`, for the author of the document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidField {
    /// The field's name with its path, for example `redirect_uris[0]` or `claims.email`.
    pub field: String,
    /// The requirement that the field fails (`must be a string`), or the fault (`missing`).
    pub reason: String,
}

impl InvalidField {
    /// Creates an error about a field.
    pub fn new(field: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self { field: field.to_string(), reason: reason.to_string() }
    }

    /// Creates an error about an element of an array. `index` counts from 0.
    pub fn element(field: &str, index: usize, reason: impl fmt::Display) -> Self {
        Self::new(format_args!("{field}[{index}]"), reason)
    }

    /// Creates an error about a required field that is absent.
    pub fn missing(field: &str) -> Self {
        Self::new(field, "missing")
    }

    /// Creates an error about a field that the document must not have.
    pub fn unknown(field: &str) -> Self {
        Self::new(field, "unknown field")
    }
}

impl fmt::Display for InvalidField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.reason)
    }
}
