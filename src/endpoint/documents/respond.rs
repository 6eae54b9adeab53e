//! The responses of published documents.

use std::rc::Rc;

use crate::context::Context;
use crate::documents::Document;
use crate::http::{Request, Response};

/// Returns a published document, or 304 if the client has the current one (RFC 9110 section 13.1.2).
pub(super) fn respond<P>(
    document: &Document,
    context: &Context<'_, P>,
    request: &impl Request,
) -> Response {
    let remaining = document.good_until.map(|end| end - context.now);
    let is_known = request
        .header("if-none-match")
        .is_some_and(|condition| lists_etag(&condition, &document.etag));
    let response = if is_known {
        Response::empty(304)
    } else {
        Response::text(200, "application/json", Rc::clone(&document.body))
    };
    response
        .with("cache-control", context.config.caching.header(remaining))
        .with("etag", document.etag.clone())
}

/// Returns whether `If-None-Match` lists an entity tag, by weak comparison (RFC 9110 section 8.8.3.2). The provider's
/// tags contain no comma.
fn lists_etag(condition: &str, etag: &str) -> bool {
    condition.trim() == "*"
        || condition
            .split(',')
            .map(str::trim)
            .any(|candidate| candidate.strip_prefix("W/").unwrap_or(candidate) == etag)
}
