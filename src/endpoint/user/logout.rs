//! The target of the sign-out form: ends the session of this browser. Access granted to applications remains.

use crate::endpoint::support::form;
use crate::endpoint::user::account::{form_token, shown};
use crate::error::Error;
use crate::http::{Request, Response};
use crate::interaction::BrowserContext;
use crate::interaction::cookies::Cookie;
use crate::pages::{SignedOut, Texts};
use crate::ports::Platform;
use crate::provider::Provider;
use crate::routes::ACCOUNT;
use crate::store::applications;
use crate::store::audit::kinds::SessionEndReason;
use crate::store::batch::Batch;
use crate::store::session_ends::{EndingSessions, SessionEnd};

/// Ends the session, and shows what was used in it.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    // 1. Require a form that the provider issued to this browser.
    let browser = BrowserContext::from_request(context, request)?;
    let mut params = form::fields(request, [form::TOKEN]).await?;
    let token = form::field(&mut params, "token")?;
    let cookie_hash = browser.session_hash();
    let is_authentic = match &cookie_hash {
        Some(hash) => form_token(hash).began_at(&browser, &token, context.now).is_some(),
        // Without a session, require the cookie that pages with forms set. A request without any cookie comes from
        // another site's form, because the cookies are `SameSite=Lax`, and a response that cleared the session cookie
        // would sign the user out.
        None => !browser.is_new(),
    };
    if !is_authentic {
        // The form is another site's or has expired: show the account page, where the user can sign out.
        return Ok(Response::see_other(ACCOUNT.url(&context.config.issuer)));
    }
    // 2. End the session, and find what was used in it.
    let mut used = Vec::new();
    if let Some(cookie_hash) = &cookie_hash {
        let sessions = EndingSessions::OfBrowser { cookie_hash };
        let end = SessionEnd::new(context, sessions, Some(SessionEndReason::SignedOut))?;
        let mut batch = Batch::default();
        end.add_to(&mut batch, context)?;
        let handle = applications::of_ended_in(&mut batch, &end.id);
        used = batch.run_idempotent(context).await?.take(handle)?;
    }

    // 3. Show the applications, where the user may still be signed in.
    let texts = Texts::choose(None, request.header("accept-language").as_deref());
    let used: Vec<_> = used.iter().map(|one| shown(context, texts, one, None)).collect();
    let page = SignedOut {
        brand: context.config.into(),
        texts,
        applications: &used,
        account_url: &ACCOUNT.url(&context.config.issuer),
    };
    Ok(page.response().with_cookie(Cookie::Session.clear(&context.config.issuer)))
}
