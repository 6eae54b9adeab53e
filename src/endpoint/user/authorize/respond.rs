//! The authorization response, which the browser carries to the client (RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207).

use super::device;
use crate::context::Context;
use crate::endpoint::support::form;
use crate::error::{Error, Internal};
use crate::http::{Request, RequestId, Response};
use crate::interaction::pending_request::{InteractionState, PendingRequest, is_resumed};
use crate::pages::{Carrier, FormPost, Incident, Leaving, RefusedRequest, Texts};
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::{AuthorizeError, TEMPORARILY_UNAVAILABLE};
use crate::protocol::authorization::reply_to::{Redirection, ReplyTo, ResponseMode};
use crate::protocol::params::{Params, encode_for_client, with_query};
use crate::routes::AUTHORIZE;

/// How the browser gets the response to an HTTP request.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// Whether a form of the provider led to the request, by itself or through a redirect. The browser may then apply the
    /// form's `form-action` to a redirect.
    pub is_behind_form: bool,
    /// For pages with an error.
    pub request_id: Option<RequestId>,
    /// Whether the user has submitted a form of this interaction that was valid.
    pub has_acted: bool,
}

impl Delivery {
    /// Determines the delivery for one of the provider's forms, or for a GET of the authorization endpoint. The user has
    /// not acted yet.
    pub fn new(request: &impl Request, params: &Params) -> Self {
        Self {
            texts: form::texts(request, params),
            is_behind_form: request.method() == "POST" || is_resumed(request.query()),
            request_id: RequestId::from_request(request),
            has_acted: false,
        }
    }

    /// Returns the delivery for a user with this progress.
    #[must_use]
    pub fn after(self, state: &InteractionState) -> Self {
        Self { has_acted: state.began_at.is_some(), ..self }
    }

    /// Returns whether an error may be sent without a click of the user (RFC 9700 section 4.11.2).
    fn sends_errors(self, reply_to: &Redirection) -> bool {
        reply_to.is_vouched_for || self.has_acted
    }
}

/// Sends an error to the client, as the response of a stored request, or shows it on a page that has a link to the
/// client. The page is not the response yet: it can be reloaded, and the user may still sign in.
///
/// # Errors
/// [`crate::interaction::pending_request::COMPLETED_OR_EXPIRED`] if another browser got the response of a stored
/// request, [`Error::Internal`] if the database fails.
pub async fn refuse(
    context: &Context<'_, impl Platform>,
    pending: &PendingRequest,
    reply_to: &ReplyTo,
    error: AuthorizeError,
    delivery: Delivery,
) -> Result<Response, Error> {
    let reply_to = match reply_to {
        ReplyTo::Device(_) => return device::refuse(context, pending, error, delivery).await,
        ReplyTo::RedirectUri(redirection) => redirection,
    };
    if delivery.sends_errors(reply_to) {
        // A second request to the database, because only a validated request has this response.
        pending.answer(context).await?;
    }
    let status = if error.code == TEMPORARILY_UNAVAILABLE { 503 } else { 400 };
    let error = (status, error.code, error.description.as_str());
    Ok(respond_with_error(context, reply_to, error, delivery))
}

/// Sends or shows an internal error like [`refuse`], and logs the fault. A stored request is not deleted, so that the
/// user can repeat it.
pub fn fail<P>(
    context: &Context<'_, P>,
    reply_to: &Redirection,
    fault: &Internal,
    delivery: Delivery,
) -> Response {
    context.log_fault(fault);
    respond_with_error(context, reply_to, fault.opaque(), delivery)
}

/// Sends or shows an error: the status of the page, the code and the description.
fn respond_with_error<P>(
    context: &Context<'_, P>,
    reply_to: &Redirection,
    (status, code, description): (u16, &'static str, &str),
    delivery: Delivery,
) -> Response {
    context.log_refusal(code);
    let parameters = [("error", code), ("error_description", description)];
    if delivery.sends_errors(reply_to) {
        return respond(context, reply_to, &parameters, delivery);
    }
    let parameters = complete(&parameters, reply_to, context);
    let page = RefusedRequest {
        brand: context.config.into(),
        texts: delivery.texts,
        status,
        incident: Incident { code, description, at: context.now, request_id: delivery.request_id },
        redirect_uri: &reply_to.redirect_uri,
        response: match url(reply_to, &parameters) {
            Some(url) => Carrier::Link(url),
            None => Carrier::Form(&parameters),
        },
    };
    page.response()
}

/// Sends `parameters` to the client, with its `state` and the provider's `iss`.
pub fn respond<P>(
    context: &Context<'_, P>,
    reply_to: &Redirection,
    parameters: &[(&str, &str)],
    delivery: Delivery,
) -> Response {
    let Delivery { texts, is_behind_form, .. } = delivery;
    let brand = context.config.into();
    let redirect_uri = reply_to.redirect_uri.as_str();
    let parameters = complete(parameters, reply_to, context);
    let Some(url) = url(reply_to, &parameters) else {
        return FormPost { brand, texts, redirect_uri, parameters: &parameters }.response();
    };
    if is_behind_form && Leaving::is_for(redirect_uri) {
        Leaving { brand, texts, url: &url }.response()
    } else {
        Response::see_other(url)
    }
}

/// Adds the `state` of the request, and the `iss` of the provider (RFC 9207).
fn complete<'a, P>(
    parameters: &[(&'a str, &'a str)],
    reply_to: &'a Redirection,
    context: &'a Context<'_, P>,
) -> Vec<(&'a str, &'a str)> {
    let state = reply_to.state.as_deref().map(|state| ("state", state));
    let iss = ("iss", context.config.issuer.as_str());
    parameters.iter().copied().chain(state).chain([iss]).collect()
}

/// Returns the URL of a response, or `None` if a form posts it.
fn url(reply_to: &Redirection, parameters: &[(&str, &str)]) -> Option<String> {
    let Redirection { redirect_uri, mode, .. } = reply_to;
    // A browser gives a redirect without a fragment the fragment of the URL before, which a link to the provider may
    // have been given (RFC 9700 section 4.1.3). A code's URL has none, because applications route by their fragment.
    let is_error = parameters.iter().any(|(name, _)| *name == "error");
    match mode {
        ResponseMode::FormPost => None,
        ResponseMode::Fragment => Some(format!("{redirect_uri}#{}", encode_for_client(parameters))),
        ResponseMode::Query if is_error => Some(with_query(redirect_uri, parameters) + "#_"),
        ResponseMode::Query => Some(with_query(redirect_uri, parameters)),
    }
}

/// Redirects the browser to the authorization endpoint with this query.
pub fn redirect_to_authorize<P>(context: &Context<'_, P>, query: &str) -> Response {
    Response::see_other(format!("{}?{query}", AUTHORIZE.url(&context.config.issuer)))
}
