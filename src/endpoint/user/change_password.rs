//! The URL at which password managers look for the change of a password (W3C "A Well-Known URL for Changing Passwords").

use crate::error::Error;
use crate::http::Response;
use crate::pages::PASSWORD_FORM;
use crate::provider::Provider;
use crate::routes::ACCOUNT;

/// Redirects to the form of the account page. It is a part of that page, which shows the sign-in page first if nobody is
/// signed in.
pub fn serve<P>(provider: &Provider<'_, P>) -> Result<Response, Error> {
    Ok(Response::see_other(format!(
        "{}#{PASSWORD_FORM}",
        ACCOUNT.url(&provider.context.config.issuer)
    )))
}
