//! The pushed authorization request endpoint (RFC 9126). A client stores its request here, and redirects the user with
//! only a reference to it.

use serde_json::json;

use crate::endpoint::support::client_authentication::{authenticate, form};
use crate::endpoint::user::authorize::resolve::{TOO_LARGE, TOO_MANY, verify};
use crate::endpoint::user::authorize::validate::{Validation, validate_for};
use crate::error::{Error, PageError, Protocol};
use crate::http::{Request, Response};
use crate::interaction::pending_request::PendingRequest;
use crate::lifetimes::PUSHED_REQUEST_SECONDS;
use crate::limits::rate_limits::may_store;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::authorization::authorize_request::PARAMETERS;
use crate::protocol::client::authentication;
use crate::protocol::params::DuplicateParameter;
use crate::protocol::token::token_error::TokenError;
use crate::provider::Provider;

/// The parameters that authenticate the client. They are not part of the authorization request.
const AUTHENTICATION_PARAMETERS: [&str; 3] =
    ["client_assertion", "client_assertion_type", "client_secret"];

/// Stores a valid request and returns its `request_uri`.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    // 1. Authenticate the client, as at the token endpoint (section 2).
    let mut params = form(request, &[&authentication::PARAMETERS, &PARAMETERS]).await?;
    let client = authenticate(provider, request, &params).await?;

    // 2. Limit the rate of public clients and of those that registered themselves, because anybody may be behind them
    //    and each request is stored.
    let is_known = client.metadata.is_confidential() && client.registration_token_hash.is_none();
    if !is_known && !may_store(context, request).await {
        return Err(refused(429, TOO_MANY));
    }

    // 3. Read the request: the parameters themselves, or those of a request object (section 3).
    let duplicate = |duplicate: DuplicateParameter| TokenError::InvalidRequest(duplicate.into());
    if params.once("request_uri").map_err(duplicate)?.is_some() {
        return Err(TokenError::InvalidRequest(
            "request_uri: must not be pushed (RFC 9126 section 2.1)".into(),
        )
        .into());
    }
    let has_client_id = params.once("client_id").map_err(duplicate)?.is_some();
    let object = params.once("request").map_err(duplicate)?;
    let is_signed = object.is_some();
    if let Some(object) = object {
        params = verify(provider, &client, object).await?;
    } else {
        params.remove(&AUTHENTICATION_PARAMETERS);
        // A client that authenticated by HTTP Basic or an assertion may omit it.
        if !has_client_id {
            params.append("client_id", client.client_id.as_str());
        }
    }
    let pending =
        PendingRequest { params, is_pushed: true, is_signed, ..PendingRequest::default() };
    if !pending.may_be_kept() {
        return Err(refused(413, TOO_LARGE));
    }

    // 4. Validate the request now, so that errors are returned to the client (section 2.3).
    let client_id = client.client_id.clone();
    match validate_for(provider, client, &pending).await {
        Ok(Validation::Valid(_)) => {}
        Ok(Validation::Refused(_, error)) => return Err(error.into()),
        Err(Error::Protocol(Protocol::Page(PageError { code, description, .. }))) => {
            return Err(AuthorizeError::new(code, description).into());
        }
        Err(error) => return Err(error),
    }

    // 5. Store the request, and return its `request_uri` (section 2.2).
    let request_uri = pending.push(&client_id, context).await?;
    let document = json!({ "request_uri": request_uri, "expires_in": PUSHED_REQUEST_SECONDS });
    Ok(Response::json(201, &document))
}

fn refused(status: u16, error: AuthorizeError) -> Error {
    let AuthorizeError { code, description } = error;
    Protocol::Refused { status, code, description: description.to_string() }.into()
}
