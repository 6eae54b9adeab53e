//! Documents at URLs from client metadata. All are fetched by one function, under the same rules.

pub mod client_keys;
pub mod logos;
pub mod sector;

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
            Self::BadStatus => "the client's document is not answered with 200",
            Self::BadMediaType => "the client's document has not the media type that it must have",
            Self::Forbidden => "the client has no keys that may be fetched",
            Self::NotFetched => "the client's document could not be fetched",
            Self::NotJson => "the client's jwks_uri has no JSON object with unique members",
            Self::NoKeys => {
                "the client's jwks_uri has no JWK Set with a public key that can verify"
            }
        }
    }
}

/// Gets the document at the URL of the metadata field `what`. If the request fails, the reason is logged, because the
/// error for the client does not contain it.
pub async fn get(
    what: &'static str,
    url: &OutboundUrl,
    limits: &FetchLimits,
    context: &Context<'_, impl Fetch>,
) -> Result<String, DocumentError> {
    let document = context.platform.fetch(url, limits).await.map_err(|error| {
        context.log_note(format!("{what} at {} was not fetched: {}", url.host(), error.detail));
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
