//! The provider as endpoints and grants are given it: the context of a request, and the memory of the isolate.

use std::cell::Cell;

use crate::context::Context;
use crate::documents::DocumentSlot;
use crate::fetched::client_keys::FetchedKeys;
use crate::fetched::logos::Logos;
use crate::keys::published::PublishedKeys;
use crate::keys::signing::SigningKeys;
use crate::keys::verified::VerifiedTokens;
use crate::lifetimes::SWEEP_PAUSE_SECONDS;

/// The provider in one request.
pub struct Provider<'a, P> {
    /// The context of the request.
    pub context: Context<'a, P>,
    /// The memory of the isolate.
    pub memory: &'a Memory,
}

/// What an isolate remembers between requests. Each part bounds its own size and age.
#[derive(Default)]
pub struct Memory {
    /// Provider metadata.
    pub discovery: DocumentSlot,
    /// Keys of clients.
    pub fetched_keys: FetchedKeys,
    /// Logos of clients.
    pub logos: Logos,
    /// The published keys.
    pub published_keys: PublishedKeys,
    /// Userinfo's protected resource metadata.
    pub resource_metadata: DocumentSlot,
    /// The keys that sign.
    pub signing_keys: SigningKeys,
    /// Access tokens that were accepted.
    pub verified_tokens: VerifiedTokens,
    /// Before this time, in Unix seconds, no further sweep is deferred.
    no_sweep_before: Cell<i64>,
}

impl<P> Provider<'_, P> {
    /// Whether expired rows must be swept now, because the database failed in this request: a full one fails until
    /// something is deleted. At most once in 10 seconds.
    pub fn must_sweep(&self) -> bool {
        let Context { now, .. } = self.context;
        let must = self.context.database_failed() && self.memory.no_sweep_before.get() <= now;
        if must {
            self.memory.no_sweep_before.set(now + SWEEP_PAUSE_SECONDS);
        }
        must
    }
}
