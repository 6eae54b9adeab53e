//! How long a fetched document counts, by its HTTP headers (RFC 9111 section 4.2).

use serde::Deserialize;

/// The header fields of a response that determine how long it is fresh.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CacheHeaders {
    /// The value of `Cache-Control`.
    pub cache_control: String,
    /// The value of `Age`.
    pub age: String,
    /// `Expires` in Unix seconds; 0 if it is not a date, because that means expired (section 5.3).
    pub expires: Option<i64>,
    /// `Date` in Unix seconds.
    pub date: Option<i64>,
}

impl CacheHeaders {
    /// Returns for how many seconds a response that arrives at `now` is fresh; 0 or less if it must not be used again.
    /// `None` if its headers do not say.
    pub fn fresh_for(&self, now: i64) -> Option<i64> {
        if self.directive("no-store").or(self.directive("no-cache")).is_some() {
            return Some(0);
        }
        // The provider is a shared cache, for which `s-maxage` counts first (section 4.2.1). A value that is not a
        // number means stale.
        if let Some(seconds) = self.directive("s-maxage").or(self.directive("max-age")) {
            return Some(parse_seconds(seconds).unwrap_or(0) - self.age());
        }
        let expires = self.expires?;
        Some(expires.saturating_sub(self.date.unwrap_or(now)) - self.age())
    }

    /// Returns the value of the first directive with this name, without quotation marks; empty if it has none.
    fn directive(&self, name: &str) -> Option<&str> {
        self.cache_control.split(',').find_map(|directive| {
            let (known, value) = directive.split_once('=').unwrap_or((directive, ""));
            known.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
        })
    }

    /// Returns for how many seconds other caches have had the response.
    fn age(&self) -> i64 {
        parse_seconds(self.age.trim()).unwrap_or(0)
    }
}

/// Parses a number of seconds. One that is too large for 31 bits counts as their largest (section 1.2.2).
fn parse_seconds(digits: &str) -> Option<i64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse::<i32>().map_or(i64::from(i32::MAX), i64::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    #[test]
    fn the_headers_say_how_long_a_response_is_fresh() {
        for (cache_control, age, expires, date, fresh_for) in [
            ("", "", None, None, None),
            ("public", "", None, None, None),
            ("max-age=600", "", None, None, Some(600)),
            ("public, MAX-AGE = \"600\", immutable", "", None, None, Some(600)),
            ("max-age=600", "100", None, None, Some(500)),
            ("max-age=600", "601", None, None, Some(-1)),
            ("max-age=600", "soon", None, None, Some(600)),
            ("max-age=600, s-maxage=60", "", None, None, Some(60)),
            ("max-age=600, max-age=9", "", None, None, Some(600)),
            ("max-age=600", "", Some(NOW + 5), None, Some(600)),
            ("max-age=1.5", "", None, None, Some(0)),
            ("max-age=-1", "", None, None, Some(0)),
            ("max-age", "", None, None, Some(0)),
            ("max-age=99999999999999999999", "", None, None, Some(2_147_483_647)),
            ("no-store", "", None, None, Some(0)),
            ("max-age=600, no-cache", "", None, None, Some(0)),
            ("no-cache=\"set-cookie\", max-age=600", "", None, None, Some(0)),
            ("x-max-age=600", "", None, None, None),
            ("", "", Some(NOW + 700), None, Some(700)),
            ("", "50", Some(NOW + 700), Some(NOW + 100), Some(550)),
            ("", "", Some(NOW - 1), None, Some(-1)),
            ("", "", Some(0), None, Some(-NOW)),
        ] {
            let headers = CacheHeaders {
                cache_control: cache_control.into(),
                age: age.into(),
                expires,
                date,
            };
            assert_eq!(headers.fresh_for(NOW), fresh_for, "{headers:?}");
        }
    }
}
