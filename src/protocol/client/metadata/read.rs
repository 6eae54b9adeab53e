//! The members of client metadata, read and checked one by one. Each complaint begins with the member's name.

use serde_json::Value;

use super::values::{ApplicationType, Named, ResponseType};
use crate::jose::client_jwk::ClientKeys;
use crate::protocol::authorization::redirect_uri;
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::protocol::json_object::Members;
use crate::protocol::user::claims::{is_email, is_line, is_web_url};
use crate::protocol::user::scope::Granted;

/// The most redirect URIs, request URIs and contacts that a client may have.
const LIST_LIMIT: usize = 50;

pub(super) fn flag(members: &mut Members, member: &str) -> Result<bool, String> {
    Ok(members.boolean(member)?.unwrap_or(false))
}

pub(super) fn one<T: Named>(members: &mut Members, member: &str) -> Result<Option<T>, String> {
    members.text(member)?.map(|name| T::parse(member, &name)).transpose()
}

pub(super) fn several<T: Named + PartialEq>(
    members: &mut Members,
    member: &str,
    default: T,
) -> Result<Vec<T>, String> {
    let Some(names) = members.texts(member)? else { return Ok(vec![default]) };
    let mut values = Vec::new();
    for name in names {
        let value = T::parse(member, &name)?;
        if values.contains(&value) {
            return Err(format!("{member} has {name} twice"));
        }
        values.push(value);
    }
    if values.is_empty() {
        return Err(format!("{member} must not be empty"));
    }
    Ok(values)
}

pub(super) fn line(members: &mut Members, member: &str) -> Result<Option<String>, String> {
    let text = members.text(member)?;
    if text.as_deref().is_some_and(|text| !is_line(text)) {
        return Err(format!("{member} must be a text of one line, not blank"));
    }
    Ok(text)
}

pub(super) fn web_url(members: &mut Members, member: &str) -> Result<Option<String>, String> {
    let url = members.text(member)?;
    if url.as_deref().is_some_and(|url| !is_web_url(url)) {
        return Err(format!("{member} must be an absolute http or https URL"));
    }
    Ok(url)
}

pub(super) fn jwks(members: &mut Members) -> Result<Option<ClientKeys>, String> {
    let set = members.object("jwks")?.map(Value::Object);
    set.map(|set| ClientKeys::read(&set).map_err(|complaint| format!("jwks {complaint}")))
        .transpose()
}

pub(super) fn outbound_url(
    members: &mut Members,
    member: &str,
    allows_loopback: bool,
) -> Result<Option<String>, String> {
    let url = members.text(member)?;
    url.map(|url| to_outbound(&url, member, allows_loopback)).transpose()
}

fn to_outbound(url: &str, member: &str, allows_loopback: bool) -> Result<String, String> {
    let url = OutboundUrl::parse(url, allows_loopback)
        .map_err(|complaint| format!("{member} {complaint}"))?;
    Ok(url.as_str().to_owned())
}

/// Registration section 2. A fragment may say which version of an object lies there; none is kept for longer than
/// it takes, so it does not matter.
pub(super) fn request_uris(
    members: &mut Members,
    allows_loopback: bool,
) -> Result<Vec<String>, String> {
    const MEMBER: &str = "request_uris";
    let uris = members.texts(MEMBER)?.unwrap_or_default();
    if uris.len() > LIST_LIMIT {
        return Err(format!("{MEMBER} must be at most {LIST_LIMIT} URLs"));
    }
    let uris: Result<Vec<_>, _> =
        uris.iter().map(|uri| to_outbound(uri, MEMBER, allows_loopback)).collect();
    uris
}

pub(super) fn https_url(members: &mut Members, member: &str) -> Result<Option<String>, String> {
    let url = web_url(members, member)?;
    if url.as_deref().is_some_and(|url| !url.starts_with("https://")) {
        return Err(format!("{member} must be an https URL"));
    }
    Ok(url)
}

pub(super) fn lines(members: &mut Members, member: &str) -> Result<Vec<String>, String> {
    let texts = members.texts(member)?.unwrap_or_default();
    if texts.len() > LIST_LIMIT || !texts.iter().all(|text| is_line(text)) {
        return Err(format!("{member} must be at most {LIST_LIMIT} texts of one line, none blank"));
    }
    Ok(texts)
}

pub(super) fn scope(members: &mut Members) -> Result<Option<String>, String> {
    let scope = members.text("scope")?;
    if scope.as_deref().is_some_and(|text| text.is_empty() || Granted::parse(text).is_none()) {
        return Err("scope must be scope tokens with single spaces between them".into());
    }
    Ok(scope)
}

pub(super) fn contacts(members: &mut Members) -> Result<Vec<String>, String> {
    let contacts = members.texts("contacts")?.unwrap_or_default();
    if contacts.len() > LIST_LIMIT || !contacts.iter().all(|contact| is_email(contact)) {
        return Err(format!("contacts must be at most {LIST_LIMIT} e-mail addresses"));
    }
    Ok(contacts)
}

pub(super) fn response_types(
    members: &mut Members,
    is_machine: bool,
) -> Result<Vec<ResponseType>, String> {
    const MEMBER: &str = "response_types";
    if !is_machine {
        return several(members, MEMBER, ResponseType::Code);
    }
    match members.texts(MEMBER)?.unwrap_or_default().as_slice() {
        [] => Ok(Vec::new()),
        _ => {
            Err(format!("{MEMBER} must be left out where grant_types has client_credentials alone"))
        }
    }
}

pub(super) fn redirect_uris(
    members: &mut Members,
    application_type: ApplicationType,
    is_machine: bool,
) -> Result<Vec<String>, String> {
    let uris = members.texts("redirect_uris")?.unwrap_or_default();
    if is_machine && uris.is_empty() {
        return Ok(uris);
    }
    if uris.is_empty() || uris.len() > LIST_LIMIT {
        return Err(format!("redirect_uris must be a list of 1 to {LIST_LIMIT} URIs"));
    }
    for (index, uri) in uris.iter().enumerate() {
        redirect_uri::check(uri, application_type == ApplicationType::Native)
            .map_err(|complaint| format!("redirect_uris[{index}] {complaint}"))?;
        if uris.iter().take(index).any(|earlier| earlier == uri) {
            return Err(format!("redirect_uris[{index}] stands there twice"));
        }
    }
    Ok(uris)
}
