//! How the operator opens and closes a user's access: the password, the sessions, and whether the user is disabled.
//!
//! A disabled user has no session, because the batch that disables ends them all and [`begin`] requires another user. So the
//! grants without `offline_access` end with their sessions. The others stay, and count again when the user is enabled: see
//! [`grant_counts`].
//!
//! [`begin`]: crate::store::sessions::begin
//! [`grant_counts`]: crate::store::grants

use crate::context::Context;
use crate::error::Internal;
use crate::ports::{Database, Statement};
use crate::store::audit::kinds::SessionEndReason;
use crate::store::audit::{acts, operator};
use crate::store::batch::{Batch, first};
use crate::store::revocations::RevokedGrants;
use crate::store::session_ends::{EndingSessions, SessionEnd, count_of_end};
use crate::store::users::{User, look_up};

/// A user's new password.
#[derive(Debug)]
pub struct NewPassword {
    /// The password hash, a PHC string. `None` removes the password.
    pub hash: Option<String>,
    /// Whether all grants of the user are revoked.
    pub revokes_grants: bool,
}

/// Sets or removes a user's password, and ends the user's sessions because somebody else may have known the old one.
/// Returns the user as stored, or `None` if the user does not exist.
///
/// Idempotent: a second run stores the same hash again.
pub async fn set_password(
    context: &Context<'_, impl Database>,
    sub: &str,
    password: NewPassword,
) -> Result<Option<User>, Internal> {
    let NewPassword { hash, revokes_grants } = password;
    let event = acts::password_changed(context, sub, hash.is_some())?;
    let statement = Statement::new(
        "UPDATE users SET password_hash = ?2, updated_at = ?3 WHERE sub = ?1 AND deleted_at IS NULL",
    )
    .bind(sub)
    .bind(hash)
    .bind(context.now);
    let mut batch = Batch::default();
    batch.add(event);
    batch.add(statement);
    SessionEnd::new(context, EndingSessions::OfUser { sub }, None)?.add_to(&mut batch, context)?;
    if revokes_grants {
        RevokedGrants::OfUser { sub }.add_to(&mut batch, context)?;
    }
    let user = look_up(&mut batch, sub);
    batch.run_idempotent(context).await?.take(user)
}

/// Disables a user, and ends the user's sessions; or enables the user again. Returns the user as stored, or `None` if the
/// user does not exist. A user who is disabled already keeps the time.
///
/// Idempotent.
pub async fn set_disabled(
    context: &Context<'_, impl Database>,
    sub: &str,
    is_disabled: bool,
) -> Result<Option<User>, Internal> {
    let statement = Statement::new(
        "UPDATE users SET disabled_at = iif(?2, ?3, NULL), updated_at = ?3 \
         WHERE sub = ?1 AND deleted_at IS NULL AND (disabled_at IS NOT NULL) <> ?2",
    )
    .bind(sub)
    .bind(i64::from(is_disabled))
    .bind(context.now);
    let mut batch = Batch::default();
    batch.add(operator::user_disabled(context, sub, is_disabled)?);
    batch.add(statement);
    if is_disabled {
        let sessions = EndingSessions::OfUser { sub };
        SessionEnd::new(context, sessions, None)?.add_to(&mut batch, context)?;
    }
    let user = look_up(&mut batch, sub);
    batch.run_idempotent(context).await?.take(user)
}

/// Ends all sessions of a user, and revokes all grants of the user if `revokes_grants`. Returns how many sessions ended, or
/// `None` if the user does not exist.
///
/// Idempotent.
pub async fn sign_out(
    context: &Context<'_, impl Database>,
    sub: &str,
    revokes_grants: bool,
) -> Result<Option<i64>, Internal> {
    let mut batch = Batch::default();
    let reason = Some(SessionEndReason::Operator);
    let end = SessionEnd::new(context, EndingSessions::OfUser { sub }, reason)?;
    end.add_to(&mut batch, context)?;
    if revokes_grants {
        RevokedGrants::OfUser { sub }.add_to(&mut batch, context)?;
    }
    let ended = count_of_end(&mut batch, &end.id);
    let find =
        Statement::new("SELECT 1 FROM users WHERE sub = ?1 AND deleted_at IS NULL").bind(sub);
    let user = batch.query(find, first);
    let mut outcome = batch.run_idempotent(context).await?;
    let ended = outcome.take(ended)?;
    Ok(outcome.take(user)?.map(|_| ended))
}
