//! Where the choice of an account leads (`prompt=select_account`).

use crate::Provider;
use crate::browser::Visit;
use crate::browser::pending::resumed;
use crate::browser::ticket::{Step, Ticket};
use crate::config::Config;
use crate::context::Cx;
use crate::endpoint::authorize::Desk;
use crate::endpoint::form;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::protocol::params::Params;
use crate::routes::AUTHORIZE;

/// Goes on with the request as the account that is signed in, or to the login form.
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
    let (query, token) = (form::request(&params)?, form::field(&params, "token")?);

    let session = desk.session(&visit).await?;
    let sub = session.as_ref().map_or("", |session| session.sub.as_str());
    let ticket = Ticket { step: Step::SelectAccount, request: query, sub };
    let began_at = ticket.began_at(&visit, token, cx.now);
    let query = match (began_at, form::field(&params, "decision")?) {
        (Some(began_at), "continue") => resumed(&visit, query, Step::Continue, sub, began_at),
        (Some(began_at), "switch") => resumed(&visit, query, Step::Switch, "", began_at),
        // The form is old, or somebody else is signed in by now: the question is asked again.
        _ => query.to_owned(),
    };
    Ok(Response::see_other(format!("{}?{query}", AUTHORIZE.url(&config.issuer))))
}
