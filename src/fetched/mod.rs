//! Documents at URLs from client metadata. All are fetched by one function, under the same rules.

pub mod client_documents;
pub mod client_keys;
pub mod fetch_budget;
pub mod fetcher;
pub mod logos;
pub mod pauses;
pub mod request_objects;
pub mod sector;

use crate::protocol::description::Description;

/// Why a client's document cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DocumentError {
    /// The sender of the request has caused too many fetches.
    AddressLimit,
    /// The document is too large or not UTF-8.
    BadContent,
    /// The media type of the response is not allowed.
    BadMediaType,
    /// The status of the response is neither 200 nor one of the following errors.
    BadStatus,
    /// Another request is fetching the document, and takes too long.
    BeingFetched,
    /// The URL may not be fetched under the current configuration.
    Forbidden,
    /// The document does not exist.
    Missing,
    /// The JWK Set has no key that can verify signatures.
    NoKeys,
    /// The server did not answer in time, or its status is that of a failure that passes.
    NotFetched,
    /// The JWK Set is not a JSON object with unique names.
    NotJson,
    /// The server refuses the request, for example because a firewall takes it for an attack.
    Refused,
    /// Too many fetches run, or began a short time ago.
    TooManyFetches,
}

impl DocumentError {
    /// Returns the error description for the client.
    pub fn description(self) -> &'static str {
        match self {
            Self::AddressLimit => {
                "too many documents are fetched for this address; try again later"
            }
            Self::BadContent => "the document is too large or not UTF-8",
            Self::BadMediaType => "the response has the wrong media type",
            Self::BadStatus | Self::Refused => "the response must have the status 200",
            Self::BeingFetched => "the document is being fetched; try again later",
            Self::Forbidden => "this provider must not fetch from this URL",
            Self::Missing => "the document does not exist (status 404 or 410)",
            Self::NoKeys => "the document must be a JWK Set with a key that can verify a signature",
            Self::NotFetched => "the document could not be fetched; try again later",
            Self::NotJson => "the document must be a JSON object without duplicate names",
            Self::TooManyFetches => "too many documents are being fetched; try again later",
        }
    }

    /// Returns whether the same request may succeed later. Otherwise the client must change the document or its URL.
    pub fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::AddressLimit | Self::BeingFetched | Self::NotFetched | Self::TooManyFetches
        )
    }

    /// Returns whether the URL was fetched. Then it must not be fetched again for some time.
    pub fn was_fetched(self) -> bool {
        !matches!(
            self,
            Self::AddressLimit | Self::BeingFetched | Self::Forbidden | Self::TooManyFetches
        )
    }

    /// Returns the description with the metadata field or parameter that has the URL.
    pub fn description_of(self, field: &str) -> Description {
        Description::new(format_args!("{field}: {}", self.description()))
    }
}
