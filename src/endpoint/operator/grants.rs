//! The operator's requests about grants.

use serde_json::{Value, json};

use super::{Page, body, gone, invalid, once, query, refused, without_nulls};
use crate::context::Context;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::protocol::json_object::{InvalidDocument, JsonObject};
use crate::store::audit::kinds::RevocationReason;
use crate::store::grant_list::{self, GrantFilter, ListedGrant};
use crate::store::grants;
use crate::store::revocations::{self, RevokedGrants};

/// Lists the grants of a user, of a client, or of both, one page per request.
pub async fn list(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let page = Page::from_request(request)?;
    let params = query(request, &["client", "user"])?;
    let filter = match (once(&params, "user")?, once(&params, "client")?) {
        (Some(sub), Some(client_id)) => GrantFilter::OfUserAndClient { sub, client_id },
        (Some(sub), None) => GrantFilter::OfUser { sub },
        (None, Some(client_id)) => GrantFilter::OfClient { client_id },
        (None, None) => return Err(invalid("user or client: one of them is required")),
    };
    let found = grant_list::list(context, filter, page.after(), page.limit + 1).await?;
    let found = found.ok_or_else(gone)?;
    let to_json = |grant: ListedGrant| Ok(Some(to_json(&grant, context.now)));
    Ok(page.respond(context, "grants", found, |grant| grant.id.clone(), to_json))
}

/// Renders a grant.
fn to_json(grant: &ListedGrant, now: i64) -> Value {
    without_nulls(json!({
        "grant_id": grant.id,
        "sub": grant.sub,
        "client_id": grant.client_id,
        "scope": grant.scope,
        "state": grant.state(now).name(),
        "created_at": grant.created_at,
        "used_at": grant.used_at(),
        "revoked_at": grant.revoked_at,
        "session": grant.session,
        "sid": grant.sid,
    }))
}

/// Revokes a grant and everything that was issued under it. Revoking it again does not change the time.
pub async fn revoke(context: &Context<'_, impl Platform>, id: &str) -> Result<Response, Error> {
    match grants::revoke(context, id, RevocationReason::Operator).await? {
        Some(revoked_at) => {
            Ok(Response::json(200, &json!({ "grant_id": id, "revoked_at": revoked_at })))
        }
        None => Err(refused(404, "not_found", "grant_id: no grant has this id")),
    }
}

/// The grants that a request revokes.
#[derive(Default)]
struct Revocation {
    user: Option<String>,
    client: Option<String>,
}

impl Revocation {
    /// Parses `{"user", "client"}`.
    fn parse(json: &[u8]) -> Result<Self, InvalidDocument> {
        let mut document = JsonObject::parse(json)?;
        let (user, client) = (document.string("user")?, document.string("client")?);
        document.end()?;
        Ok(Self { user, client })
    }
}

/// Revokes all grants of a user, of a client, or of the user at the client: `{"user", "client"}`. What is made afterwards
/// counts.
pub async fn revoke_all(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let Revocation { user, client } = Revocation::parse(&body(request).await?).map_err(invalid)?;
    let grants = match (user.as_deref(), client.as_deref()) {
        (Some(sub), Some(client_id)) => RevokedGrants::OfUserAndClient { sub, client_id },
        (Some(sub), None) => RevokedGrants::OfUser { sub },
        (None, Some(client_id)) => RevokedGrants::OfClient { client_id },
        (None, None) => return Err(invalid("user or client: one of them is required")),
    };
    if !revocations::revoke_all(context, grants).await? {
        let unknown = if user.is_some() {
            "user: no user has this sub"
        } else {
            "client: no client has this id"
        };
        return Err(refused(404, "not_found", unknown));
    }
    let answer = json!({ "user": user, "client": client, "revoked_at": context.now });
    Ok(Response::json(200, &without_nulls(answer)))
}
