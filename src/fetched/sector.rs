//! Sector identifiers (OpenID Connect Registration section 5): a list, where the client says, of all redirect URIs
//! that share its sector.

use crate::context::Context;
use crate::fetched::get;
use crate::jose::json::{self, parse_value};
use crate::ports::Platform;
use crate::ports::Wanted;
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::outbound_url::OutboundUrl;

/// What is fetched of a `sector_identifier_uri`.
const WANTED: Wanted =
    Wanted { accept: "application/json", limit: 65_536, timeout: 5_000, is_binary: false };

/// Checks that a client may belong to the sector that it names. Once, when it says so: what the list says later
/// changes nothing. Anybody may be able to say so, so everything else is checked before.
///
/// # Errors
/// What must be, beginning with the member's name.
pub async fn check(
    metadata: &ClientMetadata,
    context: &Context<'_, impl Platform>,
) -> Result<(), String> {
    const MEMBER: &str = "sector_identifier_uri";
    let Some(uri) = &metadata.sector_identifier_uri else { return Ok(()) };
    let url = OutboundUrl::parse(uri, context.config.allows_loopback)
        .map_err(|complaint| format!("{MEMBER} {complaint}"))?;
    let text = get(MEMBER, &url, &WANTED, context).await.map_err(|error| {
        let complaint = error.description();
        format!("{MEMBER} does not say who is in its sector: {complaint}")
    })?;
    let listed: Option<Vec<String>> = parse_value(text.as_bytes()).and_then(json::from_parsed).ok();
    let listed =
        listed.ok_or_else(|| format!("{MEMBER} must lead to a JSON array of redirect URIs"))?;
    match metadata.redirect_uris.iter().find(|uri| !listed.contains(uri)) {
        Some(uri) => Err(format!("{MEMBER} must list every redirect URI, and {uri} is missing")),
        None => Ok(()),
    }
}
