//! The operator's requests about sessions.

use serde_json::json;

use super::{Page, gone, once, query, refused};
use crate::context::Context;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::secret::is_part_of_hash;
use crate::store::session_list::{self, ListedSession, NAME_CHARACTERS, SessionFilter};

/// Lists sessions, one page per request: those of a user, of a client, or all.
pub async fn list(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let page = Page::from_request(request)?;
    let params = query(request, &["client", "user"])?;
    let filter = SessionFilter { sub: once(&params, "user")?, client_id: once(&params, "client")? };
    let after = page.after();
    if after.is_some_and(|after| !is_part_of_hash(after, NAME_CHARACTERS)) {
        return Err(gone());
    }
    let found = session_list::list(context, &filter, after, page.limit + 1).await?;
    let to_json = |session: ListedSession| {
        Ok((!session.is_expired(context.now)).then(|| {
            json!({
                "session": session.name,
                "sub": session.sub,
                "signed_in_at": session.auth_time,
                "used_at": session.used_at,
                "clients": session.clients,
            })
        }))
    };
    let found = found.ok_or_else(gone)?;
    Ok(page.respond(context, "sessions", found, |session| session.name.clone(), to_json))
}

/// Ends a session.
pub async fn end(context: &Context<'_, impl Platform>, name: &str) -> Result<Response, Error> {
    let is_ended =
        is_part_of_hash(name, NAME_CHARACTERS) && session_list::end(context, name).await?;
    if !is_ended {
        let reason = "session: it has ended, or has another name since its user typed the password \
                      again";
        return Err(refused(404, "not_found", reason));
    }
    Ok(Response::json(200, &json!({ "session": name, "ended_at": context.now })))
}
