//! The `error_description` of an OAuth error.

use std::borrow::Cow;
use std::fmt;

/// The longest description, in bytes. It may quote what a client sent.
const LIMIT: usize = 300;

/// The longest quoted value, in characters.
const VALUE_LIMIT: usize = 100;

/// The `error_description` of an OAuth error.
///
/// RFC 6749 section 5.2 allows the characters `%x20-21 / %x23-5B / %x5D-7E`: printable ASCII without quotation mark and
/// backslash. A quotation mark becomes an apostrophe, and every other forbidden character a question mark. So a
/// description also fits into a `WWW-Authenticate` header without escapes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Description(Cow<'static, str>);

impl Description {
    /// A text with these characters only. Any other one fails a debug build, a constant already at compile time.
    pub const fn fixed(text: &'static str) -> Self {
        debug_assert!(is_allowed(text.as_bytes()));
        Self(Cow::Borrowed(text))
    }

    /// A text that may quote what a client sent, shortened to 300 bytes.
    pub fn new(text: impl fmt::Display) -> Self {
        let allowed = |c| match c {
            '"' => '\'',
            ' '..='~' if c != '\\' => c,
            _ => '?',
        };
        Self(text.to_string().chars().map(allowed).take(LIMIT).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Description {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<&'static str> for Description {
    fn from(text: &'static str) -> Self {
        Self::fixed(text)
    }
}

impl From<String> for Description {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// A value of a request as a description quotes it: at most 100 characters, and a question mark for each that a URI
/// cannot have. Without spaces it cannot put sentences on a page of the provider's. Never a secret, a code or a token.
pub struct Sent<'a>(pub &'a str);

impl fmt::Display for Sent<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| if c.is_ascii_graphic() { c } else { '?' };
        let shown: String = self.0.chars().map(plain).take(VALUE_LIMIT).collect();
        let is_cut = self.0.chars().nth(VALUE_LIMIT).is_some();
        write!(formatter, "{shown}{}", if is_cut { "..." } else { "" })
    }
}

const fn is_allowed(mut text: &[u8]) -> bool {
    while let [byte, rest @ ..] = text {
        if !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\') {
            return false;
        }
        text = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_the_characters_of_rfc_6749_only() {
        assert_eq!(Description::new("a \"b\\é\n\u{7f}").as_str(), "a 'b????");
        assert_eq!(Description::new("x".repeat(5_000)).as_str().len(), 300);
        for forbidden in ["\"", "\\", "é", "\n", "\u{7f}"] {
            assert!(!is_allowed(forbidden.as_bytes()), "{forbidden:?}");
        }
        assert!(is_allowed(b" !#[]~"));
    }

    #[test]
    fn a_quoted_value_is_short_and_has_no_space() {
        assert_eq!(
            Sent("https://app.example/a b\u{202e}é").to_string(),
            "https://app.example/a?b??"
        );
        assert_eq!(Sent(&"x".repeat(100)).to_string().len(), 100);
        assert_eq!(Sent(&"x".repeat(101)).to_string(), format!("{}...", "x".repeat(100)));
    }
}
