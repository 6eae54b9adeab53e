//! The JWK Set (RFC 7517 section 5; OpenID Connect Core section 10.1.1).

use serde_json::json;

use super::respond::respond;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::provider::Provider;

/// Serves the published key set. While there is no key, the response is an empty set that no cache stores.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let Provider { context, memory } = provider;
    Ok(match memory.published_keys.get(context).await? {
        Some(set) => respond(&set.document, context, request),
        None => Response::json(200, &json!({ "keys": [] })),
    })
}
