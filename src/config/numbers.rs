//! Variables that are numbers.

use super::ConfigError;

/// The default of `AUDIT_DAYS`.
const AUDIT_DAYS: i64 = 90;
const MOST_AUDIT_DAYS: i64 = 3_650;

/// Parses `AUDIT_DAYS`. Zero days would be no trail at all, and ten years are longer than a database of 10 GB lasts.
pub(super) fn audit_days(text: Option<&str>) -> Result<i64, ConfigError> {
    match text.map(str::parse) {
        None => Ok(AUDIT_DAYS),
        Some(Ok(days @ 1..=MOST_AUDIT_DAYS)) => Ok(days),
        Some(_) => {
            let reason = format_args!("must be a whole number of days from 1 to {MOST_AUDIT_DAYS}");
            Err(ConfigError::new("AUDIT_DAYS", reason))
        }
    }
}

/// Parses a number of seconds, if the variable is set.
pub(super) fn seconds(
    name: &'static str,
    text: Option<String>,
    limit: u32,
) -> Result<Option<u32>, ConfigError> {
    match text.map(|text| text.parse()) {
        None => Ok(None),
        Some(Ok(number)) if number <= limit => Ok(Some(number)),
        Some(_) => {
            let reason = format_args!("must be a whole number of seconds from 0 to {limit}");
            Err(ConfigError::new(name, reason))
        }
    }
}
