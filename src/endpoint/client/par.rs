//! The pushed authorization request endpoint (RFC 9126). A client stores its request here, and redirects the user with
//! only a reference to it.

use serde_json::json;

use crate::context::Context;
use crate::endpoint::support::body::{Limit, limit};
use crate::endpoint::support::client_authentication::{NewDocument, form, prove};
use crate::endpoint::user::authorize::id_token_hint;
use crate::endpoint::user::authorize::resolve::{TOO_LARGE, TOO_MANY, verify};
use crate::endpoint::user::authorize::validate::{Validation, validate_for};
use crate::error::{Error, PageError, Protocol};
use crate::http::{Request, Response, address_of};
use crate::interaction::pending_request::{PendingRequest, discard};
use crate::lifetimes::PUSHED_REQUEST_SECONDS;
use crate::limits::rate_limits::may_store;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::AuthorizeError;
use crate::protocol::authorization::authorize_request::PARAMETERS;
use crate::protocol::authorization::request_object::Passing;
use crate::protocol::client::authentication;
use crate::protocol::client::voucher::Voucher;
use crate::protocol::params::{DuplicateParameter, Params};
use crate::protocol::token::token_error::{CLIENT_REFUSED, TokenError};
use crate::provider::Provider;
use crate::store::batch::Batch;
use crate::store::client_proof::{Checked, ClientProof, ProofMethod};
use crate::store::clients::Client;
use crate::store::identifiers;

/// The largest body that is read: an ID token as hint, and the other parameters.
const BODY_LIMIT: Limit = limit!(65_536);

/// The parameters that authenticate the client. They are not part of the authorization request.
const AUTHENTICATION_PARAMETERS: [&str; 3] =
    ["client_assertion", "client_assertion_type", "client_secret"];

/// Stores a valid request and returns its `request_uri`.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let address = address_of(request);
    let params = form(request, BODY_LIMIT, &[&authentication::PARAMETERS, &PARAMETERS]).await?;
    let proof = prove(provider, request, &params, NewDocument::Store).await?;

    // 1. Read the request: the parameters themselves, or a request object (section 3). Errors are returned in step 4,
    //    because an authentication that fails comes first.
    let submitted = submit(params, &proof.client_id);

    // 2. Authenticate the client, as at the token endpoint (section 2). The same request to D1 stores the parameters of
    //    the operator's clients, before they are validated, because few of their requests are invalid. The rate of
    //    public clients, and of clients by document that are stored now, is limited before, because anybody may be
    //    behind them.
    let is_public = matches!(proof.method, ProofMethod::Public);
    let is_limited_first = is_public || proof.copy.is_some();
    let may_store_now = !is_limited_first || may_store(context, request).await;
    if !may_store_now && proof.copy.is_some() {
        return Err(refused(429, TOO_MANY));
    }
    let mut batch = Batch::default();
    let handles = proof.add_to(&mut batch, context.now)?;
    let pushed = match &submitted {
        Ok(Submitted::Parameters(pending))
            if may_store_now
                && pending.may_be_kept()
                && !id_token_hint::has_hint(&pending.params) =>
        {
            Some(pending.push_in(&mut batch, (&proof, &address), context)?)
        }
        _ => None,
    };
    let mut outcome = batch.run_idempotent(context).await?;
    let client = proven(context, &proof, proof.check(handles, &mut outcome)?).await?;
    let pushed = match pushed {
        Some((request_uri, stored)) => outcome.take(stored)?.then_some(request_uri),
        None => None,
    };

    // 3. Limit the rate of clients that registered themselves, for the same reason. Storing their request is one more
    //    request to D1, and so is storing a request object, which the client's keys verify.
    let is_limited = client.voucher() != Voucher::Operator && !is_limited_first;
    if !may_store_now || is_limited && !may_store(context, request).await {
        return Err(refused(429, TOO_MANY));
    }

    // 4. Validate the request now, so that errors are returned to the client (section 2.3).
    let pending = match validated(provider, &address, client.clone(), submitted).await {
        Ok(pending) => pending,
        Err(error) => {
            if let Some(request_uri) = pushed
                && let Err(fault) = discard(&request_uri, context).await
            {
                // Nobody knows the URI, and it expires soon.
                context.log_fault(&fault);
            }
            return Err(error);
        }
    };

    // 5. Return its `request_uri` (section 2.2).
    let request_uri = match pushed {
        Some(request_uri) => request_uri,
        None => pending.push(&client, &address, context).await?,
    };
    let document = json!({ "request_uri": request_uri, "expires_in": PUSHED_REQUEST_SECONDS });
    Ok(Response::json(201, &document))
}

/// Returns the client, if it is proven. One by document is not stored, either, if a user has its identifier as `sub`: then
/// trying later does not help.
async fn proven(
    context: &Context<'_, impl Platform>,
    proof: &ClientProof,
    checked: Checked,
) -> Result<Client, Error> {
    let is_refused = matches!(checked, Checked::TooMany { .. });
    if is_refused && identifiers::is_sub(context, &proof.client_id).await? {
        return Err(CLIENT_REFUSED.into());
    }
    checked.client(context)
}

/// The authorization request in a form.
enum Submitted {
    /// A request object, not verified yet.
    Object(String),
    Parameters(PendingRequest),
}

/// Reads the request. One that is too large is dropped, so that an isolate holds only small ones while it waits.
fn submit(mut params: Params, client_id: &str) -> Result<Submitted, Error> {
    let duplicate = |duplicate: DuplicateParameter| TokenError::InvalidRequest(duplicate.into());
    if params.once("request_uri").map_err(duplicate)?.is_some() {
        return Err(TokenError::InvalidRequest(
            "request_uri: must not be pushed (RFC 9126 section 2.1)".into(),
        )
        .into());
    }
    let has_client_id = params.once("client_id").map_err(duplicate)?.is_some();
    if let Some(object) = params.once("request").map_err(duplicate)? {
        return Ok(Submitted::Object(object.to_owned()));
    }
    params.remove(&AUTHENTICATION_PARAMETERS);
    // A client that authenticated by HTTP Basic or an assertion may omit it.
    if !has_client_id {
        params.append("client_id", client_id);
    }
    let pending = PendingRequest { params, is_pushed: true, ..Default::default() };
    if pending.may_be_kept() {
        Ok(Submitted::Parameters(pending))
    } else {
        Err(refused(413, TOO_LARGE))
    }
}

/// Returns the request, if it is valid.
async fn validated(
    provider: &Provider<'_, impl Platform>,
    address: &str,
    client: Client,
    submitted: Result<Submitted, Error>,
) -> Result<PendingRequest, Error> {
    let mut pending = match submitted? {
        Submitted::Parameters(pending) => pending,
        Submitted::Object(object) => {
            let object = (object.as_str(), Passing::ByValue);
            let params = verify(provider, address, &client, object).await?;
            PendingRequest { params, is_pushed: true, is_signed: true, ..Default::default() }
        }
    };
    if !pending.may_be_kept() {
        return Err(refused(413, TOO_LARGE));
    }
    // The error is returned here, so no redirect URI needs to be trusted.
    let valid = match validate_for(provider, client, &pending, false).await {
        Ok(Validation::Valid(valid)) => valid,
        Ok(Validation::Refused(_, error)) => return Err(error.into()),
        Err(Error::Protocol(Protocol::Page(PageError { code, description, .. }))) => {
            return Err(AuthorizeError::new(code, description).into());
        }
        Err(error) => return Err(error),
    };
    id_token_hint::settle(provider, &mut pending.params, &valid.client.client_id).await?;
    Ok(pending)
}

fn refused(status: u16, error: AuthorizeError) -> Error {
    let AuthorizeError { code, description } = error;
    Protocol::Refused { status, code, description: description.to_string() }.into()
}
