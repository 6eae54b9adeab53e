//! `KEY_SIGNING_SECONDS` and `KEY_AHEAD_SECONDS`: how long a signing key signs, and is published before.

use super::{Caching, ConfigError};
use crate::lifetimes::{
    CLOCK_SLACK_SECONDS, KEY_SET_REVIEW_SECONDS, KEY_SET_SECONDS, LONGEST_TOKEN_SECONDS,
    RELYING_PARTY_LEEWAY_SECONDS,
};

const DAY: i64 = 86_400;

/// How long a new key may be unknown to an isolate: the age at which a set of the cache is read again, and the time for
/// which it is remembered. The clocks of four isolates may be off: of those that made the key, that published and that
/// read the set without it, and that sign with the key. The cache's propagation is contained, because the age of a set
/// counts from the reading of the key table.
const UNKNOWN_SECONDS: i64 = KEY_SET_REVIEW_SECONDS + KEY_SET_SECONDS + 4 * CLOCK_SLACK_SECONDS;

/// The planned times of a signing key, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct KeyTimes {
    /// `KEY_SIGNING_SECONDS`: how long a key signs.
    pub signing: i64,
    /// `KEY_AHEAD_SECONDS`: how long a key is published before it signs.
    pub ahead: i64,
    /// How long a key must be published at least before it signs, so that no cache that obeys its headers lacks it.
    pub shortest_ahead: i64,
    /// How long a key stays published after it has signed: until every token that it signed has expired.
    pub retirement: i64,
}

impl KeyTimes {
    /// The default of `KEY_SIGNING_SECONDS`, unless the other variables need more.
    const SIGNING: i64 = 30 * DAY;
    /// The default of `KEY_AHEAD_SECONDS`, likewise.
    const AHEAD: i64 = 3 * DAY;
    /// The largest value of both variables.
    pub(super) const LONGEST: u32 = 400 * 86_400;

    /// Validates the variables, and completes those that are not set.
    ///
    /// # Errors
    /// The variable that is too short, with the smallest allowed value and its reason.
    pub(super) fn new(
        signing: Option<u32>,
        ahead: Option<u32>,
        caching: Caching,
        leeway: u32,
    ) -> Result<Self, ConfigError> {
        let cached = caching.longest();
        let shortest_ahead = UNKNOWN_SECONDS + cached;
        let ahead = or_default(ahead, Self::AHEAD.max(shortest_ahead));
        if ahead < shortest_ahead {
            let reason = format_args!(
                "must be at least {shortest_ahead} seconds: for {UNKNOWN_SECONDS} an isolate may not \
                 know a new key, and for {cached} caches may have the keys before it (twice \
                 CACHE_MAX_AGE, and the longer of CACHE_STALE_WHILE_REVALIDATE and \
                 CACHE_STALE_IF_ERROR)"
            );
            return Err(ConfigError::new("KEY_AHEAD_SECONDS", reason));
        }
        let retirement = LONGEST_TOKEN_SECONDS
            + i64::from(leeway)
            + RELYING_PARTY_LEEWAY_SECONDS
            + CLOCK_SLACK_SECONDS;
        let shortest_signing = ahead + retirement;
        let signing = or_default(signing, Self::SIGNING.max(shortest_signing));
        if signing < shortest_signing {
            let reason = format_args!(
                "must be at least {shortest_signing} seconds: the {ahead} of KEY_AHEAD_SECONDS, and \
                 {retirement} until the tokens of the key before have expired"
            );
            return Err(ConfigError::new("KEY_SIGNING_SECONDS", reason));
        }
        Ok(Self { signing, ahead, shortest_ahead, retirement })
    }
}

fn or_default(variable: Option<u32>, default: i64) -> i64 {
    variable.map_or(default, i64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Caching =
        Caching { max_age: 300, stale_while_revalidate: 600, stale_if_error: 86_400 };
    const WEEK: u32 = 7 * 86_400;

    #[test]
    fn the_smallest_times_follow_from_the_caches_and_the_tokens() {
        let times = KeyTimes::new(None, None, DEFAULTS, 5).unwrap();
        assert_eq!((times.signing, times.ahead), (30 * DAY, 3 * DAY));
        // 15 minutes in isolates, 4 of clocks; 5 minutes and a day in a shared cache, 5 minutes in a client.
        assert_eq!(times.shortest_ahead, 15 * 60 + 4 * 60 + 5 * 60 + DAY + 5 * 60);
        // A day for the operator's tokens, 5 seconds of leeway here and 5 minutes elsewhere, a minute of a clock.
        assert_eq!(times.retirement, DAY + 5 + 5 * 60 + 60);
    }

    #[test]
    fn contradictory_times_are_refused_with_the_smallest_ones() {
        let refused = |signing, ahead, caching| {
            let error = KeyTimes::new(signing, ahead, caching, 5).unwrap_err();
            error.to_string()
        };
        let reason = refused(None, Some(88_139), DEFAULTS);
        assert!(
            reason.starts_with("KEY_AHEAD_SECONDS: must be at least 88140 seconds"),
            "{reason}"
        );
        assert!(reason.contains("CACHE_MAX_AGE"), "{reason}");
        assert!(KeyTimes::new(None, Some(88_140), DEFAULTS, 5).is_ok());

        let smallest = 88_140 + 86_765;
        let reason = refused(Some(smallest - 1), Some(88_140), DEFAULTS);
        let expected = format!("KEY_SIGNING_SECONDS: must be at least {smallest} seconds");
        assert!(reason.starts_with(&expected) && reason.contains("KEY_AHEAD_SECONDS"), "{reason}");
        assert!(KeyTimes::new(Some(smallest), Some(88_140), DEFAULTS, 5).is_ok());
        assert!(refused(Some(0), None, DEFAULTS).contains(&(3 * DAY + 86_765).to_string()));
    }

    #[test]
    fn the_defaults_are_longer_if_the_caches_need_it() {
        let caching = Caching { max_age: WEEK, stale_while_revalidate: WEEK, stale_if_error: WEEK };
        let times = KeyTimes::new(None, None, caching, 5).unwrap();
        assert_eq!(times.ahead, times.shortest_ahead);
        assert!(times.ahead > 21 * DAY && times.signing == 30 * DAY);
        let none = Caching { max_age: 0, stale_while_revalidate: 0, stale_if_error: 0 };
        assert_eq!(KeyTimes::new(None, None, none, 5).unwrap().shortest_ahead, UNKNOWN_SECONDS);
    }
}
