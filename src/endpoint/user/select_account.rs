//! The target of the account chooser's form (`prompt=select_account`).

use crate::endpoint::support::form;
use crate::endpoint::user::authorize::respond::redirect_to_authorize;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::interaction::BrowserContext;
use crate::interaction::pending_request::{restarted, resumed};
use crate::interaction::token::{InteractionStep, InteractionToken};
use crate::ports::Platform;
use crate::provider::Provider;

/// Continues the request with the account that is signed in, or with the sign-in form.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let browser = BrowserContext::from_request(context, request)?;
    let mut params = form::fields(request, [("decision", 16), form::REQUEST, form::TOKEN]).await?;
    let (query, token) = (form::request(&mut params)?, form::field(&mut params, "token")?);
    let decision = form::field(&mut params, "decision")?;

    let session = browser.find_session(context).await?;
    let sub = session.as_ref().map_or("", |session| session.sub.as_str());
    let interaction_token =
        InteractionToken { step: InteractionStep::SelectAccount, request: &query, sub };
    let began_at = interaction_token.began_at(&browser, &token, context.now);
    let query = match (began_at, decision.as_str()) {
        (Some(began_at), "continue") => {
            resumed(&browser, &query, InteractionStep::Continue, sub, began_at)
        }
        (Some(began_at), "switch") => {
            resumed(&browser, &query, InteractionStep::Switch, "", began_at)
        }
        // The form has expired, or another user is signed in now: show the page again.
        _ => restarted(&query),
    };
    Ok(redirect_to_authorize(context, &query))
}
