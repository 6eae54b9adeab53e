//! The content of the account page, and its rendering.

use crate::context::Context;
use crate::crypto::mac::{Purpose, derive};
use crate::endpoint::user::account::form_token;
use crate::endpoint::user::account::password::password_token;
use crate::error::Internal;
use crate::http::Response;
use crate::interaction::BrowserContext;
use crate::interaction::token::{InteractionStep, InteractionToken};
use crate::pages::{self, AccountActions, AccountNotice, Notice, Texts, Verification};
use crate::ports::Platform;
use crate::protocol::user::scope::Scopes;
use crate::provider::Provider;
use crate::routes::{ACCOUNT, ACCOUNT_PASSWORD, ACCOUNT_SESSIONS, LOGIN, LOGOUT};
use crate::store::applications::{self, Allowed, Application};
use crate::store::batch::{Batch, Handle, Outcome};
use crate::store::sessions::{self, OpenSession, Session};

/// The number of applications whose logo is shown.
const LOGOS: usize = 10;

/// The number of sessions that are shown. A user who has more of them ends all at once.
const SESSIONS: usize = 20;

/// The content of the page.
pub struct AccountFacts {
    cookie_hash: String,
    session: Session,
    /// The clients with access to the data of the session's user.
    allowed: Vec<Allowed>,
    /// The sessions of the user: this one first, and one more than are shown if there are more.
    open: Vec<OpenSession>,
}

/// The statements that read the content.
pub struct Reading {
    cookie_hash: String,
    session: Handle<Option<Session>>,
    allowed: Handle<Vec<Allowed>>,
    open: Handle<Vec<OpenSession>>,
}

impl Reading {
    pub fn add(batch: &mut Batch, cookie_hash: String, now: i64) -> Self {
        let limit = i64::try_from(SESSIONS + 1).unwrap_or(i64::MAX);
        Self {
            session: sessions::find_in(batch, &cookie_hash, now),
            allowed: applications::list_in(batch, &cookie_hash, now),
            open: sessions::list_in(batch, &cookie_hash, limit, now),
            cookie_hash,
        }
    }

    /// Returns the content, if the session has not ended.
    pub fn finish(self, outcome: &mut Outcome) -> Result<Option<AccountFacts>, Internal> {
        let Self { cookie_hash, session, allowed, open } = self;
        let session = outcome.take(session)?;
        let (allowed, open) = (outcome.take(allowed)?, outcome.take(open)?);
        Ok(session.map(|session| AccountFacts { cookie_hash, session, allowed, open }))
    }
}

/// Returns what the page of a session calls another one of the same user. It is of no use in another session, and does not
/// disclose the id.
pub fn session_handle(cookie_hash: &str, session_id: &str) -> Result<String, Internal> {
    derive(session_id, Purpose::SessionHandle, &[cookie_hash])
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
pub async fn show(
    provider: &Provider<'_, impl Platform>,
    browser: &BrowserContext<'_>,
    texts: &'static Texts,
    facts: Option<AccountFacts>,
    notice: Option<AccountNotice<'_>>,
) -> Result<Response, Internal> {
    let context = &provider.context;
    let Some(AccountFacts { cookie_hash, session, allowed, open }) = &facts else {
        return Ok(account_login_page(context, browser, texts, "", None));
    };
    let scopes = &context.config.scopes;
    let claims = allowed
        .iter()
        .map(|one| scopes.claims_outside_scopes(&Scopes::of_valid(&one.scope), &one.claims));
    let claims: Vec<_> = claims.collect();
    let logos = logos(provider, texts, allowed).await;
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
    let password_token = session
        .has_password
        .then(|| password_token(cookie_hash, &session.login).issue(browser, context.now));
    let signed_in = signed_in(context, texts, cookie_hash, open)?;
    let issuer = &context.config.issuer;
    let page = pages::Account {
        brand: context.config.into(),
        texts,
        notice,
        account: &session.display_name(),
        login: &session.login,
        applications: &applications,
        signed_in: &signed_in,
        has_more: open.len() > SESSIONS,
        actions: AccountActions {
            withdraw: &ACCOUNT.url(issuer),
            sign_out: &LOGOUT.url(issuer),
            end_sessions: &ACCOUNT_SESSIONS.url(issuer),
            change_password: &ACCOUNT_PASSWORD.url(issuer),
        },
        token: &form_token(cookie_hash, "").issue(browser, context.now),
        password_token: password_token.as_deref(),
    };
    Ok(browser.remember_in(page.response()))
}

/// Returns the logo of each application that has one. Only logos that a sign-in fetched before are shown, and few, so that this
/// page fetches nothing and is not slow.
async fn logos(
    provider: &Provider<'_, impl Platform>,
    texts: &Texts,
    allowed: &[Allowed],
) -> Vec<Option<std::rc::Rc<str>>> {
    let mut logos = Vec::new();
    for (index, one) in allowed.iter().enumerate() {
        let logo = match &one.application.metadata {
            Ok(metadata) if index < LOGOS => {
                provider.memory.logos.known(metadata, texts.tag, &provider.context).await
            }
            _ => None,
        };
        logos.push(logo);
    }
    logos
}

/// Returns the sessions as the page shows them.
fn signed_in<'a>(
    context: &Context<'_, impl Platform>,
    texts: &'static Texts,
    cookie_hash: &str,
    open: &'a [OpenSession],
) -> Result<Vec<pages::SignedIn<'a>>, Internal> {
    let shown = |one: &'a OpenSession| {
        let origin = &one.origin;
        let country = origin.country.as_deref().map(|code| {
            let name = context.platform.name_of_country(code, texts.tag);
            name.unwrap_or_else(|| code.to_owned())
        });
        let handle =
            if one.is_current { None } else { Some(session_handle(cookie_hash, &one.id)?) };
        Ok(pages::SignedIn {
            handle,
            browser: origin.browser.as_deref(),
            system: origin.system.as_deref(),
            country,
            network: origin.network.as_deref(),
            since: one.auth_time,
            used: one.used_at,
        })
    };
    open.iter().take(SESSIONS).map(shown).collect()
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
