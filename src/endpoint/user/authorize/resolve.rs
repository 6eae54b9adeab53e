//! Step 2: find the effective parameters. They are those of the request object, if there is one (RFC 9101 section 5),
//! or of the pushed request (RFC 9126 section 4). The other parameters of the query then have no effect.

use super::facts::Facts;
use super::id_token_hint;
use crate::error::{Error, PageError, Protocol};
use crate::fetched::client_keys::KeysError;
use crate::http::Request;
use crate::interaction::BrowserContext;
use crate::interaction::pending_request::{COMPLETED_OR_EXPIRED, PendingRequest, pushed};
use crate::limits::rate_limits::may_store;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::{AuthorizeError, TEMPORARILY_UNAVAILABLE};
use crate::protocol::authorization::reply_to::{Redirection, ReplyTo};
use crate::protocol::authorization::request_object::{
    Expected, INVALID_REQUEST_OBJECT, Passing, RequestObject, RequestObjectError,
};
use crate::protocol::client::outbound_url::OutboundUrl;
use crate::protocol::description::Description;
use crate::protocol::params::Params;
use crate::provider::Provider;
use crate::store::clients::Client;
use std::rc::Rc;

/// The error if too many requests of an address would be stored or fetched.
pub const TOO_MANY: AuthorizeError = AuthorizeError {
    code: TEMPORARILY_UNAVAILABLE,
    description: Description::fixed(
        "too many authorization requests from this address; try again later",
    ),
};

/// The error of a request that is too large to store.
pub const TOO_LARGE: AuthorizeError = AuthorizeError {
    code: "invalid_request",
    description: Description::fixed("the parameters are longer than 8192 bytes"),
};

/// The outcome of finding the effective parameters.
pub enum Resolved {
    /// The request with its effective parameters.
    Request(PendingRequest),
    /// The parameters are not available; the error is sent to the client.
    Refused(ReplyTo, AuthorizeError),
}

/// Finds the effective parameters. A request object is verified once, and its parameters are stored under a handle, so
/// that the interaction continues after the object expires or the client changes its key.
///
/// # Errors
/// [`PageError`] if the error cannot be sent to the client, [`Error::Internal`] if the platform fails.
pub async fn resolve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    (browser, pending): (&BrowserContext<'_>, PendingRequest),
    facts: &mut Facts,
) -> Result<Resolved, Error> {
    // 1. Skip requests without a request object or `request_uri`, and stored ones, which were resolved before. A
    //    duplicate parameter is refused in step 3 of the endpoint.
    let params = &pending.params;
    let (object, uri) = match (params.once("request"), params.once("request_uri")) {
        (Ok(object), Ok(uri)) if pending.handle.is_none() => (object, uri),
        _ => (None, None),
    };
    if object.is_none() && uri.is_none() {
        return Ok(Resolved::Request(pending));
    }

    // 2. Find the client, whose keys verify the request object (RFC 9101 section 5).
    let client = facts.client(provider, params).await?;

    // 3. Refuse a pushed request. The endpoint opens one before this step, unless that is impossible.
    if pushed(params).is_some() {
        return Err(COMPLETED_OR_EXPIRED.into());
    }

    // 4. Verify and store a request object. Storing it is a second request, because the client's keys verify it.
    match keep_signed(provider, (request, browser), &client, (object, uri)).await {
        Ok(signed) => Ok(Resolved::Request(signed)),
        // 5. If that fails, the redirect URI for the error is the one outside of the request object.
        Err(Error::Protocol(Protocol::Authorize(error))) => {
            let is_vouched_for = facts.is_vouched_for(&client, params);
            let own_host = provider.context.config.issuer.own_host();
            match Redirection::from_request(params, &client.metadata, own_host, is_vouched_for) {
                Ok(redirection) => Ok(Resolved::Refused(ReplyTo::RedirectUri(redirection), error)),
                Err(_) if error.code == TEMPORARILY_UNAVAILABLE => {
                    Err(Protocol::TryLater(error.description).into())
                }
                Err(_) => {
                    let page = PageError::application_fault(error.description);
                    Err(PageError { code: error.code, ..page }.into())
                }
            }
        }
        Err(error) => Err(error),
    }
}

/// Verifies a request object, sent by value or by reference, and stores its parameters.
async fn keep_signed(
    provider: &Provider<'_, impl Platform>,
    (request, browser): (&impl Request, &BrowserContext<'_>),
    client: &Client,
    object: (Option<&str>, Option<&str>),
) -> Result<PendingRequest, Error> {
    let context = &provider.context;
    let address = &browser.address;
    // Anybody can send such a request, and it is fetched and stored, so their rate is limited.
    if !may_store(context, request).await {
        return Err(TOO_MANY.into());
    }
    let mut params = match object {
        (Some(object), None) => {
            verify(provider, address, client, (object, Passing::ByValue)).await?
        }
        (None, Some(uri)) => {
            let object = fetch(provider, address, client, uri).await?;
            verify(provider, address, client, (&object, Passing::ByReference)).await?
        }
        _ => {
            let description = "request: must not be present together with request_uri";
            return Err(AuthorizeError::new("invalid_request", description).into());
        }
    };
    id_token_hint::settle(provider, &mut params, &client.client_id).await?;
    let mut signed = PendingRequest { params, is_signed: true, ..PendingRequest::default() };
    if !signed.may_be_kept() {
        return Err(TOO_LARGE.into());
    }
    signed.keep(client, browser, context).await?;
    Ok(signed)
}

/// Fetches the request object of a `request_uri` that the client has registered (RFC 9101 section 5.2).
async fn fetch(
    provider: &Provider<'_, impl Platform>,
    address: &str,
    client: &Client,
    uri: &str,
) -> Result<Rc<str>, AuthorizeError> {
    let refused =
        |description: Description| AuthorizeError::new("invalid_request_uri", description);
    let registered = &client.metadata.request_uris;
    let url = OutboundUrl::parse(uri, provider.context.config.outbound_rules())
        .ok()
        .filter(|url| registered.iter().any(|known| known == url.as_str()))
        .ok_or(refused("request_uri: must be one of the registered request_uris".into()))?;
    // The code is the same if the server does not answer, because OpenID Connect Core section 3.1.2.6 defines it for a
    // `request_uri` that returns an error.
    let fetcher = provider.fetcher(Some(address));
    let object = provider.memory.request_objects.get(client, &url, &fetcher).await;
    object.map_err(|error| refused(error.description_of("request_uri")))
}

/// Verifies a request object that was sent from an address. Returns its parameters.
///
/// # Errors
/// [`AuthorizeError`] if the object is invalid, [`Error::Internal`] if the platform fails.
pub async fn verify(
    provider: &Provider<'_, impl Platform>,
    address: &str,
    client: &Client,
    (object, passing): (&str, Passing),
) -> Result<Params, Error> {
    let Provider { context, memory } = provider;
    let refused = |error: RequestObjectError| Error::from(AuthorizeError::from(error));

    // 1. Check the claims.
    let expected = Expected {
        client_id: &client.client_id,
        issuer: context.config.issuer.as_str(),
        leeway: context.config.leeway,
        now: context.now,
        passing,
    };
    let object = RequestObject::parse(object, &expected).map_err(refused)?;

    // 2. Verify the signature with the client's keys and its registered algorithm (RFC 9101 section 6.2).
    if !object.has_registered_alg(&client.metadata) {
        return Err(refused(RequestObjectError::Algorithm));
    }
    let fetcher = provider.fetcher(Some(address));
    match memory.fetched_keys.verify(client, &object.signature, &fetcher).await {
        Ok(true) => Ok(object.into_parameters()),
        Ok(false) => Err(refused(RequestObjectError::Signature)),
        Err(KeysError::Document(error)) => {
            let code =
                if error.is_temporary() { TEMPORARILY_UNAVAILABLE } else { INVALID_REQUEST_OBJECT };
            Err(AuthorizeError::new(code, error.description_of("jwks_uri")).into())
        }
        Err(KeysError::Internal(fault)) => Err(fault.into()),
    }
}
