//! The metadata fields of logout (RP-Initiated Logout 1.0 section 3, Back-Channel Logout 1.0 section 2.2, Front-Channel
//! Logout 1.0 section 2).

use super::fields::list;
use crate::protocol::client::redirect_uri::{self, RedirectUriPolicy};
use crate::protocol::description::Sent;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;
use crate::protocol::same_uri::is_same_origin;

/// Reads `post_logout_redirect_uris`, and merges duplicates. The rules are those of redirect URIs. A URI that breaks one is
/// left out, with a warning, because the client works without it: its users see the provider's page after logout.
pub(super) fn post_logout_redirect_uris(
    document: &mut JsonObject,
    policy: RedirectUriPolicy<'_>,
) -> Result<Vec<String>, InvalidField> {
    const FIELD: &str = "post_logout_redirect_uris";
    let mut registered = Vec::new();
    for (index, uri) in list(document, FIELD)?.into_iter().enumerate() {
        match redirect_uri::check(&uri, policy) {
            Ok(()) if registered.contains(&uri) => {}
            Ok(()) => registered.push(uri),
            Err(error) => {
                let reason = format_args!("{} is left out, because it {error}", Sent(&uri));
                document.warn(InvalidField::element(FIELD, index, reason));
            }
        }
    }
    Ok(registered)
}

/// Reads `frontchannel_logout_uri`, which must have the scheme, host and port of a redirect URI (section 2). It is refused
/// otherwise, because the client would wait for a logout that never comes.
pub(super) fn frontchannel_logout_uri(
    document: &mut JsonObject,
    redirect_uris: &[String],
    policy: RedirectUriPolicy<'_>,
) -> Result<Option<String>, InvalidField> {
    const FIELD: &str = "frontchannel_logout_uri";
    let Some(uri) = document.string(FIELD)? else { return Ok(None) };
    redirect_uri::check(&uri, policy).map_err(|error| InvalidField::new(FIELD, error))?;
    if redirect_uris.iter().any(|redirect_uri| is_same_origin(redirect_uri, &uri)) {
        return Ok(Some(uri));
    }
    let reason = "must have the scheme, host and port of one of redirect_uris, http or https";
    Err(InvalidField::new(FIELD, reason))
}
