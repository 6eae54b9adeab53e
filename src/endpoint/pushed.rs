//! The pushed authorization request endpoint (RFC 9126): a client leaves its request here, and sends the person with
//! nothing but a reference to it.

use serde_json::json;

use crate::browser::attempts::may_store;
use crate::browser::pending::{PUSHED_LIFETIME, Pending};
use crate::endpoint::authorize::asked::{Examined, examine_of};
use crate::endpoint::authorize::resolve::verify;
use crate::endpoint::authorize::{TOO_LARGE, TOO_MANY};
use crate::endpoint::client::{authenticate, form};
use crate::endpoint::desk::Desk;
use crate::error::{Error, PageError, Protocol};
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::protocol::authorize_request::{AuthorizeError, PARAMETERS};
use crate::protocol::client_auth;
use crate::protocol::token_error::TokenError;

/// What proves who the client is, and is no part of the request.
const OF_CLIENT: [&str; 3] = ["client_assertion", "client_assertion_type", "client_secret"];

/// Keeps a request that would be accepted, and answers with what asks for it.
pub async fn serve(
    desk: &Desk<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    // 1. The client, as at the token endpoint (section 2).
    let mut params = form(request, &[&client_auth::PARAMETERS, &PARAMETERS]).await?;
    let Desk { client_keys, config, platform, cx, .. } = *desk;
    let client = authenticate(request, &params, client_keys, config, platform, cx).await?;

    // 2. A public client is anybody, and one that registered itself may be: they must not make us store too much.
    let is_known = client.metadata.is_confidential() && client.registration_token_hash.is_none();
    if !is_known && !may_store(desk.platform, desk.cx, request).await {
        return Err(refused(429, TOO_MANY));
    }

    // 3. Its request: the parameters as they are, or those of a request object (section 3).
    let doubled = |_| TokenError::InvalidRequest("a parameter stands twice");
    if params.once("request_uri").map_err(doubled)?.is_some() {
        return Err(TokenError::InvalidRequest("request_uri cannot be pushed").into());
    }
    let has_client_id = params.once("client_id").map_err(doubled)?.is_some();
    let object = params.once("request").map_err(doubled)?;
    let is_signed = object.is_some();
    if let Some(object) = object {
        params = verify(desk, &client, object).await?.map_err(|error| refused(400, error))?;
    } else {
        params.remove(&OF_CLIENT);
        // Who has said so by HTTP Basic or an assertion need not say it again.
        if !has_client_id {
            params.append("client_id", client.client_id.as_str());
        }
    }
    let pending = Pending { params, is_pushed: true, is_signed, ..Pending::default() };
    if !pending.may_be_kept() {
        return Err(refused(413, TOO_LARGE));
    }

    // 4. Everything that can be wrong with it is said now, to the client alone (section 2.3).
    let client_id = client.client_id.clone();
    match examine_of(desk, client, &pending).await {
        Ok(Examined::Accepted(_)) => {}
        Ok(Examined::Refused(_, error)) => return Err(refused(400, error)),
        Err(Error::Protocol(Protocol::Page(PageError { code, description, .. }))) => {
            return Err(refused(400, AuthorizeError::new(code, description)));
        }
        Err(error) => return Err(error),
    }

    // 5. What asks for it (section 2.2).
    let request_uri = pending.push(desk.platform, &client_id, desk.cx).await?;
    let document = json!({ "request_uri": request_uri, "expires_in": PUSHED_LIFETIME });
    Ok(Response::json(201, &document))
}

fn refused(status: u16, error: AuthorizeError) -> Error {
    let AuthorizeError { code, description } = error;
    Protocol::Refused { status, code, description: description.to_owned() }.into()
}
