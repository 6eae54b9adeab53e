//! Parameters of queries and bodies, encoded as `application/x-www-form-urlencoded`.

use form_urlencoded::{Serializer, byte_serialize};
use percent_encoding::percent_decode;
use std::borrow::Cow;

use crate::protocol::description::Description;

/// The media type of a form body.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The maximum number of parameters in a query or a body, unknown ones included.
const PAIRS_LIMIT: usize = 100;

/// The known parameters of a query or a body: decoded, in order of appearance, duplicates included.
///
/// Unknown parameters are ignored (RFC 6749 sections 3.1 and 3.2) and not stored. An isolate holds many requests at
/// once, and a stored parameter takes many times the memory of the two bytes that it may have in a body.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(&'static str, String)>);

/// The value of a parameter that must not be repeated. An empty value counts as absent (RFC 6749 section 3.1).
#[derive(Debug, Eq, PartialEq)]
pub enum ParamValue<'a> {
    /// The parameter is absent or empty.
    Absent,
    /// The parameter is repeated.
    Duplicate,
    /// The parameter is present once.
    Single(&'a str),
}

/// The error for a repeated parameter (RFC 6749 section 3.1).
#[derive(Debug, Eq, PartialEq)]
pub struct DuplicateParameter {
    pub name: &'static str,
}

impl From<DuplicateParameter> for Description {
    fn from(DuplicateParameter { name }: DuplicateParameter) -> Self {
        Self::new(format_args!("duplicate parameter: {name}"))
    }
}

/// An error in the encoding of a query or a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Malformed {
    /// The value of a known parameter is not UTF-8.
    NotUtf8 { name: &'static str },
    /// There are more than 100 parameters.
    TooMany,
}

impl Malformed {
    /// Returns the text of `error_description`.
    pub fn description(self) -> Description {
        match self {
            Self::NotUtf8 { name } => Description::new(format_args!("{name}: must be UTF-8")),
            Self::TooMany => Description::fixed("more than 100 parameters"),
        }
    }
}

impl Params {
    /// Decodes a query or a body. Keeps the parameters that are in one of the lists `known`.
    ///
    /// # Errors
    /// - [`Malformed::TooMany`] when there are more than 100 parameters
    /// - [`Malformed::NotUtf8`] when the value of a known parameter is not UTF-8
    pub fn parse(text: &[u8], known: &[&[&'static str]]) -> Result<Self, Malformed> {
        let mut params = Self::default();
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        for (index, pair) in pairs.enumerate() {
            if index == PAIRS_LIMIT {
                return Err(Malformed::TooMany);
            }
            let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(equals);
            let name = decode(name);
            let mut names = known.iter().copied().flatten();
            if let Some(name) = names.find(|known| known.as_bytes() == name) {
                let value = String::from_utf8(decode(value.strip_prefix(b"=").unwrap_or(value)));
                params.append(name, value.map_err(|_| Malformed::NotUtf8 { name })?);
            }
        }
        Ok(params)
    }

    pub fn append(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, value.into()));
    }

    /// Removes a parameter and returns its value.
    ///
    /// # Errors
    /// [`DuplicateParameter`] when the parameter is repeated.
    pub fn extract(&mut self, name: &str) -> Result<Option<String>, DuplicateParameter> {
        self.once(name)?;
        let place = self.0.iter().position(|(known, value)| *known == name && !value.is_empty());
        Ok(place.map(|place| self.0.swap_remove(place).1))
    }

    /// Removes all parameters with these names.
    pub fn remove(&mut self, names: &[&str]) {
        self.0.retain(|(name, _)| !names.contains(name));
    }

    /// Encodes the parameters for a query or a body.
    pub fn encode(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// Returns the length of [`encode`](Self::encode) without the parameters with these names.
    pub fn encoded_length_without(&self, names: &[&str]) -> usize {
        let length = |text: &str| byte_serialize(text.as_bytes()).map(str::len).sum::<usize>();
        let others = self.0.iter().filter(|(name, _)| !names.contains(name));
        // An equals sign in each, and an ampersand between two.
        let lengths = others.map(|(name, value)| length(name) + length(value) + 2);
        lengths.sum::<usize>().saturating_sub(1)
    }

    /// Returns all values of a parameter that may be repeated. Empty values are left out.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values =
            self.0.iter().filter(move |(known, value)| *known == name && !value.is_empty());
        values.map(|(_, value)| value.as_str())
    }

    /// Returns the value of a parameter that must not be repeated.
    ///
    /// # Errors
    /// [`DuplicateParameter`] when the parameter is repeated.
    pub fn once(&self, name: &str) -> Result<Option<&str>, DuplicateParameter> {
        let mut values = self.0.iter().filter(|(known, value)| *known == name && !value.is_empty());
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => Ok(Some(value)),
            (Some((name, _)), Some(_)) => Err(DuplicateParameter { name }),
        }
    }

    /// Returns the value of a parameter; a repeated one is not an error here.
    pub fn get(&self, name: &str) -> ParamValue<'_> {
        match self.once(name) {
            Ok(None) => ParamValue::Absent,
            Ok(Some(value)) => ParamValue::Single(value),
            Err(DuplicateParameter { .. }) => ParamValue::Duplicate,
        }
    }
}

/// Adds parameters to the query of a URI, or begins one. What the URI has stays as it is.
pub fn with_query(uri: &str, parameters: &[(&str, &str)]) -> String {
    let separator = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{separator}{}", encode_for_client(parameters))
}

/// Encodes parameters as `application/x-www-form-urlencoded`, with a space as `%20`: some clients only percent-decode,
/// and every other one reads it as well as `+`.
pub fn encode_for_client(parameters: &[(&str, &str)]) -> String {
    // A plus sign of a value is `%2B` in the serializer's text.
    Serializer::new(String::new()).extend_pairs(parameters).finish().replace('+', "%20")
}

/// Decodes a name or a value to bytes, which need not be UTF-8 (URL Standard section 5.1).
fn decode(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> =
        text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    // Collected from the iterator, the bytes would have up to twice the memory that they need.
    match Cow::from(percent_decode(&spaced)) {
        Cow::Owned(decoded) => decoded,
        Cow::Borrowed(_) => spaced,
    }
}

/// Returns whether a `Content-Type` header names `media_type`. Parameters such as the charset are ignored.
pub fn is_media_type(content_type: &str, media_type: &str) -> bool {
    let essence = content_type.split_once(';').map_or(content_type, |(essence, _)| essence);
    essence.trim().eq_ignore_ascii_case(media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&[&str]] = &[&["access_token", "empty"], &["twice", "half", "a b"]];

    #[test]
    fn names_and_values_are_decoded_before_they_are_looked_up() {
        let text =
            b"%61ccess_token=a%2Bb+c&empty=&twice=1&twice=2&half=&half=1&a+b=%C3%A9&&unknown=1";
        let params = Params::parse(text, KNOWN).unwrap();
        assert_eq!(params.get("access_token"), ParamValue::Single("a+b c"));
        assert_eq!(params.get("empty"), ParamValue::Absent);
        assert_eq!(params.get("twice"), ParamValue::Duplicate);
        assert_eq!(params.get("half"), ParamValue::Single("1"));
        assert_eq!(params.get("a b"), ParamValue::Single("é"));
        assert_eq!(params.get("unknown"), ParamValue::Absent);
    }

    #[test]
    fn unknown_parameters_are_not_kept() {
        let mut params = Params::parse(b"x=1&half=a%26b&%FF=%FF&empty&y", KNOWN).unwrap();
        assert_eq!(params.encode(), "half=a%26b&empty=");
        params.append("twice", "é");
        params.remove(&["empty"]);
        assert_eq!(params.encode(), "half=a%26b&twice=%C3%A9");
        for (names, encoded) in [(&[][..], params.encode().as_str()), (&["twice"], "half=a%26b")] {
            assert_eq!(params.encoded_length_without(names), encoded.len());
        }
        assert_eq!(params.encoded_length_without(&["half", "twice"]), 0);
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_refused() {
        for text in ["half=%FF", "half=%C3", "%68alf=%ED%A0%80"] {
            assert_eq!(
                Params::parse(text.as_bytes(), KNOWN).unwrap_err(),
                Malformed::NotUtf8 { name: "half" }
            );
        }
    }

    #[test]
    fn more_than_100_parameters_are_refused() {
        assert!(Params::parse(&b"a&".repeat(100), KNOWN).is_ok());
        for text in [b"a&".repeat(101), b"half=1&".repeat(30_000), b"&&=".repeat(101)] {
            assert_eq!(Params::parse(&text, KNOWN).unwrap_err(), Malformed::TooMany);
        }
    }

    #[test]
    fn a_media_type_may_have_parameters_and_any_case() {
        assert!(is_media_type("application/x-www-form-urlencoded", FORM));
        assert!(is_media_type("Application/X-WWW-Form-Urlencoded; charset=UTF-8", FORM));
        assert!(!is_media_type("application/x-www-form-urlencodedx", FORM));
        assert!(!is_media_type("application/json", FORM) && !is_media_type("", FORM));
    }
}
