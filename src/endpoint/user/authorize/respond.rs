//! The authorization response, which the browser carries to the client (RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207).

use form_urlencoded::Serializer;

use crate::context::Context;
use crate::endpoint::support::form;
use crate::error::{Error, Internal};
use crate::http::{Request, Response};
use crate::interaction::pending_request::{PendingRequest, is_resumed};
use crate::pages::{FormPost, Leaving, Texts};
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::authorization::reply_to::{ReplyTo, ResponseMode};
use crate::protocol::params::Params;
use crate::routes::AUTHORIZE;

/// How the browser gets the response to an HTTP request.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// The texts of the user's language.
    pub texts: &'static Texts,
    /// Whether a form of the provider led to the request, by itself or through a redirect. The browser may then apply the
    /// form's `form-action` to a redirect.
    pub is_behind_form: bool,
}

impl Delivery {
    /// Determines the delivery for one of the provider's forms, or for a GET of the authorization endpoint.
    pub fn new(request: &impl Request, params: &Params) -> Self {
        Self {
            texts: form::texts(request, params),
            is_behind_form: request.method() == "POST" || is_resumed(request.query()),
        }
    }
}

/// Sends an error to the client. It is the response of a stored request.
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
    // A second request to the database, because only a validated request has this response.
    pending.answer(context).await?;
    context.log_refusal(error.code);
    let parameters = [("error", error.code), ("error_description", error.description.as_str())];
    Ok(respond(context, reply_to, &parameters, delivery))
}

/// Sends an internal error to the client, and logs the fault. A stored request is not deleted, so that the user can
/// repeat it.
pub fn fail<P>(
    context: &Context<'_, P>,
    reply_to: &ReplyTo,
    fault: &Internal,
    delivery: Delivery,
) -> Response {
    let (_, code, description) = fault.opaque();
    context.log_fault(fault);
    context.log_refusal(code);
    let parameters = [("error", code), ("error_description", description)];
    respond(context, reply_to, &parameters, delivery)
}

/// Sends `parameters` to the client, with its `state` and the provider's `iss`.
pub fn respond<P>(
    context: &Context<'_, P>,
    reply_to: &ReplyTo,
    parameters: &[(&str, &str)],
    delivery: Delivery,
) -> Response {
    let mut parameters = parameters.to_vec();
    if let Some(state) = &reply_to.state {
        parameters.push(("state", state));
    }
    parameters.push(("iss", context.config.issuer.as_str()));
    let Delivery { texts, is_behind_form } = delivery;
    let redirect_uri = reply_to.redirect_uri.as_str();
    let separator = match reply_to.mode {
        ResponseMode::FormPost => {
            return FormPost { texts, redirect_uri, parameters: &parameters }.response();
        }
        ResponseMode::Fragment => '#',
        ResponseMode::Query if redirect_uri.contains('?') => '&',
        ResponseMode::Query => '?',
    };
    let url = format!("{redirect_uri}{separator}{}", encode(&parameters));
    if is_behind_form && Leaving::is_for(redirect_uri) {
        Leaving { texts, url: &url }.response()
    } else {
        Response::see_other(url)
    }
}

/// Encodes parameters as `application/x-www-form-urlencoded`, with a space as `%20`: some clients only percent-decode,
/// and every other one reads it as well as `+`.
fn encode(parameters: &[(&str, &str)]) -> String {
    // A plus sign of a value is `%2B` in the serializer's text.
    Serializer::new(String::new()).extend_pairs(parameters).finish().replace('+', "%20")
}

/// Redirects the browser to the authorization endpoint with this query.
pub fn redirect_to_authorize<P>(context: &Context<'_, P>, query: &str) -> Response {
    Response::see_other(format!("{}?{query}", AUTHORIZE.url(&context.config.issuer)))
}
