//! `application/x-www-form-urlencoded` parameters, in queries and bodies.

use std::borrow::Cow;

/// The media type of a form body.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// Decoded parameters in their order, doubled ones included.
#[derive(Debug)]
pub struct Params<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// How often a parameter is given. An empty value counts as not given (RFC 6749 section 3.1).
#[derive(Debug, Eq, PartialEq)]
pub enum Given<'a> {
    /// Not at all.
    Absent,
    /// Twice or more, which no parameter may be.
    Doubled,
    /// Once.
    Once(&'a str),
}

/// A parameter is given twice or more.
#[derive(Debug, Eq, PartialEq)]
pub struct Doubled;

impl<'a> Params<'a> {
    /// Decodes a query or a body.
    pub fn parse(text: &'a [u8]) -> Self {
        Self(form_urlencoded::parse(text).collect())
    }

    /// All names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// All values of the one parameter that may be given several times.
    pub fn all<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b str> {
        self.iter()
            .filter(move |(known, value)| *known == name && !value.is_empty())
            .map(|(_, v)| v)
    }

    /// The parameter of this name, which may be given once.
    ///
    /// # Errors
    /// [`Doubled`], which is the sender's fault.
    pub fn once(&self, name: &str) -> Result<Option<&str>, Doubled> {
        match self.get(name) {
            Given::Absent => Ok(None),
            Given::Once(value) => Ok(Some(value)),
            Given::Doubled => Err(Doubled),
        }
    }

    /// The parameter of this name.
    pub fn get(&self, name: &str) -> Given<'_> {
        let mut values = self.0.iter().filter(|(known, value)| known == name && !value.is_empty());
        match (values.next(), values.next()) {
            (None, _) => Given::Absent,
            (Some((_, value)), None) => Given::Once(value),
            (Some(_), Some(_)) => Given::Doubled,
        }
    }
}

/// Whether a `Content-Type` names `media_type`, parameters such as a charset aside.
pub fn is_media_type(content_type: &str, media_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded_before_they_are_looked_up() {
        let params = Params::parse(b"%61ccess_token=a%2Bb+c&empty=&twice=1&twice=2&half=&half=1");
        assert_eq!(params.get("access_token"), Given::Once("a+b c"));
        assert_eq!(params.get("empty"), Given::Absent);
        assert_eq!(params.get("twice"), Given::Doubled);
        assert_eq!(params.get("half"), Given::Once("1"));
        assert_eq!(params.get("none"), Given::Absent);
    }

    #[test]
    fn a_media_type_may_have_parameters_and_any_case() {
        assert!(is_media_type("application/x-www-form-urlencoded", FORM));
        assert!(is_media_type("Application/X-WWW-Form-Urlencoded; charset=UTF-8", FORM));
        assert!(!is_media_type("application/x-www-form-urlencodedx", FORM));
        assert!(!is_media_type("application/json", FORM) && !is_media_type("", FORM));
    }
}
