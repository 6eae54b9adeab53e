//! Documents at URLs from client metadata. All are fetched by one function, under the same rules.

pub mod client_documents;
pub mod client_keys;
pub mod fetch_budget;
pub mod logos;
pub mod sector;

use std::fmt;

use crate::context::Context;
use crate::ports::{Fetch, FetchLimits};
use crate::protocol::client::cache_time::CacheHeaders;
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::protocol::description::Description;

/// Why a client's document cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DocumentError {
    /// The document is too large or not UTF-8.
    BadContent,
    /// The media type of the response is not allowed.
    BadMediaType,
    /// The status of the response is neither 200 nor one of the following errors.
    BadStatus,
    /// Another request is fetching the document.
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
        matches!(self, Self::BeingFetched | Self::NotFetched | Self::TooManyFetches)
    }

    /// Returns the description with the metadata field or parameter that has the URL.
    pub fn description_of(self, field: &str) -> Description {
        Description::new(format_args!("{field}: {}", self.description()))
    }
}

/// Gets the document at the URL of the metadata field `what`. If the server does not answer, the reason is logged,
/// because the error for the client does not contain it.
pub async fn get(
    what: impl fmt::Display,
    url: &OutboundUrl,
    limits: &FetchLimits,
    context: &Context<'_, impl Fetch>,
) -> Result<String, DocumentError> {
    get_with_headers(what, url, limits, context).await.map(|(text, _)| text)
}

/// The same as [`get`], with the headers for caches.
async fn get_with_headers(
    what: impl fmt::Display,
    url: &OutboundUrl,
    limits: &FetchLimits,
    context: &Context<'_, impl Fetch>,
) -> Result<(String, CacheHeaders), DocumentError> {
    let not_fetched = |detail: &dyn fmt::Display| {
        context.log_warning(format!("could not fetch {what} from {}: {detail}", url.host()));
        DocumentError::NotFetched
    };
    let document = context.platform.fetch(url, limits).await;
    let document = document.map_err(|error| not_fetched(&error.detail))?;
    match document.status {
        200 => {}
        // RFC 9110 sections 15.5.5 and 15.5.11.
        404 | 410 => return Err(DocumentError::Missing),
        // RFC 9110 section 15.6, RFC 6585 section 4: the same request may succeed later.
        status @ (408 | 429 | 500..) => return Err(not_fetched(&format_args!("status {status}"))),
        // RFC 9110 section 15.5.
        400..=499 => return Err(DocumentError::Refused),
        _ => return Err(DocumentError::BadStatus),
    }
    if !is_allowed(&document.media_type, limits) {
        return Err(DocumentError::BadMediaType);
    }
    let text = document.text.ok_or(DocumentError::BadContent)?;
    Ok((text, document.caching))
}

fn is_allowed(media_type: &str, limits: &FetchLimits) -> bool {
    // RFC 6839 section 3.1.
    let is_json = media_type.starts_with("application/") && media_type.ends_with("+json");
    limits.accept.split(", ").any(|known| known == media_type) || limits.accepts_json && is_json
}
