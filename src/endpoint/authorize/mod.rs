//! The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2).
//!
//! A request is worked through by the same steps however it comes, and however often: at first, and again
//! after each page that a person has answered. What a person has done for it so far is its
//! [`Progress`](crate::browser::pending::Progress).

mod answer;
mod asked;
mod decision;

use crate::Provider;
use crate::browser::Visit;
use crate::browser::pending::{Pending, Progress, resume};
use crate::browser::ticket::{Step, Ticket};
use crate::config::Config;
use crate::context::Cx;
use crate::endpoint::form;
use crate::error::{Error, PageError};
use crate::http::{Request, Response};
use crate::keys::published::PublishedKeys;
use crate::pages::{self, Notice, Texts};
use crate::ports::Platform;
use crate::routes::{AUTHORIZE, CONSENT, LOGIN, SELECT_ACCOUNT};
use crate::store::sessions::{self, Session};

pub use answer::refuse;
pub use asked::{Asked, Examined, examine};
use decision::{Next, decide};

/// Answers an authorization request, or shows the first page that it needs.
pub async fn serve(
    provider: &Provider,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
    request: &impl Request,
) -> Result<Response, Error> {
    let desk = Desk { keys: &provider.memory.published_keys, config, platform, cx };
    if request.method() == "POST" {
        return keep(&desk, request).await;
    }
    let visit = Visit::of(config, cx, request)?;
    // Whatever key is missing is begun to be made now: while a person signs in, there is time.
    if let Err(fault) = desk.keys.get(config, platform, cx).await {
        cx.note(fault.detail());
    }
    let session = desk.session(&visit).await?;
    let query = request.query().unwrap_or_default();
    let sub = session.as_ref().map(|session| session.sub.as_str());
    let (query, progress) = resume(&visit, query, sub, cx.now);
    let pending = Pending::find(platform, query, cx.now).await?.ok_or(NO_SUCH_REQUEST)?;
    proceed(&desk, &visit, request, &pending, session, progress).await
}

/// What a person is told whose request was answered before, or waited for too long.
pub const NO_SUCH_REQUEST: PageError =
    PageError::of_visit("this sign-in was completed before, or was left open for too long");

/// What every step needs.
pub struct Desk<'a, P> {
    /// Verifies hints.
    pub keys: &'a PublishedKeys,
    /// The configuration.
    pub config: &'a Config,
    /// The platform.
    pub platform: &'a P,
    /// The request's context.
    pub cx: &'a Cx<'a>,
}

impl<P: Platform> Desk<'_, P> {
    /// Who is signed in in this browser.
    pub async fn session(&self, visit: &Visit<'_>) -> Result<Option<Session>, Error> {
        let Some(cookie_hash) = visit.session_hash() else { return Ok(None) };
        Ok(sessions::find(self.platform, &cookie_hash, self.cx.now).await?)
    }
}

/// A request that comes by POST came from another site, without the cookies that say who is signed in: it is
/// stored, and asked for again by a GET, to which the browser adds them.
async fn keep(desk: &Desk<'_, impl Platform>, request: &impl Request) -> Result<Response, Error> {
    let body = form::body(request).await?;
    let parameters = String::from_utf8(body)
        .map_err(|_| PageError::of_application("the request's body is not form-encoded"))?;
    let pending = Pending { query: String::new(), parameters, handle_hash: None };
    // What is wrong with it is said now.
    let texts = form::texts(request, &pending.params());
    if let Examined::Refused(response) = examine(desk, &pending, texts).await? {
        return Ok(response);
    }
    let query = Pending::keep(desk.platform, &pending.parameters, desk.cx).await?;
    Ok(Response::see_other(format!("{}?{query}", AUTHORIZE.url(&desk.config.issuer))))
}

/// Goes on with a request from where its person has come to.
pub async fn proceed(
    desk: &Desk<'_, impl Platform>,
    visit: &Visit<'_>,
    request: &impl Request,
    pending: &Pending,
    session: Option<Session>,
    progress: Progress,
) -> Result<Response, Error> {
    // 1. Who asks, where the answer goes, and what is asked for.
    let texts = form::texts(request, &pending.params());
    let asked = match examine(desk, pending, texts).await? {
        Examined::Accepted(asked) => asked,
        Examined::Refused(response) => return Ok(response),
    };

    // 2. What there is to do next (Core sections 3.1.2.3 and 3.1.2.4).
    let remembered = asked.remembered(desk.platform, session.as_ref()).await?;
    let next = decide(&asked, session.as_ref(), remembered.as_ref(), &progress, desk.cx.now);

    // 3. To do it.
    match (next, session) {
        (Next::Refuse(error), _) => refuse(&asked.reply_to, error, pending, desk, texts).await,
        (Next::SignIn(notice), _) => {
            Ok(login_page(desk, visit, texts, &asked, pending, asked.login_hint(), notice))
        }
        (Next::SelectAccount, Some(session)) => {
            Ok(select_account_page(desk, visit, texts, &asked, pending, &session, &progress))
        }
        (Next::AskConsent, Some(session)) => {
            Ok(consent_page(desk, visit, texts, &asked, pending, &session, &progress))
        }
        (Next::Issue, Some(session)) => {
            let consent = progress.has_consented.then(|| asked.allowed(remembered.as_ref()));
            answer::issue(desk, visit, texts, &asked, pending, &session, consent.as_ref()).await
        }
        // A decision about a session is made of one.
        (Next::SelectAccount | Next::AskConsent | Next::Issue, None) => {
            Ok(login_page(desk, visit, texts, &asked, pending, asked.login_hint(), None))
        }
    }
}

/// The page on which a person signs in for a request.
pub fn login_page<P>(
    desk: &Desk<'_, P>,
    visit: &Visit<'_>,
    texts: &'static Texts,
    asked: &Asked,
    pending: &Pending,
    login: &str,
    notice: Option<Notice>,
) -> Response {
    let ticket = Ticket { step: Step::Login, request: &pending.query, sub: "" };
    let page = pages::Login {
        texts,
        client: Some(asked.client_view()),
        redirect_uri: Some(&asked.reply_to.redirect_uri),
        action: &LOGIN.url(&desk.config.issuer),
        request: &pending.query,
        token: &ticket.issue(visit, desk.cx.now),
        login,
        notice,
    };
    page.response().with_cookie(visit.remember_browser())
}

fn select_account_page<P>(
    desk: &Desk<'_, P>,
    visit: &Visit<'_>,
    texts: &'static Texts,
    asked: &Asked,
    pending: &Pending,
    session: &Session,
    progress: &Progress,
) -> Response {
    let ticket = Ticket { step: Step::SelectAccount, request: &pending.query, sub: &session.sub };
    let page = pages::ChooseAccount {
        texts,
        client: asked.client_view(),
        redirect_uri: &asked.reply_to.redirect_uri,
        account: session.display_name(),
        action: &SELECT_ACCOUNT.url(&desk.config.issuer),
        request: &pending.query,
        token: &ticket.issue(visit, progress.began_at.unwrap_or(desk.cx.now)),
    };
    page.response().with_cookie(visit.remember_browser())
}

fn consent_page<P>(
    desk: &Desk<'_, P>,
    visit: &Visit<'_>,
    texts: &'static Texts,
    asked: &Asked,
    pending: &Pending,
    session: &Session,
    progress: &Progress,
) -> Response {
    let ticket = Ticket { step: Step::Consent, request: &pending.query, sub: &session.sub };
    let claims: Vec<_> = asked.single_claims.iter().map(String::as_str).collect();
    let page = pages::Consent {
        texts,
        client: asked.client_view(),
        redirect_uri: &asked.reply_to.redirect_uri,
        account: session.display_name(),
        scope: asked.request.granted(),
        claims: &claims,
        action: &CONSENT.url(&desk.config.issuer),
        request: &pending.query,
        token: &ticket.issue(visit, progress.began_at.unwrap_or(desk.cx.now)),
    };
    page.response().with_cookie(visit.remember_browser())
}
