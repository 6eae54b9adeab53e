//! The URL at which password managers look for the change of a password (W3C "A Well-Known URL for Changing Passwords").

use crate::error::Error;
use crate::http::Response;
use crate::provider::Provider;
use crate::routes::ACCOUNT;

/// Redirects to the account page.
pub fn serve<P>(provider: &Provider<'_, P>) -> Result<Response, Error> {
    Ok(Response::see_other(ACCOUNT.url(&provider.context.config.issuer)))
}
