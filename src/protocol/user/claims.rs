//! The standard claims (OpenID Connect Core section 5.1): their scopes and their types.

use serde_json::{Map, Value};

/// A user's claims, by their whole names.
pub type UserClaims = Map<String, Value>;

/// A standard claim.
#[derive(Debug)]
pub struct StandardClaim {
    /// Its name.
    pub name: &'static str,
    /// The scope that asks for it (Core section 5.4).
    pub scope: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Address,
    Birthdate,
    Boolean,
    Email,
    LanguageTag,
    Text,
    Time,
    Url,
    ZoneInfo,
}

/// All of them but `sub`, which every response carries.
pub const STANDARD: [StandardClaim; 19] = [
    claim("name", "profile", Kind::Text),
    claim("given_name", "profile", Kind::Text),
    claim("family_name", "profile", Kind::Text),
    claim("middle_name", "profile", Kind::Text),
    claim("nickname", "profile", Kind::Text),
    claim("preferred_username", "profile", Kind::Text),
    claim("profile", "profile", Kind::Url),
    claim("picture", "profile", Kind::Url),
    claim("website", "profile", Kind::Url),
    claim("gender", "profile", Kind::Text),
    claim("birthdate", "profile", Kind::Birthdate),
    claim("zoneinfo", "profile", Kind::ZoneInfo),
    claim("locale", "profile", Kind::LanguageTag),
    claim("updated_at", "profile", Kind::Time),
    claim("email", "email", Kind::Email),
    claim("email_verified", "email", Kind::Boolean),
    claim("address", "address", Kind::Address),
    claim("phone_number", "phone", Kind::Text),
    claim("phone_number_verified", "phone", Kind::Boolean),
];

const fn claim(name: &'static str, scope: &'static str, kind: Kind) -> StandardClaim {
    StandardClaim { name, scope, kind }
}

const ADDRESS_MEMBERS: [&str; 6] =
    ["formatted", "street_address", "locality", "region", "postal_code", "country"];

/// The longest text a claim may hold, in bytes.
const TEXT_LIMIT: usize = 2_048;
/// The largest claims document, in bytes of JSON.
const DOCUMENT_LIMIT: usize = 32_768;
/// 1990-01-01: an `updated_at` before it is not seconds since 1970.
const EARLIEST: i64 = 631_152_000;

/// Checks a user's claims, so that whatever is stored can be released as it is. `is_custom` tells the
/// claims of the operator's own scopes.
///
/// # Errors
/// Which member is wrong, and what it must be.
pub fn validate(
    claims: &Map<String, Value>,
    is_custom: impl Fn(&str) -> bool,
    now: i64,
) -> Result<(), String> {
    for (member, value) in claims {
        let (name, tag) = match member.split_once('#') {
            Some((name, tag)) => (name, Some(tag)),
            None => (member.as_str(), None),
        };
        // The operator's own definition of a standard name does not change its type.
        let result = match STANDARD.iter().find(|standard| standard.name == name) {
            Some(standard) => check_standard(standard.kind, value, now),
            None if is_custom(name) => check_custom(value),
            None if name == "sub" => Err("is the user's own sub: leave it out"),
            None => Err("is neither a standard claim nor in a scope of SCOPES"),
        };
        result.map_err(|complaint| format!("{member} {complaint}"))?;
        // OpenID Connect Core section 5.2: a claim may be told in several languages.
        if tag.is_some_and(|tag| !is_language_tag(tag) || !value.is_string()) {
            return Err(format!(
                "{member} must be a text, with a BCP 47 language tag behind the #"
            ));
        }
    }
    let size = serde_json::to_string(claims).map_or(usize::MAX, |text| text.len());
    if size > DOCUMENT_LIMIT {
        return Err(format!("all together have {size} bytes of JSON, more than {DOCUMENT_LIMIT}"));
    }
    Ok(())
}

fn check_standard(kind: Kind, value: &Value, now: i64) -> Result<(), &'static str> {
    let text = value.as_str();
    let (is_right, complaint) = match kind {
        Kind::Address => (is_address(value), ADDRESS_COMPLAINT),
        Kind::Birthdate => {
            (text.is_some_and(is_birthdate), "must be a date as YYYY-MM-DD, 0000-MM-DD or YYYY")
        }
        Kind::Boolean => (value.is_boolean(), "must be true or false"),
        Kind::Email => (text.is_some_and(is_email), "must be an e-mail address"),
        Kind::LanguageTag => {
            // Some implementations use an underscore, and Core section 5.1 lets them.
            let is_locale = text.is_some_and(|text| is_language_tag(&text.replace('_', "-")));
            (is_locale, "must be a BCP 47 language tag such as en-GB")
        }
        Kind::Text => (text.is_some_and(is_line), LINE_COMPLAINT),
        Kind::Time => (
            value.as_i64().is_some_and(|time| (EARLIEST..=now).contains(&time)),
            "must be a whole number of seconds since 1970, not in the future",
        ),
        Kind::Url => (text.is_some_and(is_web_url), "must be an absolute http or https URL"),
        Kind::ZoneInfo => {
            (text.is_some_and(is_zone), "must be a time zone's name such as Europe/Paris")
        }
    };
    if is_right { Ok(()) } else { Err(complaint) }
}

const LINE_COMPLAINT: &str =
    "must be a text of one line, not blank, not \"null\", at most 2048 bytes";
const CUSTOM_COMPLAINT: &str =
    "must hold no null, and no text that is blank, of several lines or over 2048 bytes";
const ADDRESS_COMPLAINT: &str = "must be an object of texts, not blank, named formatted, \
                                 street_address, locality, region, postal_code or country";

fn check_custom(value: &Value) -> Result<(), &'static str> {
    let is_right = match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => is_line(text),
        Value::Array(elements) => return elements.iter().try_for_each(check_custom),
        Value::Object(members) => return members.values().try_for_each(check_custom),
    };
    if is_right { Ok(()) } else { Err(CUSTOM_COMPLAINT) }
}

/// Relying parties take a blank or a "null" for a claim that should have been left out.
fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && text != "null" && text.len() <= TEXT_LIMIT
}

/// Whether a text is fit to be shown: one line, not blank, not `null`, at most 2048 bytes.
pub fn is_line(text: &str) -> bool {
    is_text(text) && !has_control(text)
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn is_address(value: &Value) -> bool {
    // A street address may have several lines, ended by \n or \r\n (Core section 5.1.1).
    let is_lines = |text: &str| is_text(text) && text.lines().all(|line| !has_control(line));
    value.as_object().is_some_and(|members| {
        !members.is_empty()
            && members.iter().all(|(name, value)| {
                ADDRESS_MEMBERS.contains(&name.as_str()) && value.as_str().is_some_and(is_lines)
            })
    })
}

fn is_birthdate(text: &str) -> bool {
    let digits =
        |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
    let mut parts = text.split('-');
    let year = parts.next().unwrap_or_default();
    if !digits(year, 4) {
        return false;
    }
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => year != "0000",
        (Some(month), Some(day), None) if digits(month, 2) && digits(day, 2) => {
            let number = |part: &str| part.parse::<u32>().unwrap_or_default();
            // A year left out may have been a leap year.
            let leap = matches!(number(year), y if y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
            let days = match number(month) {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                1..=12 => 31,
                _ => 0,
            };
            (1..=days).contains(&number(day))
        }
        _ => false,
    }
}

/// RFC 5322's addr-spec without its quoted and bracketed forms, which no relying party expects.
pub fn is_email(text: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .chars()
                .all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii())
    };
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || !c.is_ascii())
    };
    is_line(text)
        && text.split_once('@').is_some_and(|(local, domain)| {
            local.split('.').all(is_atom) && domain.split('.').all(is_label)
        })
}

/// Whether a text has the form of a BCP 47 language tag.
pub fn is_language_tag(text: &str) -> bool {
    text.len() <= 35
        && text.split('-').all(|subtag| {
            (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric())
        })
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Whether a text is an absolute http or https URL of plain characters, at most 2048 bytes.
pub fn is_web_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']))
        && text.len() <= TEXT_LIMIT
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
}

fn is_zone(text: &str) -> bool {
    is_text(text)
        && text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn check(member: &str, value: Value) -> Result<(), String> {
        let claims = Map::from_iter([(member.to_owned(), value)]);
        validate(&claims, |claim| claim == "groups", NOW)
    }

    #[test]
    fn every_standard_claim_accepts_its_type() {
        let claims = json!({
            "name": "Alice Ærø", "given_name": "Alice", "family_name": "Ærø", "middle_name": "M.",
            "nickname": "Al", "preferred_username": "alice", "profile": "https://example.com/alice",
            "picture": "https://example.com/a.png?s=1#x", "website": "http://example.com",
            "gender": "female", "birthdate": "1990-02-28", "zoneinfo": "America/Argentina/Ushuaia",
            "locale": "en_US", "updated_at": 1_700_000_000, "email": "alice@example.com",
            "email_verified": true, "phone_number": "+1 (555) 0100;ext=1",
            "phone_number_verified": false,
            "address": {"formatted": "1 Main St\r\nTown\nPlanet", "country": "NO"},
            "groups": ["staff", {"id": 1}], "name#ja-Kana-JP": "アリス",
        });
        let claims = claims.as_object().unwrap();
        assert_eq!(validate(claims, |claim| claim == "groups", NOW), Ok(()));
        assert!(STANDARD.iter().all(|standard| claims.contains_key(standard.name)));
    }

    #[test]
    fn a_wrong_claim_is_named() {
        for (member, value) in [
            ("name", json!("")),
            ("name", json!(" \t")),
            ("name", json!("null")),
            ("name", json!(null)),
            ("name", json!(7)),
            ("name", json!("two\nlines")),
            ("name", json!("x".repeat(2049))),
            ("profile", json!("example.com")),
            ("profile", json!("https://")),
            ("profile", json!("javascript:alert(1)")),
            ("picture", json!("https://example.com/a b")),
            ("picture", json!("https://example.com/\"><script>")),
            ("website", json!("ftp://example.com")),
            ("birthdate", json!("1990-13-01")),
            ("birthdate", json!("1990-02-29")),
            ("birthdate", json!("1990-2-9")),
            ("birthdate", json!("0000")),
            ("birthdate", json!("1990-01")),
            ("birthdate", json!("1990-01-01-01")),
            ("zoneinfo", json!("Europe/Paris ")),
            ("locale", json!("english language")),
            ("locale", json!("-en")),
            ("updated_at", json!("1700000000")),
            ("updated_at", json!(1_700_000_000.5)),
            ("updated_at", json!(NOW + 1)),
            ("updated_at", json!(1_700_000)),
            ("email", json!("alice")),
            ("email", json!("a b@example.com")),
            ("email", json!("@example.com")),
            ("email", json!("a@b@c")),
            ("email", json!("<a@b>")),
            ("email", json!("a,b@c")),
            ("email", json!("a..b@c")),
            ("email", json!("a@b..c")),
            ("email", json!("a@")),
            ("email_verified", json!("true")),
            ("phone_number_verified", json!(1)),
            ("address", json!("1 Main St")),
            ("address", json!({})),
            ("address", json!({"planet": "Earth"})),
            ("address", json!({"country": ""})),
            ("address", json!({"country": "a\rb"})),
            ("address", json!({"country": "a\tb"})),
            ("groups", json!(null)),
            ("groups", json!(["staff", ""])),
            ("groups", json!({"a": {"b": null}})),
            ("sub", json!("alice")),
            ("emial", json!("alice@example.com")),
            ("name#", json!("Alice")),
            ("name#fr fr", json!("Alice")),
            ("name#en_US", json!("Alice")),
            ("email_verified#fr", json!(true)),
        ] {
            let error = check(member, value.clone()).unwrap_err();
            assert!(error.starts_with(&format!("{member} ")), "{value}: {error}");
        }
    }

    #[test]
    fn a_birthdate_may_leave_out_the_year_or_all_but_the_year() {
        for birthdate in ["0000-02-29", "2000-02-29", "1990", "1990-12-31"] {
            assert_eq!(check("birthdate", json!(birthdate)), Ok(()), "{birthdate}");
        }
    }

    #[test]
    fn a_document_has_a_largest_size() {
        let groups: Vec<_> = (0..100).map(|_| "g".repeat(400)).collect();
        assert!(check("groups", json!(groups)).unwrap_err().contains("bytes"));
    }
}
