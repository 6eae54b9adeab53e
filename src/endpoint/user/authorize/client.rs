//! The client of an authorization request.

use crate::context::Context;
use crate::error::{Error, PageError};
use crate::ports::Platform;
use crate::protocol::description::Sent;
use crate::protocol::params::Params;
use crate::store::clients::{self, Client};

/// Finds the client. Errors are shown on a page, because no redirect URI is validated yet.
///
/// # Errors
/// [`PageError`] if `client_id` is missing, repeated or unknown; [`Error::Internal`] if the database fails.
pub async fn find_client(
    context: &Context<'_, impl Platform>,
    params: &Params,
) -> Result<Client, Error> {
    let client_id = params
        .once("client_id")
        .map_err(PageError::application_fault)?
        .ok_or(PageError::application_fault("missing parameter: client_id"))?;
    let description = format!("client_id: {} is not registered", Sent(client_id));
    let unknown = PageError { code: "invalid_client", ..PageError::application_fault(description) };
    Ok(clients::find(context.platform, client_id, context.now).await?.ok_or(unknown)?)
}
