//! Members of client metadata in several languages, `client_name#ja` (RFC 7591 section 2.2).

use std::collections::BTreeMap;

use crate::protocol::json_object::Members;
use crate::protocol::user::claims::{is_language_tag, is_line, is_web_url};

/// The members that people are shown.
const LOCALIZED: [&str; 5] = ["client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri"];

/// The most of them that a client may have.
const LIMIT: usize = 100;

/// Takes out every such member that names a language, under its whole name.
///
/// # Errors
/// Which member is wrong, and what it must be.
pub fn take(members: &mut Members) -> Result<BTreeMap<String, String>, String> {
    let mut localized = BTreeMap::new();
    let names = members.in_languages(&LOCALIZED);
    if let Some(name) = names.get(LIMIT) {
        return Err(format!("{name} is one too many: at most {LIMIT} members may name a language"));
    }
    for member in names {
        let Some(text) = members.text(&member)? else { continue };
        let (name, tag) = member.split_once('#').unwrap_or_default();
        if !is_language_tag(tag) {
            return Err(format!("{member} must have a BCP 47 language tag behind the #"));
        }
        let (is_right, what) = match name {
            "client_name" => (is_line(&text), "a text of one line, not blank"),
            _ => (is_web_url(&text), "an absolute http or https URL"),
        };
        if !is_right {
            return Err(format!("{member} must be {what}"));
        }
        localized.insert(member, text);
    }
    Ok(localized)
}
