//! Validation of `sector_identifier_uri` (OpenID Connect Registration section 5). The document at this URL lists the
//! redirect URIs that share the sector.

use std::fmt;

use crate::context::Context;
use crate::error::{Error, Protocol};
use crate::fetched::get;
use crate::jose::json::{self, parse_value};
use crate::ports::FetchLimits;
use crate::ports::Platform;
use crate::protocol::client::metadata::ClientMetadata;
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::protocol::invalid_field::InvalidField;

const LIMITS: FetchLimits = FetchLimits {
    accept: "application/json",
    accepts_json: false,
    limit: 65_536,
    timeout: 5_000,
    is_binary: false,
};

const FIELD: &str = "sector_identifier_uri";

/// Checks that the sector's document lists every redirect URI of the client. The document is fetched only when metadata
/// is registered or changed, so later changes of it have no effect. Callers validate the other metadata first, because
/// anybody may be able to cause this request. `refuse` returns the endpoint's error for an invalid field.
///
/// # Errors
/// The error of `refuse`, or [`Protocol::TryLater`] if the sector's server does not answer.
pub async fn check(
    metadata: &ClientMetadata,
    context: &Context<'_, impl Platform>,
    refuse: impl Fn(InvalidField) -> Error,
) -> Result<(), Error> {
    let Some(uri) = &metadata.sector_identifier_uri else { return Ok(()) };
    let refuse = |reason: &dyn fmt::Display| refuse(InvalidField::new(FIELD, reason));
    let url = OutboundUrl::parse(uri, context.config.outbound_rules()).map_err(|e| refuse(&e))?;
    let text = get(FIELD, &url, &LIMITS, context).await.map_err(|error| {
        if error.is_temporary() {
            return Protocol::TryLater(error.description_of(FIELD)).into();
        }
        refuse(&format_args!("must list the redirect URIs: {}", error.description()))
    })?;
    let listed: Option<Vec<String>> = parse_value(text.as_bytes()).and_then(json::from_parsed).ok();
    let Some(listed) = listed else {
        return Err(refuse(&"must return a JSON array of redirect URIs"));
    };
    match metadata.redirect_uris.iter().find(|uri| !listed.contains(uri)) {
        Some(uri) => Err(refuse(&format_args!("must list every redirect URI; {uri} is missing"))),
        None => Ok(()),
    }
}
