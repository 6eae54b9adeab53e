//! User codes, which users type to find the request of their device (RFC 8628 section 6.1).

use std::borrow::Cow;
use std::fmt;

/// The letters: without vowels, so that no code is a word, and without Y, which is one in some languages.
const LETTERS: [u8; 20] = *b"BCDFGHJKLMNPQRSTVWXZ";
/// How many letters a code has: one of 20⁸ codes, 34.5 bits.
const LENGTH: usize = 8;
/// How many letters stand before the hyphen.
const GROUP: usize = 4;

/// A user code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserCode(String);

impl UserCode {
    /// Makes the code of a random number. All codes are equally likely, within one part in 10⁸.
    pub fn from_random(mut number: u64) -> Self {
        let base = LETTERS.len() as u64;
        let mut letters = String::new();
        for _ in 0..LENGTH {
            let letter = usize::try_from(number % base).ok().and_then(|index| LETTERS.get(index));
            letters.extend(letter.map(|letter| char::from(*letter)));
            number /= base;
        }
        Self(letters)
    }

    /// Parses what a user has typed. Case, spaces and punctuation do not matter, because keyboards of phones add and change
    /// them. `nfkc` is called only for text beyond ASCII, such as the wide letters of East Asian keyboards.
    pub fn parse(typed: &str, nfkc: impl FnOnce(&str) -> String) -> Option<Self> {
        let typed = if typed.is_ascii() { typed.into() } else { Cow::Owned(nfkc(typed)) };
        let letters = typed.chars().filter(|c| c.is_alphanumeric());
        let letters: String = letters.map(|c| c.to_ascii_uppercase()).collect();
        let is_code = letters.len() == LENGTH && letters.bytes().all(|b| LETTERS.contains(&b));
        is_code.then_some(Self(letters))
    }

    /// Returns the letters without a hyphen.
    pub fn letters(&self) -> &str {
        &self.0
    }
}

/// The code as devices and pages show it: `WDJB-MJHT`.
impl fmt::Display for UserCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at_checked(GROUP).unwrap_or((&self.0, ""));
        write!(formatter, "{first}-{second}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(typed: &str) -> Option<UserCode> {
        UserCode::parse(typed, str::to_owned)
    }

    #[test]
    fn a_number_gives_a_code_of_eight_letters_that_reads_back() {
        for number in [0, 1, 19, 20, 25_599_999_999, 25_600_000_000, u64::MAX] {
            let code = UserCode::from_random(number);
            let shown = code.to_string();
            assert_eq!(parse(&shown), Some(code), "{number}: {shown}");
            assert_eq!(shown.len(), 9);
        }
        assert_eq!(UserCode::from_random(0).to_string(), "BBBB-BBBB");
        assert_eq!(UserCode::from_random(1).to_string(), "CBBB-BBBB");
        assert_eq!(UserCode::from_random(20_u64.pow(8) - 1).to_string(), "ZZZZ-ZZZZ");
        assert_eq!(UserCode::from_random(20_u64.pow(8)), UserCode::from_random(0));
    }

    #[test]
    fn case_spaces_and_punctuation_are_forgiven_and_nothing_else() {
        let code = parse("WDJBMJHT").unwrap();
        for typed in [
            "WDJB-MJHT",
            "wdjb-mjht",
            "Wdjb mjht",
            " wdjbmjht ",
            "WDJB—MJHT",
            "WDJB–MJHT",
            "wdjb\u{2011}mjht.",
            "WDJB_MJHT",
            "“WDJB-MJHT”",
            "w d j b m j h t",
            "WDJB\u{a0}MJHT",
            "WDJB-\nMJHT",
            "\u{feff}WDJB-MJHT",
            "(WDJB) (MJHT)",
        ] {
            assert_eq!(parse(typed).as_ref(), Some(&code), "{typed:?}");
        }
        for typed in [
            "",
            "-",
            "WDJB",
            "WDJB-MJH",
            "WDJB-MJHTT",
            "ADJB-MJHT",
            "WDJB-MJH1",
            "WDJB-MJHY",
            "WDJB-MJHß",
            "ẂDJB-MJHT",
            "WDJB-MJH\u{ff34}",
            "user_code=WDJB-MJHT",
        ] {
            assert_eq!(parse(typed), None, "{typed:?}");
        }
    }
}
