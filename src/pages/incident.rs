//! An error, for those who look for its cause.

use time::OffsetDateTime;

use crate::http::RequestId;

/// The facts of an error below "For the developer", in English, and what finds its line in the log.
#[derive(Clone, Copy, Debug)]
pub struct Incident<'a> {
    /// The error code.
    pub code: &'a str,
    /// A description of the error, in English.
    pub description: &'a str,
    /// The time of the request, in Unix seconds.
    pub at: i64,
    pub request_id: Option<RequestId>,
}

impl Incident<'_> {
    /// Returns the time in UTC, to the second (RFC 3339 section 5.6).
    pub(super) fn time(&self) -> String {
        let Ok(time) = OffsetDateTime::from_unix_timestamp(self.at) else { return String::new() };
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_in_utc_to_the_second() {
        let time = |at| Incident { code: "", description: "", at, request_id: None }.time();
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(1_798_761_599), "2026-12-31T23:59:59Z");
        assert_eq!(time(i64::MAX), "");
    }
}
