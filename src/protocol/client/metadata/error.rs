//! Why metadata is refused.

use std::fmt;

use super::DOCUMENT_LIMIT;
use crate::protocol::invalid_field::InvalidField;

/// Why metadata is refused.
#[derive(Debug, Eq, PartialEq)]
pub enum MetadataError {
    /// A field other than `redirect_uris` is wrong.
    Field(InvalidField),
    /// `redirect_uris` is wrong, which has an error code of its own (RFC 7591 section 3.2.2).
    RedirectUri(InvalidField),
    /// The metadata is too large.
    TooLarge {
        /// Its size, in bytes of JSON.
        size: usize,
    },
}

impl fmt::Display for MetadataError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(error) | Self::RedirectUri(error) => error.fmt(formatter),
            Self::TooLarge { size } => write!(
                formatter,
                "the document has {size} bytes of JSON, more than {DOCUMENT_LIMIT}"
            ),
        }
    }
}

impl From<InvalidField> for MetadataError {
    fn from(error: InvalidField) -> Self {
        Self::Field(error)
    }
}

/// A pairwise client whose metadata has no sector any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoSector;
