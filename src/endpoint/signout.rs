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
use crate::protocol::params::Params;
use crate::routes::ACCOUNT;
use crate::store::sessions;

/// Ends the session.
pub async fn serve(
    desk: &Desk<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let visit = Visit::of(desk.config, desk.cx, request)?;
    let body = form::body(request).await?;
    let params = Params::parse(&body);
    if let (Some(session), Some(cookie_hash)) = (desk.session(&visit).await?, visit.session_hash())
    {
        let ticket = Ticket { step: Step::Account, request: "", sub: &session.sub };
        if ticket.began_at(&visit, form::field(&params, "token")?, desk.cx.now).is_none() {
            // Not our form, or an old one: the person decides again.
            return Ok(Response::see_other(ACCOUNT.url(&desk.config.issuer)));
        }
        sessions::end(desk.platform, &cookie_hash).await?;
    }
    let texts = Texts::choose(None, request.header("accept-language").as_deref());
    Ok(SignedOut { texts }.response().with_cookie(Cookie::Session.clear(&desk.config.issuer)))
}
