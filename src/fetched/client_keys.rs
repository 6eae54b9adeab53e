//! The keys of clients, from their `jwks` or from their `jwks_uri`.

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

const LIMITS: FetchLimits = FetchLimits {
    accept: "application/jwk-set+json, application/json",
    limit: 65_536,
    timeout: 5_000,
    is_binary: false,
};

/// An isolate's memory of fetched JWK Sets, by URL. 64 entries are more than one isolate needs at a time.
#[derive(Default)]
pub struct FetchedKeys(RefCell<BoundedMap<String, Fetched, 64>>);

type FetchResult = Result<Rc<ClientKeys>, DocumentError>;

struct Fetched {
    keys: FetchResult,
    /// The time of the fetch, in Unix seconds.
    as_of: i64,
    /// Do not fetch again before this time, in Unix seconds.
    quiet_until: i64,
    /// Whether another request is fetching the set.
    is_running: bool,
}

/// Why a client's signature cannot be verified.
#[derive(Debug)]
pub enum KeysError {
    /// The client has no usable keys.
    Client(DocumentError),
    /// Another request is fetching the keys, or the platform failed.
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
    /// Returns whether a JWT is signed with a key of the client. If the header has no `kid`, every key for the
    /// algorithm is tried.
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

    /// Returns the keys of a client. The signature must be by a key for `alg` with this `kid`.
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
        // The URL is checked again, because the rules may have changed since the client registered.
        let allows_loopback = context.config.allows_loopback;
        let url = metadata.jwks_uri.as_deref();
        let url = url.and_then(|url| OutboundUrl::parse(url, allows_loopback).ok());
        let url = url.ok_or(DocumentError::Forbidden)?;
        if let Some(known) = self.remembered(url.as_str(), alg, kid, context.now) {
            return known;
        }
        self.mark_running(url.as_str(), context.now);
        let keys = fetch_set(&client.client_id, &url, context).await.map(Rc::new);
        Ok(self.record(url.as_str(), keys, context.now)?)
    }

    /// Returns the remembered keys if they contain the key, or if it is too early to fetch them again.
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
            let detail = "another request is fetching the document".to_owned();
            let what = "a client's jwks_uri";
            return Some(Err(Internal::Unavailable { what, detail }.into()));
        }
        Some(keys.clone().map_err(KeysError::from))
    }

    /// Remembers the result of a fetch. If the fetch failed, the keys of an earlier one stay in use until they are
    /// [`CLIENT_KEYS_GRACE_SECONDS`] old.
    fn record(&self, url: &str, keys: FetchResult, now: i64) -> FetchResult {
        let mut sets = self.0.borrow_mut();
        let is_usable =
            |set: &&mut Fetched| set.keys.is_ok() && now < set.as_of + CLIENT_KEYS_GRACE_SECONDS;
        if keys.is_err()
            && let Some(set) = sets.get_mut(url).filter(is_usable)
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

async fn fetch_set(
    client_id: &str,
    url: &OutboundUrl,
    context: &Context<'_, impl Platform>,
) -> Result<ClientKeys, DocumentError> {
    let text =
        get(format_args!("jwks_uri of the client {client_id}"), url, &LIMITS, context).await?;
    let set = parse_object(text.as_bytes()).map_err(|_| DocumentError::NotJson)?;
    ClientKeys::from_json(&Value::Object(set)).map_err(|_| DocumentError::NoKeys)
}
