//! The metadata field that lets a client introspect the tokens of others.

use super::fields::list;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;

/// Reads `introspection_resources`, which only the operator may register: the audiences whose access tokens the client may
/// introspect. `is_audience` returns whether access tokens can have an audience.
pub fn introspection_resources(
    document: &mut JsonObject,
    is_audience: impl Fn(&str) -> bool,
) -> Result<Vec<String>, InvalidField> {
    const FIELD: &str = "introspection_resources";
    let uris = list(document, FIELD)?;
    match uris.iter().position(|uri| !is_audience(uri)) {
        Some(index) => {
            let reason =
                "must be the URI of an API in RESOURCES, or the URL of the userinfo endpoint";
            Err(InvalidField::element(FIELD, index, reason))
        }
        None => Ok(uris),
    }
}
