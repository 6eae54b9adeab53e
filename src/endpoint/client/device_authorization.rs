//! The device authorization endpoint (RFC 8628 section 3.1). A device that has no browser starts a sign-in here, and its user
//! continues it at another device.

use serde_json::json;

use crate::endpoint::support::body::{Limit, limit};
use crate::endpoint::support::client_authentication::{NewDocument, form, prove};
use crate::error::{Error, Protocol};
use crate::http::{Request, Response, address_of, country_of, network_of};
use crate::interaction::device_requests::{DeviceCodes, store};
use crate::lifetimes::{DEVICE_CODE_SECONDS, POLL_INTERVAL_SECONDS};
use crate::limits::rate_limits::may_store;
use crate::ports::Platform;
use crate::protocol::authorization::authorize_error::TEMPORARILY_UNAVAILABLE;
use crate::protocol::authorization::authorize_request::{AuthorizeRequest, DEVICE_PARAMETERS};
use crate::protocol::authorization::device_request::DeviceRequest;
use crate::protocol::client::authentication;
use crate::protocol::client::voucher::Voucher;
use crate::protocol::params::Params;
use crate::protocol::token::token_error::TokenError;
use crate::provider::Provider;
use crate::routes::DEVICE;
use crate::store::batch::Batch;
use crate::store::client_proof::ProofMethod;

/// The largest body that is read: a client assertion of 16 KiB, and the other parameters.
const BODY_LIMIT: Limit = limit!(24_576);

/// The largest parameters that are stored, form-encoded, in bytes.
const KEPT_LIMIT: usize = 8_192;

/// Stores the request of a device, and returns its codes.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let address = address_of(request);
    let params =
        form(request, BODY_LIMIT, &[&authentication::PARAMETERS, &DEVICE_PARAMETERS]).await?;

    // 1. Authenticate the client, as at the token endpoint (section 3.1). The rate of public clients, and of clients by
    //    document that are stored now, is limited before, because anybody may be behind them.
    let proof = prove(provider, request, &params, NewDocument::Store).await?;
    let is_limited_first = matches!(proof.method, ProofMethod::Public) || proof.copy.is_some();
    if is_limited_first && !may_store(context, request).await {
        return Err(too_many());
    }
    let mut batch = Batch::default();
    let handles = proof.add_to(&mut batch, context.now)?;
    let mut outcome = batch.run_idempotent(context).await?;
    let client = proof.check(handles, &mut outcome)?.client(context)?;

    // 2. Limit the rate of clients that registered themselves, for the same reason.
    let is_limited = client.voucher() != Voucher::Operator && !is_limited_first;
    if is_limited && !may_store(context, request).await {
        return Err(too_many());
    }

    // 3. Validate the request now, so that errors are returned to the client.
    let params = of_request(params, &client.client_id)?;
    let policy = context.config.authorize_policy(client.voucher());
    AuthorizeRequest::of_device(&params, &client.metadata, &policy)?;

    // 4. Store it, with what its user compares. This is a second request to D1, because the client's metadata decides.
    let described = DeviceRequest::new(
        context.now,
        network_of(&address),
        country_of(request),
        request.header("user-agent").as_deref(),
    );
    let codes = store(context, (&client, &address), &params, &described).await?;
    let DeviceCodes { device_code, user_code } = codes;

    // 5. Return the codes (section 3.2).
    let verification_uri = DEVICE.url(&context.config.issuer);
    let document = json!({
        "device_code": device_code,
        "user_code": user_code.to_string(),
        "verification_uri": verification_uri,
        "verification_uri_complete": format!("{verification_uri}?user_code={user_code}"),
        "expires_in": DEVICE_CODE_SECONDS,
        "interval": POLL_INTERVAL_SECONDS,
    });
    Ok(Response::json(200, &document))
}

/// Returns the parameters that are stored: those of the request, and its client.
fn of_request(mut params: Params, client_id: &str) -> Result<Params, Error> {
    params.remove(&authentication::PARAMETERS);
    params.append("client_id", client_id);
    if params.encoded_length_without(&[]) > KEPT_LIMIT {
        let description = "the parameters are longer than 8192 bytes";
        return Err(TokenError::InvalidRequest(description.into()).into());
    }
    Ok(params)
}

fn too_many() -> Error {
    let description = "too many authorization requests from this address; try again later";
    Protocol::Refused {
        status: 429,
        code: TEMPORARILY_UNAVAILABLE,
        description: description.to_owned(),
    }
    .into()
}
