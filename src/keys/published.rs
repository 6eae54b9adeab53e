//! The published keys as one isolate knows them: to serve, and to verify with.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::config::Config;
use crate::context::Cx;
use crate::error::Internal;
use crate::jose::jwk::{Algorithm, JwkSet, PublicKey};
use crate::keys::first_key::make_first_key;
use crate::keys::{KeyRow, next_change, published, signer};
use crate::ports::{Cache, Platform};
use crate::publication::{Document, Published, digest, lookup, publish};
use crate::store::signing_keys;

/// For how many seconds an isolate serves and verifies with what it read, before it looks again.
pub const MEMORY: i64 = 300;

/// For how many seconds the cache is believed, before the key table is read again: by then a change
/// that the table did not foresee (a key withdrawn by hand) has taken effect.
pub const REVIEW: i64 = 600;

/// For how many seconds an isolate that did not find a `kid` looks for no other.
pub const COOL_DOWN: i64 = 10;

/// The same for an isolate that has no keys at all, because neither cache nor database answered.
const RETRY: i64 = 1;

/// How long KV may take to show everywhere what was put, in seconds.
const PROPAGATION: i64 = 60;

/// The published keys. Never empty: an empty set is not remembered.
#[derive(Debug)]
pub struct PublishedSet {
    /// The JWK Set as it is served.
    pub document: Rc<Document>,
    keys: Vec<Rc<PublicKey>>,
    /// When the key table said so.
    as_of: i64,
    /// When this isolate last looked.
    read_at: Cell<i64>,
    /// Whether the cache is known to say the same.
    is_in_cache: Cell<bool>,
}

impl PublishedSet {
    fn new(
        set: JwkSet,
        good_until: Option<i64>,
        as_of: i64,
        read_at: i64,
    ) -> Result<Self, Internal> {
        let body = serde_json::to_string(&set)
            .map_err(|error| Internal::Broken { detail: error.to_string() })?;
        Ok(Self {
            document: Rc::new(Document::new(body, good_until)),
            keys: set.keys.into_iter().map(Rc::new).collect(),
            as_of,
            read_at: Cell::new(read_at),
            is_in_cache: Cell::new(false),
        })
    }

    /// What the key table says now; `None` where that is nothing.
    fn of_rows(rows: &[KeyRow], now: i64) -> Result<Option<Self>, Internal> {
        let keys: Vec<_> = published(rows, now).cloned().collect();
        if keys.is_empty() {
            return Ok(None);
        }
        Self::new(JwkSet { keys }, next_change(rows, now), now, now).map(Some)
    }

    fn find(&self, kid: &str) -> Option<Rc<PublicKey>> {
        self.keys.iter().find(|key| key.kid() == kid).map(Rc::clone)
    }

    fn is_good(&self, now: i64) -> bool {
        self.document.good_until.is_none_or(|end| now < end)
    }

    /// Whether tokens may be verified with it: a key that was withdrawn by hand ends within this.
    fn is_trusted(&self, now: i64) -> bool {
        self.is_good(now) && now < self.as_of + REVIEW + MEMORY
    }

    fn is_fresh(&self, now: i64) -> bool {
        self.is_trusted(now) && now < self.read_at.get() + MEMORY
    }

    fn is_reviewed(&self, now: i64) -> bool {
        now < self.as_of + REVIEW
    }

    fn to_published(&self) -> Published {
        let Document { body, good_until, .. } = &*self.document;
        Published { body: body.to_string(), good_until: *good_until, as_of: self.as_of }
    }
}

/// The last search for a `kid` that was not in a fresh set.
#[derive(Clone, Copy)]
struct Search {
    /// Until when no other is begun.
    until: i64,
    state: SearchState,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum SearchState {
    Done,
    Failed,
    Running,
}

/// What an isolate knows of the published keys.
#[derive(Default)]
pub struct PublishedKeys {
    set: RefCell<Option<Rc<PublishedSet>>>,
    search: Cell<Option<Search>>,
    /// Until when a request refreshes a set that is good but not fresh, so that the others need not.
    refreshing: Cell<i64>,
    /// Until when no first key is made, because none could be.
    keyless_until: Cell<i64>,
    /// When this isolate last published.
    published_at: Cell<i64>,
}

impl PublishedKeys {
    /// The published set: from memory, else from the cache, else from the key table, where the first
    /// key is made if there is none. `None` where there is none and none can be made, which is noted.
    ///
    /// # Errors
    /// When the database does not answer, and neither cache nor memory has a set that is good.
    pub async fn get(
        &self,
        config: &Config,
        platform: &impl Platform,
        cx: &Cx<'_>,
    ) -> Result<Option<Rc<PublishedSet>>, Internal> {
        let remembered = self.remembered(cx.now);
        if let Some(set) = remembered.as_ref().filter(|set| set.is_fresh(cx.now)) {
            return Ok(Some(Rc::clone(set)));
        }
        let cached = read_cache(config, platform, cx).await;
        if let Some(set) = cached.as_ref().filter(|set| set.is_reviewed(cx.now)) {
            return Ok(Some(self.remember(Rc::clone(set))));
        }
        let rows = match signing_keys::all(platform, cx).await {
            Ok(rows) => rows,
            Err(fault) => {
                let latest = cached.into_iter().chain(remembered).max_by_key(|set| set.as_of);
                cx.note(fault.detail());
                return latest.map_or(Err(fault), |set| Ok(Some(set)));
            }
        };
        let rows = if signer(&rows, Algorithm::Es256, cx.now).is_some() {
            rows
        } else {
            self.make_first_key(rows, config, platform, cx).await
        };
        self.learn(&rows, cached.as_ref(), config, cx)
    }

    /// The key table with a first key in it, or as it was where none can be made. That is noted, and
    /// not tried again for a while: anybody may ask for the keys.
    async fn make_first_key(
        &self,
        rows: Vec<KeyRow>,
        config: &Config,
        platform: &impl Platform,
        cx: &Cx<'_>,
    ) -> Vec<KeyRow> {
        if cx.now < self.keyless_until.get() {
            return rows;
        }
        let made = make_first_key(config.key_encryption_key.as_ref(), platform, cx).await;
        let rows = made.unwrap_or_else(|fault| {
            cx.note(fault.detail());
            rows
        });
        if signer(&rows, Algorithm::Es256, cx.now).is_none() {
            self.keyless_until.set(cx.now + COOL_DOWN);
        }
        rows
    }

    /// The key of this `kid`: from memory, else from the cache, else from the primary. An unknown
    /// `kid` is looked for at most once per [`COOL_DOWN`].
    ///
    /// # Errors
    /// When nothing can be said of the key yet: the search failed, or another request is about it.
    pub async fn find(
        &self,
        kid: &str,
        config: &Config,
        platform: &impl Platform,
        cx: &Cx<'_>,
    ) -> Result<Option<Rc<PublicKey>>, Internal> {
        let set = self.remembered(cx.now);
        let is_fresh = set.as_ref().is_some_and(|set| set.is_fresh(cx.now));
        let known = set.filter(|set| set.is_trusted(cx.now)).and_then(|set| set.find(kid));
        if known.is_some() {
            // One request refreshes; the others need not.
            if is_fresh || cx.now < self.refreshing.get() {
                return Ok(known);
            }
            self.refreshing.set(cx.now + COOL_DOWN);
        } else if let Some(verdict) = self.last_search(cx.now) {
            return verdict;
        }
        let found = self.search(kid, config, platform, cx).await;
        match found {
            Err(fault) if known.is_some() => {
                cx.note(fault.detail());
                Ok(known)
            }
            found => found,
        }
    }

    /// What is known of a `kid` by a search that another request made or is making.
    fn last_search(&self, now: i64) -> Option<Result<Option<Rc<PublicKey>>, Internal>> {
        let search = self.search.get().filter(|search| now < search.until)?;
        let detail = match search.state {
            SearchState::Done => return Some(Ok(None)),
            SearchState::Failed => "it did not answer a moment ago, or had no key",
            SearchState::Running => "it is being asked by another request",
        };
        Some(Err(Internal::Unavailable { what: "the key table", detail: detail.into() }))
    }

    async fn search(
        &self,
        kid: &str,
        config: &Config,
        platform: &impl Platform,
        cx: &Cx<'_>,
    ) -> Result<Option<Rc<PublicKey>>, Internal> {
        // Without a fresh set every request reads the cache for itself: it may not await what another
        // request began, and its token may be good. With one, a single request searches on.
        let is_ours = self.remembered(cx.now).is_some_and(|set| set.is_fresh(cx.now));
        if is_ours {
            self.mark_search(SearchState::Running, cx.now + COOL_DOWN);
        }
        let cached = read_cache(config, platform, cx).await;
        if let Some(set) = cached.as_ref().filter(|set| set.is_reviewed(cx.now)) {
            let found = self.remember(Rc::clone(set)).find(kid);
            if found.is_some() {
                self.search.set(None);
                return Ok(found);
            }
            if !is_ours {
                if let Some(verdict) = self.last_search(cx.now) {
                    return verdict;
                }
                self.mark_search(SearchState::Running, cx.now + COOL_DOWN);
            }
        }
        let rows = signing_keys::all(platform, cx).await.inspect_err(|_| {
            let pause = if self.remembered(cx.now).is_some() { COOL_DOWN } else { RETRY };
            self.mark_search(SearchState::Failed, cx.now + pause);
        })?;
        let set = self.learn(&rows, cached.as_ref(), config, cx)?;
        // Where there is no key, the first one may sign in the next moment: no verdict until then.
        let state = if set.is_some() { SearchState::Done } else { SearchState::Failed };
        self.mark_search(state, cx.now + COOL_DOWN);
        Ok(set.and_then(|set| set.find(kid)))
    }

    fn mark_search(&self, state: SearchState, until: i64) {
        self.search.set(Some(Search { until, state }));
    }

    /// Publishes the key table as `rows` has it, before the response: a key of it is about to sign, and
    /// relying parties must be able to verify what it signs.
    ///
    /// A cache that fails is noted: our own isolates find the key in the table, and the next signature
    /// tries again.
    pub async fn publish_now(
        &self,
        rows: &[KeyRow],
        config: &Config,
        platform: &impl Platform,
        cx: &Cx<'_>,
    ) -> Result<(), Internal> {
        let Some(set) = PublishedSet::of_rows(rows, cx.now)? else { return Ok(()) };
        let publication = set.to_published().under(cache_key(config))?;
        match publish(platform, &publication).await {
            Ok(()) => set.is_in_cache.set(true),
            Err(fault) => cx.note(fault.detail()),
        }
        self.remember(Rc::new(set));
        Ok(())
    }

    /// Whether the cache is known to have published the key of this `kid`.
    pub async fn is_published(
        &self,
        kid: &str,
        config: &Config,
        cache: &impl Cache,
        cx: &Cx<'_>,
    ) -> bool {
        let has = |set: &Rc<PublishedSet>| set.is_in_cache.get() && set.find(kid).is_some();
        if self.remembered(cx.now).filter(|set| set.is_fresh(cx.now)).is_some_and(|set| has(&set)) {
            return true;
        }
        let cached = read_cache(config, cache, cx).await.filter(|set| set.is_reviewed(cx.now));
        cached.map(|set| self.remember(set)).is_some_and(|set| has(&set))
    }

    /// Remembers what the key table says, and publishes it where the cache does not say it as
    /// recently. An empty set is neither remembered nor published.
    fn learn(
        &self,
        rows: &[KeyRow],
        cached: Option<&Rc<PublishedSet>>,
        config: &Config,
        cx: &Cx<'_>,
    ) -> Result<Option<Rc<PublishedSet>>, Internal> {
        let Some(set) = PublishedSet::of_rows(rows, cx.now)? else {
            // What is remembered was withdrawn.
            self.set.replace(None);
            return Ok(None);
        };
        let says_the_same = |other: &Rc<PublishedSet>| {
            let (ours, theirs) = (&set.document, &other.document);
            other.is_reviewed(cx.now)
                && (&ours.body, ours.good_until) == (&theirs.body, theirs.good_until)
        };
        let is_in_cache = cached.is_some_and(says_the_same);
        // What this isolate published a moment ago may still be on its way.
        let is_on_its_way = cx.now < self.published_at.get() + PROPAGATION
            && self.remembered(cx.now).as_ref().is_some_and(says_the_same);
        if !is_in_cache && !is_on_its_way {
            cx.publish_later(set.to_published().under(cache_key(config))?);
            self.published_at.set(cx.now);
        }
        set.is_in_cache.set(is_in_cache);
        Ok(Some(self.remember(Rc::new(set))))
    }

    /// What is remembered and still good.
    fn remembered(&self, now: i64) -> Option<Rc<PublishedSet>> {
        self.set.borrow().as_ref().filter(|set| set.is_good(now)).map(Rc::clone)
    }

    /// Remembers a set, unless a later one is remembered: the cache may lag behind.
    fn remember(&self, set: Rc<PublishedSet>) -> Rc<PublishedSet> {
        let mut remembered = self.set.borrow_mut();
        let now = set.read_at.get();
        match remembered.as_ref().filter(|old| old.is_good(now) && old.as_of > set.as_of) {
            Some(later) => {
                later.read_at.set(now);
                Rc::clone(later)
            }
            None => Rc::clone(remembered.insert(set)),
        }
    }
}

/// The set in the cache, if it is good.
async fn read_cache(config: &Config, cache: &impl Cache, cx: &Cx<'_>) -> Option<Rc<PublishedSet>> {
    let Published { body, good_until, as_of } = lookup(cache, cx, &cache_key(config)).await?;
    match serde_json::from_str::<JwkSet>(&body) {
        Ok(set) if !set.keys.is_empty() => {
            let set = PublishedSet::new(set, good_until, as_of, cx.now).ok()?;
            set.is_in_cache.set(true);
            Some(Rc::new(set))
        }
        _ => {
            cx.note("KV holds a key set that is damaged");
            None
        }
    }
}

/// One key for every deployment of an issuer: while an old and a new one run side by side, what one
/// publishes the other must serve.
fn cache_key(config: &Config) -> String {
    format!("jwks/{}", digest(&[config.issuer.as_str()]))
}
