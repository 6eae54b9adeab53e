//! Errors in client metadata.

use std::fmt;

use super::DOCUMENT_LIMIT;
use crate::protocol::invalid_field::InvalidField;

#[derive(Debug, Eq, PartialEq)]
pub enum MetadataError {
    /// A field other than `redirect_uris` is invalid.
    Field(InvalidField),
    /// `redirect_uris` is invalid, for which there is a separate error code (RFC 7591 section 3.2.2).
    RedirectUri(InvalidField),
    TooLarge {
        /// The size of the metadata, in bytes of JSON.
        size: usize,
    },
}

impl fmt::Display for MetadataError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(error) | Self::RedirectUri(error) => error.fmt(formatter),
            Self::TooLarge { size } => write!(
                formatter,
                "the metadata has {size} bytes of JSON; at most {DOCUMENT_LIMIT} are allowed"
            ),
        }
    }
}

impl From<InvalidField> for MetadataError {
    fn from(error: InvalidField) -> Self {
        Self::Field(error)
    }
}

/// The error for a client with pairwise subject identifiers whose metadata has no sector, although registration requires
/// one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoSector;
