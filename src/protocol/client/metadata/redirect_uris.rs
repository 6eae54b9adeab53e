//! The redirect URIs of a client, and what follows from them.

use super::MetadataError;
use super::fields::LIST_LIMIT;
use super::values::{ApplicationType, Named};
use crate::protocol::authority::Authority;
use crate::protocol::client::redirect_uri::{self, RedirectUriError, RedirectUriPolicy};
use crate::protocol::client::scheme;
use crate::protocol::description::Sent;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;

const FIELD: &str = "redirect_uris";
const INSECURE_HOSTS: &str = "insecure_redirect_hosts";

/// Reads `redirect_uris`, and merges duplicates. Errors of this field have a separate error code (RFC 7591 section
/// 3.2.2).
///
/// A URI is left out, with a warning, if nothing is wrong with it except that its scheme is not let in. The
/// authorization endpoint accepts no other URI than those that are returned. Fails if none is left.
pub(super) fn redirect_uris(
    document: &mut JsonObject,
    policy: RedirectUriPolicy<'_>,
    needs_none: bool,
) -> Result<Vec<String>, MetadataError> {
    let uris = document.strings(FIELD).map_err(MetadataError::RedirectUri)?.unwrap_or_default();
    if needs_none && uris.is_empty() {
        return Ok(uris);
    }
    if uris.is_empty() || uris.len() > LIST_LIMIT {
        let reason = format_args!("must be an array of 1 to {LIST_LIMIT} URIs");
        return Err(MetadataError::RedirectUri(InvalidField::new(FIELD, reason)));
    }
    let (mut registered, mut left_out) = (Vec::new(), Vec::new());
    for (index, uri) in uris.into_iter().enumerate() {
        match redirect_uri::check(&uri, policy) {
            Ok(()) if registered.contains(&uri) => {}
            Ok(()) => registered.push(uri),
            Err(RedirectUriError::CustomScheme) => left_out.push((index, uri)),
            Err(error) => return Err(invalid(index, error)),
        }
    }
    match left_out.first() {
        Some((index, _)) if registered.is_empty() => {
            return Err(invalid(*index, RedirectUriError::CustomScheme));
        }
        _ => {}
    }
    for (index, uri) in left_out {
        let scheme = Sent(uri.split(':').next().unwrap_or_default());
        let error = RedirectUriError::CustomScheme;
        let reason = format_args!("{scheme} is left out, because {error}");
        document.warn(InvalidField::element(FIELD, index, reason));
    }
    Ok(registered)
}

fn invalid(index: usize, error: RedirectUriError) -> MetadataError {
    MetadataError::RedirectUri(InvalidField::element(FIELD, index, error))
}

/// Reads `application_type`, which is `web` by default (OpenID Connect Registration section 2). An unknown value is left
/// out, with a warning. A redirect URI with the scheme of an application makes the client native, except with the
/// implicit flow: a `web` client must not have such a URI there, which is checked later.
pub(super) fn application_type(
    document: &mut JsonObject,
    redirect_uris: &[String],
    has_implicit: bool,
) -> Result<ApplicationType, InvalidField> {
    let is_custom =
        |uri: &String| uri.split_once(':').is_some_and(|(scheme, _)| scheme::is_custom(scheme));
    let is_native = !has_implicit && redirect_uris.iter().any(is_custom);
    let default = if is_native { ApplicationType::Native } else { ApplicationType::Web };
    let Some(name) = document.string("application_type")? else { return Ok(default) };
    let Some(known) = ApplicationType::from_name(&name) else {
        let names = ApplicationType::names().join(" or ");
        let reason = format_args!("{} is left out, because it is not {names}", Sent(&name));
        document.warn(InvalidField::new("application_type", reason));
        return Ok(default);
    };
    Ok(if is_native { ApplicationType::Native } else { known })
}

/// Reads `insecure_redirect_hosts`, which only the operator may register: hosts that redirect URIs may have with `http`.
pub fn insecure_redirect_hosts(document: &mut JsonObject) -> Result<Vec<String>, InvalidField> {
    let hosts = document.strings(INSECURE_HOSTS)?.unwrap_or_default();
    let is_host = |host: &String| {
        let authority = Authority::parse(host);
        authority.is_ok_and(|authority| authority.host() == host)
            && !host.bytes().any(|b| b.is_ascii_uppercase())
    };
    if hosts.len() > LIST_LIMIT {
        let reason = format_args!("must have at most {LIST_LIMIT} elements");
        return Err(InvalidField::new(INSECURE_HOSTS, reason));
    }
    if let Some(index) = hosts.iter().position(|host| !is_host(host)) {
        let reason = "must be a host in lower case, without scheme and port, such as nas.lan";
        return Err(InvalidField::element(INSECURE_HOSTS, index, reason));
    }
    for (index, host) in hosts.iter().enumerate() {
        let reason = format_args!(
            "anybody in the network of {host} can read the responses and sign in as the user"
        );
        document.warn(InvalidField::element(INSECURE_HOSTS, index, reason));
    }
    Ok(hosts)
}
