//! Scope values: what requests, registrations and tokens have in `scope` (RFC 6749 section 3.3).

use std::collections::BTreeSet;

/// The maximum number of scopes in a value that is sent or registered.
const LIMIT: usize = 100;

/// Returns whether a text is a scope token: printable ASCII without space, quotation mark and backslash (RFC 6749
/// section 3.3).
pub fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

/// A scope value: a set of scope tokens (RFC 6749 section 3.3).
#[derive(Clone, Debug)]
pub struct Scopes<'a>(Vec<&'a str>);

/// Why a text is not a scope value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidScopes {
    /// A part is not a scope token, or there is none.
    Malformed,
    /// There are more than 100 different scopes.
    TooMany,
}

impl InvalidScopes {
    /// Returns the requirement for the value, worded to follow the name of the parameter or field.
    pub fn description(self) -> &'static str {
        match self {
            Self::Malformed => "must be scope tokens separated by spaces",
            Self::TooMany => "must have at most 100 different scopes",
        }
    }
}

impl<'a> Scopes<'a> {
    /// Parses a scope value. Runs of spaces, and spaces at an end, are allowed, because clients that concatenate scopes
    /// send them. Duplicates are dropped. An empty text is valid and has no scopes; a text of spaces alone is invalid.
    ///
    /// # Errors
    /// [`InvalidScopes`] when a part is not a scope token, or when there are more than 100 different ones. So scopes
    /// that are sent and scopes that are registered can be compared one by one.
    pub fn parse(text: &'a str) -> Result<Self, InvalidScopes> {
        let (mut scopes, mut known) = (Vec::new(), BTreeSet::new());
        for scope in text.split(' ').filter(|token| !token.is_empty()) {
            if !is_scope_token(scope) {
                return Err(InvalidScopes::Malformed);
            }
            if known.insert(scope) {
                scopes.push(scope);
            }
            if scopes.len() > LIMIT {
                return Err(InvalidScopes::TooMany);
            }
        }
        let is_valid = text.is_empty() || !scopes.is_empty();
        is_valid.then_some(Self(scopes)).ok_or(InvalidScopes::Malformed)
    }

    /// Returns whether a text has no scope. A request with such a parameter counts as one without it.
    pub fn is_blank(text: &str) -> bool {
        text.bytes().all(|b| b == b' ')
    }

    /// Splits a scope value that is known to be valid, because it was parsed before it was stored.
    pub fn of_valid(text: &'a str) -> Self {
        Self(text.split(' ').filter(|token| !token.is_empty()).collect())
    }

    /// Returns whether `others` has all of these scopes.
    pub fn is_within(&self, others: &Scopes<'_>) -> bool {
        self.iter().all(|scope| others.contains(scope))
    }

    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(&scope)
    }

    /// Returns the value as it is stored and sent: with single spaces.
    pub fn normalized(&self) -> String {
        self.0.join(" ")
    }

    /// Returns the scopes in order of appearance.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_value_is_split_at_spaces_only() {
        for text in [" ", "openid\temail", "openid\n", "openid\u{a0}email", "a\"b", "a\\b", "é"] {
            assert_eq!(Scopes::parse(text).unwrap_err(), InvalidScopes::Malformed, "{text:?}");
        }
        for text in [" openid email", "openid email ", "openid   email", " openid email  openid "] {
            assert_eq!(Scopes::parse(text).unwrap().normalized(), "openid email", "{text:?}");
        }
        assert!(Scopes::parse("openid email").unwrap().contains("email"));
        assert!(!Scopes::parse("").unwrap().contains(""));
    }

    #[test]
    fn a_scope_value_is_a_set_of_at_most_100_scopes() {
        let scopes =
            |count: usize| (0..count).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
        let doubled = scopes(100).repeat(3).replace("s99s0", "s99 s0");
        assert_eq!(Scopes::parse(&doubled).unwrap().normalized(), scopes(100));
        assert_eq!(Scopes::parse(&scopes(101)).unwrap_err(), InvalidScopes::TooMany);
    }
}
