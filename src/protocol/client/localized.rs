//! Localized client metadata: fields with a language tag, such as `client_name#ja` (RFC 7591 section 2.2).

use std::collections::BTreeMap;

use crate::protocol::client::client_name;
use crate::protocol::description::Sent;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;
use crate::protocol::own_host::{NOT_OWN_HOST, OwnHost};
use crate::protocol::text_forms::{WEB_URL, is_language_tag, is_web_url};

/// The fields that may have a language tag, because users see them.
const LOCALIZED: [&str; 5] = ["client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri"];

/// The maximum number of localized fields of a client.
const LIMIT: usize = 100;

/// Removes the localized fields from a document and returns them by name, language tags included.
pub fn from_document(
    document: &mut JsonObject,
    own_host: &OwnHost,
) -> Result<BTreeMap<String, String>, InvalidField> {
    let fields: Vec<_> = document.fields().filter_map(LocalizedField::parse).collect();
    if let Some(LocalizedField { field, .. }) = fields.get(LIMIT) {
        let reason = format_args!("at most {LIMIT} fields may have a language tag");
        return Err(InvalidField::new(field, reason));
    }
    let mut localized = BTreeMap::new();
    for LocalizedField { field, name, has_tag } in fields {
        if !has_tag {
            let reason = "the name must have a BCP 47 language tag after the #";
            return Err(InvalidField::new(Sent(&field), reason));
        }
        let text = match name {
            "client_name" => client_name::from_document(document, &field)?,
            _ => document.string(&field)?,
        };
        let Some(text) = text else { continue };
        // A link that browsers cannot follow is left out, as without a language tag.
        if name != "client_name" && !is_web_url(&text) {
            let reason = format_args!("ignored, because it {WEB_URL}");
            document.warn(InvalidField::new(field, reason));
            continue;
        }
        if name == "logo_uri" && own_host.has(&text) {
            return Err(InvalidField::new(field, NOT_OWN_HOST));
        }
        localized.insert(field, text);
    }
    Ok(localized)
}

struct LocalizedField {
    /// The whole name, language tag included.
    field: String,
    /// The name without the language tag. All except `client_name` are URLs.
    name: &'static str,
    has_tag: bool,
}

impl LocalizedField {
    fn parse(field: &str) -> Option<Self> {
        let (name, tag) = field.split_once('#')?;
        let name = LOCALIZED.into_iter().find(|known| *known == name)?;
        Some(Self { field: field.to_owned(), name, has_tag: is_language_tag(tag) })
    }
}
