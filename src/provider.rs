//! The argument of every endpoint and grant: the context of a request, and the memory of the isolate.

use std::cell::Cell;

use crate::context::Context;
use crate::documents::DocumentSlot;
use crate::fetched::client_documents::ClientDocuments;
use crate::fetched::client_keys::FetchedKeys;
use crate::fetched::fetcher::{FetchBudgets, Fetcher};
use crate::fetched::logos::Logos;
use crate::fetched::request_objects::RequestObjects;
use crate::fetched::sector::Sectors;
use crate::keys::published::PublishedKeys;
use crate::keys::signing::SigningKeys;
use crate::keys::verified::VerifiedTokens;
use crate::lifetimes::{SWEEP_CONTINUATION_SECONDS, SWEEP_INTERVAL_SECONDS, SWEEP_PAUSE_SECONDS};
use crate::log::WrittenEvents;

/// The provider in one request.
pub struct Provider<'a, P> {
    pub context: Context<'a, P>,
    pub memory: &'a Memory,
}

/// The memory of an isolate between requests. Each part limits its own size and age.
#[derive(Default)]
pub struct Memory {
    /// Client metadata documents, by the identifiers of their clients.
    pub client_documents: ClientDocuments,
    /// The provider metadata (OpenID Connect Discovery section 3).
    pub discovery: DocumentSlot,
    /// The limits of all fetches.
    pub fetch_budgets: FetchBudgets,
    /// Keys fetched from the `jwks_uri` of clients.
    pub fetched_keys: FetchedKeys,
    /// Logos fetched from the `logo_uri` of clients.
    pub logos: Logos,
    /// The JWK Set, for relying parties and to verify with.
    pub published_keys: PublishedKeys,
    /// Request objects fetched from the `request_uri` of clients.
    pub request_objects: RequestObjects,
    /// The protected resource metadata of the userinfo endpoint (RFC 9728).
    pub resource_metadata: DocumentSlot,
    /// The sectors that could not be fetched.
    pub sectors: Sectors,
    pub signing_keys: SigningKeys,
    /// Access tokens whose signature was verified.
    pub verified_tokens: VerifiedTokens,
    /// The events that are not written again too soon.
    pub written_events: WrittenEvents,
    /// When expired rows are deleted next, in Unix seconds.
    next_sweep: Cell<i64>,
    /// Do not defer a sweep because the database failed before this time, in Unix seconds.
    no_sweep_before: Cell<i64>,
}

impl Memory {
    /// Returns whether expired rows must be deleted after a request that adds rows which expire: once per
    /// [`SWEEP_INTERVAL_SECONDS`].
    pub fn must_sweep(&self, now: i64) -> bool {
        let must = self.next_sweep.get() <= now;
        if must {
            self.next_sweep.set(now + SWEEP_INTERVAL_SECONDS);
        }
        must
    }

    /// Lets one of the next requests sweep again, because there are more expired rows.
    pub fn continue_sweep(&self, now: i64) {
        self.next_sweep.set(now + SWEEP_CONTINUATION_SECONDS);
    }
}

impl<P> Provider<'_, P> {
    /// Returns the fetches for a request from this address; `None` for a request of the operator.
    pub fn fetcher<'a>(&'a self, address: Option<&'a str>) -> Fetcher<'a, P> {
        Fetcher { context: &self.context, budgets: &self.memory.fetch_budgets, address }
    }

    /// Returns whether expired rows must be deleted now because the database failed in this request: a full database fails
    /// until rows are deleted. Returns true at most once per [`SWEEP_PAUSE_SECONDS`].
    pub fn must_free_space(&self) -> bool {
        let Context { now, .. } = self.context;
        let must = self.context.database_failed() && self.memory.no_sweep_before.get() <= now;
        if must {
            self.memory.no_sweep_before.set(now + SWEEP_PAUSE_SECONDS);
        }
        must
    }
}
