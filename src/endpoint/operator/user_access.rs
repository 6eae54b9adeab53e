//! The operator's requests about a user's access: the password, the sessions, and whether the user is disabled.

use serde_json::json;

use super::users::{extract_password, no_such_user, respond};
use super::{body, invalid};
use crate::context::Context;
use crate::error::Error;
use crate::http::{Request, Response};
use crate::limits::attempts;
use crate::ports::Platform;
use crate::protocol::invalid_field::InvalidField;
use crate::protocol::json_object::JsonObject;
use crate::store::user_access::{self, NewPassword};

/// Sets a user's password: `{"password", "grants"}`. With `"grants": true` all grants of the user are revoked. Failed
/// attempts to sign in are forgotten, so this also ends a pause.
pub async fn put_password(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
    sub: &str,
) -> Result<Response, Error> {
    let mut document = JsonObject::parse(&body(request).await?).map_err(invalid)?;
    let password = extract_password(&mut document, context).map_err(invalid)?;
    let revokes_grants = document.boolean("grants").map_err(invalid)?.unwrap_or(false);
    document.end().map_err(invalid)?;
    let password = password.ok_or_else(|| invalid(InvalidField::missing("password")))?;
    let hash = Some(password.hash(context.random()?)?);
    set_password(context, sub, NewPassword { hash, revokes_grants }).await
}

/// Removes a user's password.
pub async fn delete_password(
    context: &Context<'_, impl Platform>,
    sub: &str,
) -> Result<Response, Error> {
    set_password(context, sub, NewPassword { hash: None, revokes_grants: false }).await
}

async fn set_password(
    context: &Context<'_, impl Platform>,
    sub: &str,
    password: NewPassword,
) -> Result<Response, Error> {
    let user = user_access::set_password(context, sub, password).await?;
    let user = user.ok_or_else(no_such_user)?;
    attempts::forget(context, &user.login).await?;
    respond(&user)
}

/// Disables a user, or enables the user again. Doing so twice changes nothing.
pub async fn set_disabled(
    context: &Context<'_, impl Platform>,
    sub: &str,
    is_disabled: bool,
) -> Result<Response, Error> {
    let user = user_access::set_disabled(context, sub, is_disabled).await?;
    respond(&user.ok_or_else(no_such_user)?)
}

/// Ends all sessions of a user: `{"grants"}`. With `"grants": true` all grants of the user are revoked.
pub async fn sign_out(
    context: &Context<'_, impl Platform>,
    request: &impl Request,
    sub: &str,
) -> Result<Response, Error> {
    let mut document = JsonObject::parse(&body(request).await?).map_err(invalid)?;
    let grants = document.boolean("grants").map_err(invalid)?.unwrap_or(false);
    document.end().map_err(invalid)?;
    let sessions = user_access::sign_out(context, sub, grants).await?.ok_or_else(no_such_user)?;
    let answer = json!({ "sub": sub, "ended_sessions": sessions, "grants_revoked": grants });
    Ok(Response::json(200, &answer))
}
