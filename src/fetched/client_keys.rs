//! The keys of clients: those that stand in their metadata, and those that are fetched from where they say.

use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;

use crate::bounded_map::BoundedMap;
use crate::context::Context;
use crate::error::Internal;
use crate::fetched::{DocumentError, get};
use crate::jose::client_jwk::{ClientAlgorithm, ClientKeys};
use crate::jose::json::parse_object;
use crate::lifetimes::{
    CLIENT_KEYS_FETCH_SECONDS, CLIENT_KEYS_GRACE_SECONDS, CLIENT_KEYS_PAUSE_SECONDS,
    CLIENT_KEYS_SECONDS,
};
use crate::ports::{FetchLimits, Platform};
use crate::protocol::client::jwt::ClientSignature;
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::store::clients::Client;

/// What is fetched: of a JWK Set no more than this many bytes, for no more than this many milliseconds.
const WANTED: FetchLimits = FetchLimits {
    accept: "application/jwk-set+json, application/json",
    limit: 65_536,
    timeout: 5_000,
    is_binary: false,
};

/// The fetched sets that an isolate remembers, by their URL: more than it sees in a while.
#[derive(Default)]
pub struct FetchedKeys(RefCell<BoundedMap<String, Fetched, 64>>);

/// A client's keys, or why there are none.
type Known = Result<Rc<ClientKeys>, DocumentError>;

struct Fetched {
    keys: Known,
    /// When it was fetched, in Unix seconds.
    as_of: i64,
    /// Until when it is not fetched again.
    quiet_until: i64,
    /// Whether that is because it is being fetched.
    is_running: bool,
}

/// Why a client's signature cannot be verified.
#[derive(Debug)]
pub enum KeysError {
    /// The client has no keys to verify with.
    Client(DocumentError),
    /// Another request fetches them, or the platform failed.
    Internal(Internal),
}

impl From<DocumentError> for KeysError {
    fn from(error: DocumentError) -> Self {
        Self::Client(error)
    }
}

impl From<Internal> for KeysError {
    fn from(fault: Internal) -> Self {
        Self::Internal(fault)
    }
}

impl FetchedKeys {
    /// Whether a JWT is signed with a key of its client's: without a `kid`, any of its algorithm.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn verify(
        &self,
        client: &Client,
        signature: &ClientSignature<'_>,
        context: &Context<'_, impl Platform>,
    ) -> Result<bool, KeysError> {
        let ClientSignature { alg, kid, signature, signing_input } = signature;
        let kid = kid.as_deref();
        let keys = self.of_client(client, *alg, kid, context).await?;
        for key in keys.candidates(*alg, kid) {
            if context
                .platform
                .verify_of_client(key, *alg, signing_input.as_bytes(), signature)
                .await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The keys of a client among which must be one that signed with `alg` as `kid`.
    async fn of_client(
        &self,
        client: &Client,
        alg: ClientAlgorithm,
        kid: Option<&str>,
        context: &Context<'_, impl Platform>,
    ) -> Result<Rc<ClientKeys>, KeysError> {
        let metadata = &client.metadata;
        if let Some(keys) = &metadata.jwks {
            return Ok(Rc::new(keys.clone()));
        }
        // The rules may have changed since it was registered.
        let allows_loopback = context.config.allows_loopback;
        let url = metadata.jwks_uri.as_deref();
        let url = url.and_then(|url| OutboundUrl::parse(url, allows_loopback).ok());
        let url = url.ok_or(DocumentError::Forbidden)?;
        if let Some(known) = self.remembered(url.as_str(), alg, kid, context.now) {
            return known;
        }
        self.mark_running(url.as_str(), context.now);
        let keys = fetch_set(&url, context).await.map(Rc::new);
        Ok(self.learn(url.as_str(), keys, context.now)?)
    }

    /// What is known without fetching: the key is there, or it is too early to look again.
    fn remembered(
        &self,
        url: &str,
        alg: ClientAlgorithm,
        kid: Option<&str>,
        now: i64,
    ) -> Option<Result<Rc<ClientKeys>, KeysError>> {
        let sets = self.0.borrow();
        let Fetched { keys, as_of, quiet_until, is_running } = sets.get(url)?;
        let is_quiet = now < *quiet_until;
        if let Ok(keys) = keys
            && (now < as_of + CLIENT_KEYS_SECONDS || is_quiet)
            && keys.candidates(alg, kid).next().is_some()
        {
            return Some(Ok(Rc::clone(keys)));
        }
        if !is_quiet {
            return None;
        }
        if *is_running {
            let detail = "another request is fetching it".to_owned();
            let what = "a client's jwks_uri";
            return Some(Err(Internal::Unavailable { what, detail }.into()));
        }
        Some(keys.clone().map_err(KeysError::from))
    }

    /// Remembers what came of a fetch. One that failed does not take away what the last one brought, for a while.
    fn learn(&self, url: &str, keys: Known, now: i64) -> Known {
        let mut sets = self.0.borrow_mut();
        let is_good =
            |set: &&mut Fetched| set.keys.is_ok() && now < set.as_of + CLIENT_KEYS_GRACE_SECONDS;
        if keys.is_err()
            && let Some(set) = sets.get_mut(url).filter(is_good)
        {
            (set.quiet_until, set.is_running) = (now + CLIENT_KEYS_PAUSE_SECONDS, false);
            return set.keys.clone();
        }
        let quiet_until = now + CLIENT_KEYS_PAUSE_SECONDS;
        let fetched = Fetched { keys: keys.clone(), as_of: now, quiet_until, is_running: false };
        sets.insert(url.to_owned(), fetched);
        keys
    }

    fn mark_running(&self, url: &str, now: i64) {
        let mut sets = self.0.borrow_mut();
        let quiet_until = now + CLIENT_KEYS_FETCH_SECONDS;
        if let Some(set) = sets.get_mut(url) {
            (set.quiet_until, set.is_running) = (quiet_until, true);
            return;
        }
        let keys = Err(DocumentError::NotFetched);
        sets.insert(url.to_owned(), Fetched { keys, as_of: now, quiet_until, is_running: true });
    }
}

/// Fetches a set.
async fn fetch_set(
    url: &OutboundUrl,
    context: &Context<'_, impl Platform>,
) -> Result<ClientKeys, DocumentError> {
    let text = get("jwks_uri", url, &WANTED, context).await?;
    let set = parse_object(text.as_bytes()).map_err(|_| DocumentError::NotJson)?;
    ClientKeys::from_json(&Value::Object(set)).map_err(|_| DocumentError::NoKeys)
}
