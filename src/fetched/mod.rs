//! Documents at URLs from client metadata. All are fetched by one function, under the same rules.

pub mod client_keys;
pub mod logos;
pub mod sector;

use std::fmt;

use crate::context::Context;
use crate::ports::{Fetch, FetchLimits};
use crate::protocol::client::outbound_url::OutboundUrl;

/// Why a client's document cannot be used. The client must fix it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DocumentError {
    /// The status of the response is not 200.
    BadStatus,
    /// The media type of the response is not allowed.
    BadMediaType,
    /// The URL may not be fetched under the current configuration.
    Forbidden,
    /// The server did not answer in time, or the document is too large.
    NotFetched,
    /// The JWK Set is not a JSON object with unique names.
    NotJson,
    /// The JWK Set has no key that can verify signatures.
    NoKeys,
}

impl DocumentError {
    /// Returns the error description for the client.
    pub fn description(self) -> &'static str {
        match self {
            Self::BadStatus => "the response must have the status 200",
            Self::BadMediaType => "the response has the wrong media type",
            Self::Forbidden => "this provider must not fetch from this URL",
            Self::NotFetched => "the document could not be fetched",
            Self::NotJson => "the document must be a JSON object without duplicate names",
            Self::NoKeys => "the document must be a JWK Set with a key that can verify a signature",
        }
    }
}

/// Gets the document at the URL of the metadata field `what`. If the request fails, the reason is logged, because the
/// error for the client does not contain it.
pub async fn get(
    what: impl fmt::Display,
    url: &OutboundUrl,
    limits: &FetchLimits,
    context: &Context<'_, impl Fetch>,
) -> Result<String, DocumentError> {
    let document = context.platform.fetch(url, limits).await.map_err(|error| {
        context.log_note(format!("could not fetch {what} from {}: {}", url.host(), error.detail));
        DocumentError::NotFetched
    })?;
    if document.status != 200 {
        return Err(DocumentError::BadStatus);
    }
    if !limits.accept.split(", ").any(|known| known == document.media_type) {
        return Err(DocumentError::BadMediaType);
    }
    Ok(document.text)
}
