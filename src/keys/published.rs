//! The published keys as one isolate knows them: to serve, and to verify with.

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
use crate::lifetimes::{
    INCOMPLETE_KEY_SET_SECONDS, KEY_CLAIM_SECONDS, KEY_SEARCH_PAUSE_SECONDS,
    KEY_SEARCH_RETRY_SECONDS, KV_PROPAGATION_SECONDS,
};
use crate::ports::Platform;
use crate::store::signing_keys::KeyRow;
use crate::store::signing_keys::{self, Claim};

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
    /// Until when the making of no missing key is asked for, because it just was.
    making_until: Cell<i64>,
    /// Until when no missing key is made, because none could be.
    unmakeable_until: Cell<i64>,
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
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<Rc<PublishedSet>>, Internal> {
        let remembered = self.remembered(context.now);
        if let Some(set) = remembered.as_ref().filter(|set| set.is_fresh(context.now)) {
            // One request looks for what an incomplete set lacks; the others need not.
            if set.is_servable(context.now) || context.now < self.refreshing.get() {
                return Ok(Some(Rc::clone(set)));
            }
            self.refreshing.set(context.now + INCOMPLETE_KEY_SET_SECONDS);
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

    /// The key table with the first keys in it that may be made while a request waits, or as it was
    /// where none can be made. That is noted, and not tried again for a while: anybody may ask for the
    /// keys.
    async fn make_at_once(
        &self,
        mut rows: Vec<KeyRow>,
        context: &Context<'_, impl Platform>,
    ) -> Vec<KeyRow> {
        for alg in missing(&rows, context.now).into_iter().filter(|&alg| is_made_at_once(alg)) {
            if context.now < self.unmakeable_until.get() {
                break;
            }
            let secret = context.config.key_encryption_key.as_ref();
            let made = match sealer(secret, &rows, context.now) {
                Ok(sealer) => make_first_key(alg, &sealer, context).await,
                Err(fault) => Err(fault),
            };
            rows = made.unwrap_or_else(|fault| {
                context.log_fault(&fault);
                rows
            });
            if missing(&rows, context.now).contains(&alg) {
                self.unmakeable_until.set(context.now + KEY_SEARCH_PAUSE_SECONDS);
            }
        }
        rows
    }

    /// Leaves the making of missing keys for after the response; at most once per [`KEY_SEARCH_PAUSE_SECONDS`],
    /// because anybody may ask for the keys.
    ///
    /// # Errors
    /// [`Internal::Misconfigured`] when no key can be made, as [`sealer`] has it; at most as often.
    pub fn make_later(
        &self,
        missing: &[Algorithm],
        rows: &[KeyRow],
        context: &Context<'_, impl Platform>,
    ) -> Result<(), Internal> {
        let quiet_until = self.making_until.get().max(self.unmakeable_until.get());
        if missing.is_empty() || context.now < quiet_until {
            return Ok(());
        }
        self.making_until.set(context.now + KEY_SEARCH_PAUSE_SECONDS);
        sealer(context.config.key_encryption_key.as_ref(), rows, context.now)?;
        for &alg in missing {
            context.defer(DeferredTask::MakeKey(alg));
        }
        Ok(())
    }

    /// Makes the first key of an algorithm and publishes it, if this isolate is the one to do it.
    ///
    /// # Errors
    /// Whatever the platform reports.
    pub async fn make_claimed(
        &self,
        alg: Algorithm,
        context: &Context<'_, impl Platform>,
    ) -> Result<(), Internal> {
        let sealer = Sealer::new(context.config.key_encryption_key.as_ref())?;
        match signing_keys::claim(context, alg, context.now + KEY_CLAIM_SECONDS).await? {
            Claim::Ours => {
                let rows = make_first_key(alg, &sealer, context).await?;
                self.publish_now(&rows, context).await
            }
            Claim::Refused => Ok(()),
        }
    }

    /// The key of this `kid`, which a token of `alg` names: from memory, else from the cache, else from
    /// the primary. An unknown `kid` is looked for at most once per [`KEY_SEARCH_PAUSE_SECONDS`]. Whether the key is
    /// for `alg` is the caller's to check.
    ///
    /// # Errors
    /// When nothing can be said of the key yet: the search failed, another request is about it, or
    /// the first key of `alg` may have been made since.
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
            // One request refreshes; the others need not.
            if is_fresh || context.now < self.refreshing.get() {
                return Ok(known);
            }
            self.refreshing.set(context.now + KEY_SEARCH_PAUSE_SECONDS);
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

    /// What is known of a `kid` by a search that another request made or is making.
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
            // The first key may sign in the next moment: no verdict until then.
            SearchState::Done => "it had no key of this algorithm a moment ago",
            SearchState::Failed => "it did not answer a moment ago",
            SearchState::Running => "it is being asked by another request",
        };
        Some(Err(Internal::Unavailable { what: "the key table", detail: detail.into() }))
    }

    async fn search(
        &self,
        alg: Algorithm,
        kid: &str,
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<Rc<PublicKey>>, Internal> {
        // Without a fresh set every request reads the cache for itself: it may not await what another
        // request began, and its token may be good. With one, a single request searches on.
        let is_ours = self.remembered(context.now).is_some_and(|set| set.is_fresh(context.now));
        if is_ours {
            self.mark_search(SearchState::Running, context.now + KEY_SEARCH_PAUSE_SECONDS);
        }
        let cached = read_cache(context).await;
        if let Some(set) = self.trusted_set(cached.as_ref(), context.now) {
            let found = set.find(kid);
            if found.is_some() {
                self.search.set(None);
                return Ok(found);
            }
            if !is_ours {
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
        // Once the set changes, what was not found in it is no verdict.
        let until = context.now + KEY_SEARCH_PAUSE_SECONDS;
        self.mark_search(SearchState::Done, set.as_ref().map_or(until, |set| set.limit(until)));
        Ok(set.and_then(|set| set.find(kid)))
    }

    fn mark_search(&self, state: SearchState, until: i64) {
        self.search.set(Some(Search { until, state }));
    }

    /// Publishes the key table as `rows` has it, before the response: a key of it is about to sign, and
    /// relying parties must be able to verify what it signs. An incomplete set is only remembered: KV
    /// takes one write a second, and the next set is on its way.
    ///
    /// A cache that fails is noted: our own isolates find the key in the table, and the next signature
    /// tries again.
    pub async fn publish_now(
        &self,
        rows: &[KeyRow],
        context: &Context<'_, impl Platform>,
    ) -> Result<(), Internal> {
        let Some(set) = PublishedSet::of_rows(rows, context.now)? else { return Ok(()) };
        self.ask_for_missing(&set, rows, context);
        if set.is_complete() {
            let publication = set.to_published().under(cache_key(context.config))?;
            match publish(context.platform, &publication).await {
                Ok(()) => set.is_in_cache.set(true),
                Err(fault) => context.log_fault(&fault),
            }
        }
        self.remember(Rc::new(set));
        Ok(())
    }

    /// Whether the cache is known to have published the key of this `kid`.
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

    /// Remembers what the key table says, and publishes it where the cache does not say it as
    /// recently. An empty set is neither remembered nor published, and an incomplete one not published.
    fn learn(
        &self,
        rows: &[KeyRow],
        cached: Option<&Rc<PublishedSet>>,
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<Rc<PublishedSet>>, Internal> {
        let Some(set) = PublishedSet::of_rows(rows, context.now)? else {
            // What is remembered was withdrawn.
            self.set.replace(None);
            return Ok(None);
        };
        self.ask_for_missing(&set, rows, context);
        let is_confirmed_by = |other: &Rc<PublishedSet>| set.is_confirmed_by(other, context.now);
        let is_in_cache = cached.is_some_and(is_confirmed_by);
        // What this isolate published a moment ago may still be on its way.
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

    /// Leaves the making of what the set lacks, or notes why that cannot be made.
    fn ask_for_missing(
        &self,
        set: &PublishedSet,
        rows: &[KeyRow],
        context: &Context<'_, impl Platform>,
    ) {
        if let Err(fault) = self.make_later(&set.missing, rows, context) {
            context.log_fault(&fault);
        }
    }

    /// What the cache holds, or the later set that is remembered, if the key table need not be read.
    fn trusted_set(&self, cached: Option<&Rc<PublishedSet>>, now: i64) -> Option<Rc<PublishedSet>> {
        let cached = cached.filter(|set| set.is_reviewed(now))?;
        let set = self.remember(Rc::clone(cached));
        set.is_complete().then_some(set)
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
async fn read_cache(context: &Context<'_, impl Platform>) -> Option<Rc<PublishedSet>> {
    PublishedSet::of_cache(&cache_key(context.config), context).await.map(Rc::new)
}

/// One key for every deployment of an issuer: while an old and a new one run side by side, what one
/// publishes the other must serve.
fn cache_key(config: &Config) -> String {
    format!("jwks/{}", digest(&[config.issuer.as_str()]))
}
