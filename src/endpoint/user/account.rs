//! The account page: the applications with access to the user's data, and forms to withdraw access.

use crate::context::Context;
use crate::endpoint::support::form;
use crate::error::{Error, Internal};
use crate::http::{Request, Response};
use crate::interaction::BrowserContext;
use crate::interaction::token::{InteractionStep, InteractionToken};
use crate::pages::{self, AccountNotice, Notice, Texts, Verification};
use crate::ports::Platform;
use crate::protocol::client::client_id_url;
use crate::protocol::user::scope::Scopes;
use crate::provider::Provider;
use crate::routes::{ACCOUNT, LOGIN, LOGOUT};
use crate::store::applications::{self, Allowed, Application};
use crate::store::batch::{Batch, Handle, Outcome};
use crate::store::consents;
use crate::store::sessions::{self, Session};

/// The number of applications whose logo is shown.
const LOGOS: usize = 10;

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
    Ok(show(provider, &browser, texts, facts, None).await)
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
    Ok(show(provider, browser, texts, facts, Some(notice)).await)
}

/// The content of the token in the forms of the account page, and, with its request, of the logout endpoint. It is bound to
/// the session by its cookie, so that a form is authentic before the session is read.
pub fn form_token<'a>(cookie_hash: &'a str, request: &'a str) -> InteractionToken<'a> {
    InteractionToken { step: InteractionStep::Account, request, sub: cookie_hash }
}

/// The content of the page.
struct AccountFacts {
    cookie_hash: String,
    session: Session,
    /// The clients with access to the data of the session's user.
    allowed: Vec<Allowed>,
}

/// The statements that read the content.
struct Reading {
    cookie_hash: String,
    session: Handle<Option<Session>>,
    allowed: Handle<Vec<Allowed>>,
}

impl Reading {
    fn add(batch: &mut Batch, cookie_hash: String, now: i64) -> Self {
        Self {
            session: sessions::find_in(batch, &cookie_hash, now),
            allowed: applications::list_in(batch, &cookie_hash, now),
            cookie_hash,
        }
    }

    /// Returns the content, if the session has not ended.
    fn finish(self, outcome: &mut Outcome) -> Result<Option<AccountFacts>, Internal> {
        let Self { cookie_hash, session, allowed } = self;
        let (session, allowed) = (outcome.take(session)?, outcome.take(allowed)?);
        Ok(session.map(|session| AccountFacts { cookie_hash, session, allowed }))
    }
}

/// Returns a client as pages show it, and logs the fault of a damaged one.
pub fn shown<'a>(
    context: &Context<'_, impl Platform>,
    texts: &Texts,
    client: &'a Application,
    logo: Option<&'a str>,
) -> pages::Client<'a> {
    match &client.metadata {
        Ok(metadata) => {
            let own_host = context.config.issuer.own_host();
            let verification = Verification::new(client.voucher, own_host);
            pages::Client::new(&client.client_id, metadata, verification, texts, logo)
        }
        Err(fault) => {
            context.log_fault(fault);
            pages::Client::unnamed(&client.client_id)
        }
    }
}

/// Renders the page, or the sign-in page if nobody is signed in.
async fn show(
    provider: &Provider<'_, impl Platform>,
    browser: &BrowserContext<'_>,
    texts: &'static Texts,
    facts: Option<AccountFacts>,
    notice: Option<AccountNotice<'_>>,
) -> Response {
    let context = &provider.context;
    let Some(AccountFacts { cookie_hash, session, allowed }) = &facts else {
        return account_login_page(context, browser, texts, "", None);
    };
    let scopes = &context.config.scopes;
    let claims = allowed
        .iter()
        .map(|one| scopes.claims_outside_scopes(&Scopes::of_valid(&one.scope), &one.claims));
    let claims: Vec<_> = claims.collect();
    // Only logos that a sign-in fetched before are shown, and few, so that this page fetches nothing and is not slow.
    let mut logos = Vec::new();
    for (index, one) in allowed.iter().enumerate() {
        let logo = match &one.application.metadata {
            Ok(metadata) if index < LOGOS => {
                provider.memory.logos.known(metadata, texts.tag, context).await
            }
            _ => None,
        };
        logos.push(logo);
    }
    let applications: Vec<_> = allowed
        .iter()
        .zip(&claims)
        .zip(&logos)
        .map(|((one, claims), logo)| pages::Application {
            client: shown(context, texts, &one.application, logo.as_deref()),
            client_id: &one.application.client_id,
            configured: context.config.into(),
            scope: Scopes::of_valid(&one.scope),
            claims,
            since: one.granted_at,
            used: one.used_at,
        })
        .collect();
    let page = pages::Account {
        brand: context.config.into(),
        texts,
        notice,
        account: &session.display_name(),
        applications: &applications,
        withdraw_action: &ACCOUNT.url(&context.config.issuer),
        sign_out_action: &LOGOUT.url(&context.config.issuer),
        token: &form_token(cookie_hash, "").issue(browser, context.now),
    };
    browser.remember_in(page.response())
}

/// Renders the sign-in page for the account page.
pub fn account_login_page<P>(
    context: &Context<'_, P>,
    browser: &BrowserContext<'_>,
    texts: &'static Texts,
    login: &str,
    notice: Option<Notice>,
) -> Response {
    let interaction_token = InteractionToken { step: InteractionStep::Login, request: "", sub: "" };
    let page = pages::Login {
        brand: context.config.into(),
        texts,
        client: None,
        redirect_uri: None,
        action: &LOGIN.url(&context.config.issuer),
        request: "",
        token: &interaction_token.issue(browser, context.now),
        login,
        notice,
    };
    browser.remember_in(page.response())
}
