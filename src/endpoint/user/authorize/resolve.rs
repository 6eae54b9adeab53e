//! Step 2: the parameters that count are found: those of a request object, where the request has one (RFC 9101 section
//! 5), or those that its client has pushed (RFC 9126 section 4). The parameters around these do not count.

use super::client::find_client;
use crate::context::Context;
use crate::error::{Error, PageError, Protocol};
use crate::fetched;
use crate::fetched::client_keys::KeysError;
use crate::http::Request;
use crate::interaction::pending_request::PendingRequest;
use crate::limits::rate_limits::may_store;
use crate::ports::{FetchLimits, Platform};
use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::authorization::reply_to::ReplyTo;
use crate::protocol::authorization::request_object::{
    Expected, INVALID_REQUEST_OBJECT, RequestObject, RequestObjectError, SIZE_LIMIT,
};
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::protocol::params::Params;
use crate::provider::Provider;
use crate::store::clients::Client;

/// The error of a request on whose behalf too much would be stored or fetched.
pub const TOO_MANY: AuthorizeError = AuthorizeError::new(
    "temporarily_unavailable",
    "too many sign-ins were begun from this address",
);

/// The error of a request that is larger than what is kept.
pub const TOO_LARGE: AuthorizeError =
    AuthorizeError::new("invalid_request", "the parameters have more than 8192 bytes");

/// What is fetched of a client's `request_uri` (RFC 9101 section 5.2.3).
const WANTED: FetchLimits = FetchLimits {
    accept: "application/oauth-authz-req+jwt, application/jwt, application/jose",
    limit: SIZE_LIMIT,
    timeout: 5_000,
    is_binary: false,
};

/// A request by the parameters that count.
pub enum Resolved {
    /// They are at another query, which can be loaded again.
    Elsewhere(String),
    /// The request.
    Pending(PendingRequest),
    /// They cannot be had, and the error goes to the client.
    Refused(ReplyTo, AuthorizeError),
}

/// Finds the parameters that count. Those of a request object are kept under a handle once its signature is verified,
/// so that neither its expiry nor the client's next key disturbs a user who is signing in.
///
/// # Errors
/// [`PageError`], and whatever the platform reports.
pub async fn resolve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    pending: PendingRequest,
) -> Result<Resolved, Error> {
    let context = &provider.context;
    // 1. A doubled parameter is refused with the rest; a request that is kept was resolved before.
    let params = &pending.params;
    let (object, uri) = match (params.once("request"), params.once("request_uri")) {
        (Ok(object), Ok(uri)) if pending.handle_hash.is_none() => (object, uri),
        _ => (None, None),
    };
    if object.is_none() && uri.is_none() {
        return Ok(Resolved::Pending(pending));
    }

    // 2. The client, whose keys they are (RFC 9101 section 5).
    let client = find_client(context, params).await?;

    // 3. A request that it has pushed.
    if let (Some(uri), None) = (uri, object)
        && let Some(query) = PendingRequest::open(uri, &client.client_id, context).await?
    {
        return Ok(Resolved::Elsewhere(query));
    }

    // 4. A request object.
    match keep_signed(provider, request, &client, (object, uri)).await {
        Ok(signed) => Ok(Resolved::Pending(signed)),
        // 5. Where nothing was verified, the parameters around it say where the error goes.
        Err(Error::Protocol(Protocol::Authorize(error))) => {
            let reply_to = ReplyTo::from_request(params, &client.metadata).map_err(|_| {
                let page = PageError::application_fault(error.description);
                PageError { code: error.code, ..page }
            })?;
            Ok(Resolved::Refused(reply_to, error))
        }
        Err(error) => Err(error),
    }
}

/// Verifies a request object, given by value or by reference, and keeps its parameters.
async fn keep_signed(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    client: &Client,
    object: (Option<&str>, Option<&str>),
) -> Result<PendingRequest, Error> {
    let context = &provider.context;
    // Anybody can make us fetch and store one.
    if !may_store(context, request).await {
        return Err(TOO_MANY.into());
    }
    let params = match object {
        (Some(object), None) => verify(provider, client, object).await?,
        (None, Some(uri)) => verify(provider, client, &fetch(context, client, uri).await?).await?,
        _ => {
            let description = "request and request_uri must not both be there";
            return Err(AuthorizeError::new("invalid_request", description).into());
        }
    };
    let mut signed = PendingRequest { params, is_signed: true, ..PendingRequest::default() };
    if !signed.may_be_kept() {
        return Err(TOO_LARGE.into());
    }
    signed.keep(context).await?;
    Ok(signed)
}

/// Gets the request object from a `request_uri` that the client has registered (RFC 9101 section 5.2).
async fn fetch(
    context: &Context<'_, impl Platform>,
    client: &Client,
    uri: &str,
) -> Result<String, AuthorizeError> {
    let refused = |description| AuthorizeError::new("invalid_request_uri", description);
    let registered = &client.metadata.request_uris;
    let url = OutboundUrl::parse(uri, context.config.allows_loopback)
        .ok()
        .filter(|url| registered.iter().any(|known| known == url.as_str()))
        .ok_or(refused("request_uri is none of those that the client has registered"))?;
    let text = fetched::get("request_uri", &url, &WANTED, context).await;
    let text = text.map_err(|error| refused(error.description()))?;
    Ok(text.trim_ascii().to_owned())
}

/// Verifies a request object. Returns its parameters.
///
/// # Errors
/// [`AuthorizeError`], and whatever the platform reports.
pub async fn verify(
    provider: &Provider<'_, impl Platform>,
    client: &Client,
    object: &str,
) -> Result<Params, Error> {
    let Provider { context, memory } = provider;
    let refused = |error: RequestObjectError| Error::from(AuthorizeError::from(error));

    // 1. Its claims.
    let expected = Expected {
        client_id: &client.client_id,
        issuer: context.config.issuer.as_str(),
        leeway: context.config.leeway,
        now: context.now,
    };
    let object = RequestObject::parse(object, &expected).map_err(refused)?;

    // 2. Signed with a key of the client's, by the registered algorithm (RFC 9101 section 6.2).
    if !object.has_registered_alg(&client.metadata) {
        return Err(refused(RequestObjectError::Algorithm));
    }
    match memory.fetched_keys.verify(client, &object.signature, context).await {
        Ok(true) => Ok(object.into_parameters()),
        Ok(false) => Err(refused(RequestObjectError::Signature)),
        Err(KeysError::Client(error)) => {
            Err(AuthorizeError::new(INVALID_REQUEST_OBJECT, error.description()).into())
        }
        Err(KeysError::Internal(fault)) => Err(fault.into()),
    }
}
