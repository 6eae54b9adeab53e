//! Which parameters count: those of a request object, where the request has one (RFC 9101 section 5), or those that
//! its client has pushed (RFC 9126 section 4). Whatever stands around them counts for nothing.

use crate::browser::attempts::may_store;
use crate::browser::pending::Pending;
use crate::endpoint::authorize::asked::client;
use crate::endpoint::authorize::{TOO_LARGE, TOO_MANY};
use crate::endpoint::desk::Desk;
use crate::error::{Error, PageError};
use crate::http::Request;
use crate::outbound;
use crate::ports::{Platform, Wanted};
use crate::protocol::authorize_request::{AuthorizeError, ReplyTo};
use crate::protocol::outbound_url::OutboundUrl;
use crate::protocol::params::Params;
use crate::protocol::request_object::{Expected, RequestObject, SIZE_LIMIT};
use crate::store::clients::Client;

/// What is fetched of a client's `request_uri` (RFC 9101 section 5.2.3).
const WANTED: Wanted = Wanted {
    accept: "application/oauth-authz-req+jwt, application/jwt, application/jose",
    limit: SIZE_LIMIT,
    timeout: 5_000,
    is_binary: false,
};

/// A request by the parameters that count.
pub enum Resolved {
    /// They are asked for by another query, which can be loaded again.
    Elsewhere(String),
    /// Here they are.
    Pending(Pending),
    /// They cannot be had, which is told to the client.
    Refused(ReplyTo, AuthorizeError),
}

/// Finds the parameters that count. Those of a request object are kept under a handle once its signature is
/// verified: neither its end nor the client's next key disturbs a person who is signing in.
pub async fn resolve(
    desk: &Desk<'_, impl Platform>,
    request: &impl Request,
    pending: Pending,
) -> Result<Resolved, Error> {
    // 1. What stands in it twice is refused with the rest; what is kept was resolved before.
    let params = &pending.params;
    let (object, uri) = match (params.once("request"), params.once("request_uri")) {
        (Ok(object), Ok(uri)) if pending.handle_hash.is_none() => (object, uri),
        _ => (None, None),
    };
    if object.is_none() && uri.is_none() {
        return Ok(Resolved::Pending(pending));
    }

    // 2. The client, whose keys they are (RFC 9101 section 5).
    let client = client(desk, params).await?;

    // 3. What it has pushed.
    let platform = desk.platform;
    if let (Some(uri), None) = (uri, object)
        && let Some(query) = Pending::open(platform, uri, &client.client_id, desk.cx).await?
    {
        return Ok(Resolved::Elsewhere(query));
    }

    // 4. A request object: anybody can make us fetch one and store it.
    let parameters = if may_store(platform, desk.cx, request).await {
        let object = by_value_or_reference(desk, &client, object, uri).await?;
        match object {
            Ok(object) => verify(desk, &client, &object).await?,
            Err(error) => Err(error),
        }
    } else {
        Err(TOO_MANY)
    };
    let signed = parameters.and_then(|params| {
        let signed = Pending { params, is_signed: true, ..Pending::default() };
        if signed.may_be_kept() { Ok(signed) } else { Err(TOO_LARGE) }
    });
    match signed {
        Ok(mut signed) => {
            signed.keep(platform, desk.cx).await?;
            Ok(Resolved::Pending(signed))
        }
        // 5. Where nothing was verified, the parameters around it say where the error goes.
        Err(error) => {
            let reply_to = ReplyTo::prove(params, &client.metadata).map_err(|_| {
                let page = PageError::of_application(error.description);
                PageError { code: error.code, ..page }
            })?;
            Ok(Resolved::Refused(reply_to, error))
        }
    }
}

/// The text of the request object (RFC 9101 sections 5.1 and 5.2).
async fn by_value_or_reference(
    desk: &Desk<'_, impl Platform>,
    client: &Client,
    object: Option<&str>,
    uri: Option<&str>,
) -> Result<Result<String, AuthorizeError>, Error> {
    Ok(match (object, uri) {
        (Some(object), None) => Ok(object.to_owned()),
        (None, Some(uri)) => fetch(desk, client, uri).await,
        _ => {
            let description = "request and request_uri must not both be there";
            Err(AuthorizeError::new("invalid_request", description))
        }
    })
}

/// Gets the object from where the client has registered that it may lie (section 5.2).
async fn fetch(
    desk: &Desk<'_, impl Platform>,
    client: &Client,
    uri: &str,
) -> Result<String, AuthorizeError> {
    let refused = |description| AuthorizeError::new("invalid_request_uri", description);
    let registered = &client.metadata.request_uris;
    let url = OutboundUrl::parse(uri, desk.config.allows_loopback)
        .ok()
        .filter(|url| registered.iter().any(|known| known == url.as_str()))
        .ok_or(refused("request_uri is none of those that the client has registered"))?;
    let text = outbound::get("request_uri", &url, &WANTED, desk.platform, desk.cx).await;
    Ok(text.map_err(refused)?.trim_ascii().to_owned())
}

/// The parameters of a request object that its client has signed.
///
/// # Errors
/// Whatever the platform reports.
pub async fn verify(
    desk: &Desk<'_, impl Platform>,
    client: &Client,
    object: &str,
) -> Result<Result<Params, AuthorizeError>, Error> {
    let refused = |description| Ok(Err(AuthorizeError::new("invalid_request_object", description)));

    // 1. What it says.
    let expected = Expected {
        client_id: &client.client_id,
        issuer: desk.config.issuer.as_str(),
        leeway: desk.config.leeway,
        now: desk.cx.now,
    };
    let object = match RequestObject::parse(object, &expected) {
        Ok(object) => object,
        Err(description) => return refused(description),
    };

    // 2. Signed with a key of the client's, as it signs (RFC 9101 section 6.2).
    if !object.is_as_registered(&client.metadata) {
        return refused("the request object is not signed with the registered algorithm");
    }
    let Desk { client_keys, config, platform, cx, .. } = *desk;
    match client_keys.verify(client, &object.signature, config, platform, cx).await? {
        Ok(true) => Ok(Ok(object.into_parameters())),
        Ok(false) => refused("the request object has a wrong signature"),
        Err(description) => refused(description),
    }
}
