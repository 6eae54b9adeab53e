//! The published keys in the memory of one isolate, for relying parties and to verify with.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

pub use crate::keys::published_set::PublishedSet;

use crate::config::Config;
use crate::context::{Context, DeferredTask};
use crate::crypto::seal::Sealer;
use crate::digest::digest;
use crate::documents::publish;
use crate::error::Internal;
use crate::jose::jwk::{Algorithm, PublicKey};
use crate::keys::first_key::{is_made_at_once, make_first_key, sealer};
use crate::keys::missing;
use crate::keys::retired::RetiredKeys;
use crate::lifetimes::{
    INCOMPLETE_KEY_SET_SECONDS, KEY_SEARCH_PAUSE_SECONDS, KEY_SEARCH_RETRY_SECONDS,
    KV_PROPAGATION_SECONDS,
};
use crate::ports::{KEY_TABLE, Platform};
use crate::store::signing_keys::KeyRow;
use crate::store::signing_keys::{self, Claim};

/// The last search for a `kid` that was not in a fresh set.
#[derive(Clone, Copy)]
struct Search {
    /// Do not begin another search before this time.
    until: i64,
    state: SearchState,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum SearchState {
    Done,
    Failed,
    Running,
}

/// An isolate's memory of the published keys. All times are Unix seconds.
#[derive(Default)]
pub struct PublishedKeys {
    set: RefCell<Option<Rc<PublishedSet>>>,
    /// The keys that have retired, when this isolate last read the key table.
    retired: RefCell<RetiredKeys>,
    search: Cell<Option<Search>>,
    /// A request is refreshing a set that is trusted but not fresh. Others use the old set until this time.
    refreshing_until: Cell<i64>,
    /// Do not defer key generation again before this time.
    no_deferral_before: Cell<i64>,
    /// Do not try to generate a key before this time, because the last attempt failed.
    no_generation_before: Cell<i64>,
    /// The time at which this isolate last published a set.
    published_at: Cell<i64>,
}

impl PublishedKeys {
    /// Returns the published set from memory, from the cache or from the key table. If the key table has no key, the
    /// first one is generated. Returns `None` if that fails, and logs the reason.
    ///
    /// # Errors
    /// The error of the database, when neither cache nor memory has a current set.
    pub async fn get(
        &self,
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<Rc<PublishedSet>>, Internal> {
        let remembered = self.remembered(context.now);
        if let Some(set) = remembered.as_ref().filter(|set| set.is_fresh(context.now)) {
            // One request looks for the keys that an incomplete set lacks, and the others use the set meanwhile.
            if set.is_servable(context.now) || context.now < self.refreshing_until.get() {
                return Ok(Some(Rc::clone(set)));
            }
            self.refreshing_until.set(context.now + INCOMPLETE_KEY_SET_SECONDS);
        }
        let cached = read_cache(context).await;
        if let Some(set) = self.trusted_set(cached.as_ref(), context.now) {
            return Ok(Some(set));
        }
        let rows = match signing_keys::all(context).await {
            Ok(rows) => rows,
            Err(fault) => {
                let latest = cached.into_iter().chain(remembered).max_by_key(|set| set.as_of);
                context.log_fault(&fault);
                return latest.map_or(Err(fault), |set| Ok(Some(set)));
            }
        };
        let rows = self.make_at_once(rows, context).await;
        self.learn(&rows, cached.as_ref(), context)
    }

    /// Generates the missing keys that may be generated while a request waits. Returns the rows of the key table with
    /// them. A failure is logged. The next attempt is after [`KEY_SEARCH_PAUSE_SECONDS`], because anybody may request
    /// the key set.
    async fn make_at_once(
        &self,
        mut rows: Vec<KeyRow>,
        context: &Context<'_, impl Platform>,
    ) -> Vec<KeyRow> {
        for alg in missing(&rows, context.now).into_iter().filter(|&alg| is_made_at_once(alg)) {
            if context.now < self.no_generation_before.get() {
                break;
            }
            let secret = &context.config.key_encryption_key;
            let made = match sealer(secret, &rows, context.now) {
                Ok(sealer) => make_first_key(alg, &sealer, context).await,
                Err(fault) => Err(fault),
            };
            rows = made.unwrap_or_else(|fault| {
                context.log_fault(&fault);
                rows
            });
            if missing(&rows, context.now).contains(&alg) {
                self.no_generation_before.set(context.now + KEY_SEARCH_PAUSE_SECONDS);
            }
        }
        rows
    }

    /// Defers the generation of missing keys until after the response. Does so at most once per
    /// [`KEY_SEARCH_PAUSE_SECONDS`], because anybody may request the key set.
    ///
    /// # Errors
    /// The error of [`sealer`], also at most once per [`KEY_SEARCH_PAUSE_SECONDS`].
    pub fn make_later(
        &self,
        missing: &[Algorithm],
        rows: &[KeyRow],
        context: &Context<'_, impl Platform>,
    ) -> Result<(), Internal> {
        let quiet_until = self.no_deferral_before.get().max(self.no_generation_before.get());
        if missing.is_empty() || context.now < quiet_until {
            return Ok(());
        }
        self.no_deferral_before.set(context.now + KEY_SEARCH_PAUSE_SECONDS);
        sealer(&context.config.key_encryption_key, rows, context.now)?;
        for &alg in missing {
            context.defer(DeferredTask::MakeKey(alg));
        }
        Ok(())
    }

    /// Generates the first key of an algorithm and publishes it, unless another isolate has claimed this.
    pub async fn make_claimed(
        &self,
        alg: Algorithm,
        context: &Context<'_, impl Platform>,
    ) -> Result<(), Internal> {
        let sealer = Sealer::new(&context.config.key_encryption_key)?;
        match signing_keys::claim(context, alg).await? {
            Claim::Won => {
                let rows = make_first_key(alg, &sealer, context).await?;
                self.publish_now(&rows, context).await
            }
            Claim::Lost => Ok(()),
        }
    }

    /// Finds the key `kid` of a token with `alg` in memory, in the cache or on the primary. An unknown `kid` is
    /// searched for at most once per [`KEY_SEARCH_PAUSE_SECONDS`]. The caller must check that the key is for `alg`.
    ///
    /// # Errors
    /// [`Internal::Unavailable`] when it is not known whether the key exists: the search failed, another request is
    /// searching, or the first key of `alg` may have been generated since.
    pub async fn find(
        &self,
        alg: Algorithm,
        kid: &str,
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<Rc<PublicKey>>, Internal> {
        let set = self.remembered(context.now);
        let is_fresh = set.as_ref().is_some_and(|set| set.is_fresh(context.now));
        let known = set.filter(|set| set.is_trusted(context.now)).and_then(|set| set.find(kid));
        if known.is_some() {
            // One request refreshes the set, and the others use the old one meanwhile.
            if is_fresh || context.now < self.refreshing_until.get() {
                return Ok(known);
            }
            self.refreshing_until.set(context.now + KEY_SEARCH_PAUSE_SECONDS);
        } else if let Some(verdict) = self.last_search(alg, context.now) {
            return verdict;
        }
        let found = self.search(alg, kid, context).await;
        match found {
            Err(fault) if known.is_some() => {
                context.log_fault(&fault);
                Ok(known)
            }
            found => found,
        }
    }

    /// Finds the key of an `id_token_hint`: a published one, as [`Self::find`] does, or one that has retired so recently that
    /// sessions of its time may go on. There is no further read, because who does not find a published key has read the
    /// key table a moment ago.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn find_for_hint(
        &self,
        alg: Algorithm,
        kid: &str,
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<Rc<PublicKey>>, Internal> {
        let key = self.find(alg, kid, context).await?;
        Ok(key.or_else(|| self.retired.borrow().find(kid, context.now)))
    }

    /// Returns the result of the last search for an unknown `kid`, or the state of a running one.
    fn last_search(
        &self,
        alg: Algorithm,
        now: i64,
    ) -> Option<Result<Option<Rc<PublicKey>>, Internal>> {
        let search = self.search.get().filter(|search| now < search.until)?;
        let is_made = |set: &Rc<PublishedSet>| !set.missing.contains(&alg);
        let detail = match search.state {
            SearchState::Done if self.set.borrow().as_ref().is_some_and(is_made) => {
                return Some(Ok(None));
            }
            // The first key may exist a moment later, so the absence is not final.
            SearchState::Done => "it had no key for this algorithm a moment ago",
            SearchState::Failed => "it did not answer a moment ago",
            SearchState::Running => "another request is reading it",
        };
        Some(Err(Internal::Unavailable { what: KEY_TABLE, detail: detail.into() }))
    }

    async fn search(
        &self,
        alg: Algorithm,
        kid: &str,
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<Rc<PublicKey>>, Internal> {
        // Without a fresh set every request reads the cache itself, because it cannot wait for another request, and
        // its token may be valid. With a fresh set a single request searches.
        let is_exclusive =
            self.remembered(context.now).is_some_and(|set| set.is_fresh(context.now));
        if is_exclusive {
            self.mark_search(SearchState::Running, context.now + KEY_SEARCH_PAUSE_SECONDS);
        }
        let cached = read_cache(context).await;
        if let Some(set) = self.trusted_set(cached.as_ref(), context.now) {
            let found = set.find(kid);
            if found.is_some() {
                self.search.set(None);
                return Ok(found);
            }
            if !is_exclusive {
                if let Some(verdict) = self.last_search(alg, context.now) {
                    return verdict;
                }
                self.mark_search(SearchState::Running, context.now + KEY_SEARCH_PAUSE_SECONDS);
            }
        }
        let rows = signing_keys::all(context).await.inspect_err(|_| {
            let pause = if self.remembered(context.now).is_some() {
                KEY_SEARCH_PAUSE_SECONDS
            } else {
                KEY_SEARCH_RETRY_SECONDS
            };
            self.mark_search(SearchState::Failed, context.now + pause);
        })?;
        let set = self.learn(&rows, cached.as_ref(), context)?;
        // A planned change of the set ends the result: the key may be in the changed set.
        let until = context.now + KEY_SEARCH_PAUSE_SECONDS;
        self.mark_search(
            SearchState::Done,
            set.as_ref().map_or(until, |set| set.valid_until(until)),
        );
        Ok(set.and_then(|set| set.find(kid)))
    }

    fn mark_search(&self, state: SearchState, until: i64) {
        self.search.set(Some(Search { until, state }));
    }

    /// Publishes the keys of `rows` before the response, because one of them is about to sign, and relying parties must
    /// find it. An incomplete set is only remembered, because KV accepts one write per second and key, and the complete
    /// set follows soon.
    ///
    /// A failure of the cache is logged and is not an error: isolates find the key in the key table, and the next
    /// signature publishes it again.
    pub async fn publish_now(
        &self,
        rows: &[KeyRow],
        context: &Context<'_, impl Platform>,
    ) -> Result<(), Internal> {
        let Some(set) = PublishedSet::from_rows(rows, context.now)? else { return Ok(()) };
        self.defer_missing(&set, rows, context);
        if set.is_complete() {
            let publication = set.to_published().under(cache_key(context.config))?;
            match publish(context, &publication).await {
                Ok(()) => set.is_in_cache.set(true),
                Err(fault) => context.log_fault(&fault),
            }
        }
        self.remember(Rc::new(set));
        Ok(())
    }

    /// Returns whether the cache is known to contain the key `kid`.
    pub async fn is_published(&self, kid: &str, context: &Context<'_, impl Platform>) -> bool {
        let has = |set: &Rc<PublishedSet>| set.is_in_cache.get() && set.find(kid).is_some();
        if self
            .remembered(context.now)
            .filter(|set| set.is_fresh(context.now))
            .is_some_and(|set| has(&set))
        {
            return true;
        }
        let cached = read_cache(context).await.filter(|set| set.is_reviewed(context.now));
        cached.map(|set| self.remember(set)).is_some_and(|set| has(&set))
    }

    /// Remembers the keys of the key table, and defers their publication unless the cache has the same set with a
    /// recent `as_of`. An incomplete set is not published. An empty set is not remembered either.
    fn learn(
        &self,
        rows: &[KeyRow],
        cached: Option<&Rc<PublishedSet>>,
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<Rc<PublishedSet>>, Internal> {
        self.retired.replace(RetiredKeys::from_rows(rows, context.now));
        let Some(set) = PublishedSet::from_rows(rows, context.now)? else {
            // The operator has withdrawn every key, so the remembered set is invalid.
            self.set.replace(None);
            return Ok(None);
        };
        self.defer_missing(&set, rows, context);
        let is_confirmed_by = |other: &Rc<PublishedSet>| set.is_confirmed_by(other, context.now);
        let is_in_cache = cached.is_some_and(is_confirmed_by);
        // KV may not yet show the same set, which this isolate published a moment ago.
        let is_on_its_way = context.now < self.published_at.get() + KV_PROPAGATION_SECONDS
            && self.remembered(context.now).as_ref().is_some_and(is_confirmed_by);
        if set.is_complete() && !is_in_cache && !is_on_its_way {
            context
                .defer(DeferredTask::Publish(set.to_published().under(cache_key(context.config))?));
            self.published_at.set(context.now);
        }
        set.is_in_cache.set(is_in_cache);
        Ok(Some(self.remember(Rc::new(set))))
    }

    /// Defers the generation of the keys that the set lacks. If that is impossible, logs the reason.
    fn defer_missing(
        &self,
        set: &PublishedSet,
        rows: &[KeyRow],
        context: &Context<'_, impl Platform>,
    ) {
        if let Err(fault) = self.make_later(&set.missing, rows, context) {
            context.log_fault(&fault);
        }
    }

    /// Returns the set of the cache, or a later one from memory. Returns `None` if the key table must be read.
    fn trusted_set(&self, cached: Option<&Rc<PublishedSet>>, now: i64) -> Option<Rc<PublishedSet>> {
        let cached = cached.filter(|set| set.is_reviewed(now))?;
        let set = self.remember(Rc::clone(cached));
        set.is_complete().then_some(set)
    }

    /// The remembered set, if no planned change is due.
    fn remembered(&self, now: i64) -> Option<Rc<PublishedSet>> {
        self.set.borrow().as_ref().filter(|set| set.is_current(now)).map(Rc::clone)
    }

    /// Remembers a set, unless memory has a later one, because the cache may lag behind. Returns the later of the two.
    fn remember(&self, set: Rc<PublishedSet>) -> Rc<PublishedSet> {
        let mut remembered = self.set.borrow_mut();
        let now = set.read_at.get();
        match remembered.as_ref().filter(|old| old.is_current(now) && old.as_of > set.as_of) {
            Some(later) => {
                later.read_at.set(now);
                Rc::clone(later)
            }
            None => Rc::clone(remembered.insert(set)),
        }
    }
}

async fn read_cache(context: &Context<'_, impl Platform>) -> Option<Rc<PublishedSet>> {
    PublishedSet::from_cache(&cache_key(context.config), context).await.map(Rc::new)
}

/// The cache key is the same for every build, because an old and a new deployment may run at the same time, and each
/// must serve the keys of the other.
fn cache_key(config: &Config) -> String {
    format!("jwks/{}", digest(&[config.issuer.as_str()]))
}
