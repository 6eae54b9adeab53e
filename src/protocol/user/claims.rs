//! The standard claims (OpenID Connect Core section 5.1), their scopes and types, and the checks of a user's claims.

use serde_json::{Map, Value};
use std::fmt;

use crate::protocol::invalid_field::InvalidField;
use crate::protocol::text_forms::{
    EMAIL, LINE, WEB_URL, has_control, is_email, is_language_tag, is_line, is_text, is_web_url,
};

/// A user's claims, by name with the language tag if there is one: `name`, `name#fr`.
pub type UserClaims = Map<String, Value>;

#[derive(Debug)]
pub struct StandardClaim {
    /// The claim's name, without a language tag.
    pub name: &'static str,
    /// The scope that releases the claim (Core section 5.4).
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

/// All standard claims except `sub`, which is in every response.
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

/// The fields of the claim `address` (Core section 5.1.1).
const ADDRESS_FIELDS: [&str; 6] =
    ["formatted", "street_address", "locality", "region", "postal_code", "country"];

/// The maximum size of a user's claims, in bytes of JSON.
const DOCUMENT_LIMIT: usize = 32_768;
/// 1990-01-01 in Unix seconds. An earlier `updated_at` is almost certainly in another unit.
const EARLIEST: i64 = 631_152_000;

/// Checks the field `claims` of a user, so that stored claims can be released unchanged. `is_custom` returns whether
/// one of the operator's scopes releases a claim. `now` is in Unix seconds.
pub fn validate(
    claims: &Map<String, Value>,
    is_custom: impl Fn(&str) -> bool,
    now: i64,
) -> Result<(), InvalidField> {
    for (claim, value) in claims {
        check(claim, value, &is_custom, now)
            .map_err(|error| InvalidField::new(format_args!("claims.{claim}"), error))?;
    }
    let size = serde_json::to_string(claims).map_or(usize::MAX, |text| text.len());
    if size > DOCUMENT_LIMIT {
        let reason = format_args!(
            "must be at most {DOCUMENT_LIMIT} bytes of JSON, but has \
                                   {size}"
        );
        return Err(InvalidField::new("claims", reason));
    }
    Ok(())
}

enum ClaimError {
    /// A claim of the operator's scopes has a value that relying parties do not expect.
    Custom,
    /// The value does not have the type of the standard claim.
    Standard(Kind),
    /// The claim is `sub`, which is the user's identifier and not a stored claim.
    Sub,
    /// The claim has a language tag, but its value is not a string or the tag is not one of BCP 47.
    Tagged,
    /// No scope releases the claim.
    Unknown,
}

impl fmt::Display for ClaimError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Custom => {
                "must have no null, and no string that is blank, has several lines or is longer \
                 than 2048 bytes"
            }
            Self::Standard(kind) => kind.requirement(),
            Self::Sub => "must be left out: this claim is the user's own sub",
            Self::Tagged => {
                "must be a string, and its name must have a BCP 47 language tag \
                             after the #"
            }
            Self::Unknown => {
                "unknown claim: neither a standard claim nor a claim of a scope in \
                              SCOPES"
            }
        })
    }
}

fn check(
    claim: &str,
    value: &Value,
    is_custom: &impl Fn(&str) -> bool,
    now: i64,
) -> Result<(), ClaimError> {
    let (name, tag) = match claim.split_once('#') {
        Some((name, tag)) => (name, Some(tag)),
        None => (claim, None),
    };
    // A standard claim keeps its type even if one of the operator's scopes releases it, too.
    match STANDARD.iter().find(|standard| standard.name == name) {
        Some(StandardClaim { kind, .. }) if kind.accepts(value, now) => {}
        Some(StandardClaim { kind, .. }) => return Err(ClaimError::Standard(*kind)),
        None if is_custom(name) && is_custom_value(value) => {}
        None if is_custom(name) => return Err(ClaimError::Custom),
        None if name == "sub" => return Err(ClaimError::Sub),
        None => return Err(ClaimError::Unknown),
    }
    // Only a text can be in several languages (OpenID Connect Core section 5.2).
    if tag.is_some_and(|tag| !is_language_tag(tag) || !value.is_string()) {
        return Err(ClaimError::Tagged);
    }
    Ok(())
}

impl Kind {
    fn accepts(self, value: &Value, now: i64) -> bool {
        let text_is = |is_right: fn(&str) -> bool| value.as_str().is_some_and(is_right);
        match self {
            Self::Address => is_address(value),
            Self::Birthdate => text_is(is_birthdate),
            Self::Boolean => value.is_boolean(),
            Self::Email => text_is(is_email),
            // Core section 5.1 allows an underscore, because some implementations use it.
            Self::LanguageTag => text_is(|text| is_language_tag(&text.replace('_', "-"))),
            Self::Text => text_is(is_line),
            Self::Time => value.as_i64().is_some_and(|time| (EARLIEST..=now).contains(&time)),
            Self::Url => text_is(is_web_url),
            Self::ZoneInfo => text_is(is_zone),
        }
    }

    fn requirement(self) -> &'static str {
        match self {
            Self::Address => {
                "must be an object of strings, not blank, named formatted, street_address, \
                 locality, region, postal_code or country"
            }
            Self::Birthdate => "must be a date as YYYY-MM-DD, 0000-MM-DD or YYYY",
            Self::Boolean => "must be true or false",
            Self::Email => EMAIL,
            Self::LanguageTag => "must be a BCP 47 language tag such as en-GB",
            Self::Text => LINE,
            Self::Time => "must be an integer number of seconds since 1970, not in the future",
            Self::Url => WEB_URL,
            Self::ZoneInfo => "must be a time zone's name such as Europe/Paris",
        }
    }
}

fn is_custom_value(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => is_line(text),
        Value::Array(elements) => elements.iter().all(is_custom_value),
        Value::Object(fields) => fields.values().all(is_custom_value),
    }
}

fn is_address(value: &Value) -> bool {
    // A street address may have several lines, separated by \n or \r\n (Core section 5.1.1).
    let is_lines = |text: &str| is_text(text) && text.lines().all(|line| !has_control(line));
    value.as_object().is_some_and(|fields| {
        !fields.is_empty()
            && fields.iter().all(|(name, value)| {
                ADDRESS_FIELDS.contains(&name.as_str()) && value.as_str().is_some_and(is_lines)
            })
    })
}

fn is_birthdate(text: &str) -> bool {
    let number = |part: &str, length| {
        let is_number = part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        if is_number { part.parse::<u32>().ok() } else { None }
    };
    match text.split('-').collect::<Vec<_>>().as_slice() {
        [year] => number(year, 4).is_some_and(|year| year != 0),
        [year, month, day] => match (number(year, 4), number(month, 2), number(day, 2)) {
            (Some(year), Some(month), Some(day)) => (1..=days(year, month)).contains(&day),
            _ => false,
        },
        _ => false,
    }
}

/// Returns the number of days in a month. The year 0 means that the year is left out; it may be a leap year.
fn days(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
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

    fn check(claim: &str, value: Value) -> Result<(), InvalidField> {
        let claims = Map::from_iter([(claim.to_owned(), value)]);
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
    fn an_error_names_the_invalid_claim() {
        for (claim, value) in [
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
            ("birthdate", json!("1900-02-29")),
            ("birthdate", json!("1990-04-31")),
            ("birthdate", json!("1990-2-9")),
            ("birthdate", json!("0000")),
            ("birthdate", json!("1990-01")),
            ("birthdate", json!("1990-01-01-01")),
            ("zoneinfo", json!("Europe/Paris ")),
            ("zoneinfo", json!("")),
            ("zoneinfo", json!("z".repeat(65))),
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
            let error = check(claim, value.clone()).unwrap_err();
            assert_eq!(error.field, format!("claims.{claim}"), "{value}: {error}");
        }
    }

    #[test]
    fn a_birthdate_may_lack_the_year_or_be_a_year_alone() {
        for birthdate in ["0000-02-29", "2000-02-29", "2004-02-29", "1990", "1990-12-31"] {
            assert_eq!(check("birthdate", json!(birthdate)), Ok(()), "{birthdate}");
        }
    }

    #[test]
    fn an_error_names_the_broken_rule() {
        for (claim, value, words) in [
            ("sub", json!("alice"), "the user's own sub"),
            ("emial", json!("alice@example.com"), "unknown claim"),
            ("groups", json!(null), "must have no null"),
            ("email_verified#fr", json!(true), "BCP 47"),
            ("email_verified", json!("true"), "must be true or false"),
        ] {
            let error = check(claim, value).unwrap_err();
            assert!(error.reason.contains(words), "{error}");
        }
    }

    #[test]
    fn claims_have_a_maximum_size() {
        let groups = |last: usize| {
            let mut groups = vec!["g".repeat(400); 80];
            groups.push("g".repeat(last));
            json!(groups)
        };
        let size = |groups: Value| json!({ "groups": groups }).to_string().len();
        let last = DOCUMENT_LIMIT + 1 - size(groups(1));
        assert_eq!(check("groups", groups(last)), Ok(()));
        let error = check("groups", groups(last + 1)).unwrap_err();
        assert!(error.field == "claims" && error.reason.contains("has 32769"), "{error}");
    }
}
