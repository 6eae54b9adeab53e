//! The operator's requests about logout tokens that wait for their delivery.

use serde_json::json;

use super::{Page, body, invalid, refused};
use crate::context::{Context, DeferredTask};
use crate::error::{Error, Internal};
use crate::http::{Request, Response};
use crate::ports::Platform;
use crate::store::waiting_logouts::{self, Waiting};

/// Lists the tokens. `after` is `session_id/client_id` of the last one.
pub async fn list(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
) -> Result<Response, Error> {
    let page = Page::from_request(request)?;
    // A session id has no slash, but a client identifier may.
    let after = page.after.split_once('/').unwrap_or((&page.after, ""));
    let found = waiting_logouts::list(context, after, page.limit + 1).await?;
    let id = |one: &Waiting| format!("{}/{}", one.session_id, one.client_id);
    let to_json = |one: Waiting| {
        serde_json::to_value(one).map(Some).map_err(|error| Internal::unwritable(&error))
    };
    Ok(page.respond(context, "logouts", found, id, to_json))
}

/// Makes tokens of a client due now, at most 1,000, and delivers some of them after the response.
pub async fn retry(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
    client_id: &str,
) -> Result<Response, Error> {
    if !body(request).await?.is_empty() {
        return Err(invalid("the body must be empty"));
    }
    let retried = waiting_logouts::retry(context, client_id).await?;
    if retried > 0 {
        context.defer(DeferredTask::DeliverLogoutTokensTo { client_id: client_id.to_owned() });
    }
    Ok(Response::json(200, &json!({ "client_id": client_id, "retried": retried })))
}

/// Drops tokens of a client, at most 1,000.
pub async fn delete(
    context: &Context<'_, impl Platform>,
    client_id: &str,
) -> Result<Response, Error> {
    let dropped = waiting_logouts::drop_for_operator(context, client_id).await?;
    if dropped == 0 {
        return Err(refused(404, "not_found", "client_id: no logout token waits for this client"));
    }
    Ok(Response::json(200, &json!({ "client_id": client_id, "dropped": dropped })))
}
