//! Pending authorization requests, and the user's progress with them.
//!
//! A request by GET is not stored: its query is passed on from page to page. Pushed, signed and posted requests are
//! stored, and a handle is passed on.

use crate::context::Context;
use crate::error::{Advice, Error, Internal, PageError};
use crate::interaction::BrowserContext;
use crate::interaction::token::{InteractionStep, InteractionToken};
use crate::lifetimes::{KEPT_REQUEST_SECONDS, PUSHED_REQUEST_SECONDS};
use crate::ports::Database;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_request::PARAMETERS;
use crate::protocol::description::Description;
use crate::protocol::params::{Malformed, Params};
use crate::secret::{hash, is_random_text};
use crate::store::authorization_requests::{self, KeptRequest, NewRequest, Opening};

/// The largest request that is stored, in bytes.
const KEPT_LIMIT: usize = 8_192;

/// The prefix of the `request_uri` of a pushed request (RFC 9126 section 2.2).
const PUSHED_URI: &str = "urn:ietf:params:oauth:request_uri:";

/// Error page: the request was already completed, or has expired.
pub const COMPLETED_OR_EXPIRED: PageError = PageError::new(
    Description::fixed("the authorization request was already completed, or has expired"),
    Advice::StartAgain,
);

/// An authorization request that has no response yet.
#[derive(Debug, Default)]
pub struct PendingRequest {
    /// The query that forms carry: the parameters, or the handle of a stored request.
    pub query: String,
    /// The parameters of the authorization request.
    pub params: Params,
    /// The hash of the handle, if the request is stored.
    pub handle_hash: Option<String>,
    /// Whether its client pushed it (RFC 9126).
    pub is_pushed: bool,
    /// Whether its client signed it (RFC 9101).
    pub is_signed: bool,
}

impl PendingRequest {
    /// Makes the request of a query: parses its parameters, or those of the request that is stored under its handle.
    ///
    /// # Errors
    /// [`COMPLETED_OR_EXPIRED`] if the query has a handle and `stored` is `None`. [`PageError`] if the parameters are
    /// malformed.
    pub fn new(query: &str, stored: Option<KeptRequest>) -> Result<Self, Error> {
        let Some((kept, handle)) = split_handle(query) else {
            let params = Params::parse(query.as_bytes(), &[&PARAMETERS]).map_err(malformed)?;
            return Ok(Self { query: query.to_owned(), params, ..Self::default() });
        };
        let KeptRequest { parameters, is_pushed, is_signed, .. } =
            stored.ok_or(COMPLETED_OR_EXPIRED)?;
        let (query, handle_hash) = (kept.to_owned(), Some(hash(handle)));
        let params = Params::parse(parameters.as_bytes(), &[&PARAMETERS]).map_err(malformed)?;
        Ok(Self { query, params, handle_hash, is_pushed, is_signed })
    }

    /// Opens a pushed request, which can be done once, because its user has arrived. Returns the query with the new
    /// handle, or `None` if `request_uri` is not that of a pushed request.
    ///
    /// # Errors
    /// [`COMPLETED_OR_EXPIRED`] if another client pushed it, or it was opened before or has expired.
    pub async fn open(
        request_uri: &str,
        client_id: &str,
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<String>, Error> {
        if !request_uri.starts_with(PUSHED_URI) {
            return Ok(None);
        }
        let handle = context.random_text()?;
        let opening = Opening {
            handle_hash: &hash(request_uri),
            pushed_by: client_id,
            new_handle_hash: &hash(&handle),
            expires_at: context.now + KEPT_REQUEST_SECONDS,
        };
        if !authorization_requests::open(context.platform, &opening, context.now).await? {
            return Err(COMPLETED_OR_EXPIRED.into());
        }
        Ok(Some(format!("{HANDLE}{handle}")))
    }

    /// Returns whether the request is small enough to be stored: at most 8192 bytes, form-encoded.
    pub fn may_be_kept(&self) -> bool {
        self.params.encode().len() <= KEPT_LIMIT
    }

    /// Stores the request, and replaces its query by a handle.
    pub async fn keep(&mut self, context: &Context<'_, impl Platform>) -> Result<(), Internal> {
        let handle = context.random_text()?;
        self.query = format!("{HANDLE}{handle}");
        let handle_hash = hash(&handle);
        self.store(&handle_hash, None, KEPT_REQUEST_SECONDS, context).await?;
        self.handle_hash = Some(handle_hash);
        Ok(())
    }

    /// Stores the request for the client that pushes it, and returns its `request_uri`, which can be opened once. The
    /// stored hash is that of the whole `request_uri`, so that no `handle` in a query finds it.
    pub async fn push(
        &self,
        client_id: &str,
        context: &Context<'_, impl Platform>,
    ) -> Result<String, Internal> {
        let request_uri = format!("{PUSHED_URI}{}", context.random_text()?);
        self.store(&hash(&request_uri), Some(client_id), PUSHED_REQUEST_SECONDS, context).await?;
        Ok(request_uri)
    }

    async fn store(
        &self,
        handle_hash: &str,
        pushed_by: Option<&str>,
        lifetime: i64,
        context: &Context<'_, impl Platform>,
    ) -> Result<(), Internal> {
        let request = NewRequest {
            handle_hash,
            parameters: &self.params.encode(),
            client_id: self.params.once("client_id").ok().flatten(),
            pushed_by,
            is_signed: self.is_signed,
            expires_at: context.now + lifetime,
        };
        authorization_requests::keep(context.platform, &request, context.now).await
    }

    /// Deletes a stored request before its response is sent, so that it gets one response.
    ///
    /// # Errors
    /// [`COMPLETED_OR_EXPIRED`] if another response was sent first.
    pub async fn answer(&self, database: &impl Database) -> Result<(), Error> {
        match &self.handle_hash {
            Some(hash) if !authorization_requests::answer(database, hash).await? => {
                Err(COMPLETED_OR_EXPIRED.into())
            }
            _ => Ok(()),
        }
    }
}

/// The user's progress with a request.
#[derive(Clone, Debug, Default)]
pub struct InteractionState {
    /// When the first page was shown, in Unix seconds.
    pub began_at: Option<i64>,
    /// Whether the user chose the account that is signed in.
    pub has_chosen: bool,
    /// The requested access that the consent page showed and the user allowed.
    pub consented_to: Option<String>,
    /// Whether the user wants to use another account.
    pub wants_switch: bool,
}

fn malformed(malformed: Malformed) -> Error {
    PageError::application_fault(malformed.description()).into()
}

const HANDLE: &str = "handle=";
const RESUME: &str = "&resume=";

/// Splits a query with a handle into the query without an interaction token and the handle.
fn split_handle(query: &str) -> Option<(&str, &str)> {
    // An interaction token that is no longer valid may follow the handle. It is dropped, because it is not a parameter
    // of the request.
    let kept = query.split_once(RESUME).map_or(query, |(kept, _)| kept);
    let handle = kept.strip_prefix(HANDLE).filter(|handle| is_random_text(handle))?;
    Some((kept, handle))
}

/// Returns the hash of the handle of a stored request, if the query has one. An interaction token may follow it.
pub fn handle_hash(query: &str) -> Option<String> {
    split_handle(query).map(|(_, handle)| hash(handle))
}

/// Returns the query that continues a request: with an interaction token for the step.
pub fn resumed(
    browser: &BrowserContext<'_>,
    query: &str,
    step: InteractionStep,
    sub: &str,
    began_at: i64,
) -> String {
    let interaction_token = InteractionToken { step, request: query, sub }.issue(browser, began_at);
    format!("{query}{RESUME}{interaction_token}")
}

/// Splits the interaction token off a query that continues a request. Anything that is not a valid token for this
/// browser stays in the query as an unknown parameter.
pub fn resume<'a>(
    browser: &BrowserContext<'_>,
    query: &'a str,
    sub: Option<&str>,
    now: i64,
) -> (&'a str, InteractionState) {
    let unchanged = (query, InteractionState::default());
    let Some((request, text)) = query.rsplit_once(RESUME) else { return unchanged };
    let began_at = |step, sub| InteractionToken { step, request, sub }.began_at(browser, text, now);
    if let Some(began_at) = sub.and_then(|sub| began_at(InteractionStep::Continue, sub)) {
        let state = InteractionState {
            began_at: Some(began_at),
            has_chosen: true,
            ..InteractionState::default()
        };
        return (request, state);
    }
    if let Some(began_at) = began_at(InteractionStep::Switch, "") {
        let state = InteractionState {
            began_at: Some(began_at),
            wants_switch: true,
            ..InteractionState::default()
        };
        return (request, state);
    }
    unchanged
}
