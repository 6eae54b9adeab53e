//! The keys of clients, from their `jwks` or from their `jwks_uri`.

use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;

use crate::bounded_map::BoundedMap;
use crate::error::Internal;
use crate::fetched::DocumentError;
use crate::fetched::fetcher::{Fetcher, Gotten, Order, Owner, PerOwner};
use crate::fetched::pauses::Pauses;
use crate::jose::client_jwk::ClientKeys;
use crate::jose::json::parse_object;
use crate::lifetimes::{
    CLIENT_KEYS_CROWDED_SECONDS, CLIENT_KEYS_EXTENSION_SECONDS, CLIENT_KEYS_GRACE_SECONDS,
    CLIENT_KEYS_PAUSE_SECONDS, CLIENT_KEYS_SECONDS, FETCH_RETRY_SECONDS, FETCH_SECONDS,
};
use crate::ports::{FetchLimits, Platform};
use crate::protocol::client::jwt::ClientSignature;
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::store::clients::Client;

const LIMITS: FetchLimits = FetchLimits {
    accept: "application/jwk-set+json, application/json",
    accepts_json: false,
    limit: 65_536,
    timeout: 5_000,
    is_binary: false,
};

/// An isolate's memory of fetched JWK Sets. Each kind of owners has one, so that a stranger with many clients does not
/// displace the keys of the operator's clients.
#[derive(Default)]
pub struct FetchedKeys(PerOwner<FetchedSets>);

/// JWK Sets by URL. 64 entries are more than one isolate needs at a time.
#[derive(Default)]
struct FetchedSets {
    sets: RefCell<BoundedMap<OutboundUrl, FetchedSet, 64>>,
    pauses: Pauses<DocumentError>,
}

/// The last JWK Set of one URL. All times are Unix seconds.
struct FetchedSet {
    keys: Rc<ClientKeys>,
    /// When the request began that fetched `keys`.
    fetched_at: i64,
    /// `keys` may be used before this time.
    usable_until: i64,
    /// Do not search for a key that is not in the set before this time.
    complete_until: i64,
}

/// Why a client's signature cannot be verified.
#[derive(Debug)]
pub enum KeysError {
    /// The client's keys cannot be used.
    Document(DocumentError),
    /// The platform failed.
    Internal(Internal),
}

impl From<DocumentError> for KeysError {
    fn from(error: DocumentError) -> Self {
        Self::Document(error)
    }
}

impl From<Internal> for KeysError {
    fn from(fault: Internal) -> Self {
        Self::Internal(fault)
    }
}

impl FetchedKeys {
    /// Returns whether a JWT is signed with a key of the client. If the header has no `kid`, every key for the
    /// algorithm is tried.
    pub async fn verify(
        &self,
        client: &Client,
        signature: &ClientSignature<'_>,
        fetcher: &Fetcher<'_, impl Platform>,
    ) -> Result<bool, KeysError> {
        let keys = self.of_client(client, signature, fetcher).await?;
        let ClientSignature { alg, kid, signature, signing_input } = signature;
        let platform = fetcher.context.platform;
        for key in keys.candidates(*alg, kid.as_deref()) {
            if platform.verify_of_client(key, *alg, signing_input.as_bytes(), signature).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the keys of a client, one of which may have made the signature.
    async fn of_client(
        &self,
        client: &Client,
        signature: &ClientSignature<'_>,
        fetcher: &Fetcher<'_, impl Platform>,
    ) -> Result<Rc<ClientKeys>, DocumentError> {
        let metadata = &client.metadata;
        if let Some(keys) = &metadata.jwks {
            return Ok(Rc::new(keys.clone()));
        }
        // The URL is checked again, because the rules may have changed since the client registered.
        let url = metadata.jwks_uri.as_deref();
        let rules = fetcher.context.config.outbound_rules();
        let url = url.and_then(|url| OutboundUrl::parse(url, rules).ok());
        let url = url.ok_or(DocumentError::Forbidden)?;
        let order = Order {
            kind: "jwks_uri",
            url: &url,
            limits: &LIMITS,
            client_id: Some(&client.client_id),
            owner: Owner::of(client),
        };
        let sets = self.0.of(order.owner);
        let wanted = |keys: &ClientKeys| is_candidate(keys, signature);
        let known = || sets.known(&order, wanted, fetcher);
        let text = match fetcher.get_unless(&order, known).await {
            Ok(Gotten::Known(known)) => return known,
            Ok(Gotten::Fetched(text, _)) => Ok(text),
            Err(error) => Err(error),
        };
        let now = fetcher.context.now;
        match text.and_then(|text| parse_set(&text)) {
            Ok(keys) => Ok(sets.succeed(&url, keys, now)),
            Err(error) => {
                sets.fail(&url, error, now);
                sets.usable(&url, error, now).filter(|keys| wanted(keys)).ok_or(error)
            }
        }
    }
}

/// Returns whether one of the keys may have made the signature.
fn is_candidate(keys: &ClientKeys, ClientSignature { alg, kid, .. }: &ClientSignature<'_>) -> bool {
    keys.candidates(*alg, kid.as_deref()).next().is_some()
}

fn parse_set(text: &str) -> Result<ClientKeys, DocumentError> {
    let set = parse_object(text.as_bytes()).map_err(|_| DocumentError::NotJson)?;
    ClientKeys::from_json(&Value::Object(set)).map_err(|_| DocumentError::NoKeys)
}

impl FetchedSets {
    /// Returns the keys without a fetch, or why they must not be fetched now. While another request fetches them again, the
    /// old ones are used for [`FETCH_SECONDS`] more.
    fn known(
        &self,
        order: &Order<'_>,
        is_candidate: impl Fn(&ClientKeys) -> bool,
        fetcher: &Fetcher<'_, impl Platform>,
    ) -> Option<Result<Rc<ClientKeys>, DocumentError>> {
        let now = fetcher.context.now;
        let extension = if fetcher.is_fetched(order) { FETCH_SECONDS } else { 0 };
        let sets = self.sets.borrow();
        let set = sets.get(order.url).filter(|set| now < set.usable_until + extension);
        // A stranger can name any `kid`, so one that is not in the set is searched for at times only.
        if let Some(set) = set
            && (is_candidate(&set.keys) || now < set.complete_until)
        {
            return Some(Ok(Rc::clone(&set.keys)));
        }
        self.pauses.reason(order.url, fetcher.context).map(Err)
    }

    /// Returns the keys that are used although fetching them again has failed.
    fn usable(&self, url: &OutboundUrl, error: DocumentError, now: i64) -> Option<Rc<ClientKeys>> {
        let until = |set: &FetchedSet| match error {
            // Strangers may use up the fetches. That must not end what the client has.
            DocumentError::TooManyFetches => {
                set.usable_until.max(set.fetched_at + CLIENT_KEYS_CROWDED_SECONDS)
            }
            _ => set.usable_until,
        };
        let sets = self.sets.borrow();
        sets.get(url).filter(|set| now < until(set)).map(|set| Rc::clone(&set.keys))
    }

    /// Records the result of a fetch by a request that began at `now`.
    fn succeed(&self, url: &OutboundUrl, keys: ClientKeys, now: i64) -> Rc<ClientKeys> {
        let keys = Rc::new(keys);
        let set = FetchedSet {
            keys: Rc::clone(&keys),
            fetched_at: now,
            usable_until: now + CLIENT_KEYS_SECONDS,
            complete_until: now + CLIENT_KEYS_PAUSE_SECONDS,
        };
        self.sets.borrow_mut().insert(url.clone(), set);
        self.pauses.end(url);
        keys
    }

    /// Records the failure of a fetch by a request that began at `now`. The keys stay in use until they are
    /// [`CLIENT_KEYS_GRACE_SECONDS`] old, unless the response shows that the client has withdrawn them.
    fn fail(&self, url: &OutboundUrl, error: DocumentError, now: i64) {
        if !error.was_fetched() {
            return;
        }
        let pause =
            if error.is_temporary() { FETCH_RETRY_SECONDS } else { CLIENT_KEYS_PAUSE_SECONDS };
        self.pauses.begin(url, error, now + pause, now);
        let mut sets = self.sets.borrow_mut();
        let is_withdrawn = matches!(error, DocumentError::Missing | DocumentError::NoKeys);
        match sets.get_mut(url) {
            Some(set) if !is_withdrawn && now < set.fetched_at + CLIENT_KEYS_GRACE_SECONDS => {
                set.usable_until = set.usable_until.max(now + CLIENT_KEYS_EXTENSION_SECONDS);
            }
            _ => sets.remove(url),
        }
    }
}
