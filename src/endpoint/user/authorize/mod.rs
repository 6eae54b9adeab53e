//! The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2).
//!
//! Each request passes the same steps, whether its parameters are sent, signed or pushed. After each page that its user
//! has submitted, it passes them again. After parsing, the steps are:
//!
//! - [`facts`]: read what the database holds about the request
//! - [`mod@resolve`]: find the effective parameters
//! - [`mod@validate`]: check them, and determine the redirect URI
//! - [`mod@decide`]: decide what the request needs next, given the user's progress with it (a pure function)
//! - [`act`], [`interaction`]: issue a code or tokens, or show a page; [`respond`] sends the response to the client

pub mod act;
pub mod decide;
pub mod device;
pub mod facts;
pub mod id_token_hint;
pub mod implicit;
pub mod interaction;
pub mod resolve;
pub mod respond;
pub mod validate;

use form_urlencoded::Serializer;

use crate::endpoint::support::client_documents::ClientKind;
use crate::endpoint::support::form;
use crate::error::{Error, PageError, Protocol};
use crate::http::{Request, Response, is_prefetch};
use crate::interaction::BrowserContext;
use crate::interaction::pending_request::{
    InteractionState, PendingRequest, QUERY_LIMIT, handle_of, pushed, resume,
};
use crate::limits::rate_limits::may_store;
use crate::ports::Platform;
use crate::protocol::authorization::reply_to::ReplyTo;
use crate::protocol::params::Params;
use crate::provider::Provider;
use decide::{Next, decide};
use facts::Facts;
use interaction::Interaction;
use resolve::{Resolved, TOO_LARGE, TOO_MANY, resolve};
use respond::{Delivery, fail, redirect_to_authorize, refuse};
use validate::{ValidatedRequest, Validation, validate};

/// The parameters of a request that its GET stores, or opens because it was pushed.
const STORED_BY_GET: [&str; 2] = ["request", "request_uri"];

/// Responds to an authorization request, or shows the first page that it needs.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let Provider { context, memory } = provider;
    if request.method() == "POST" {
        return repeat_by_get(provider, request).await;
    }
    // Nobody has decided yet to open the page. Its request would be opened, or its code issued and spent by the client,
    // in a document that the browser may drop. Browsers discard a prefetched response whose status is not 2xx, and
    // repeat the request when the user follows the link. The cookies are not read, so that nothing is set either.
    if is_prefetch(request) {
        return Ok(Response::empty(503));
    }
    let browser = BrowserContext::from_request(context, request)?;
    if request.method() == "HEAD" {
        return head(provider, request, &browser).await;
    }
    // Begin to generate a missing key now, so that it is ready when the user has signed in.
    if let Err(fault) = memory.published_keys.get(context).await {
        context.log_fault(&fault);
    }
    // A pushed request gets a URL that can be reloaded.
    if let Some(query) = PendingRequest::open(&browser, request.query(), context).await? {
        return Ok(browser.remember_in(redirect_to_authorize(context, &query)));
    }
    let mut facts = Facts::of_query(context, &browser, request.query()).await?;
    let sub = facts.session.as_ref().map(|session| session.sub.as_str());
    let (query, state) = resume(&browser, request.query(), sub, context.now);
    let pending = PendingRequest::new(&browser, query, facts.stored.take())?;
    let delivery = Delivery::new(request, &pending.params).after(&state);
    match resolve(provider, request, (&browser, pending), &mut facts).await? {
        Resolved::Request(pending) => {
            let interaction = Interaction::new(provider, &browser, &pending, request);
            interaction.proceed(facts, state).await
        }
        Resolved::Refused(reply_to, error) => {
            refuse(context, &PendingRequest::default(), &reply_to, error, delivery).await
        }
    }
}

/// Responds to a `HEAD` like to a GET of a browser in which nobody is signed in. Nothing is written: a request that is
/// stored, or whose GET opens or stores it, is not looked at. Neither is one of a client by document, which the GET may
/// fetch, store or withdraw.
async fn head(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    browser: &BrowserContext<'_>,
) -> Result<Response, Error> {
    let query = request.query();
    let known: &[&[_]] = &[&STORED_BY_GET, &["client_id"]];
    let params = Params::parse(query.as_bytes(), known).unwrap_or_default();
    let is_stored_by_get = STORED_BY_GET.iter().any(|name| params.all(name).next().is_some());
    let is_by_document = params
        .all("client_id")
        .any(|id| ClientKind::new(id, provider.context.config) == ClientKind::ByDocument);
    if is_stored_by_get || is_by_document || handle_of(browser, query).is_some() {
        return Ok(Response::empty(200));
    }
    let facts = Facts::of_query(&provider.context, browser, query).await?;
    let pending = PendingRequest::new(browser, query, None)?;
    let interaction = Interaction::new(provider, browser, &pending, request);
    interaction.proceed(facts, InteractionState::default()).await
}

/// Redirects the browser to repeat a request by POST by GET. Another site has sent it, so the `SameSite=Lax` cookies are
/// missing; the browser sends them with the GET. What fits into a URL is not stored, because anybody can send it.
async fn repeat_by_get(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let params = form::authorization_request(request).await?;
    // Only the GET opens a pushed request, because it has the browser's cookies.
    if let Some((client_id, request_uri)) = pushed(&params) {
        let reference = [("client_id", client_id), ("request_uri", request_uri)];
        let query = Serializer::new(String::new()).extend_pairs(reference).finish();
        return Ok(redirect_to_authorize(context, &query));
    }
    let pending = PendingRequest { params, ..PendingRequest::default() };
    // Checked first, so that an isolate holds only small requests while it waits.
    if !pending.may_be_kept() {
        // Show a page, because a redirect would repeat `state`, which may be the reason for the size.
        let page = PageError::application_fault(TOO_LARGE.description);
        return Err(PageError { status: 413, ..page }.into());
    }
    let is_signed = STORED_BY_GET.iter().any(|name| pending.params.all(name).next().is_some());
    if is_signed || pending.params.encoded_length_without(&[]) > QUERY_LIMIT {
        return keep(provider, request, pending).await;
    }
    Ok(redirect_to_authorize(context, &pending.params.encode()))
}

/// Stores a request by POST that is too long for a URL, as a request object or an ID token may be.
async fn keep(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    pending: PendingRequest,
) -> Result<Response, Error> {
    let context = &provider.context;
    let browser = BrowserContext::from_request(context, request)?;
    // A form of the client led to this request, so the provider's policy does not apply.
    let delivery = Delivery { is_behind_form: false, ..Delivery::new(request, &pending.params) };
    let mut facts = Facts::of_params(context, &browser, &pending.params).await?;
    let mut pending = match resolve(provider, request, (&browser, pending), &mut facts).await? {
        Resolved::Request(pending) => pending,
        Resolved::Refused(reply_to, error) => {
            return refuse(context, &PendingRequest::default(), &reply_to, error, delivery).await;
        }
    };
    if pending.handle.is_none() {
        // Refuse an invalid request before it is stored.
        let valid = match validate(provider, &pending, &mut facts).await? {
            Validation::Valid(valid) => valid,
            Validation::Refused(reply_to, error) => {
                return refuse(context, &pending, &reply_to, error, delivery).await;
            }
        };
        id_token_hint::settle(provider, &mut pending.params, &valid.client.client_id).await?;
        // Anybody can send such a request, so their rate is limited.
        if !may_store(context, request).await {
            return refuse(context, &pending, &valid.reply_to, TOO_MANY, delivery).await;
        }
        match pending.keep(&valid.client, &browser, context).await {
            Err(Error::Protocol(Protocol::Authorize(error))) => {
                return refuse(context, &pending, &valid.reply_to, error, delivery).await;
            }
            result => result?,
        }
    }
    Ok(redirect_to_authorize(context, &pending.query))
}

impl<P: Platform> Interaction<'_, P> {
    /// Continues the request with the next step that it needs.
    ///
    /// # Errors
    /// [`PageError`] if the query is too long, or the client or its redirect URI is invalid. Other errors are sent to the
    /// client, or shown with a link to it (RFC 6749 section 4.1.2.1, RFC 9700 section 4.11.2).
    pub async fn proceed(
        &self,
        mut facts: Facts,
        state: InteractionState,
    ) -> Result<Response, Error> {
        let context = &self.provider.context;
        let delivery = self.delivery.after(&state);
        self.pending.check_length()?;
        // The page of a device can be loaded again, or sent twice.
        if let Some(decision) = self.pending.device.as_ref().and_then(|device| device.decision) {
            return Ok(device::decided(context, decision, delivery));
        }
        let valid = match validate(self.provider, self.pending, &mut facts).await? {
            Validation::Valid(valid) => valid,
            Validation::Refused(reply_to, error) => {
                return refuse(context, self.pending, &reply_to, error, delivery).await;
            }
        };
        match (self.advance(&valid, &facts, state).await, &valid.reply_to) {
            (Err(Error::Internal(fault)), ReplyTo::RedirectUri(redirection)) => {
                Ok(fail(context, redirection, &fault, delivery))
            }
            (response, _) => response,
        }
    }

    /// Decides what the request needs next (Core sections 3.1.2.3 and 3.1.2.4), and does it.
    async fn advance(
        &self,
        valid: &ValidatedRequest,
        facts: &Facts,
        state: InteractionState,
    ) -> Result<Response, Error> {
        let context = &self.provider.context;
        let remembered = facts.remembered(&valid.client, valid.reply_to.redirect_uri());
        match decide(valid, facts.session.as_ref(), remembered, &state, context.now) {
            Next::AskConsent(session) => Ok(self.consent_page(valid, session, &state).await),
            Next::Respond(session) => {
                let resources = &context.config.resources;
                let before = facts.before(&valid.client, &valid.identity);
                let consent = state.consented_to.map(|_| valid.allowed(before, resources));
                self.issue(valid, session, before, consent.as_ref()).await
            }
            Next::Refuse(error) => {
                let delivery = self.delivery.after(&state);
                refuse(context, self.pending, &valid.reply_to, error, delivery).await
            }
            Next::SelectAccount(session) => {
                Ok(self.select_account_page(valid, session, &state).await)
            }
            Next::SignIn(notice) => Ok(self.login_page(valid, valid.login_hint(), notice).await),
        }
    }
}
