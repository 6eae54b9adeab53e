//! The keys of clients, from their `jwks` or from their `jwks_uri`.

use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;

use crate::bounded_map::BoundedMap;
use crate::context::Context;
use crate::error::Internal;
use crate::fetched::fetch_budget::{FetchBudget, RunningFetch};
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
use crate::protocol::client::voucher::Voucher;
use crate::store::clients::Client;

const LIMITS: FetchLimits = FetchLimits {
    accept: "application/jwk-set+json, application/json",
    accepts_json: false,
    limit: 65_536,
    timeout: 5_000,
    is_binary: false,
};

/// An isolate's memory of fetched JWK Sets. Clients that nobody vouches for have one of their own, so that a stranger with
/// many of them neither evicts the keys of the operator's clients nor uses up their fetches.
#[derive(Default)]
pub struct FetchedKeys {
    operators: FetchedSets,
    others: FetchedSets,
}

/// JWK Sets by URL. 64 entries are more than one isolate needs at a time.
#[derive(Default)]
struct FetchedSets {
    sets: RefCell<BoundedMap<String, Fetched, 64>>,
    budget: FetchBudget,
}

/// The state of the JWK Set at one URL in an isolate. All times are Unix seconds.
#[derive(Default)]
struct Fetched {
    /// The last set that was fetched, unless it is too old.
    keys: Option<Rc<ClientKeys>>,
    /// When the request began that fetched `keys`, or found that the client has withdrawn them.
    as_of: i64,
    /// `keys` may be used before this time.
    usable_until: i64,
    /// Why the last fetch failed, if it did.
    failure: Option<DocumentError>,
    /// Do not fetch before this time, because a fetch has just ended.
    quiet_until: i64,
    /// A fetch may be running until this time. It may also have ended with its request, without a result.
    running_until: i64,
}

/// The next step of a request that needs the keys of a client.
enum Step<'a> {
    Fail(DocumentError),
    Fetch(RunningFetch<'a>),
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
        let rules = context.config.outbound_rules();
        let url = metadata.jwks_uri.as_deref();
        let url = url.and_then(|url| OutboundUrl::parse(url, rules).ok());
        let url = url.ok_or(DocumentError::Forbidden)?;
        let is_candidate = |keys: &ClientKeys| keys.candidates(alg, kid).next().is_some();
        let sets = match client.voucher() {
            Voucher::Operator => &self.operators,
            Voucher::Nobody | Voucher::Apis(_) => &self.others,
        };
        let begin = || sets.budget.begin(url.host(), context.now);
        match sets.entry(url.as_str(), |set| set.step(is_candidate, begin, context.now)) {
            Step::Fail(error) => Err(error),
            Step::Use(keys) => Ok(keys),
            Step::Fetch(_running) => match fetch_set(&client.client_id, &url, context).await {
                Ok(keys) => sets.entry(url.as_str(), |set| set.succeed(keys, context.now)),
                Err(error) => sets.entry(url.as_str(), |set| {
                    set.fail(error, context.now);
                    set.usable(context.now).filter(|keys| is_candidate(keys)).ok_or(error)
                }),
            },
        }
    }
}

impl FetchedSets {
    fn entry<T>(&self, url: &str, change: impl FnOnce(&mut Fetched) -> T) -> T {
        let mut sets = self.sets.borrow_mut();
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
    /// Returns what to do at `now`. `is_candidate` returns whether a set has a key that may have made the signature.
    /// `begin` begins a fetch, unless there were too many.
    fn step<'a>(
        &mut self,
        is_candidate: impl Fn(&ClientKeys) -> bool,
        begin: impl FnOnce() -> Option<RunningFetch<'a>>,
        now: i64,
    ) -> Step<'a> {
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
        } else if is_running && (usable.is_some() || self.failure.is_some()) {
            // A stranger can name any `kid`, so a single request searches for one that is not in a usable set. And a
            // single request tries again after a failure.
            return Step::Fail(DocumentError::BeingFetched);
        }
        let Some(running) = begin() else { return Step::Fail(DocumentError::TooManyFetches) };
        self.running_until = now + CLIENT_KEYS_FETCH_SECONDS;
        Step::Fetch(running)
    }

    /// The keys, if they may be used at `now`. While one request fetches them again, the others may use the old ones.
    fn usable(&self, now: i64) -> Option<Rc<ClientKeys>> {
        let is_running = now < self.running_until;
        let extension = if is_running { CLIENT_KEYS_FETCH_SECONDS } else { 0 };
        self.keys.as_ref().filter(|_| now < self.usable_until + extension).map(Rc::clone)
    }

    /// Records the result of a fetch by a request that began at `now`. Returns the keys, or the result of a later
    /// request.
    fn succeed(&mut self, keys: ClientKeys, now: i64) -> Result<Rc<ClientKeys>, DocumentError> {
        self.running_until = 0;
        if now < self.as_of {
            let withdrawn = self.failure.unwrap_or(DocumentError::NoKeys);
            return self.keys.as_ref().map(Rc::clone).ok_or(withdrawn);
        }
        self.as_of = now;
        self.usable_until = now + CLIENT_KEYS_SECONDS;
        self.failure = None;
        self.quiet_until = now + CLIENT_KEYS_PAUSE_SECONDS;
        Ok(Rc::clone(self.keys.insert(Rc::new(keys))))
    }

    /// Records the failure of a fetch by a request that began at `now`. The keys stay in use until they are
    /// [`CLIENT_KEYS_GRACE_SECONDS`] old, unless the response shows that the client has withdrawn them.
    fn fail(&mut self, error: DocumentError, now: i64) {
        self.running_until = 0;
        if now < self.as_of || now == self.as_of && self.keys.is_some() {
            // Another request has a later result.
            return;
        }
        let pause =
            if error.is_temporary() { FETCH_RETRY_SECONDS } else { CLIENT_KEYS_PAUSE_SECONDS };
        self.failure = Some(error);
        self.quiet_until = now + pause;
        if matches!(error, DocumentError::Missing | DocumentError::NoKeys) {
            self.as_of = now;
            self.keys = None;
        }
        if self.as_of + CLIENT_KEYS_GRACE_SECONDS <= now {
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
        let succeed = |fetched: &mut Fetched, kid, now| {
            fetched.succeed(set(kid), now).map(|set| (*set).clone())
        };
        assert_eq!(succeed(&mut fetched, "new", 20), Ok(set("new")));
        assert_eq!(succeed(&mut fetched, "old", 10), Ok(set("new")));
        for error in [DocumentError::NotFetched, DocumentError::NoKeys] {
            fetched.fail(error, 20);
            assert_eq!(fetched.failure, None);
            assert_eq!(fetched.usable(20).as_deref(), Some(&set("new")));
        }
        assert_eq!(succeed(&mut fetched, "newest", 21), Ok(set("newest")));

        for error in [DocumentError::Missing, DocumentError::NoKeys] {
            let mut fetched = Fetched::default();
            fetched.fail(error, 20);
            assert_eq!(succeed(&mut fetched, "withdrawn", 10), Err(error));
            assert_eq!(fetched.usable(20), None);
            assert_eq!(succeed(&mut fetched, "newest", 21), Ok(set("newest")));
        }
    }
}
