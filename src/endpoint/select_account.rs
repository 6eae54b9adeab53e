//! Where the choice of an account leads (`prompt=select_account`).

use crate::browser::Visit;
use crate::browser::pending::resumed;
use crate::browser::ticket::{Step, Ticket};
use crate::endpoint::desk::Desk;
use crate::endpoint::form;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::routes::AUTHORIZE;

/// Goes on with the request as the account that is signed in, or to the login form.
pub async fn serve(
    desk: &Desk<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let visit = Visit::of(desk.config, desk.cx, request)?;
    let mut params = form::fields(request, [("decision", 16), form::REQUEST, form::TOKEN]).await?;
    let (query, token) = (form::request(&mut params)?, form::field(&mut params, "token")?);
    let decision = form::field(&mut params, "decision")?;

    let session = desk.session(&visit).await?;
    let sub = session.as_ref().map_or("", |session| session.sub.as_str());
    let ticket = Ticket { step: Step::SelectAccount, request: &query, sub };
    let began_at = ticket.began_at(&visit, &token, desk.cx.now);
    let query = match (began_at, decision.as_str()) {
        (Some(began_at), "continue") => resumed(&visit, &query, Step::Continue, sub, began_at),
        (Some(began_at), "switch") => resumed(&visit, &query, Step::Switch, "", began_at),
        // The form is old, or somebody else is signed in by now: the question is asked again.
        _ => query,
    };
    Ok(Response::see_other(format!("{}?{query}", AUTHORIZE.url(&desk.config.issuer))))
}
