//! Localized client metadata: fields with a language tag, such as `client_name#ja` (RFC 7591 section 2.2).

use std::collections::BTreeMap;

use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;
use crate::protocol::text_forms::{LINE, WEB_URL, is_language_tag, is_line, is_web_url};

/// The fields that may have a language tag, because users see them.
const LOCALIZED: [&str; 5] = ["client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri"];

/// The maximum number of localized fields of a client.
const LIMIT: usize = 100;

/// Removes the localized fields from a document and returns them by name, language tags included.
pub fn from_document(document: &mut JsonObject) -> Result<BTreeMap<String, String>, InvalidField> {
    let fields: Vec<_> = document.fields().filter_map(LocalizedField::parse).collect();
    if let Some(LocalizedField { field, .. }) = fields.get(LIMIT) {
        let reason = format_args!("at most {LIMIT} fields may have a language tag");
        return Err(InvalidField::new(field, reason));
    }
    let mut localized = BTreeMap::new();
    for LocalizedField { field, is_name, has_tag } in fields {
        let Some(text) = document.string(&field)? else { continue };
        let (is_right, requirement) = match (has_tag, is_name) {
            (false, _) => (false, "the name must have a BCP 47 language tag after the #"),
            (true, true) => (is_line(&text), LINE),
            (true, false) => (is_web_url(&text), WEB_URL),
        };
        if !is_right {
            return Err(InvalidField::new(field, requirement));
        }
        localized.insert(field, text);
    }
    Ok(localized)
}

struct LocalizedField {
    /// The whole name, language tag included.
    field: String,
    /// Whether the field is `client_name`; the others are URLs.
    is_name: bool,
    has_tag: bool,
}

impl LocalizedField {
    fn parse(field: &str) -> Option<Self> {
        let (name, tag) = field.split_once('#').filter(|(name, _)| LOCALIZED.contains(name))?;
        let (is_name, has_tag) = (name == "client_name", is_language_tag(tag));
        Some(Self { field: field.to_owned(), is_name, has_tag })
    }
}
