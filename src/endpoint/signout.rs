//! Where signing out leads: the session of this browser ends. What applications were granted stays.

use crate::browser::Visit;
use crate::browser::cookies::Cookie;
use crate::browser::ticket::{Step, Ticket};
use crate::endpoint::desk::Desk;
use crate::endpoint::form;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::pages::{SignedOut, Texts};
use crate::ports::Platform;
use crate::routes::ACCOUNT;
use crate::store::sessions;

/// Ends the session.
pub async fn serve(
    desk: &Desk<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let visit = Visit::of(desk.config, desk.cx, request)?;
    let mut params = form::fields(request, [form::TOKEN]).await?;
    let token = form::field(&mut params, "token")?;
    let is_ours = match desk.session(&visit).await? {
        Some(session) => {
            let ticket = Ticket { step: Step::Account, request: "", sub: &session.sub };
            ticket.began_at(&visit, &token, desk.cx.now).is_some()
        }
        // Our forms come with the cookies of the pages that show them. With none at all, it is the form of
        // another site, to which the browser does not give them; and an answer that took the session's away
        // would sign the person out.
        None => !visit.is_new,
    };
    if !is_ours {
        // Not our form, or an old one: the person decides again.
        return Ok(Response::see_other(ACCOUNT.url(&desk.config.issuer)));
    }
    if let Some(cookie_hash) = visit.session_hash() {
        sessions::end(desk.platform, &cookie_hash).await?;
    }
    let texts = Texts::choose(None, request.header("accept-language").as_deref());
    Ok(SignedOut { texts }.response().with_cookie(Cookie::Session.clear(&desk.config.issuer)))
}
