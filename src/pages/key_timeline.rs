//! The published keys over time, as a picture.

use time::OffsetDateTime;

/// A published key. All times are Unix seconds; `None` means that no time is set.
#[derive(Clone, Copy, Debug)]
pub struct PublishedKey<'a> {
    pub alg: &'static str,
    pub kid: &'a str,
    pub publish_from: i64,
    pub sign_from: i64,
    pub sign_until: Option<i64>,
    pub retire_at: Option<i64>,
}

/// The published keys around the present, which is in the middle of the picture.
#[derive(Clone, Debug)]
pub struct KeyTimeline<'a> {
    keys: Vec<PublishedKey<'a>>,
    now: i64,
    /// Half of the time that the picture shows, in seconds.
    half: i64,
}

/// A part of a key's line, in thousandths of the picture's width.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Part {
    pub x: i64,
    pub width: i64,
    pub signs: bool,
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

impl<'a> KeyTimeline<'a> {
    /// Creates the timeline at `now`. It shows every planned time, if that is not more than 60 days away.
    pub fn new(keys: Vec<PublishedKey<'a>>, now: i64) -> Self {
        // The times of the first keys are 0.
        let times = keys.iter().flat_map(|key| {
            let set = [Some(key.publish_from), Some(key.sign_from), key.sign_until, key.retire_at];
            set.into_iter().flatten().filter(|&time| time > 0)
        });
        let farthest = times.map(|time| (time - now).abs()).filter(|away| *away <= 60 * DAY).max();
        Self { keys, now, half: farthest.map_or(30 * DAY, |away| away.max(HOUR) * 10 / 9) }
    }

    pub(super) fn keys(&self) -> &[PublishedKey<'a>] {
        &self.keys
    }

    /// Returns the beginning and the end of the picture: as days, unless it shows a few only.
    pub(super) fn ends(&self) -> [String; 2] {
        [self.now - self.half, self.now + self.half].map(|end| {
            let minute = minute(end);
            match minute.split_once(' ') {
                Some((day, _)) if self.half > 2 * DAY => day.to_owned(),
                _ => minute,
            }
        })
    }

    /// Returns the line of a key: thin while it is published, and thick while it signs.
    pub(super) fn parts(&self, key: &PublishedKey<'_>) -> Vec<Part> {
        let end = key.retire_at.unwrap_or(i64::MAX);
        let sign_until = self.sign_until(key);
        let spans = [
            (key.publish_from, key.sign_from.min(end), false),
            (key.sign_from, sign_until, true),
            (sign_until, end, false),
        ];
        let parts = spans.map(|(from, until, signs)| {
            let (x, until) = (self.x(from), self.x(until));
            Part { x, width: until - x, signs }
        });
        parts.into_iter().filter(|part| part.width > 0).collect()
    }

    /// Returns the place of a time in the picture.
    fn x(&self, time: i64) -> i64 {
        let from_start = time.saturating_sub(self.now - self.half);
        from_start.clamp(0, 2 * self.half) * 1_000 / (2 * self.half)
    }

    /// Returns the time at which a key stops signing: its own, or that of the next key of its algorithm.
    fn sign_until(&self, key: &PublishedKey<'_>) -> i64 {
        let next =
            self.keys.iter().filter(|next| next.alg == key.alg && next.sign_from > key.sign_from);
        let ends = next.map(|next| next.sign_from).chain(key.sign_until).chain(key.retire_at);
        ends.min().unwrap_or(i64::MAX).max(key.sign_from)
    }

    /// Returns what the key does now, and the time at which it does something else.
    pub(super) fn state(&self, key: &PublishedKey<'_>) -> (&'static str, String) {
        let sign_until = self.sign_until(key);
        let (state, change) = if self.now < key.sign_from {
            ("published, signs from", key.sign_from)
        } else if self.now < sign_until {
            ("signing, until", sign_until)
        } else {
            ("retiring, published until", key.retire_at.unwrap_or(i64::MAX))
        };
        let is_planned = change != i64::MAX;
        (state, if is_planned { minute(change) } else { "a time that is not planned yet".into() })
    }
}

/// Returns a time in UTC, to the minute.
fn minute(seconds: i64) -> String {
    let Ok(time) = OffsetDateTime::from_unix_timestamp(seconds) else { return String::new() };
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", time.hour(), time.minute())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_780_000_000;

    fn key(kid: &str, times: (i64, i64, Option<i64>, Option<i64>)) -> PublishedKey<'_> {
        let (publish_from, sign_from, sign_until, retire_at) = times;
        PublishedKey { alg: "ES256", kid, publish_from, sign_from, sign_until, retire_at }
    }

    #[test]
    fn a_first_key_signs_in_the_whole_picture() {
        let first = key("a", (0, 0, None, None));
        let timeline = KeyTimeline::new(vec![first], NOW);
        assert_eq!(timeline.parts(&first), [Part { x: 0, width: 1_000, signs: true }]);
        assert_eq!(
            timeline.state(&first),
            ("signing, until", "a time that is not planned yet".to_owned())
        );
        assert_eq!(timeline.ends(), ["2026-04-28", "2026-06-27"]);
        let soon = KeyTimeline::new(vec![key("a", (0, 0, Some(NOW + HOUR), None))], NOW);
        assert_eq!(soon.ends(), ["2026-05-28 19:20 UTC", "2026-05-28 21:33 UTC"]);
    }

    #[test]
    fn a_rotation_is_a_thin_a_thick_and_a_thin_part() {
        let old = key("a", (0, 0, Some(NOW - 9 * DAY), Some(NOW + 9 * DAY)));
        let signing =
            key("b", (NOW - 12 * DAY, NOW - 9 * DAY, Some(NOW + 9 * DAY), Some(NOW + 18 * DAY)));
        let next = key("c", (NOW, NOW + 9 * DAY, None, None));
        let timeline = KeyTimeline::new(vec![old, signing, next], NOW);
        let part = |x, width, signs| Part { x, width, signs };
        assert_eq!(timeline.parts(&old), [part(0, 275, true), part(275, 450, false)]);
        assert_eq!(
            timeline.parts(&signing),
            [part(200, 75, false), part(275, 450, true), part(725, 225, false)]
        );
        assert_eq!(timeline.parts(&next), [part(500, 225, false), part(725, 275, true)]);
        let states = [old, signing, next].map(|key| timeline.state(&key).0);
        assert_eq!(
            states,
            ["retiring, published until", "signing, until", "published, signs from"]
        );
        assert_eq!(timeline.state(&signing).1, "2026-06-06 20:26 UTC");
    }

    #[test]
    fn no_time_draws_a_part_outside_of_the_picture() {
        let extremes = [i64::MIN, -1, 0, 1, NOW - 1, NOW, NOW + 1, i64::MAX];
        for publish_from in extremes {
            for sign_from in extremes {
                for end in extremes {
                    let odd = key("a", (publish_from, sign_from, Some(end), Some(end)));
                    let timeline = KeyTimeline::new(vec![odd], NOW);
                    timeline.state(&odd);
                    for Part { x, width, .. } in timeline.parts(&odd) {
                        assert!(x >= 0 && width > 0 && x + width <= 1_000);
                    }
                }
            }
        }
    }
}
