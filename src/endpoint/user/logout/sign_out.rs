//! The target of the sign-out forms, on the account page and on the page of the logout endpoint: ends the session of this
//! browser.

use super::done::{Done, Ended};
use super::request::LogoutRequest;
use crate::endpoint::support::form;
use crate::endpoint::user::account::form_token;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::interaction::BrowserContext;
use crate::ports::Platform;
use crate::provider::Provider;
use crate::routes::{ACCOUNT, END_SESSION};
use crate::store::audit::kinds::SessionEndReason;
use crate::store::batch::Batch;
use crate::store::session_ends::{EndingSessions, SessionEnd, had_client};

/// Ends the session, and goes on to the application, or shows what was used in the session.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let issuer = &context.config.issuer;
    // 1. Require a form that the provider issued to this browser.
    let browser = BrowserContext::from_request(context, request)?;
    let mut params = form::fields(request, [form::REQUEST, form::TOKEN]).await?;
    let (query, token) = (form::request(&mut params)?, form::field(&mut params, "token")?);
    let cookie_hash = browser.session_hash();
    let is_authentic = match &cookie_hash {
        Some(hash) => form_token(hash, &query).began_at(&browser, &token, context.now).is_some(),
        // Without a session, require the cookie that pages with forms set. A request without any cookie comes from
        // another site's form, because the cookies are `SameSite=Lax`, and a response that cleared the session cookie
        // would sign the user out.
        None => !browser.is_new(),
    };
    if !is_authentic {
        // The form is another site's or has expired: show a page where the user can sign out.
        return Ok(Response::see_other(if query.is_empty() {
            ACCOUNT.url(issuer)
        } else {
            format!("{}?{query}", END_SESSION.url(issuer))
        }));
    }
    let logout = LogoutRequest::of_form(&query)?;

    // 2. End the session, and find what was used in it, and the application to return to.
    let mut batch = Batch::default();
    let client = logout.find_client_in(&mut batch, context.now);
    let sessions =
        cookie_hash.as_ref().map(|cookie_hash| EndingSessions::OfBrowser { cookie_hash });
    let end = sessions
        .map(|sessions| SessionEnd::new(context, sessions, Some(SessionEndReason::SignedOut)))
        .transpose()?;
    let reading = end.as_ref().map(|end| Ended::add(&mut batch, end, context)).transpose()?;
    let is_of_session = match (&end, logout.client_id()) {
        (Some(end), Some(client_id)) => Some(had_client(&mut batch, &end.id, client_id)),
        _ => None,
    };
    let mut outcome = batch.run_idempotent(context).await?;
    let client = client.map_or(Ok(None), |client| outcome.take(client))?;
    let ended = reading.map_or(Ok(Ended::default()), |reading| reading.finish(&mut outcome))?;

    // 3. Return to the application, or show the applications, where the user may still be signed in.
    // The URI was registered when the page was shown. If it is no longer, the user is signed out all the same.
    let return_to = logout.return_to(client, context).unwrap_or_else(|error| {
        if let Error::Internal(fault) = error {
            context.log_fault(&fault);
        }
        None
    });
    // Anybody could have written the request of the form, and have registered the client. The user knows only a client
    // that was used in the session.
    let is_of_session = is_of_session.map_or(Ok(false), |handle| outcome.take(handle))?;
    let is_automatic = is_of_session || return_to.as_ref().is_some_and(|to| to.is_vouched_for);
    let texts = form::texts(request, logout.params());
    let done = Done { texts, ended, return_to, is_automatic, is_behind_form: true };
    Ok(done.response_to_browser(context))
}
