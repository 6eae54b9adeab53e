//! Where signing out leads: the session of this browser ends. What applications were granted stays.

use crate::Provider;
use crate::browser::Visit;
use crate::browser::cookies::Cookie;
use crate::browser::ticket::{Step, Ticket};
use crate::config::Config;
use crate::context::Cx;
use crate::endpoint::authorize::Desk;
use crate::endpoint::form;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::pages::{SignedOut, Texts};
use crate::ports::Platform;
use crate::protocol::params::Params;
use crate::routes::ACCOUNT;
use crate::store::sessions;

/// Ends the session.
pub async fn serve(
    provider: &Provider,
    config: &Config,
    platform: &impl Platform,
    cx: &Cx<'_>,
    request: &impl Request,
) -> Result<Response, Error> {
    let desk = Desk { keys: &provider.memory.published_keys, config, platform, cx };
    let visit = Visit::of(config, cx, request)?;
    let body = form::body(request).await?;
    let params = Params::parse(&body);
    let token = form::field(&params, "token")?;
    let is_ours = match desk.session(&visit).await? {
        Some(session) => {
            let ticket = Ticket { step: Step::Account, request: "", sub: &session.sub };
            ticket.began_at(&visit, token, cx.now).is_some()
        }
        // Our forms come with the cookies of the pages that show them. With none at all, it is the form of
        // another site, to which the browser does not give them; and an answer that took the session's away
        // would sign the person out.
        None => !visit.is_new,
    };
    if !is_ours {
        // Not our form, or an old one: the person decides again.
        return Ok(Response::see_other(ACCOUNT.url(&config.issuer)));
    }
    if let Some(cookie_hash) = visit.session_hash() {
        sessions::end(platform, &cookie_hash).await?;
    }
    let texts = Texts::choose(None, request.header("accept-language").as_deref());
    Ok(SignedOut { texts }.response().with_cookie(Cookie::Session.clear(&config.issuer)))
}
