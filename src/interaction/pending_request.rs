//! What a person came for, carried from page to page: an authorization request, or nothing but the account's
//! own page.

use crate::context::Context;
use crate::error::{Error, Internal, PageError};
use crate::interaction::BrowserContext;
use crate::interaction::token::{InteractionStep, InteractionToken};
use crate::lifetimes::{KEPT_REQUEST_SECONDS, PUSHED_REQUEST_SECONDS};
use crate::ports::Database;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_request::PARAMETERS;
use crate::protocol::params::{Malformed, Params};
use crate::secret::{hash, is_random_text};
use crate::store::authorization_requests::{self, KeptRequest, NewRequest, Opening};

/// The largest request that is kept, in bytes as it is stored.
const KEPT_LIMIT: usize = 8_192;

/// The beginning of the `request_uri` of a pushed request (RFC 9126 section 2.2).
const PUSHED_URI: &str = "urn:ietf:params:oauth:request_uri:";

/// What a person is told whose request was answered before, or has waited for too long.
pub const ANSWERED: PageError =
    PageError::start_again("this sign-in was completed before, or was left open for too long");

/// An authorization request that is not answered yet.
#[derive(Debug, Default)]
pub struct PendingRequest {
    /// The query by which it is asked for: its own parameters, or the handle of those that are kept.
    /// Forms carry it.
    pub query: String,
    /// Its parameters.
    pub params: Params,
    /// The hash of its handle, if it is kept.
    pub handle_hash: Option<String>,
    /// Whether its client has pushed it (RFC 9126).
    pub is_pushed: bool,
    /// Whether its client has signed it (RFC 9101).
    pub is_signed: bool,
}

impl PendingRequest {
    /// The request that a query asks for.
    ///
    /// # Errors
    /// [`ANSWERED`] where its handle is not good, or not any more.
    pub async fn find(database: &impl Database, query: &str, now: i64) -> Result<Self, Error> {
        // A ticket that is good no more may still hang on a handle: nobody else's parameter can.
        let kept = query.split_once(RESUME).map_or(query, |(kept, _)| kept);
        let handle = kept.strip_prefix(HANDLE).filter(|handle| is_random_text(handle));
        let Some(handle_hash) = handle.map(hash) else {
            let params = Params::parse(query.as_bytes(), &[&PARAMETERS]).map_err(malformed)?;
            return Ok(Self { query: query.to_owned(), params, ..Self::default() });
        };
        let request = authorization_requests::find(database, &handle_hash, now).await?;
        let KeptRequest { parameters, is_pushed, is_signed } = request.ok_or(ANSWERED)?;
        let (query, handle_hash) = (kept.to_owned(), Some(handle_hash));
        let params = Params::parse(parameters.as_bytes(), &[&PARAMETERS]).map_err(malformed)?;
        Ok(Self { query, params, handle_hash, is_pushed, is_signed })
    }

    /// The query that asks for what a client has pushed, now that its person is here, and from now on: what was
    /// pushed is opened once. `None` where `request_uri` is none that was given out for one.
    ///
    /// # Errors
    /// [`ANSWERED`] where it is another client's, was opened before, or is not good any more.
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
            return Err(ANSWERED.into());
        }
        Ok(Some(format!("{HANDLE}{handle}")))
    }

    /// Whether the request is small enough to be kept: at most 8192 bytes as it is stored.
    pub fn may_be_kept(&self) -> bool {
        self.params.encode().len() <= KEPT_LIMIT
    }

    /// Keeps the request, to be asked for by its handle, once.
    pub async fn keep(&mut self, context: &Context<'_, impl Platform>) -> Result<(), Internal> {
        let handle = context.random_text()?;
        self.query = format!("{HANDLE}{handle}");
        let handle_hash = hash(&handle);
        self.store(&handle_hash, None, KEPT_REQUEST_SECONDS, context).await?;
        self.handle_hash = Some(handle_hash);
        Ok(())
    }

    /// Keeps the request for the client that pushes it. Returns the `request_uri` that asks for it, once. It is kept
    /// under the whole of that: no handle opens it.
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
            pushed_by,
            is_signed: self.is_signed,
            expires_at: context.now + lifetime,
        };
        authorization_requests::keep(context.platform, &request, context.now).await
    }

    /// Marks the request as answered: of several answers to one that is kept, one goes out.
    ///
    /// # Errors
    /// [`ANSWERED`] where another was faster.
    pub async fn answer(&self, database: &impl Database) -> Result<(), Error> {
        match &self.handle_hash {
            Some(hash) if !authorization_requests::answer(database, hash).await? => {
                Err(ANSWERED.into())
            }
            _ => Ok(()),
        }
    }
}

/// What a person has done for a request so far.
#[derive(Clone, Debug, Default)]
pub struct InteractionState {
    /// When its first page was shown, in Unix seconds.
    pub began_at: Option<i64>,
    /// Has chosen the account that is signed in.
    pub has_chosen: bool,
    /// What they were shown that it asks for, and allowed.
    pub consented_to: Option<String>,
    /// Wants to be somebody else.
    pub wants_switch: bool,
}

fn malformed(malformed: Malformed) -> Error {
    PageError::application_fault(malformed.description()).into()
}

const HANDLE: &str = "handle=";
const RESUME: &str = "&resume=";

/// The query that goes on with a request.
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

/// Takes the ticket off a query that goes on with a request. Whatever is no ticket of ours is a parameter that
/// is not known, and stays.
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
