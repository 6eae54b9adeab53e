//! The account page: the applications with access to the user's data, and forms to withdraw access.

use crate::context::Context;
use crate::endpoint::support::form;
use crate::error::{Error, Internal};
use crate::http::{Request, Response};
use crate::interaction::BrowserContext;
use crate::interaction::token::{InteractionStep, InteractionToken};
use crate::pages::{self, Notice, Texts, Verification};
use crate::ports::Platform;
use crate::protocol::client::client_id_url;
use crate::protocol::user::scope::Scopes;
use crate::provider::Provider;
use crate::routes::{ACCOUNT, LOGIN, LOGOUT};
use crate::store::batch::Batch;
use crate::store::consents::{self, Allowed};
use crate::store::sessions::{self, Session};

/// The number of applications whose logo is shown.
const LOGOS: usize = 10;

/// Shows the page, or withdraws access and redirects to it.
pub async fn serve(
    provider: &Provider<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let context = &provider.context;
    let browser = BrowserContext::from_request(context, request)?;
    let texts = Texts::choose(None, request.header("accept-language").as_deref());
    if request.method() != "POST" {
        return Ok(match find(context, &browser).await? {
            Some(facts) => page(provider, &browser, texts, &facts).await,
            None => account_login_page(context, &browser, texts, "", None),
        });
    }
    let mut params =
        form::fields(request, [("client_id", client_id_url::LIMIT), form::TOKEN]).await?;
    let token = form::field(&mut params, "token")?;
    if let Some(cookie_hash) = browser.session_hash()
        && form_token(&cookie_hash).began_at(&browser, &token, context.now).is_some()
    {
        let client_id = form::field(&mut params, "client_id")?;
        consents::withdraw(context, &cookie_hash, &client_id).await?;
    }
    // The page shows whether access was withdrawn.
    Ok(Response::see_other(ACCOUNT.url(&context.config.issuer)))
}

/// The content of the token in the forms of the account page. It is bound to the session by its cookie, so that a form is
/// authentic before the session is read.
pub fn form_token(cookie_hash: &str) -> InteractionToken<'_> {
    InteractionToken { step: InteractionStep::Account, request: "", sub: cookie_hash }
}

/// The content of the page.
struct AccountFacts {
    cookie_hash: String,
    session: Session,
    /// The clients with access to the data of the session's user.
    allowed: Vec<Allowed>,
}

async fn find(
    context: &Context<'_, impl Platform>,
    browser: &BrowserContext<'_>,
) -> Result<Option<AccountFacts>, Internal> {
    let Some(cookie_hash) = browser.session_hash() else { return Ok(None) };
    let mut batch = Batch::default();
    let session = sessions::find_in(&mut batch, &cookie_hash, context.now);
    let allowed = consents::list_in(&mut batch, &cookie_hash, context.now);
    let mut outcome = batch.run_idempotent(context).await?;
    let (session, allowed) = (outcome.take(session)?, outcome.take(allowed)?);
    Ok(session.map(|session| AccountFacts { cookie_hash, session, allowed }))
}

async fn page(
    provider: &Provider<'_, impl Platform>,
    browser: &BrowserContext<'_>,
    texts: &'static Texts,
    facts: &AccountFacts,
) -> Response {
    let context = &provider.context;
    let AccountFacts { cookie_hash, session, allowed } = facts;
    let scopes = &context.config.scopes;
    let claims = allowed
        .iter()
        .map(|one| scopes.claims_outside_scopes(&Scopes::of_valid(&one.scope), &one.claims));
    let claims: Vec<_> = claims.collect();
    // Only logos of logos that a sign-in fetched before are shown, and few, so that this page fetches nothing and is
    // not slow.
    let mut logos = Vec::new();
    for (index, one) in allowed.iter().enumerate() {
        let logo = match &one.metadata {
            Ok(metadata) if index < LOGOS => {
                provider.memory.logos.known(metadata, texts.tag, context).await
            }
            Ok(_) => None,
            Err(fault) => {
                context.log_fault(fault);
                None
            }
        };
        logos.push(logo);
    }
    let applications: Vec<_> = allowed
        .iter()
        .zip(&claims)
        .zip(&logos)
        .map(|((one, claims), logo)| pages::Application {
            client: match &one.metadata {
                Ok(metadata) => {
                    let own_host = context.config.issuer.own_host();
                    let verification = Verification::new(one.voucher, own_host);
                    pages::Client::new(
                        &one.client_id,
                        metadata,
                        verification,
                        texts,
                        logo.as_deref(),
                    )
                }
                Err(_) => pages::Client::unnamed(&one.client_id),
            },
            client_id: &one.client_id,
            configured: context.config.into(),
            scope: Scopes::of_valid(&one.scope),
            claims,
            since: one.granted_at,
        })
        .collect();
    let page = pages::Account {
        brand: context.config.into(),
        texts,
        account: &session.display_name(),
        applications: &applications,
        withdraw_action: &ACCOUNT.url(&context.config.issuer),
        sign_out_action: &LOGOUT.url(&context.config.issuer),
        token: &form_token(cookie_hash).issue(browser, context.now),
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
