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
    CLIENT_KEYS_EXTENSION_SECONDS, CLIENT_KEYS_FETCH_SECONDS, CLIENT_KEYS_GRACE_SECONDS,
    CLIENT_KEYS_PAUSE_SECONDS, CLIENT_KEYS_SECONDS, FETCH_RETRY_SECONDS,
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

/// How many fetches of one URL an isolate begins in [`CLIENT_KEYS_SECONDS`] while another one runs. A request cannot
/// wait for another request's fetch, so each of those that arrive before the first keys do fetches them itself. The
/// limit protects the client's server: a stranger who knows a `client_id` can cause such requests.
const SIMULTANEOUS_FETCHES: u32 = 64;

/// An isolate's memory of fetched JWK Sets, by URL. 64 entries are more than one isolate needs at a time.
#[derive(Default)]
pub struct FetchedKeys(RefCell<BoundedMap<String, Fetched, 64>>);

/// What an isolate knows about the JWK Set at one URL. All times are Unix seconds.
#[derive(Default)]
struct Fetched {
    /// The last set that was fetched, unless it is too old.
    keys: Option<Rc<ClientKeys>>,
    /// When the request began that fetched `keys`.
    as_of: i64,
    /// `keys` may be used before this time.
    usable_until: i64,
    /// Why the last fetch failed, if it did.
    failure: Option<DocumentError>,
    /// Do not fetch before this time, because a fetch has just ended.
    quiet_until: i64,
    /// A fetch may be running until this time. It may also have ended with its request, without a result.
    running_until: i64,
    /// The number of fetches that began since `counted_from`.
    begun: u32,
    counted_from: i64,
}

/// What a request does for the keys of a client.
enum Step {
    Fail(DocumentError),
    Fetch,
    Use(Rc<ClientKeys>),
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
    ) -> Result<Rc<ClientKeys>, DocumentError> {
        let metadata = &client.metadata;
        if let Some(keys) = &metadata.jwks {
            return Ok(Rc::new(keys.clone()));
        }
        // The URL is checked again, because the rules may have changed since the client registered.
        let allows_loopback = context.config.allows_loopback;
        let url = metadata.jwks_uri.as_deref();
        let url = url.and_then(|url| OutboundUrl::parse(url, allows_loopback).ok());
        let url = url.ok_or(DocumentError::Forbidden)?;
        let is_candidate = |keys: &ClientKeys| keys.candidates(alg, kid).next().is_some();
        match self.entry(url.as_str(), |set| set.step(is_candidate, context.now)) {
            Step::Fail(error) => return Err(error),
            Step::Fetch => {}
            Step::Use(keys) => return Ok(keys),
        }
        match fetch_set(&client.client_id, &url, context).await {
            Ok(keys) => Ok(self.entry(url.as_str(), |set| set.succeed(keys, context.now))),
            Err(error) => self.entry(url.as_str(), |set| {
                set.fail(error, context.now);
                set.usable(context.now).filter(|keys| is_candidate(keys)).ok_or(error)
            }),
        }
    }

    fn entry<T>(&self, url: &str, change: impl FnOnce(&mut Fetched) -> T) -> T {
        let mut sets = self.0.borrow_mut();
        if let Some(set) = sets.get_mut(url) {
            return change(set);
        }
        let mut set = Fetched::default();
        let result = change(&mut set);
        sets.insert(url.to_owned(), set);
        result
    }
}

impl Fetched {
    /// Returns what to do at `now`, and counts a fetch as begun. `is_candidate` returns whether a set has a key that may
    /// have made the signature.
    fn step(&mut self, is_candidate: impl Fn(&ClientKeys) -> bool, now: i64) -> Step {
        let is_running = now < self.running_until;
        let usable = self.usable(now);
        if let Some(keys) = usable.as_ref().filter(|keys| is_candidate(keys)) {
            return Step::Use(Rc::clone(keys));
        }
        if now < self.quiet_until {
            match (self.failure, usable) {
                (Some(error), _) => return Step::Fail(error),
                (None, Some(keys)) => return Step::Use(keys),
                (None, None) => {}
            }
        } else if is_running && (usable.is_some() || self.begun >= SIMULTANEOUS_FETCHES) {
            // A stranger can name any `kid`, so a single request searches for one that is not in a usable set.
            return Step::Fail(DocumentError::BeingFetched);
        }
        if self.counted_from + CLIENT_KEYS_SECONDS <= now {
            (self.begun, self.counted_from) = (0, now);
        }
        self.begun += 1;
        self.running_until = now + CLIENT_KEYS_FETCH_SECONDS;
        Step::Fetch
    }

    /// The keys, if they may be used at `now`. While one request fetches them again, the others may use the old ones.
    fn usable(&self, now: i64) -> Option<Rc<ClientKeys>> {
        let is_running = now < self.running_until;
        let extension = if is_running { CLIENT_KEYS_FETCH_SECONDS } else { 0 };
        self.keys.as_ref().filter(|_| now < self.usable_until + extension).map(Rc::clone)
    }

    /// Records the result of a fetch by a request that began at `now`. Returns the keys, or those of a later request.
    fn succeed(&mut self, keys: ClientKeys, now: i64) -> Rc<ClientKeys> {
        self.running_until = 0;
        let is_outdated = now < self.as_of;
        if let Some(later) = self.keys.as_ref().filter(|_| is_outdated) {
            return Rc::clone(later);
        }
        self.as_of = now;
        self.usable_until = now + CLIENT_KEYS_SECONDS;
        self.failure = None;
        self.quiet_until = now + CLIENT_KEYS_PAUSE_SECONDS;
        Rc::clone(self.keys.insert(Rc::new(keys)))
    }

    /// Records the failure of a fetch by a request that began at `now`. The keys stay in use until they are
    /// [`CLIENT_KEYS_GRACE_SECONDS`] old, unless the document shows that the client has no key.
    fn fail(&mut self, error: DocumentError, now: i64) {
        self.running_until = 0;
        if self.keys.is_some() && now <= self.as_of {
            // Another request has fetched them meanwhile.
            return;
        }
        let pause =
            if error.is_temporary() { FETCH_RETRY_SECONDS } else { CLIENT_KEYS_PAUSE_SECONDS };
        self.failure = Some(error);
        self.quiet_until = now + pause;
        if error == DocumentError::NoKeys || self.as_of + CLIENT_KEYS_GRACE_SECONDS <= now {
            self.keys = None;
        }
        self.usable_until = self.usable_until.max(now + CLIENT_KEYS_EXTENSION_SECONDS);
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(kid: &str) -> ClientKeys {
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": kid,
        });
        ClientKeys::from_json(&json!({ "keys": [key] })).unwrap()
    }

    #[test]
    fn a_result_that_arrives_late_does_not_replace_that_of_a_later_request() {
        let mut fetched = Fetched::default();
        assert_eq!(*fetched.succeed(set("new"), 20), set("new"));
        assert_eq!(*fetched.succeed(set("old"), 10), set("new"));
        for error in [DocumentError::NotFetched, DocumentError::NoKeys] {
            fetched.fail(error, 20);
            assert_eq!(fetched.failure, None);
            assert_eq!(fetched.usable(20).as_deref(), Some(&set("new")));
        }
        assert_eq!(*fetched.succeed(set("newest"), 21), set("newest"));
    }
}
