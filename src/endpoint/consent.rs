//! Where the answer to the question for consent leads (OpenID Connect Core section 3.1.2.4).

use crate::browser::Visit;
use crate::browser::pending::{Pending, Progress, resumed};
use crate::browser::ticket::{Step, Ticket, shown_for};
use crate::endpoint::authorize::answer::refuse;
use crate::endpoint::authorize::asked::{Examined, examine};
use crate::endpoint::authorize::proceed;
use crate::endpoint::desk::Desk;
use crate::endpoint::form;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::protocol::authorize_request::AuthorizeError;
use crate::routes::AUTHORIZE;

const DENIED: AuthorizeError = AuthorizeError::new("access_denied", "the person did not allow it");

/// Answers the request as the person has decided.
pub async fn serve(
    desk: &Desk<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let visit = Visit::of(desk.config, desk.cx, request)?;

    // 1. The form, and the request that it was shown for.
    let fields = [("decision", 16), form::REQUEST, ("shown", 8_192), form::TOKEN];
    let mut params = form::fields(request, fields).await?;
    let (query, token) = (form::request(&mut params)?, form::field(&mut params, "token")?);
    let decision = form::field(&mut params, "decision")?;
    let shown = form::field(&mut params, "shown")?;
    let pending = Pending::find(desk.platform, &query, desk.cx.now).await?;

    // 2. Our own form, in this browser, for this request, and shown to who is signed in now.
    let session = desk.session(&visit).await?;
    let sub = session.as_ref().map_or("", |session| session.sub.as_str());
    let began_at = {
        let ticket = Ticket { step: Step::Consent, request: &shown_for(&query, &shown), sub };
        ticket.began_at(&visit, &token, desk.cx.now)
    };
    let Some(began_at) = began_at else {
        // The question is asked again, of whoever it is.
        return proceed(desk, &visit, request, &pending, session, Progress::default()).await;
    };

    // 3. The decision.
    match decision.as_str() {
        "allow" => {
            let progress = Progress {
                began_at: Some(began_at),
                has_chosen: true,
                consented_to: Some(shown),
                wants_switch: false,
            };
            proceed(desk, &visit, request, &pending, session, progress).await
        }
        "switch" => {
            let query = resumed(&visit, &query, Step::Switch, "", began_at);
            Ok(Response::see_other(format!("{}?{query}", AUTHORIZE.url(&desk.config.issuer))))
        }
        _ => {
            let texts = form::texts(request, &pending.params);
            let (reply_to, error) = match examine(desk, &pending).await? {
                Examined::Accepted(asked) => (asked.reply_to, DENIED),
                Examined::Refused(reply_to, error) => (reply_to, error),
            };
            refuse(desk, &pending, &reply_to, error, texts).await
        }
    }
}
