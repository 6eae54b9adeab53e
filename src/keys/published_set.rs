//! A set of published keys, and how long it may be used for which purpose.

use std::cell::Cell;
use std::rc::Rc;

use crate::context::Context;
use crate::documents::{Document, KeySpan, Published, lookup};
use crate::error::Internal;
use crate::jose::json;
use crate::jose::jwk::{Algorithm, JwkSet, PublicKey};
use crate::keys::{missing, next_change, publishable};
use crate::lifetimes::{
    CLOCK_SLACK_SECONDS, INCOMPLETE_KEY_SET_SECONDS, KEY_SET_REVIEW_SECONDS, KEY_SET_SECONDS,
};
use crate::ports::Platform;
use crate::store::signing_keys::KeyRow;

/// The published keys at the time when the key table was read. There is at least one.
#[derive(Debug)]
pub struct PublishedSet {
    /// The JWK Set for relying parties.
    pub document: Rc<Document>,
    /// The time at which the key table was read, in Unix seconds.
    pub as_of: i64,
    /// The time at which this isolate last read the cache or the key table, in Unix seconds.
    pub read_at: Cell<i64>,
    /// Whether the cache is known to contain the same set.
    pub is_in_cache: Cell<bool>,
    /// The algorithms that no key signs with.
    pub missing: Vec<Algorithm>,
    keys: Vec<Rc<PublicKey>>,
    /// The times of the keys, in the same order; none if an older version published the set.
    spans: Vec<KeySpan>,
    /// The time at which the set changes by the key table, in Unix seconds, if a change is planned.
    changes_at: Option<i64>,
}

impl PublishedSet {
    /// Creates the set from the rows of the key table. Returns `None` if no key is published at `now`.
    pub fn from_rows(rows: &[KeyRow], now: i64) -> Result<Option<Self>, Internal> {
        let keys: Vec<_> = publishable(rows, now).map(|row| row.public.clone()).collect();
        if keys.is_empty() {
            return Ok(None);
        }
        let span = |row: &KeyRow| KeySpan {
            publish_from: row.publish_from,
            sign_from: row.sign_from,
            sign_until: row.sign_until,
            retire_at: row.retire_at,
        };
        let published = Published {
            body: String::new(),
            good_until: next_change(rows, now),
            as_of: now,
            key_spans: publishable(rows, now).map(span).collect(),
        };
        Self::new(JwkSet { keys }, missing(rows, now), published, now).map(Some)
    }

    /// Reads the set from the cache. Returns `None` if there is none, or if it has expired or is damaged. An isolate whose
    /// clock is ahead may have published it. Then it would be trusted for too long, and hide every later set.
    pub async fn from_cache(key: &str, context: &Context<'_, impl Platform>) -> Option<Self> {
        let published = lookup(context, key).await?;
        if published.as_of > context.now + CLOCK_SLACK_SECONDS {
            return None;
        }
        match json::from_own::<JwkSet>(&published.body) {
            Ok(set) if !set.keys.is_empty() => {
                let is_missing = |alg: &Algorithm| set.keys.iter().all(|key| key.alg() != *alg);
                let missing = Algorithm::ALL.into_iter().filter(is_missing).collect();
                let set = Self::new(set, missing, published, context.now).ok()?;
                set.is_in_cache.set(true);
                Some(set)
            }
            _ => {
                context.log_note("damaged value in KV: the published key set");
                None
            }
        }
    }

    /// Creates a set. Its document is rendered, so that a set of the cache is one that this version would publish.
    fn new(
        set: JwkSet,
        missing: Vec<Algorithm>,
        published: Published,
        read_at: i64,
    ) -> Result<Self, Internal> {
        let Published { good_until: changes_at, as_of, key_spans: spans, .. } = published;
        let body = serde_json::to_string(&set)
            .map_err(|error| Internal::Broken { detail: error.to_string() })?;
        let soon = (!missing.is_empty()).then_some(read_at + INCOMPLETE_KEY_SET_SECONDS);
        let good_until = changes_at.into_iter().chain(soon).min();
        Ok(Self {
            document: Rc::new(Document::new(body, good_until)),
            as_of,
            read_at: Cell::new(read_at),
            is_in_cache: Cell::new(false),
            missing,
            keys: set.keys.into_iter().map(Rc::new).collect(),
            spans,
            changes_at,
        })
    }

    pub fn find(&self, kid: &str) -> Option<Rc<PublicKey>> {
        self.keys.iter().find(|key| key.kid() == kid).map(Rc::clone)
    }

    /// Returns the keys with their times; none if an older version published the set.
    pub fn spans(&self) -> impl Iterator<Item = (&PublicKey, KeySpan)> {
        self.keys.iter().map(AsRef::as_ref).zip(self.spans.iter().copied())
    }

    /// Returns whether every algorithm has a key that signs. Only a complete set is published, because an incomplete
    /// one is about to change.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Returns the time of the set's next planned change, or `end` if that is earlier.
    pub fn valid_until(&self, end: i64) -> i64 {
        self.changes_at.map_or(end, |change| change.min(end))
    }

    /// Returns whether no planned change is due.
    pub fn is_current(&self, now: i64) -> bool {
        self.changes_at.is_none_or(|change| now < change)
    }

    /// Returns whether tokens may be verified with the set. The age is limited so that a key that the operator
    /// withdraws is soon rejected.
    pub fn is_trusted(&self, now: i64) -> bool {
        self.is_current(now) && now < self.as_of + KEY_SET_REVIEW_SECONDS + KEY_SET_SECONDS
    }

    /// Returns whether this isolate may verify tokens with the set without reading the cache again.
    pub fn is_fresh(&self, now: i64) -> bool {
        self.is_trusted(now) && now < self.read_at.get() + KEY_SET_SECONDS
    }

    /// Returns whether this isolate may serve the set without reading the cache again.
    pub fn is_servable(&self, now: i64) -> bool {
        self.is_fresh(now)
            && (self.is_complete() || now < self.read_at.get() + INCOMPLETE_KEY_SET_SECONDS)
    }

    /// Returns whether the key table need not be read again.
    pub fn is_reviewed(&self, now: i64) -> bool {
        self.is_complete() && now < self.as_of + KEY_SET_REVIEW_SECONDS
    }

    /// Returns whether this set need not be published, because the cache contains the equal set `other`.
    pub fn is_confirmed_by(&self, other: &Self, now: i64) -> bool {
        other.is_reviewed(now)
            && self.document.body == other.document.body
            && self.changes_at == other.changes_at
            && self.spans == other.spans
    }

    /// Returns the set in the form of the cache.
    pub fn to_published(&self) -> Published {
        let body = self.document.body.to_string();
        Published {
            body,
            good_until: self.changes_at,
            as_of: self.as_of,
            key_spans: self.spans.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::{ALWAYS, Times, ec, rsa};

    const NOW: i64 = 1_780_000_000;
    const LATER: i64 = NOW + 9;

    fn set(rows: &[KeyRow], now: i64) -> PublishedSet {
        PublishedSet::from_rows(rows, now).unwrap().unwrap()
    }

    #[test]
    fn a_set_is_confirmed_by_a_set_that_differs_in_nothing() {
        let rows = |es256: u8, times: Times, planned: i64| {
            let planned = rsa(1, (planned, planned, None, None));
            [ec(es256, times), rsa(0, ALWAYS), planned]
        };
        let own = set(&rows(1, ALWAYS, LATER), NOW);
        for (what, other, is_confirmed) in [
            ("nothing", rows(1, ALWAYS, LATER), true),
            ("a key", rows(2, ALWAYS, LATER), false),
            ("the time of its next change", rows(1, ALWAYS, LATER + 1), false),
            ("a time of a key", rows(1, (0, 1, None, None), LATER), false),
        ] {
            assert_eq!(own.is_confirmed_by(&set(&other, NOW), NOW), is_confirmed, "{what}");
        }
    }

    #[test]
    fn a_set_is_confirmed_by_a_set_that_need_not_be_reviewed() {
        let rows = [ec(1, ALWAYS), rsa(0, ALWAYS)];
        let is_confirmed =
            |rows: &[KeyRow], age: i64| set(rows, NOW).is_confirmed_by(&set(rows, NOW - age), NOW);
        assert!(is_confirmed(&rows, KEY_SET_REVIEW_SECONDS - 1));
        assert!(!is_confirmed(&rows, KEY_SET_REVIEW_SECONDS), "it is old");
        assert!(!is_confirmed(&rows[..1], 0), "it is incomplete");
    }
}
