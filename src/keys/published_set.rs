//! A set of published keys: what is served, and how long it is good for what.

use std::cell::Cell;
use std::rc::Rc;

use crate::context::Context;
use crate::documents::{Document, Published, lookup};
use crate::error::Internal;
use crate::jose::json;
use crate::jose::jwk::{Algorithm, JwkSet, PublicKey};
use crate::keys::{missing, next_change, publishable};
use crate::lifetimes::{INCOMPLETE_KEY_SET_SECONDS, KEY_SET_REVIEW_SECONDS, KEY_SET_SECONDS};
use crate::ports::Platform;
use crate::store::signing_keys::KeyRow;

/// The published keys as of some moment. Never empty: an empty set is not remembered.
#[derive(Debug)]
pub struct PublishedSet {
    /// The JWK Set as it is served.
    pub document: Rc<Document>,
    /// When the key table said so, in Unix seconds.
    pub as_of: i64,
    /// When this isolate last looked, in Unix seconds.
    pub read_at: Cell<i64>,
    /// Whether the cache is known to say the same.
    pub is_in_cache: Cell<bool>,
    /// The algorithms that no key signs with.
    pub missing: Vec<Algorithm>,
    keys: Vec<Rc<PublicKey>>,
    /// When the set changes by itself, if that is foreseen.
    changes_at: Option<i64>,
}

impl PublishedSet {
    /// What the key table says now; `None` where that is nothing.
    pub fn of_rows(rows: &[KeyRow], now: i64) -> Result<Option<Self>, Internal> {
        let keys: Vec<_> = publishable(rows, now).cloned().collect();
        if keys.is_empty() {
            return Ok(None);
        }
        Self::new(JwkSet { keys }, missing(rows, now), next_change(rows, now), now, now).map(Some)
    }

    /// What the cache holds, if that is good.
    pub async fn of_cache(key: &str, context: &Context<'_, impl Platform>) -> Option<Self> {
        let Published { body, good_until, as_of } = lookup(context, key).await?;
        match json::from_own::<JwkSet>(&body) {
            Ok(set) if !set.keys.is_empty() => {
                let is_missing = |alg: &Algorithm| set.keys.iter().all(|key| key.alg() != *alg);
                let missing = Algorithm::ALL.into_iter().filter(is_missing).collect();
                let set = Self::new(set, missing, good_until, as_of, context.now).ok()?;
                set.is_in_cache.set(true);
                Some(set)
            }
            _ => {
                context.log_note("KV holds a key set that is damaged");
                None
            }
        }
    }

    fn new(
        set: JwkSet,
        missing: Vec<Algorithm>,
        changes_at: Option<i64>,
        as_of: i64,
        read_at: i64,
    ) -> Result<Self, Internal> {
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
            changes_at,
        })
    }

    /// The key of this `kid`.
    pub fn find(&self, kid: &str) -> Option<Rc<PublicKey>> {
        self.keys.iter().find(|key| key.kid() == kid).map(Rc::clone)
    }

    /// Whether every algorithm has a key that signs. Only such a set is published: another is about to
    /// change.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Until when what is known of this set holds, at most until `end`.
    pub fn limit(&self, end: i64) -> i64 {
        self.changes_at.map_or(end, |change| change.min(end))
    }

    /// Whether the table foresaw nothing else for now.
    pub fn is_good(&self, now: i64) -> bool {
        self.changes_at.is_none_or(|change| now < change)
    }

    /// Whether tokens may be verified with it: a key that was withdrawn by hand ends within this.
    pub fn is_trusted(&self, now: i64) -> bool {
        self.is_good(now) && now < self.as_of + KEY_SET_REVIEW_SECONDS + KEY_SET_SECONDS
    }

    /// Whether this isolate need not look again to verify tokens with it.
    pub fn is_fresh(&self, now: i64) -> bool {
        self.is_trusted(now) && now < self.read_at.get() + KEY_SET_SECONDS
    }

    /// Whether this isolate need not look again to serve it.
    pub fn is_servable(&self, now: i64) -> bool {
        self.is_fresh(now)
            && (self.is_complete() || now < self.read_at.get() + INCOMPLETE_KEY_SET_SECONDS)
    }

    /// Whether the key table need not be read again.
    pub fn is_reviewed(&self, now: i64) -> bool {
        self.is_complete() && now < self.as_of + KEY_SET_REVIEW_SECONDS
    }

    /// Whether the cache need not be told of this set, because it says `other`.
    pub fn is_confirmed_by(&self, other: &Self, now: i64) -> bool {
        other.is_reviewed(now)
            && self.document.body == other.document.body
            && self.changes_at == other.changes_at
    }

    /// The set as the cache holds it.
    pub fn to_published(&self) -> Published {
        let body = self.document.body.to_string();
        Published { body, good_until: self.changes_at, as_of: self.as_of }
    }
}
