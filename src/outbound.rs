//! What clients have us fetch: in one way, whatever it is.

use crate::context::Cx;
use crate::ports::{Fetch, Wanted};
use crate::protocol::outbound_url::OutboundUrl;

/// The text of a document at a URL of a client's, for the member or parameter `what`.
///
/// # Errors
/// Words for the client, whose fault it is; the log has the rest.
pub async fn get(
    what: &'static str,
    url: &OutboundUrl,
    wanted: &Wanted,
    fetch: &impl Fetch,
    cx: &Cx<'_>,
) -> Result<String, &'static str> {
    let document = fetch.fetch(url, wanted).await.map_err(|failure| {
        cx.note(format!("{what} at {} was not fetched: {failure}", url.host()));
        "the client's document could not be fetched"
    })?;
    if document.status != 200 {
        return Err("the client's document is not answered with 200");
    }
    if !wanted.accept.split(", ").any(|known| known == document.media_type) {
        return Err("the client's document has not the media type that it must have");
    }
    Ok(document.text)
}
