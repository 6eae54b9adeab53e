//! Checks of text values that claims and client metadata have in common.

use crate::protocol::authority::Authority;
use crate::protocol::unseen::is_unseen;

/// The maximum length of a text, in bytes.
const LIMIT: usize = 2_048;

/// The requirement of [`is_email`], as an error message.
pub const EMAIL: &str = "must be an e-mail address, without white space or invisible characters";
/// The requirement of [`is_line`], as an error message.
pub const LINE: &str = "must be one line of text, not blank, not \"null\", at most 2048 bytes";
/// The requirement of [`is_web_url`], as an error message.
pub const WEB_URL: &str = "must be an absolute http or https URL, without a user";

/// Returns whether a text is not blank, not `null` and at most 2048 bytes. A claim without a value should be left out
/// instead of being blank or `null` (OpenID Connect Core section 5.3.2).
pub fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && text != "null" && text.len() <= LIMIT
}

/// Returns whether a text can be displayed: one line, not blank, not `null`, at most 2048 bytes.
pub fn is_line(text: &str) -> bool {
    is_text(text) && !has_control(text)
}

/// Returns whether a text has a control character, for example a line break.
pub fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// Returns whether a text is an addr-spec of RFC 5322, which RFC 6532 section 3.2 extends to letters beyond ASCII. The
/// quoted and bracketed forms are refused, because no relying party expects them. White space and invisible characters
/// are refused, joiners of letters too: nobody sees that such an address differs from the one without them.
pub fn is_email(text: &str) -> bool {
    let is_beyond_ascii = |c: char| !(c.is_ascii() || c.is_whitespace() || is_unseen(c));
    let is_atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let is_let_dig_hyp = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_atom =
        |atom: &str| !atom.is_empty() && atom.chars().all(|c| is_atext(c) || is_beyond_ascii(c));
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| is_let_dig_hyp(c) || is_beyond_ascii(c))
    };
    is_line(text)
        && text.split_once('@').is_some_and(|(local, domain)| {
            local.split('.').all(is_atom) && domain.split('.').all(is_label)
        })
}

/// Returns whether a text has the form of a BCP 47 language tag. The subtags need not be registered.
pub fn is_language_tag(text: &str) -> bool {
    text.len() <= 35
        && text.split('-').all(|subtag| {
            (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric())
        })
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Returns whether a text is an absolute http or https URL of at most 2048 bytes, in characters that need no
/// percent-encoding, with a host and without a user.
pub fn is_web_url(text: &str) -> bool {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    is_web
        && text.len() <= LIMIT
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
        && Authority::of_url(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_address_has_no_white_space_and_nothing_invisible() {
        for text in [
            "a@b",
            "alice+x@mail.example",
            "jürgen@müller.example",
            "用户@例子.example",
            "o'neil@x-y.example",
        ] {
            assert!(is_email(text), "{text}");
        }
        for space in [
            " ", "\t", "\u{a0}", "\u{2003}", "\u{3000}", "\u{200b}", "\u{ad}", "\u{202e}",
            "\u{feff}",
        ] {
            for text in [
                format!("alice{space}@mail.example"),
                format!("{space}alice@mail.example"),
                format!("alice@{space}mail.example"),
                format!("alice@mail.example{space}"),
            ] {
                assert!(!is_email(&text), "{text:?}");
            }
        }
        for text in [
            "",
            "a",
            "@",
            "a@",
            "@b",
            "a@b@c",
            "a..b@c",
            "a@b..c",
            "a@b.",
            "\"a b\"@c",
            "a@[127.0.0.1]",
            "a@b_c",
        ] {
            assert!(!is_email(text), "{text:?}");
        }
    }
}
