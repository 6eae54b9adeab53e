//! The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2).
//!
//! A request is worked through by the same steps however it comes, and however often: at first, and again
//! after each page that a person has answered. What a person has done for it so far is its
//! [`Progress`](crate::browser::pending::Progress).

pub mod answer;
pub mod asked;
pub mod case;
mod decision;
pub mod resolve;

use crate::browser::Visit;
use crate::browser::attempts::may_store;
use crate::browser::pending::{Pending, Progress, resume};
use crate::endpoint::desk::Desk;
use crate::endpoint::form;
use crate::error::{Error, PageError};
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::protocol::authorize_request::AuthorizeError;
use crate::routes::AUTHORIZE;
use crate::store::sessions::Session;
use answer::refuse;
use asked::{Examined, examine};
use case::Case;
use decision::{Next, decide};
use resolve::{Resolved, resolve};

/// Answers an authorization request, or shows the first page that it needs.
pub async fn serve(
    desk: &Desk<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    if request.method() == "POST" {
        return keep(desk, request).await;
    }
    let visit = Visit::of(desk.config, desk.cx, request)?;
    // Whatever key is missing is begun to be made now: while a person signs in, there is time.
    if let Err(fault) = desk.keys.get(desk.config, desk.platform, desk.cx).await {
        desk.cx.note_fault(&fault);
    }
    let session = desk.session(&visit).await?;
    let query = request.query().unwrap_or_default();
    let sub = session.as_ref().map(|session| session.sub.as_str());
    let (query, progress) = resume(&visit, query, sub, desk.cx.now);
    let pending = Pending::find(desk.platform, query, desk.cx.now).await?;
    let texts = form::texts(request, &pending.params);
    match resolve(desk, request, pending).await? {
        Resolved::Elsewhere(query) => Ok(ask_by(desk, &query)),
        Resolved::Pending(pending) => {
            proceed(desk, &visit, request, &pending, session, progress).await
        }
        Resolved::Refused(reply_to, error) => {
            refuse(desk, &Pending::default(), &reply_to, error, texts).await
        }
    }
}

/// What is told to a client on whose behalf too much was to be stored or fetched.
pub const TOO_MANY: AuthorizeError = AuthorizeError::new(
    "temporarily_unavailable",
    "too many sign-ins were begun from this address",
);

/// The error of a request that is larger than what is kept.
pub const TOO_LARGE: AuthorizeError =
    AuthorizeError::new("invalid_request", "the parameters have more than 8192 bytes");

/// A request that comes by POST came from another site, without the cookies that say who is signed in: it is
/// stored, and asked for again by a GET, to which the browser adds them.
async fn keep(desk: &Desk<'_, impl Platform>, request: &impl Request) -> Result<Response, Error> {
    let params = form::authorization_request(request).await?;
    let pending = Pending { params, ..Pending::default() };
    let texts = form::texts(request, &pending.params);
    let mut pending = match resolve(desk, request, pending).await? {
        Resolved::Elsewhere(query) => return Ok(ask_by(desk, &query)),
        Resolved::Pending(pending) => pending,
        Resolved::Refused(reply_to, error) => {
            return refuse(desk, &Pending::default(), &reply_to, error, texts).await;
        }
    };
    if pending.handle_hash.is_none() {
        // What is wrong with it is said now.
        let asked = match examine(desk, &pending).await? {
            Examined::Accepted(asked) => asked,
            Examined::Refused(reply_to, error) => {
                return refuse(desk, &pending, &reply_to, error, texts).await;
            }
        };
        // Anybody can make us store one.
        if !pending.may_be_kept() {
            // A redirect would carry the state, which may be what is too large.
            let page = PageError::of_application(TOO_LARGE.description);
            return Err(PageError { status: 413, ..page }.into());
        }
        if !may_store(desk.platform, desk.cx, request).await {
            return refuse(desk, &pending, &asked.reply_to, TOO_MANY, texts).await;
        }
        pending.keep(desk.platform, desk.cx).await?;
    }
    Ok(ask_by(desk, &pending.query))
}

fn ask_by<P>(desk: &Desk<'_, P>, query: &str) -> Response {
    Response::see_other(format!("{}?{query}", AUTHORIZE.url(&desk.config.issuer)))
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
    let texts = form::texts(request, &pending.params);
    let asked = match examine(desk, pending).await? {
        Examined::Accepted(asked) => asked,
        Examined::Refused(reply_to, error) => {
            return refuse(desk, pending, &reply_to, error, texts).await;
        }
    };
    let case = Case { asked: &asked, desk, pending, texts, visit };

    // 2 and 3, and whatever fails in them is told to the client too (RFC 6749 section 4.1.2.1).
    match advance(&case, session, progress).await {
        Err(Error::Internal(fault)) => Ok(case.fail(&fault)),
        answer => answer,
    }
}

async fn advance(
    case: &Case<'_, impl Platform>,
    session: Option<Session>,
    progress: Progress,
) -> Result<Response, Error> {
    let Case { asked, desk, pending, texts, .. } = *case;

    // 2. What there is to do next (Core sections 3.1.2.3 and 3.1.2.4).
    let remembered = asked.remembered(desk.platform, session.as_ref()).await?;
    let next = decide(asked, session.as_ref(), remembered.as_ref(), &progress, desk.cx.now);

    // 3. To do it.
    match next {
        Next::AskConsent(session) => Ok(case.consent_page(session, &progress).await),
        Next::Issue(session) => {
            let consent = progress.consented_to.map(|_| asked.allowed(remembered.as_ref()));
            case.issue(session, remembered.as_ref(), consent.as_ref()).await
        }
        Next::Refuse(error) => refuse(desk, pending, &asked.reply_to, error, texts).await,
        Next::SelectAccount(session) => Ok(case.select_account_page(session, &progress).await),
        Next::SignIn(notice) => Ok(case.login_page(asked.login_hint(), notice).await),
    }
}
