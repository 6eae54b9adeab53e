//! The target of the forms that end other sessions of the user: one, or all of them.
//!
//! It needs no recent authentication: it takes from nobody but the user, who may be in a hurry.

use crate::context::Context;
use crate::endpoint::support::form;
use crate::endpoint::user::account::form_token;
use crate::endpoint::user::account::page::{Reading, session_handle, show};
use crate::error::{Error, Internal};
use crate::http::{Request, Response};
use crate::interaction::BrowserContext;
use crate::pages::{ALL_OTHERS, AccountNotice, Texts};
use crate::ports::Platform;
use crate::provider::Provider;
use crate::routes::ACCOUNT;
use crate::store::audit::kinds::SessionEndReason;
use crate::store::batch::Batch;
use crate::store::session_ends::{EndingSessions, SessionEnd};
use crate::store::sessions;

/// Ends the sessions, and shows the account page.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let account = || Ok(Response::see_other(ACCOUNT.url(&context.config.issuer)));
    if request.method() != "POST" {
        return account();
    }
    let browser = BrowserContext::from_request(context, request)?;
    let texts = Texts::choose(None, request.header("accept-language").as_deref());

    // 1. Read the form. That of another site arrives without the session's cookie. The GET has it.
    let mut params = form::fields(request, [("session", 64), form::TOKEN]).await?;
    let token = form::field(&mut params, "token")?;
    let wanted = form::field(&mut params, "session")?;
    let Some(cookie_hash) = browser.session_hash() else { return account() };

    // 2. Require a form that the provider issued to this browser in this session.
    let is_authentic =
        form_token(&cookie_hash, "").began_at(&browser, &token, context.now).is_some();

    // 3. Find the sessions. One that is not found has ended already.
    let mut one = None;
    if is_authentic && wanted != ALL_OTHERS {
        one = find(context, &cookie_hash, &wanted).await?;
    }
    let others = EndingSessions::OthersOfUser { cookie_hash: &cookie_hash };
    let (sessions, notice) = match &one {
        _ if !is_authentic => (None, AccountNotice::FormExpired),
        _ if wanted == ALL_OTHERS => (Some(others), AccountNotice::OthersSignedOut),
        None => (None, AccountNotice::OtherSignedOut),
        Some(session_id) => (
            Some(EndingSessions::OtherOfUser { cookie_hash: &cookie_hash, session_id }),
            AccountNotice::OtherSignedOut,
        ),
    };

    // 4. End them, and show the page, which the same batch reads.
    let mut batch = Batch::default();
    if let Some(sessions) = sessions {
        let reason = Some(SessionEndReason::SignedOutElsewhere);
        SessionEnd::new(context, sessions, reason)?.add_to(&mut batch, context)?;
    }
    let reading = Reading::add(&mut batch, cookie_hash.clone(), context.now);
    let mut outcome = batch.run_idempotent(context).await?;
    let facts = reading.finish(&mut outcome)?;
    Ok(show(provider, &browser, texts, facts, Some(notice)).await?)
}

/// Finds the id of the session with this handle among those of the user of a session.
async fn find(
    context: &Context<'_, impl Platform>,
    cookie_hash: &str,
    handle: &str,
) -> Result<Option<String>, Internal> {
    for id in sessions::ids(context, cookie_hash).await? {
        if session_handle(cookie_hash, &id)? == handle {
            return Ok(Some(id));
        }
    }
    Ok(None)
}
