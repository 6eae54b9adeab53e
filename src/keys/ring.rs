//! The keys an isolate knows: the published set, to serve and to verify with, and the keys to sign
//! with. Bounded in size by the key table and in age by [`MEMORY`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::config::{Config, Secret};
use crate::context::Cx;
use crate::error::Internal;
use crate::jose::jwk::{Algorithm, JwkSet, PrivateKey, PublicKey};
use crate::keys::seal::Sealer;
use crate::keys::{KeyRow, next_change, published, signer};
use crate::ports::{Cache, Database, Platform};
use crate::publication::{Document, digest, lookup, publication, publish};
use crate::store::signing_keys;

/// For how many seconds an isolate trusts what it read about keys.
pub const MEMORY: i64 = 300;

/// For how many seconds an isolate that did not find a `kid` looks for no other.
pub const COOL_DOWN: i64 = 10;

/// For how many seconds after a search that failed no other is begun.
const RETRY: i64 = 1;

/// The published keys as one isolate knows them. Never empty.
#[derive(Debug)]
pub struct PublishedSet {
    /// The JWK Set as it is served.
    pub document: Rc<Document>,
    keys: Vec<Rc<PublicKey>>,
    good_until: Option<i64>,
    read_at: i64,
}

impl PublishedSet {
    fn find(&self, kid: &str) -> Option<Rc<PublicKey>> {
        self.keys.iter().find(|key| key.kid() == kid).map(Rc::clone)
    }

    fn says_the_same(&self, other: &Self) -> bool {
        self.document.body == other.document.body && self.good_until == other.good_until
    }

    fn is_good(&self, now: i64) -> bool {
        self.good_until.is_none_or(|end| now < end)
    }

    fn is_fresh(&self, now: i64) -> bool {
        self.is_good(now) && now < self.read_at + MEMORY
    }
}

/// The last search for a `kid` that found none.
#[derive(Clone, Copy)]
struct Search {
    /// Until when no other is begun.
    until: i64,
    /// Whether it could not be made.
    failed: bool,
}

fn search_failed() -> Internal {
    let detail = "it did not answer a moment ago".into();
    Internal::Unavailable { what: "the key table", detail }
}

/// What an isolate knows about keys.
#[derive(Default)]
pub struct KeyRing {
    set: RefCell<Option<Rc<PublishedSet>>>,
    search: Cell<Option<Search>>,
    table: RefCell<Option<KeyTable>>,
    opened: RefCell<Vec<Rc<PrivateKey>>>,
}

struct KeyTable {
    rows: Rc<[KeyRow]>,
    read_at: i64,
}

impl KeyRing {
    /// The published set: from memory, else from the cache, else from the key table, where the first
    /// key is made if there is none. `None` where there is none and none can be made, which is noted.
    ///
    /// # Errors
    /// When neither the cache nor the database has an answer, and memory has none that is still good.
    pub async fn published(
        &self,
        config: &Config,
        platform: &impl Platform,
        cx: &Cx<'_>,
    ) -> Result<Option<Rc<PublishedSet>>, Internal> {
        if let Some(set) = self.remembered().filter(|set| set.is_fresh(cx.now)) {
            return Ok(Some(set));
        }
        if let Some(set) = self.read_cache(config, platform, cx).await {
            return Ok(Some(set));
        }
        let rows = match signing_keys::all(platform, cx).await {
            Ok(rows) => rows,
            Err(fault) => {
                let set = self.remembered().filter(|set| set.is_good(cx.now)).ok_or(fault)?;
                cx.note("D1 is unavailable: the published keys are served from memory");
                return Ok(Some(set));
            }
        };
        let rows = match signer(&rows, Algorithm::Es256, cx.now) {
            Some(_) => rows,
            None => match make_first_key(config.key_encryption_key.as_ref(), platform, cx).await {
                Ok(rows) => rows,
                Err(fault) => {
                    cx.note(fault.detail());
                    rows
                }
            },
        };
        self.publish_rows(config, cx, rows, None)
    }

    /// The key of this `kid`: from memory, else from the cache, else from the primary. An unknown
    /// `kid` is looked for at most once per [`COOL_DOWN`].
    ///
    /// # Errors
    /// When the search could not be made, so that nothing is known of the key.
    pub async fn verification_key(
        &self,
        kid: &str,
        config: &Config,
        platform: &impl Platform,
        cx: &Cx<'_>,
    ) -> Result<Option<Rc<PublicKey>>, Internal> {
        let set = self.remembered().filter(|set| set.is_good(cx.now));
        let known = set.as_ref().and_then(|set| set.find(kid));
        let is_fresh = set.is_some_and(|set| set.is_fresh(cx.now));
        if is_fresh && known.is_some() {
            return Ok(known);
        }
        if let Some(last) = self.search.get().filter(|last| cx.now < last.until) {
            return if known.is_none() && last.failed { Err(search_failed()) } else { Ok(known) };
        }
        // Keys are published for longer than MEMORY before they sign, so a fresh set lacks none and
        // one search at a time is plenty. Without a fresh set every request searches for itself: it
        // may not await what another request began, and must not refuse a good token.
        if is_fresh {
            self.search.set(Some(Search { until: cx.now + COOL_DOWN, failed: false }));
        }
        let found = self.search_published(kid, config, platform, cx).await;
        match &found {
            Ok(Some(_)) => {}
            Ok(None) => self.search.set(Some(Search { until: cx.now + COOL_DOWN, failed: false })),
            Err(_) => self.search.set(Some(Search { until: cx.now + RETRY, failed: true })),
        }
        match found {
            // A key that is remembered is good until the table foresees its end.
            Err(fault) if known.is_some() => {
                cx.note(fault.detail());
                Ok(known)
            }
            found => found,
        }
    }

    async fn search_published(
        &self,
        kid: &str,
        config: &Config,
        platform: &impl Platform,
        cx: &Cx<'_>,
    ) -> Result<Option<Rc<PublicKey>>, Internal> {
        let cached = self.read_cache(config, platform, cx).await;
        if let Some(key) = cached.as_ref().and_then(|set| set.find(kid)) {
            return Ok(Some(key));
        }
        let rows = signing_keys::all(platform, cx).await?;
        let set = self.publish_rows(config, cx, rows, cached)?;
        Ok(set.and_then(|set| set.find(kid)))
    }

    /// The key that signs with `alg` now, made if there is none. Its public half is published before
    /// it is returned.
    ///
    /// # Errors
    /// [`Internal::Misconfigured`] when `KEY_ENCRYPTION_KEY` is absent or wrong, and whatever the
    /// database reports.
    pub async fn signing_key(
        &self,
        alg: Algorithm,
        config: &Config,
        platform: &impl Platform,
        cx: &Cx<'_>,
    ) -> Result<Rc<PrivateKey>, Internal> {
        let secret = config.key_encryption_key.as_ref();
        let sealer = Sealer::new(secret)?;
        let mut rows = self.key_table(platform, cx).await?;
        if signer(&rows, alg, cx.now).is_none() {
            rows = self.remember_table(make_first_key(secret, platform, cx).await?, cx.now);
        }
        let row = signer(&rows, alg, cx.now).ok_or_else(|| Internal::Broken {
            detail: format!("no key in the key table may sign {} now", alg.name()),
        })?;
        let key = self.open(&sealer, row)?;
        self.ensure_published(key.public().kid(), &rows, config, platform, cx).await?;
        Ok(key)
    }

    /// A signer whose `kid` the published set lacks publishes it first, or relying parties could not
    /// verify what it signs.
    async fn ensure_published(
        &self,
        kid: &str,
        rows: &[KeyRow],
        config: &Config,
        platform: &impl Platform,
        cx: &Cx<'_>,
    ) -> Result<(), Internal> {
        let knows = |set: Rc<PublishedSet>| set.is_good(cx.now) && set.find(kid).is_some();
        if self.remembered().is_some_and(knows)
            || self.read_cache(config, platform, cx).await.is_some_and(knows)
        {
            return Ok(());
        }
        let Some(set) = PublishedSet::of_rows(rows, cx.now)? else { return Ok(()) };
        let publication = publication(cache_key(config), &set.document.body, set.good_until)?;
        match publish(platform, &publication).await {
            // Not remembered, so that the next signature tries again.
            Err(fault) => cx.note(fault.detail()),
            Ok(()) => drop(self.remember(set)),
        }
        Ok(())
    }

    async fn key_table(
        &self,
        database: &impl Database,
        cx: &Cx<'_>,
    ) -> Result<Rc<[KeyRow]>, Internal> {
        if let Some(table) = self.table.borrow().as_ref()
            && cx.now < table.read_at + MEMORY
        {
            return Ok(Rc::clone(&table.rows));
        }
        let rows = signing_keys::all(database, cx).await?;
        Ok(self.remember_table(rows, cx.now))
    }

    fn remember_table(&self, rows: Vec<KeyRow>, now: i64) -> Rc<[KeyRow]> {
        let rows: Rc<[KeyRow]> = rows.into();
        self.opened
            .borrow_mut()
            .retain(|key| rows.iter().any(|row| row.public.kid() == key.public().kid()));
        *self.table.borrow_mut() = Some(KeyTable { rows: Rc::clone(&rows), read_at: now });
        rows
    }

    fn open(&self, sealer: &Sealer, row: &KeyRow) -> Result<Rc<PrivateKey>, Internal> {
        let kid = row.public.kid();
        let mut opened = self.opened.borrow_mut();
        if let Some(key) = opened.iter().find(|key| key.public().kid() == kid) {
            return Ok(Rc::clone(key));
        }
        let key = Rc::new(sealer.open(&row.sealed_private, kid)?);
        opened.push(Rc::clone(&key));
        Ok(key)
    }

    fn remembered(&self) -> Option<Rc<PublishedSet>> {
        self.set.borrow().clone()
    }

    fn remember(&self, set: PublishedSet) -> Rc<PublishedSet> {
        let set = Rc::new(set);
        *self.set.borrow_mut() = Some(Rc::clone(&set));
        set
    }

    async fn read_cache(
        &self,
        config: &Config,
        cache: &impl Cache,
        cx: &Cx<'_>,
    ) -> Option<Rc<PublishedSet>> {
        let (body, good_until) = lookup(cache, cx, &cache_key(config)).await?;
        match serde_json::from_str::<JwkSet>(&body) {
            Ok(set) if !set.keys.is_empty() => {
                PublishedSet::new(set, good_until, cx.now).ok().map(|set| self.remember(set))
            }
            _ => {
                cx.note("KV holds a key set that is damaged");
                None
            }
        }
    }

    /// Remembers what the key table says, and publishes it if that is not what is `cached`. An empty
    /// set is neither remembered nor published.
    fn publish_rows(
        &self,
        config: &Config,
        cx: &Cx<'_>,
        rows: Vec<KeyRow>,
        cached: Option<Rc<PublishedSet>>,
    ) -> Result<Option<Rc<PublishedSet>>, Internal> {
        let set = PublishedSet::of_rows(&rows, cx.now)?;
        self.remember_table(rows, cx.now);
        let Some(set) = set else { return Ok(None) };
        if !cached.is_some_and(|cached| cached.says_the_same(&set)) {
            let body = &set.document.body;
            cx.publish_later(publication(cache_key(config), body, set.good_until)?);
        }
        Ok(Some(self.remember(set)))
    }
}

impl PublishedSet {
    fn new(set: JwkSet, good_until: Option<i64>, now: i64) -> Result<Self, Internal> {
        let body = serde_json::to_string(&set)
            .map_err(|error| Internal::Broken { detail: error.to_string() })?;
        Ok(Self {
            document: Rc::new(Document::new(body)),
            keys: set.keys.into_iter().map(Rc::new).collect(),
            good_until,
            read_at: now,
        })
    }

    fn of_rows(rows: &[KeyRow], now: i64) -> Result<Option<Self>, Internal> {
        let keys: Vec<_> = published(rows, now).cloned().collect();
        if keys.is_empty() {
            return Ok(None);
        }
        Self::new(JwkSet { keys }, next_change(rows, now), now).map(Some)
    }
}

/// Makes a key that signs at once, unless another isolate was faster, and returns the key table.
async fn make_first_key(
    secret: Option<&Secret>,
    database: &impl Database,
    cx: &Cx<'_>,
) -> Result<Vec<KeyRow>, Internal> {
    let sealer = Sealer::new(secret)?;
    let key = PrivateKey::generate(cx)?;
    let row = KeyRow {
        public: key.public().clone(),
        sealed_private: sealer.seal(&key, cx)?,
        publish_from: cx.now,
        sign_from: cx.now,
        sign_until: None,
        retire_at: None,
    };
    signing_keys::add_if_none_signs(database, cx, &row).await
}

/// One key for every deployment of an issuer: while an old and a new one run side by side, what one
/// publishes the other must serve.
fn cache_key(config: &Config) -> String {
    format!("jwks/{}", digest(&[config.issuer.as_str()]))
}
