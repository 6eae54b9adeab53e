//! Where signing out leads: the session of this browser ends. What applications were granted stays.

use crate::endpoint::support::form;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::interaction::BrowserContext;
use crate::interaction::cookies::Cookie;
use crate::interaction::token::{InteractionStep, InteractionToken};
use crate::pages::{SignedOut, Texts};
use crate::ports::Platform;
use crate::provider::Provider;
use crate::routes::ACCOUNT;
use crate::store::sessions;

/// Ends the session.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let browser = BrowserContext::from_request(context, request)?;
    let mut params = form::fields(request, [form::TOKEN]).await?;
    let token = form::field(&mut params, "token")?;
    let is_ours = match browser.find_session(context).await? {
        Some(session) => {
            let interaction_token =
                InteractionToken { step: InteractionStep::Account, request: "", sub: &session.sub };
            interaction_token.began_at(&browser, &token, context.now).is_some()
        }
        // Our forms come with the cookies of the pages that show them. With none at all, it is the form of
        // another site, to which the browser does not give them; and an answer that took the session's away
        // would sign the person out.
        None => !browser.is_new,
    };
    if !is_ours {
        // Not our form, or an old one: the person decides again.
        return Ok(Response::see_other(ACCOUNT.url(&context.config.issuer)));
    }
    if let Some(cookie_hash) = browser.session_hash() {
        sessions::end(context.platform, &cookie_hash).await?;
    }
    let texts = Texts::choose(None, request.header("accept-language").as_deref());
    Ok(SignedOut { texts }.response().with_cookie(Cookie::Session.clear(&context.config.issuer)))
}
