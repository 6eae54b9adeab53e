//! The client that an authorization request names.

use crate::context::Context;
use crate::error::{Error, PageError};
use crate::ports::Platform;
use crate::protocol::params::Params;
use crate::store::clients::{self, Client};

/// Finds the client. Nothing can be sent to it yet, so what is wrong is shown on a page.
///
/// # Errors
/// [`PageError`], and whatever the database reports.
pub async fn find_client(
    context: &Context<'_, impl Platform>,
    params: &Params,
) -> Result<Client, Error> {
    let client_id = params
        .once("client_id")
        .map_err(|_| PageError::application_fault("client_id stands twice in the request"))?
        .ok_or(PageError::application_fault("client_id is missing from the request"))?;
    let description = "client_id names no application that is registered here";
    let unknown = PageError { code: "invalid_client", ..PageError::application_fault(description) };
    Ok(clients::find(context.platform, client_id, context.now).await?.ok_or(unknown)?)
}
