//! Sector identifiers (OpenID Connect Registration section 5): a list, where the client says, of all redirect URIs
//! that share its sector.

use crate::context::Context;
use crate::fetched::get;
use crate::jose::json::{self, parse_value};
use crate::ports::FetchLimits;
use crate::ports::Platform;
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::protocol::invalid_field::InvalidField;

/// What is fetched of a `sector_identifier_uri`.
const WANTED: FetchLimits =
    FetchLimits { accept: "application/json", limit: 65_536, timeout: 5_000, is_binary: false };

const FIELD: &str = "sector_identifier_uri";

/// Checks that a client may belong to the sector that it names. The list is fetched once: what it says later changes
/// nothing. Everything else is checked before, because anybody may be able to make the provider fetch it.
pub async fn check(
    metadata: &ClientMetadata,
    context: &Context<'_, impl Platform>,
) -> Result<(), InvalidField> {
    let Some(uri) = &metadata.sector_identifier_uri else { return Ok(()) };
    let url = OutboundUrl::parse(uri, context.config.allows_loopback)
        .map_err(|error| InvalidField::new(FIELD, error))?;
    let text = get(FIELD, &url, &WANTED, context).await.map_err(|error| {
        let reason = format_args!("must list the redirect URIs: {}", error.description());
        InvalidField::new(FIELD, reason)
    })?;
    let listed: Option<Vec<String>> = parse_value(text.as_bytes()).and_then(json::from_parsed).ok();
    let Some(listed) = listed else {
        return Err(InvalidField::new(FIELD, "must lead to a JSON array of redirect URIs"));
    };
    match metadata.redirect_uris.iter().find(|uri| !listed.contains(uri)) {
        Some(uri) => {
            let reason = format_args!("must list every redirect URI, and {uri} is missing");
            Err(InvalidField::new(FIELD, reason))
        }
        None => Ok(()),
    }
}
