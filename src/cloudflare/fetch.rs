//! The [`Fetch`] port on the platform's `fetch`.

use crate::cloudflare::task::{Failure, wait};
use crate::cloudflare::{Edge, platform};
use crate::jose::json;
use crate::ports::{Document, Fetch, FetchError, FetchLimits};
use crate::protocol::client::outbound_url::OutboundUrl;

impl Fetch for Edge {
    async fn fetch(&self, url: &OutboundUrl, limits: &FetchLimits) -> Result<Document, FetchError> {
        let FetchLimits { accept, limit, timeout, is_binary, .. } = *limits;
        let document =
            wait(platform::fetch_document(url.as_str(), accept, limit, timeout, is_binary)).await;
        let document = document.map_err(|Failure { message }| FetchError { detail: message })?;
        let document = document
            .as_string()
            .ok_or_else(|| FetchError { detail: "the response has no text".into() })?;
        json::from_own(&document).map_err(|error| FetchError { detail: error.to_string() })
    }
}
