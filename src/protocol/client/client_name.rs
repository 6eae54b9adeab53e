//! Client names, as users see them.
//!
//! A client chooses its name. Pages, titles and logs show it beside the provider's own words, so a name must not change
//! these: by characters that nobody sees, that turn the direction of the text, or that draw over other lines. Letters
//! that look like others (`раypal` in Cyrillic) are left: only the host of a client can tell it apart.

use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;
use crate::protocol::unseen::is_unseen;

/// The maximum length of a name, in characters.
const LIMIT: usize = 100;

/// The maximum number of combining marks on one letter. Three are needed, for example in Hebrew.
const MARKS: usize = 3;

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// Reads a name. What [`clean`] changes is a warning, because the name is still the client's. A name of which nothing is
/// left is left out.
pub fn from_document(
    document: &mut JsonObject,
    field: &str,
) -> Result<Option<String>, InvalidField> {
    let Some(sent) = document.string(field)? else { return Ok(None) };
    let name = clean(&sent);
    if name.is_empty() || name == "null" {
        let reason = "left out, because it is no name that users can see";
        document.warn(InvalidField::new(field, reason));
        return Ok(None);
    }
    if name != sent {
        let reason = format_args!("shortened to one line of {LIMIT} visible characters");
        document.warn(InvalidField::new(field, reason));
    }
    Ok(Some(name))
}

/// Returns a name as one line of at most 100 characters. Empty if nothing can be seen of it.
///
/// - Characters that nobody sees are removed. A joiner stays between letters, because Persian and the scripts of India
///   need it.
/// - White space of any kind and length is one space.
/// - A letter has at most three combining marks, and a mark has a letter, so that none is on the text before the name.
pub fn clean(name: &str) -> String {
    let mut kept: Vec<char> = Vec::new();
    let mut marks = 0;
    // The joiner after the last letter. It is kept with the letter that follows it in the cleaned name.
    let mut joiner = None;
    for c in name.chars() {
        let last = kept.last().copied().filter(|last| *last != ' ');
        if c.is_whitespace() {
            joiner = None;
            if last.is_some() {
                kept.push(' ');
            }
            continue;
        }
        if matches!(c, ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER) {
            joiner = last.filter(|last| last.is_alphabetic() || is_mark(*last)).map(|_| c);
            continue;
        }
        if c.is_control() || is_unseen(c) {
            continue;
        }
        marks = if is_mark(c) { marks + 1 } else { 0 };
        if marks == 0 || marks <= MARKS && last.is_some() {
            kept.extend(joiner.take().filter(|_| c.is_alphabetic()));
            kept.push(c);
        }
    }
    if kept.len() > LIMIT {
        kept.truncate(LIMIT - 1);
        let is_joiner = |c: &mut char| matches!(*c, ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER);
        kept.pop_if(is_joiner);
        kept.push('…');
    }
    let name: String = kept.into_iter().collect();
    name.trim_end().to_owned()
}

/// Returns whether a visible character is a combining mark. `escape_debug` escapes marks (`Grapheme_Extend`), because they
/// would be drawn on the text before them; what else it escapes is unseen, or an unassigned character.
fn is_mark(c: char) -> bool {
    !c.is_ascii() && c.escape_debug().len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_normalization::char::is_combining_mark;

    #[test]
    fn a_name_of_any_language_stays_as_it_is() {
        for name in [
            "Wiki",
            "Äpp & “Söhne” 2.0 – (test)",
            "アプリ",
            "تطبيق",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "\u{5e9}\u{5bc}\u{5b8}\u{5c1}",
            "ก็มี",
            "Tiê\u{302}\u{301}ng Việt",
            "한국어",
            "🚀 App",
            "Postern Sign-in ✓",
        ] {
            assert_eq!(clean(name), name);
        }
    }

    #[test]
    fn characters_that_nobody_sees_are_removed() {
        for c in [
            '\0',
            '\u{1b}',
            '\u{7f}',
            '\u{9b}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{180e}',
            '\u{180f}',
            '\u{200b}',
            '\u{200e}',
            '\u{200f}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2064}',
            '\u{2066}',
            '\u{2069}',
            '\u{206f}',
            '\u{2800}',
            '\u{3164}',
            '\u{e000}',
            '\u{f8ff}',
            '\u{fdd0}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{fffc}',
            '\u{ffff}',
            '\u{13430}',
            '\u{1bca0}',
            '\u{1d159}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e007f}',
            '\u{e0100}',
            '\u{e01ef}',
            '\u{f0000}',
            '\u{10ffff}',
        ] {
            for name in [format!("Pay{c}Pal"), format!("{c}PayPal{c}{c}"), format!("Pay{c}{c}Pal")]
            {
                assert_eq!(clean(&name), "PayPal", "{c:?}");
            }
            assert_eq!(clean(&c.to_string()), "", "{c:?}");
            assert_eq!(clean(&format!(" {c} ")), "", "{c:?}");
        }
        for name in ["\u{200d}App", "App\u{200c}", "1\u{200d}2", "A \u{200c}B", "A\u{200c}\u{200d}"]
        {
            assert!(!clean(name).contains(['\u{200c}', '\u{200d}']), "{name:?}");
        }
        // A removed character does not count as the letter behind a joiner.
        assert_eq!(clean("A\u{200d}\u{3164}1"), "A1");
        assert_eq!(clean("A\u{200d}\u{ad}B"), "A\u{200d}B");
    }

    #[test]
    fn a_name_is_one_line() {
        for (name, line) in [
            ("  two\r\n lines\t", "two lines"),
            ("a\u{2028}b\u{2029}c\u{85}d\u{b}e", "a b c d e"),
            ("a\u{3000}\u{a0}\u{2003}\u{205f}b", "a b"),
            (" \u{200b} \n", ""),
        ] {
            assert_eq!(clean(name), line);
        }
    }

    #[test]
    fn marks_stay_on_their_own_letter() {
        let stack = "\u{336}\u{35c}\u{489}\u{20dd}\u{1ab0}\u{1dc0}\u{fe20}\u{301}".repeat(20);
        assert_eq!(clean(&format!("Z{stack}algo")), "Z\u{336}\u{35c}\u{489}algo");
        assert_eq!(clean(&format!("{stack}Z")), "Z");
        assert_eq!(clean(&format!("A {stack}Z")), "A Z");
        // Marks of other scripts, which stack just as high.
        for mark in ['\u{e47}', '\u{64b}', '\u{5b0}', '\u{ebc}', '\u{f71}', '\u{93c}', '\u{1e8d0}']
        {
            let high: String = ['\u{e01}'].into_iter().chain([mark; 40]).collect();
            assert_eq!(clean(&high).chars().count(), 4, "{mark:?}");
        }
        // The marks that no line is high enough for are those that have no width (categories Mn and Me).
        let all = '\u{80}'..='\u{10ffff}';
        let missed =
            all.filter(|c| is_combining_mark(*c) && !is_unseen(*c) && !is_mark(*c)).count();
        assert!(missed < 480, "{missed} marks are not limited; the spacing ones (Mc) need not be");
    }

    #[test]
    fn a_long_name_ends_in_an_ellipsis() {
        let longest = "ä".repeat(100);
        assert_eq!(clean(&longest), longest);
        let cut = clean(&"ä".repeat(300));
        assert_eq!((cut.chars().count(), cut.ends_with("ä…")), (100, true));
        assert_eq!(clean(&cut), cut);
        // A joiner that the cut leaves without a letter behind it goes, too.
        let cut = clean(&format!("{}\u{200c}{}", "\u{6cc}".repeat(98), "\u{6cc}".repeat(9)));
        assert_eq!((cut.chars().count(), clean(&cut)), (99, cut.clone()));
    }
}
