//! A time as users read it: its date.

use askama::filters::HtmlSafe;
use std::fmt;
use time::OffsetDateTime;

use crate::pages::Texts;

/// The UTC date of a Unix time, as an element: in the user's language, and in ISO 8601 for programs. A time that no
/// calendar has is an empty element.
pub(super) struct Date {
    texts: &'static Texts,
    day: Option<OffsetDateTime>,
}

impl Date {
    /// Makes the date of a Unix time in seconds.
    pub(super) fn new(texts: &'static Texts, seconds: i64) -> Self {
        Self { texts, day: OffsetDateTime::from_unix_timestamp(seconds).ok() }
    }

    fn words(&self, date: OffsetDateTime) -> String {
        let month = usize::from(u8::from(date.month()) - 1);
        let day = match date.day() {
            1 => self.texts.first_day.to_owned(),
            day => day.to_string(),
        };
        let month = self.texts.months.get(month).map(|month| month.with(&day));
        format!("{} {}", month.unwrap_or_default(), date.year())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(date) = self.day else { return f.write_str("<time></time>") };
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        let words = self.words(date);
        write!(f, "<time datetime=\"{year:04}-{month:02}-{day:02}\">{words}</time>")
    }
}

// The texts and numbers have no markup.
impl HtmlSafe for Date {}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(tag: &str, seconds: i64) -> String {
        Date::new(Texts::choose(Some(tag), None), seconds).to_string()
    }

    #[test]
    fn a_time_is_shown_as_its_utc_date() {
        for (seconds, iso, words) in [
            (0, "1970-01-01", "1 January 1970"),
            (-1, "1969-12-31", "31 December 1969"),
            (951_782_399, "2000-02-28", "28 February 2000"),
            (951_782_400, "2000-02-29", "29 February 2000"),
            (951_868_800, "2000-03-01", "1 March 2000"),
            (1_798_761_599, "2026-12-31", "31 December 2026"),
            (4_107_542_400, "2100-03-01", "1 March 2100"),
        ] {
            let element = format!("<time datetime=\"{iso}\">{words}</time>");
            assert_eq!(date("en", seconds), element, "{seconds}");
        }
        assert_eq!(date("en", i64::MIN), "<time></time>");
    }

    #[test]
    fn a_date_is_written_as_its_language_writes_it() {
        for (tag, twelfth, first) in [
            ("en", "12 March 2026", "1 August 2026"),
            ("de", "12. März 2026", "1. August 2026"),
            ("es", "12 de marzo de 2026", "1 de agosto de 2026"),
            ("fr", "12 mars 2026", "1er août 2026"),
            ("nl", "12 maart 2026", "1 augustus 2026"),
        ] {
            for (seconds, words) in [(1_773_273_600, twelfth), (1_785_542_400, first)] {
                let written = date(tag, seconds);
                assert!(written.ends_with(&format!(">{words}</time>")), "{tag}: {written}");
            }
        }
    }
}
