//! Pending authorization requests, and the user's progress with them.
//!
//! A request by GET is not stored: its query is passed on from page to page. Pushed and signed requests are stored, and a
//! handle is passed on.

use crate::context::Context;
use crate::crypto::mac::{Purpose, derive};
use crate::error::{Advice, Error, Internal, PageError};
use crate::interaction::BrowserContext;
use crate::interaction::device_requests::PendingDevice;
use crate::interaction::token::{InteractionStep, InteractionToken};
use crate::lifetimes::{KEPT_REQUEST_SECONDS, PUSHED_REQUEST_SECONDS};
use crate::log::LogEvent;
use crate::pages::ConsentNotice;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::{AuthorizeError, TEMPORARILY_UNAVAILABLE};
use crate::protocol::authorization::authorize_request::PARAMETERS;
use crate::protocol::client::voucher::Voucher;
use crate::protocol::description::Description;
use crate::protocol::params::{Malformed, Params};
use crate::secret::{hash, is_random_text};
use crate::store::authorization_requests::{self, BrowserHandle, KeptRequest, NewRequest, Opening};
use crate::store::batch::{Batch, Handle};
use crate::store::client_proof::{ClientProof, ProofMethod};
use crate::store::clients::Client;
use crate::store::slots::{SlotGroup, Slots};

/// The largest request that is stored, or becomes the query of a redirect, in bytes.
const KEPT_LIMIT: usize = 8_192;

/// The largest query of a request by GET, in bytes. The forms of the pages continue it with an interaction token, and the
/// platform accepts URLs of 16 KB.
pub const QUERY_LIMIT: usize = 15_360;

/// The prefix of the `request_uri` of a pushed request (RFC 9126 section 2.2).
const PUSHED_URI: &str = "urn:ietf:params:oauth:request_uri:";

/// Error page: the request was already completed, or has expired.
pub const COMPLETED_OR_EXPIRED: PageError = PageError::new(
    Description::fixed("the authorization request was already completed, or has expired"),
    Advice::StartAgain,
);

/// The error if all the slots are taken that a request may take.
const NO_SLOT: AuthorizeError = AuthorizeError {
    code: TEMPORARILY_UNAVAILABLE,
    description: Description::fixed(
        "too many stored authorization requests of this client; try again later, or send the parameters to the \
         authorization endpoint by GET",
    ),
};

/// Returns [`NO_SLOT`], and logs its event.
fn no_slot<P>(context: &Context<'_, P>) -> Error {
    context.log_event(LogEvent::SlotsExhausted { rows: "authorization_requests" });
    NO_SLOT.into()
}

/// An authorization request in a browser.
#[derive(Debug, Default)]
pub struct PendingRequest {
    /// The query that forms carry: the parameters, or the handle of a stored request.
    pub query: String,
    /// The parameters of the authorization request.
    pub params: Params,
    /// The handle, if the request is stored.
    pub handle: Option<BrowserHandle>,
    /// Whether its client pushed it (RFC 9126).
    pub is_pushed: bool,
    /// Whether its client signed it (RFC 9101).
    pub is_signed: bool,
    /// The device that gets the response (RFC 8628), if it is not the browser that carries it.
    pub device: Option<PendingDevice>,
}

impl PendingRequest {
    /// Makes the request of a query: parses its parameters, or those of the request that is stored under its handle.
    ///
    /// # Errors
    /// [`COMPLETED_OR_EXPIRED`] if the query has a handle and `stored` is `None`. [`PageError`] if the parameters are
    /// malformed.
    pub fn new(
        browser: &BrowserContext<'_>,
        query: &str,
        stored: Option<KeptRequest>,
    ) -> Result<Self, Error> {
        let Some((kept, handle)) = split_handle(query) else {
            let params = Params::parse(query.as_bytes(), &[&PARAMETERS]).map_err(malformed)?;
            return Ok(Self { query: query.to_owned(), params, ..Self::default() });
        };
        let KeptRequest { parameters, is_pushed, is_signed, device, .. } =
            stored.ok_or(COMPLETED_OR_EXPIRED)?;
        let (query, handle) = (kept.to_owned(), in_browser(handle, browser));
        let params = Params::parse(parameters.as_bytes(), &[&PARAMETERS]).map_err(malformed)?;
        let find = |kept| {
            let device = PendingDevice::new(&browser.mac, kept, &handle.handle_hash);
            device.ok_or(COMPLETED_OR_EXPIRED)
        };
        let device = device.map(find).transpose()?;
        Ok(Self { query, params, handle: Some(handle), is_pushed, is_signed, device })
    }

    /// Opens a pushed request, because its user has arrived. Returns the query with its handle, or `None` if the query
    /// does not name a pushed request, or it cannot be opened. Only the first browser can open a request. The handle is
    /// derived from its id, so when its user reloads the page it gets the same one.
    pub async fn open(
        browser: &BrowserContext<'_>,
        query: &str,
        context: &Context<'_, impl Platform>,
    ) -> Result<Option<String>, Internal> {
        let known: &[_] = &["client_id", "request", "request_uri"];
        // Malformed parameters are refused when all of them are parsed.
        let params = Params::parse(query.as_bytes(), &[known]).unwrap_or_default();
        let Some((client_id, request_uri)) = pushed(&params) else { return Ok(None) };
        let handle = derive(&browser.id, Purpose::Handle, &[request_uri])?;
        let opening = Opening {
            uri_hash: &hash(request_uri),
            pushed_by: client_id,
            handle: &in_browser(&handle, browser),
            expires_at: context.now + KEPT_REQUEST_SECONDS,
        };
        let is_open = authorization_requests::open(context, &opening).await?;
        Ok(is_open.then(|| query_of(&handle)))
    }

    /// Checks that the forms of the pages can continue the request. The query of a stored one is short.
    ///
    /// # Errors
    /// [`PageError`] if the query is longer than 15360 bytes.
    pub fn check_length(&self) -> Result<(), PageError> {
        if self.query.len() <= QUERY_LIMIT {
            return Ok(());
        }
        let page = PageError::application_fault(QUERY_TOO_LONG);
        Err(PageError { status: 414, ..page })
    }

    /// Returns whether the request is small enough to be stored, or to be a query: at most 8192 bytes, form-encoded. The parameters that are
    /// replaced by something smaller before do not count.
    pub fn may_be_kept(&self) -> bool {
        self.params.encoded_length_without(&["id_token_hint", "request"]) <= KEPT_LIMIT
    }

    /// Stores a request of a browser, and replaces its query by a handle. Anybody can send the request, or a signed one
    /// again, so it needs a slot.
    ///
    /// # Errors
    /// [`AuthorizeError`] if none is free, [`Error::Internal`] if the platform fails.
    pub async fn keep(
        &mut self,
        client: &Client,
        browser: &BrowserContext<'_>,
        context: &Context<'_, impl Platform>,
    ) -> Result<(), Error> {
        let handle = context.random_text()?;
        let kept = in_browser(&handle, browser);
        let parameters = self.params.encode();
        let slots = Slots::draw(context, slot_group(client), &browser.address)?;
        let row = self.row((&kept.handle_hash, &parameters), context.now + KEPT_REQUEST_SECONDS);
        let request = NewRequest { slots: Some(&slots), ..row };
        if !authorization_requests::keep(context, &request).await? {
            return Err(no_slot(context));
        }
        (self.query, self.handle) = (query_of(&handle), Some(kept));
        Ok(())
    }

    /// Stores the request for the client that pushes it from this IP address, and returns its `request_uri`, which one browser can open. The
    /// stored hash is that of the whole `request_uri`, so that no `handle` in a query finds it. An authenticated client of
    /// the operator needs no slot.
    ///
    /// # Errors
    /// [`AuthorizeError`] if none is free, [`Error::Internal`] if the platform fails.
    pub async fn push(
        &self,
        client: &Client,
        address: &str,
        context: &Context<'_, impl Platform>,
    ) -> Result<String, Error> {
        let request_uri = new_request_uri(context)?;
        let (uri_hash, parameters) = (hash(&request_uri), self.params.encode());
        let is_authenticated = client.metadata.is_confidential();
        let slots = match client.voucher() {
            Voucher::Operator if is_authenticated => None,
            _ => Some(Slots::draw(context, slot_group(client), address)?),
        };
        let row = self.row((&uri_hash, &parameters), context.now + PUSHED_REQUEST_SECONDS);
        let pushed_by = Some(client.client_id.as_str());
        let request = NewRequest { pushed_by, slots: slots.as_ref(), ..row };
        if !authorization_requests::keep(context, &request).await? {
            return Err(no_slot(context));
        }
        Ok(request_uri)
    }

    /// The same as [`PendingRequest::push`] in the batch that authenticates the client, if it is one of the operator's.
    /// The handle has whether the request is stored.
    pub fn push_in(
        &self,
        batch: &mut Batch,
        (proof, address): (&ClientProof, &str),
        context: &Context<'_, impl Platform>,
    ) -> Result<(String, Handle<bool>), Internal> {
        let request_uri = new_request_uri(context)?;
        let (uri_hash, parameters) = (hash(&request_uri), self.params.encode());
        let slots = match proof.method {
            ProofMethod::Assertion { .. } | ProofMethod::Secret { .. } => None,
            ProofMethod::Public => {
                Some(Slots::draw(context, SlotGroup::requests_of(&proof.client_id), address)?)
            }
        };
        let row = self.row((&uri_hash, &parameters), context.now + PUSHED_REQUEST_SECONDS);
        let pushed_by = Some(proof.client_id.as_str());
        let request = NewRequest { pushed_by, slots: slots.as_ref(), ..row };
        let stored = authorization_requests::push_in(batch, &request, proof, context.now)?;
        Ok((request_uri, stored))
    }

    /// The row of a request that a browser sent. It needs no slot.
    fn row<'a>(
        &'a self,
        (handle_hash, parameters): (&'a str, &'a str),
        expires_at: i64,
    ) -> NewRequest<'a> {
        NewRequest {
            handle_hash,
            parameters,
            client_id: self.params.once("client_id").ok().flatten(),
            pushed_by: None,
            is_signed: self.is_signed,
            expires_at,
            slots: None,
            device: None,
        }
    }

    /// Records that this browser gets the response of a stored request.
    ///
    /// # Errors
    /// [`COMPLETED_OR_EXPIRED`] if another browser got it, or it has expired.
    pub async fn answer(&self, context: &Context<'_, impl Platform>) -> Result<(), Error> {
        match &self.handle {
            Some(handle) if !authorization_requests::answer(context, handle).await? => {
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
    /// Why the consent form that the user posted was not carried out.
    pub refused_consent: Option<ConsentNotice>,
}

fn malformed(malformed: Malformed) -> Error {
    PageError::application_fault(malformed.description()).into()
}

const QUERY_TOO_LONG: &str =
    "the query is longer than 15360 bytes: send the authorization request by POST, or push it";

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

/// Deletes the request that was stored under a `request_uri`, because it turned out to be invalid.
pub async fn discard(
    request_uri: &str,
    context: &Context<'_, impl Platform>,
) -> Result<(), Internal> {
    authorization_requests::discard(context, &hash(request_uri)).await
}

/// Returns the slots for requests that anybody can store in the name of this client.
pub(super) fn slot_group(client: &Client) -> SlotGroup<'_> {
    match client.voucher() {
        Voucher::Operator => SlotGroup::requests_of(&client.client_id),
        Voucher::Nobody | Voucher::Apis(_) => SlotGroup::REQUESTS_OF_STRANGERS,
    }
}

fn new_request_uri(context: &Context<'_, impl Platform>) -> Result<String, Internal> {
    Ok(format!("{PUSHED_URI}{}", context.random_text()?))
}

/// Returns the query with the handle of a stored request.
pub fn query_of(handle: &str) -> String {
    format!("{HANDLE}{handle}")
}

/// Returns the handle of a stored request, if the query has one. An interaction token may follow it.
pub fn handle_of(browser: &BrowserContext<'_>, query: &str) -> Option<BrowserHandle> {
    split_handle(query).map(|(_, handle)| in_browser(handle, browser))
}

fn in_browser(handle: &str, browser: &BrowserContext<'_>) -> BrowserHandle {
    BrowserHandle { handle_hash: hash(handle), browser_hash: hash(&browser.id) }
}

/// Returns the parameters `client_id` and `request_uri` of a request that a client pushed before.
pub fn pushed(params: &Params) -> Option<(&str, &str)> {
    let once = |name| params.once(name).ok().flatten();
    let request_uri = once("request_uri").filter(|uri| uri.starts_with(PUSHED_URI))?;
    let is_alone = params.all("request").next().is_none();
    Some((once("client_id")?, request_uri)).filter(|_| is_alone)
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

/// Returns the query that begins a request again after a form: with an empty interaction token.
pub fn restarted(query: &str) -> String {
    format!("{query}{RESUME}")
}

/// Returns whether a form led to the request of a query, because an interaction token follows it.
pub fn is_resumed(query: &str) -> bool {
    query.contains(RESUME)
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
    if text.is_empty() {
        return (request, InteractionState::default());
    }
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
