//! Logins: the names that users type to sign in.

use std::fmt;

use crate::protocol::unseen::is_unseen;

/// The maximum length of a login, in bytes.
const LIMIT: usize = 255;

/// The maximum length of a text that is normalized, in bytes. NFKC makes no text shorter than a quarter.
const UNNORMALIZED_LIMIT: usize = 4 * LIMIT;

/// The error for a text that cannot be a login: it is empty or too long, or has white space, control characters or
/// invisible ones.
#[derive(Debug, Eq, PartialEq)]
pub struct InvalidLogin;

impl fmt::Display for InvalidLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "must be 1 to {LIMIT} bytes without white space, control characters or invisible ones"
        )
    }
}

/// Returns a login in the form that is stored and compared: in NFKC, so that full-width letters are ordinary ones, without
/// white space at its ends, and regardless of case (RFC 8265 section 3.3). `nfkc` is only called for texts that are not
/// ASCII. The form of the result is the result itself.
pub fn normalize_login(text: &str, nfkc: impl Fn(&str) -> String) -> Result<String, InvalidLogin> {
    if text.len() > UNNORMALIZED_LIMIT {
        return Err(InvalidLogin);
    }
    let compose = |text: &str| if text.is_ascii() { text.to_owned() } else { nfkc(text) };
    // Again after folding, which can separate a letter from its accent.
    let login = compose(&fold(compose(text).trim()));
    // Nobody could type such a login again, or tell it from another one.
    if login.contains(is_unseen) { Err(InvalidLogin) } else { check(login) }
}

/// A login as a user typed it, in the forms under which it may be stored.
#[derive(Debug)]
pub struct TypedLogin {
    /// The form of [`normalize_login`]. Empty if no version can have stored this login.
    pub normalized: String,
    /// The form that versions until 0.2.0 stored: case-folded only. For most texts both forms are the same.
    pub folded: String,
}

impl TypedLogin {
    /// Reads a login from a form. A text that is not a login becomes an empty one, which no user has: it is looked up all
    /// the same, so that the response takes equally long.
    pub fn new(text: &str, nfkc: impl Fn(&str) -> String) -> Self {
        let form = |text: &str| normalize_login(text, &nfkc);
        let normalized = form(text);
        // Only with the same form: two texts for one user must not have two counters of failed attempts.
        let folded = check(fold(text.trim())).ok().filter(|folded| form(folded) == normalized);
        let folded = folded.or_else(|| normalized.as_ref().ok().cloned()).unwrap_or_default();
        // An earlier version may have stored what is not a login today.
        Self { normalized: normalized.unwrap_or_else(|_| folded.clone()), folded }
    }
}

/// Returns whether a text of a client may stand in the field for the login: a user may have it as login, so that it is no
/// sentence.
pub fn may_be_hint(text: &str) -> bool {
    let is_plain = |c: char| !(c.is_whitespace() || c.is_control() || is_unseen(c));
    text.len() <= UNNORMALIZED_LIMIT && text.trim().chars().all(is_plain)
}

/// Folds case. The text is converted to upper case because some letters have several lower-case forms (ς and σ, ß and
/// ss). It is converted to lower case before that because the capital ẞ has no other upper-case form.
fn fold(text: &str) -> String {
    text.to_lowercase().to_uppercase().to_lowercase()
}

fn check(login: String) -> Result<String, InvalidLogin> {
    let is_plain = !login.chars().any(|c| c.is_whitespace() || c.is_control());
    if login.is_empty() || login.len() > LIMIT || !is_plain {
        return Err(InvalidLogin);
    }
    Ok(login)
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_normalization::UnicodeNormalization;

    fn nfkc(text: &str) -> String {
        assert!(!text.is_ascii(), "a needless call: {text}");
        text.nfkc().collect()
    }

    fn normalized(text: &str) -> Result<String, InvalidLogin> {
        normalize_login(text, nfkc)
    }

    /// Texts around each character that case folding or NFKC changes.
    fn texts() -> impl Iterator<Item = String> {
        let is_changed = |c: &char| {
            let text = c.to_string();
            fold(&text) != text || text.nfkd().ne(text.chars()) || text.nfkc().ne(text.chars())
        };
        ('\0'..=char::MAX).filter(is_changed).flat_map(|c| {
            let around = [("", ""), ("o", "\u{301}"), ("Σ", "\u{345}")];
            around.map(|(before, after)| format!("{before}{c}{after}"))
        })
    }

    #[test]
    fn a_form_is_its_own_form_and_that_of_every_spelling() {
        let mut count = 0;
        for text in texts() {
            let form = normalized(&text);
            if let Ok(login) = &form {
                assert_eq!(normalized(login).as_ref(), Ok(login), "{text:?}");
                count += 1;
            }
            let spellings = [
                text.nfc().collect(),
                text.nfd().collect(),
                text.nfkd().collect(),
                fold(&text.nfc().collect::<String>()),
                text.nfc().collect::<String>().to_uppercase(),
                format!(" {text}\u{a0}\n"),
            ];
            for spelling in spellings {
                assert_eq!(normalized(&spelling), form, "{text:?}, {spelling:?}");
            }
        }
        assert!(count > 30_000, "{count} logins");
    }

    #[test]
    fn what_is_typed_leads_to_the_form_of_either_version() {
        for (typed, normalized, folded) in [
            ("Alice", "alice", "alice"),
            (" alice@example.com\t", "alice@example.com", "alice@example.com"),
            ("Zoe\u{308}", "zoë", "zoe\u{308}"),
            ("ａｌｉｃｅ", "alice", "ａｌｉｃｅ"),
            // Earlier versions could store these.
            ("o´neil", "o´neil", "o´neil"),
            ("می\u{200c}خواهم", "می\u{200c}خواهم", "می\u{200c}خواهم"),
            ("", "", ""),
            ("a b", "", ""),
        ] {
            let login = TypedLogin::new(typed, nfkc);
            assert_eq!((&*login.normalized, &*login.folded), (normalized, folded), "{typed:?}");
        }
    }

    #[test]
    fn invisible_characters_and_spaces_are_refused() {
        for text in [
            "",
            " ",
            "a b",
            "a\u{a0}b",
            "a\u{3000}b",
            "a\0",
            "a\u{7f}b",
            "a\u{ad}b",
            "a\u{200b}",
            "\u{202e}ab",
            "a\u{2066}b",
            "a\u{feff}",
            "a\u{fe0f}",
            "a\u{3164}",
            "a\u{e0041}",
            "a´b",
            "ﷺ",
        ] {
            assert_eq!(normalized(text), Err(InvalidLogin), "{text:?}");
        }
    }

    #[test]
    fn a_hint_is_what_a_user_may_type_as_login() {
        for (text, is_hint) in [
            ("alice@example.com", true),
            (" Zoë\n", true),
            ("", true),
            ("𝐱".repeat(255).as_str(), true),
            ("x".repeat(1_021).as_str(), false),
            ("a b", false),
            ("a\u{7f}b", false),
            ("a\u{200b}b", false),
        ] {
            assert_eq!(may_be_hint(text), is_hint, "{text:?}");
        }
        assert!(InvalidLogin.to_string().starts_with("must be 1 to 255 bytes"));
    }

    #[test]
    fn a_login_has_a_maximum_length_in_its_form() {
        for (text, is_right) in [
            ("x".repeat(255), true),
            ("x".repeat(256), false),
            ("ｘ".repeat(255), true),
            ("𝐱".repeat(255), true),
            ("𝐱".repeat(256), false),
            ("e\u{301}".repeat(127), true),
            ("e\u{301}".repeat(128), false),
            ("㍍".repeat(21), true),
            ("㍍".repeat(22), false),
        ] {
            assert_eq!(normalized(&text).is_ok(), is_right, "{text}");
        }
    }
}
