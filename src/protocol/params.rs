//! `application/x-www-form-urlencoded` parameters, in queries and bodies.

use form_urlencoded::Serializer;
use percent_encoding::percent_decode;

/// The media type of a form body.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The most parameters that a query or a body may have, unknown ones included.
const PAIRS_LIMIT: usize = 100;

/// The known parameters of a query or a body, decoded, in their order, repeated ones included.
///
/// Unknown parameters are ignored (RFC 6749 sections 3.1 and 3.2) and not kept: many requests wait at once, and
/// a parameter takes many times the memory of the two bytes that it may have in a body.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(&'static str, String)>);

/// How often a parameter is given. An empty value counts as not given (RFC 6749 section 3.1).
#[derive(Debug, Eq, PartialEq)]
pub enum ParamValue<'a> {
    /// Not at all.
    Absent,
    /// Twice or more, which no parameter may be.
    Duplicate,
    /// Once.
    Single(&'a str),
}

/// A parameter is given twice or more.
#[derive(Debug, Eq, PartialEq)]
pub struct DuplicateParameter;

/// Why a query or a body is refused as a whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Malformed {
    /// The value of a known parameter is not UTF-8.
    NotUtf8,
    /// It has more than 100 parameters.
    TooMany,
}

impl Malformed {
    /// What was wrong, for the peer.
    pub const fn description(self) -> &'static str {
        match self {
            Self::NotUtf8 => "a parameter is not UTF-8",
            Self::TooMany => "the request has more than 100 parameters",
        }
    }
}

impl Params {
    /// Decodes those parameters of a query or a body that are in one of the lists `known`.
    ///
    /// # Errors
    /// [`Malformed`], which is the sender's fault.
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
                params.append(name, value.map_err(|_| Malformed::NotUtf8)?);
            }
        }
        Ok(params)
    }

    /// Adds a parameter behind the others.
    pub fn append(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, value.into()));
    }

    /// Takes out the parameter of this name, which may be given once.
    ///
    /// # Errors
    /// [`DuplicateParameter`], which is the sender's fault.
    pub fn extract(&mut self, name: &str) -> Result<Option<String>, DuplicateParameter> {
        self.once(name)?;
        let place = self.0.iter().position(|(known, value)| *known == name && !value.is_empty());
        Ok(place.map(|place| self.0.swap_remove(place).1))
    }

    /// Removes the parameters of these names.
    pub fn remove(&mut self, names: &[&str]) {
        self.0.retain(|(name, _)| !names.contains(name));
    }

    /// The parameters as a query or a body has them.
    pub fn encode(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// All values of the one parameter that may be given several times.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values =
            self.0.iter().filter(move |(known, value)| *known == name && !value.is_empty());
        values.map(|(_, value)| value.as_str())
    }

    /// The parameter of this name, which may be given once.
    ///
    /// # Errors
    /// [`DuplicateParameter`], which is the sender's fault.
    pub fn once(&self, name: &str) -> Result<Option<&str>, DuplicateParameter> {
        match self.get(name) {
            ParamValue::Absent => Ok(None),
            ParamValue::Single(value) => Ok(Some(value)),
            ParamValue::Duplicate => Err(DuplicateParameter),
        }
    }

    /// The parameter of this name.
    pub fn get(&self, name: &str) -> ParamValue<'_> {
        let mut values = self.0.iter().filter(|(known, value)| *known == name && !value.is_empty());
        match (values.next(), values.next()) {
            (None, _) => ParamValue::Absent,
            (Some((_, value)), None) => ParamValue::Single(value),
            (Some(_), Some(_)) => ParamValue::Duplicate,
        }
    }
}

/// Decodes a name or a value, which need not be UTF-8 (URL Standard section 5.1).
fn decode(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> =
        text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

/// Whether a `Content-Type` names `media_type`, parameters such as a charset aside.
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
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_refused() {
        for text in ["half=%FF", "half=%C3", "%68alf=%ED%A0%80"] {
            assert_eq!(Params::parse(text.as_bytes(), KNOWN).unwrap_err(), Malformed::NotUtf8);
        }
    }

    #[test]
    fn there_are_at_most_100_parameters() {
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
