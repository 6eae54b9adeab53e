//! Readers and checks of single client metadata fields.

use serde_json::Value;

use super::values::{AuthMethod, Named};
use crate::jose::client_jwk::{ClientAlgorithm, ClientKeys};
use crate::protocol::client::outbound_url::{OutboundRules, OutboundUrl};
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;
use crate::protocol::own_host::{NOT_OWN_HOST, OwnHost};
use crate::protocol::text_forms::{EMAIL, LINE, WEB_URL, is_email, is_line, is_web_url};
use crate::protocol::user::scope::Scopes;

/// The maximum number of elements of a list of texts.
pub(super) const LIST_LIMIT: usize = 50;

/// Reads `token_endpoint_auth_signing_alg`, which has a meaning for the method `private_key_jwt` only (OpenID Connect
/// Registration section 2).
pub(super) fn signing_alg(
    document: &mut JsonObject,
    method: AuthMethod,
) -> Result<Option<ClientAlgorithm>, InvalidField> {
    const FIELD: &str = "token_endpoint_auth_signing_alg";
    if method == AuthMethod::PrivateKeyJwt {
        return one(document, FIELD);
    }
    let reason = "ignored, because token_endpoint_auth_method is not private_key_jwt";
    document.discard(FIELD, reason);
    Ok(None)
}

pub(super) fn flag(document: &mut JsonObject, field: &str) -> Result<bool, InvalidField> {
    Ok(document.boolean(field)?.unwrap_or(false))
}

pub(super) fn one<T: Named>(
    document: &mut JsonObject,
    field: &str,
) -> Result<Option<T>, InvalidField> {
    let Some(name) = document.string(field)? else { return Ok(None) };
    let value = T::from_name(&name);
    value.map(Some).ok_or_else(|| InvalidField::new(field, must_be_one_of::<T>()))
}

fn must_be_one_of<T: Named>() -> String {
    format!("must be one of {}", T::names().join(", "))
}

pub(super) fn non_negative(
    document: &mut JsonObject,
    field: &str,
) -> Result<Option<i64>, InvalidField> {
    match document.integer(field)? {
        Some(number) if number < 0 => Err(InvalidField::new(field, "must not be negative")),
        number => Ok(number),
    }
}

fn checked(
    document: &mut JsonObject,
    field: &str,
    is_right: impl Fn(&str) -> bool,
    requirement: &str,
) -> Result<Option<String>, InvalidField> {
    match document.string(field)? {
        Some(text) if !is_right(&text) => Err(InvalidField::new(field, requirement)),
        text => Ok(text),
    }
}

/// Reads an optional list of at most [`LIST_LIMIT`] elements.
pub(super) fn list(document: &mut JsonObject, field: &str) -> Result<Vec<String>, InvalidField> {
    let texts = document.strings(field)?.unwrap_or_default();
    if texts.len() > LIST_LIMIT {
        let reason = format_args!("must have at most {LIST_LIMIT} elements");
        return Err(InvalidField::new(field, reason));
    }
    Ok(texts)
}

fn checked_list(
    document: &mut JsonObject,
    field: &str,
    is_right: impl Fn(&str) -> bool,
    requirement: &str,
) -> Result<Vec<String>, InvalidField> {
    let texts = list(document, field)?;
    match texts.iter().position(|text| !is_right(text)) {
        Some(index) => Err(InvalidField::element(field, index, requirement)),
        None => Ok(texts),
    }
}

pub(super) fn line(document: &mut JsonObject, field: &str) -> Result<Option<String>, InvalidField> {
    checked(document, field, is_line, LINE)
}

pub(super) fn lines(document: &mut JsonObject, field: &str) -> Result<Vec<String>, InvalidField> {
    checked_list(document, field, is_line, LINE)
}

/// Reads the URL of a page or a picture. One that browsers cannot follow is left out, with a warning, because the client
/// works without it.
pub(super) fn web_url(
    document: &mut JsonObject,
    field: &str,
) -> Result<Option<String>, InvalidField> {
    link(document, field, is_web_url, WEB_URL)
}

/// Reads `initiate_login_uri`, to which a third party sends the browser.
pub(super) fn initiate_login_uri(
    document: &mut JsonObject,
    own_host: &OwnHost,
) -> Result<Option<String>, InvalidField> {
    const FIELD: &str = "initiate_login_uri";
    let is_https = |url: &str| is_web_url(url) && url.starts_with("https://");
    let url = link(document, FIELD, is_https, "must be an absolute https URL")?;
    elsewhere(FIELD, url, own_host)
}

fn link(
    document: &mut JsonObject,
    field: &str,
    is_right: impl Fn(&str) -> bool,
    requirement: &str,
) -> Result<Option<String>, InvalidField> {
    let Some(url) = document.string(field)? else { return Ok(None) };
    if is_right(&url) {
        return Ok(Some(url));
    }
    document.warn(InvalidField::new(field, format_args!("ignored, because it {requirement}")));
    Ok(None)
}

/// Reads `logo_uri`. A URL that the provider may not fetch is valid: then pages have no logo.
pub(super) fn logo_uri(
    document: &mut JsonObject,
    own_host: &OwnHost,
) -> Result<Option<String>, InvalidField> {
    const FIELD: &str = "logo_uri";
    elsewhere(FIELD, web_url(document, FIELD)?, own_host)
}

fn elsewhere(
    field: &str,
    url: Option<String>,
    own_host: &OwnHost,
) -> Result<Option<String>, InvalidField> {
    match url {
        Some(url) if own_host.has(&url) => Err(InvalidField::new(field, NOT_OWN_HOST)),
        url => Ok(url),
    }
}

pub(super) fn scope(document: &mut JsonObject) -> Result<Option<String>, InvalidField> {
    let Some(text) = document.string("scope")? else { return Ok(None) };
    let scopes = Scopes::parse(&text);
    let scopes = scopes.map_err(|error| InvalidField::new("scope", error.description()))?;
    Ok(Some(scopes.normalized()))
}

pub(super) fn contacts(document: &mut JsonObject) -> Result<Vec<String>, InvalidField> {
    checked_list(document, "contacts", is_email, EMAIL)
}

pub(super) fn jwks(document: &mut JsonObject) -> Result<Option<ClientKeys>, InvalidField> {
    const FIELD: &str = "jwks";
    let Some(set) = document.object(FIELD)? else { return Ok(None) };
    let keys = ClientKeys::from_json(&Value::Object(set));
    keys.map(Some).map_err(|error| InvalidField::new(FIELD, error))
}

pub(super) fn outbound_url(
    document: &mut JsonObject,
    field: &str,
    rules: OutboundRules<'_>,
) -> Result<Option<String>, InvalidField> {
    let Some(url) = document.string(field)? else { return Ok(None) };
    match OutboundUrl::parse(&url, rules) {
        Ok(url) => Ok(Some(url.as_str().to_owned())),
        Err(error) => Err(InvalidField::new(field, error)),
    }
}

/// Reads `request_uris` (OpenID Connect Registration section 2). A fragment, which may name the version of the request
/// object, is dropped: no request object is cached, so that versions do not matter.
pub(super) fn request_uris(
    document: &mut JsonObject,
    rules: OutboundRules<'_>,
) -> Result<Vec<String>, InvalidField> {
    const FIELD: &str = "request_uris";
    let uris = list(document, FIELD)?;
    let parsed = uris.iter().enumerate().map(|(index, uri)| {
        let url = OutboundUrl::parse(uri, rules)
            .map_err(|error| InvalidField::element(FIELD, index, error))?;
        Ok(url.as_str().to_owned())
    });
    parsed.collect()
}
