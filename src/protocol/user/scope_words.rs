//! The operator's words for a scope, which people read on the consent page.

use serde_json::Value;
use std::fmt;

use crate::protocol::text_forms::{has_control, is_language_tag};

/// The longest text, in characters. A consent page lists several.
const LIMIT: usize = 200;

/// Words that cannot be shown. The message follows the name of the variable.
#[derive(Debug)]
pub struct InvalidWords {
    /// The name of the scope.
    pub scope: String,
}

impl InvalidWords {
    fn of(scope: &str) -> Self {
        Self { scope: scope.to_owned() }
    }
}

impl fmt::Display for InvalidWords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the words for the scope {} must be an object from language tags, or an empty name, to \
             lines of at most 200 characters without control characters and direction marks",
            self.scope
        )
    }
}

/// The words for a scope, by language tag. The tag of the words for all other languages is empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ScopeWords(Vec<(String, String)>);

impl ScopeWords {
    /// Parses the words for a scope: a JSON object, for example
    /// `{"": "See your orders", "de": "Ihre Bestellungen sehen"}`.
    pub fn parse(scope: &str, value: Value) -> Result<Self, InvalidWords> {
        let Value::Object(fields) = value else { return Err(InvalidWords::of(scope)) };
        let words = fields.into_iter().map(|(tag, words)| match words {
            Value::String(words) if is_tag(&tag) && is_line(&words) => Ok((tag, words)),
            _ => Err(InvalidWords::of(scope)),
        });
        words.collect::<Result<_, _>>().map(Self)
    }

    /// Returns the words in a language, or those for all other languages. Words for a region count as well: `de-AT` is
    /// used for `de`.
    pub fn in_language(&self, language: &str) -> Option<&str> {
        let is_in_it = |tag: &str| {
            tag.split('-').next().is_some_and(|first| first.eq_ignore_ascii_case(language))
        };
        // The shortest tag is the language itself, which is preferred over its regions.
        let in_it = self.0.iter().filter(|(tag, _)| is_in_it(tag)).min_by_key(|(tag, _)| tag.len());
        let other = || self.0.iter().find(|(tag, _)| tag.is_empty());
        in_it.or_else(other).map(|(_, words)| words.as_str())
    }
}

fn is_tag(tag: &str) -> bool {
    tag.is_empty() || is_language_tag(tag)
}

/// Returns whether a text is one visible line that does not change the direction of the text around it.
fn is_line(text: &str) -> bool {
    !text.is_empty()
        && text == text.trim()
        && text.chars().count() <= LIMIT
        && !has_control(text)
        && !text.chars().any(is_direction_mark_or_separator)
}

/// Returns whether a character is one of Unicode's explicit direction marks, or separates lines or paragraphs.
fn is_direction_mark_or_separator(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_are_chosen_by_language_then_by_the_empty_tag() {
        let words = ScopeWords::parse("a", json!({
            "": "See your orders", "de": "Ihre Bestellungen sehen", "fr-CA": "Voir", "es-AR": "B", "es": "A",
        }))
        .unwrap();
        for (language, expected) in [
            ("de", "Ihre Bestellungen sehen"),
            ("fr", "Voir"),
            ("es", "A"),
            ("nl", "See your orders"),
            ("en", "See your orders"),
        ] {
            assert_eq!(words.in_language(language), Some(expected), "{language}");
        }
        let words = ScopeWords::parse("a", json!({ "DE": "Lesen" })).unwrap();
        assert_eq!((words.in_language("de"), words.in_language("en")), (Some("Lesen"), None));
        assert_eq!(ScopeWords::parse("a", json!({})).unwrap().in_language("en"), None);
    }

    #[test]
    fn words_that_could_deceive_or_break_the_page_are_refused() {
        let long = "x".repeat(201);
        for words in [
            "",
            " ",
            "a ",
            " a",
            "a\nb",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{200f}",
            "a\u{61c}b",
            "a\u{2028}b",
            "a\u{7f}",
            "a\tb",
            &long,
        ] {
            assert!(ScopeWords::parse("a", json!({ "": words })).is_err(), "{words:?}");
        }
        for value in [json!([]), json!("x"), json!({ "": 1 }), json!({ "d e": "x" }), json!(null)] {
            assert!(ScopeWords::parse("a", value.clone()).is_err(), "{value}");
        }
        for words in ["é", "<b>Ihre & Daten</b>", "قراءة الطلبات", &"é".repeat(200)] {
            assert!(ScopeWords::parse("a", json!({ "de-CH": words })).is_ok(), "{words:?}");
        }
    }
}
