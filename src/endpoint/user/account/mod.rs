//! The account page: the applications with access to the user's data, the browsers in which the user is signed in, and
//! the password. A form of the page withdraws access; the others have endpoints of their own.

mod page;
pub mod password;
pub mod sessions;

pub use page::{account_login_page, shown};

use crate::endpoint::support::form;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::interaction::BrowserContext;
use crate::interaction::token::{InteractionStep, InteractionToken};
use crate::pages::{self, AccountNotice, Texts};
use crate::ports::Platform;
use crate::protocol::client::client_id_url;
use crate::provider::Provider;
use crate::routes::ACCOUNT;
use crate::store::applications;
use crate::store::batch::Batch;
use crate::store::consents;
use page::{Reading, show};

/// Shows the page, after it has withdrawn access if a form wants that.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let browser = BrowserContext::from_request(context, request)?;
    let texts = Texts::choose(None, request.header("accept-language").as_deref());
    if request.method() == "POST" {
        return withdraw(provider, request, &browser, texts).await;
    }
    let mut batch = Batch::default();
    let reading = browser.session_hash().map(|hash| Reading::add(&mut batch, hash, context.now));
    let mut outcome = batch.run_idempotent(context).await?;
    let facts = reading.map_or(Ok(None), |reading| reading.finish(&mut outcome))?;
    Ok(show(provider, &browser, texts, facts, None).await?)
}

/// Withdraws the access of a client, and shows the page with the result. It is read in the same batch, so a form takes one
/// request to the database.
async fn withdraw(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
    browser: &BrowserContext<'_>,
    texts: &'static Texts,
) -> Result<Response, Error> {
    let context = &provider.context;
    let fields = [("client_id", client_id_url::LIMIT), form::TOKEN];
    let mut params = form::fields(request, fields).await?;
    let token = form::field(&mut params, "token")?;
    // The form of another site arrives without the session's cookie. The GET has it.
    let Some(cookie_hash) = browser.session_hash() else {
        return Ok(Response::see_other(ACCOUNT.url(&context.config.issuer)));
    };
    let is_authentic =
        form_token(&cookie_hash, "").began_at(browser, &token, context.now).is_some();
    let client_id = form::field(&mut params, "client_id")?;
    let mut batch = Batch::default();
    // A client by document is deleted with its last consent, so it is read before.
    let client = is_authentic.then(|| applications::find_in(&mut batch, &client_id));
    if is_authentic {
        consents::withdraw_in(&mut batch, &cookie_hash, &client_id, context)?;
    }
    let reading = Reading::add(&mut batch, cookie_hash, context.now);
    let mut outcome = batch.run_idempotent(context).await?;
    let client = client.map(|client| outcome.take(client)).transpose()?;
    let notice = match &client {
        None => AccountNotice::FormExpired,
        Some(Some(client)) => AccountNotice::Withdrawn(shown(context, texts, client, None)),
        Some(None) => AccountNotice::Withdrawn(pages::Client::unnamed(&client_id)),
    };
    let facts = reading.finish(&mut outcome)?;
    Ok(show(provider, browser, texts, facts, Some(notice)).await?)
}

/// The content of the token in the forms of the account page, except that of the password, and, with its request, of the
/// logout endpoint. It is bound to the session by its cookie, so that a form is authentic before the session is read.
pub fn form_token<'a>(cookie_hash: &'a str, request: &'a str) -> InteractionToken<'a> {
    InteractionToken { step: InteractionStep::Account, request, sub: cookie_hash }
}
