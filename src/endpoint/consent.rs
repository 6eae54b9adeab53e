//! Where the answer to the question for consent leads (OpenID Connect Core section 3.1.2.4).

use crate::Provider;
use crate::browser::Visit;
use crate::browser::pending::{Pending, Progress, resumed};
use crate::browser::ticket::{Step, Ticket};
use crate::config::Config;
use crate::context::Cx;
use crate::endpoint::authorize::{self, Desk, Examined, NO_SUCH_REQUEST, examine, refuse};
use crate::endpoint::form;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::protocol::authorize_request::AuthorizeError;
use crate::protocol::params::Params;
use crate::routes::AUTHORIZE;

/// Answers the request as the person has decided.
pub async fn serve(
    provider: &Provider,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
    request: &impl Request,
) -> Result<Response, Error> {
    let desk = Desk { keys: &provider.memory.published_keys, config, platform, cx };
    let visit = Visit::of(config, cx, request)?;

    // 1. The form, and the request that it was shown for.
    let body = form::body(request).await?;
    let params = Params::parse(&body);
    let (query, token) = (form::request(&params)?, form::field(&params, "token")?);
    let pending = Pending::find(platform, query, cx.now).await?.ok_or(NO_SUCH_REQUEST)?;

    // 2. Our own form, in this browser, for this request, and shown to who is signed in now.
    let session = desk.session(&visit).await?;
    let sub = session.as_ref().map_or("", |session| session.sub.as_str());
    let ticket = Ticket { step: Step::Consent, request: query, sub };
    let Some(began_at) = ticket.began_at(&visit, token, cx.now) else {
        // The question is asked again, of whoever it is.
        return authorize::proceed(&desk, &visit, request, &pending, session, Progress::default())
            .await;
    };

    // 3. The decision.
    match form::field(&params, "decision")? {
        "allow" => {
            let began_at = Some(began_at);
            let progress =
                Progress { began_at, has_chosen: true, has_consented: true, wants_switch: false };
            authorize::proceed(&desk, &visit, request, &pending, session, progress).await
        }
        "switch" => {
            let query = resumed(&visit, query, Step::Switch, "", began_at);
            Ok(Response::see_other(format!("{}?{query}", AUTHORIZE.url(&config.issuer))))
        }
        _ => {
            let texts = form::texts(request, &pending.params());
            let denied = AuthorizeError::new("access_denied", "the person did not allow it");
            match examine(&desk, &pending, texts).await? {
                Examined::Accepted(asked) => {
                    refuse(&asked.reply_to, denied, &pending, &desk, texts).await
                }
                Examined::Refused(response) => Ok(response),
            }
        }
    }
}
