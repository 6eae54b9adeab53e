//! Everything that a client makes the provider fetch, through one function with one set of rules.

pub mod client_keys;
pub mod logos;
pub mod sector;

use crate::context::Context;
use crate::ports::{Fetch, FetchLimits};
use crate::protocol::client::outbound_url::OutboundUrl;

/// Why a client's document cannot be used. It is the client's fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DocumentError {
    /// The response has another status than 200.
    BadStatus,
    /// The response has another media type.
    BadMediaType,
    /// The URL is none that may be fetched, by the rules of today.
    Forbidden,
    /// There is no document: nothing answers, or too late, or with too much.
    NotFetched,
    /// The keys are not a JSON object with unique members.
    NotJson,
    /// There is no key that can verify a signature.
    NoKeys,
}

impl DocumentError {
    /// What is wrong, for the client.
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

/// Gets the document at a client's URL, for the metadata field or parameter `what`. The log says why there is none.
///
/// # Errors
/// [`DocumentError`].
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
