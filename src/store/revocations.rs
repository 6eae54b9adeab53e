//! The revocation of all grants of a user, of a client, or of both. A client may have a million, so none of them is changed: the
//! user or the client counts its revocations, and [`grant_counts`] compares the count with the one that each grant was made
//! with. So all of them end at the same moment, and one that is made afterwards counts. The grants of one user and one client
//! are few enough to be changed one by one.
//!
//! [`grant_counts`]: crate::store::grants

use crate::context::Context;
use crate::error::Internal;
use crate::ports::{Database, Statement};
use crate::store::audit::operator;
use crate::store::batch::{Batch, exists};

/// The grants that are revoked. Those of a user contain the operator's tokens for the user.
#[derive(Clone, Copy, Debug)]
pub enum RevokedGrants<'a> {
    OfClient { client_id: &'a str },
    OfUser { sub: &'a str },
    OfUserAndClient { sub: &'a str, client_id: &'a str },
}

impl<'a> RevokedGrants<'a> {
    /// The user, if there is one.
    pub fn sub(self) -> Option<&'a str> {
        match self {
            Self::OfClient { .. } => None,
            Self::OfUser { sub } | Self::OfUserAndClient { sub, .. } => Some(sub),
        }
    }

    /// The client, if there is one.
    pub fn client_id(self) -> Option<&'a str> {
        match self {
            Self::OfUser { .. } => None,
            Self::OfClient { client_id } | Self::OfUserAndClient { client_id, .. } => {
                Some(client_id)
            }
        }
    }

    /// Adds the statements that revoke the grants.
    ///
    /// Idempotent: the count rises only before the event is recorded, so not in a second run, which must not end what was
    /// made since the first one.
    ///
    /// # Errors
    /// [`Internal::Unavailable`] if the platform's random source fails.
    pub(super) fn add_to<P>(
        self,
        batch: &mut Batch,
        context: &Context<'_, P>,
    ) -> Result<(), Internal> {
        let event_id = context.random_id()?;
        let revoke = match self {
            Self::OfClient { client_id } => Statement::new(
                "UPDATE clients SET revocations = coalesce(revocations, 0) + 1 WHERE client_id = ?1 \
                 AND NOT EXISTS (SELECT 1 FROM audit_events WHERE at = ?2 AND id = ?3)",
            )
            .bind(client_id)
            .bind(context.now)
            .bind(event_id.as_str()),
            Self::OfUser { sub } => Statement::new(
                "UPDATE users SET revocations = coalesce(revocations, 0) + 1 \
                 WHERE sub = ?1 AND deleted_at IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM audit_events WHERE at = ?2 AND id = ?3)",
            )
            .bind(sub)
            .bind(context.now)
            .bind(event_id.as_str()),
            Self::OfUserAndClient { sub, client_id } => Statement::new(
                "UPDATE grants INDEXED BY grants_by_user SET revoked_at = ?3 \
                 WHERE sub = ?1 AND client_id = ?2 AND revoked_at IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM audit_events WHERE at = ?3 AND id = ?4)",
            )
            .bind(sub)
            .bind(client_id)
            .bind(context.now)
            .bind(event_id.as_str()),
        };
        batch.add(revoke);
        batch.add(operator::all_grants_revoked(context, &event_id, self));
        Ok(())
    }
}

/// Revokes the grants. Returns whether their user exists, or, without one, their client.
pub async fn revoke_all(
    context: &Context<'_, impl Database>,
    grants: RevokedGrants<'_>,
) -> Result<bool, Internal> {
    let mut batch = Batch::default();
    grants.add_to(&mut batch, context)?;
    let find = Statement::new(
        "SELECT 1 FROM users WHERE sub = ?1 AND deleted_at IS NULL \
         UNION ALL SELECT 1 FROM clients WHERE client_id = ?2 AND ?1 IS NULL",
    )
    .bind(grants.sub())
    .bind(grants.client_id());
    let is_known = batch.query(find, exists);
    batch.run_idempotent(context).await?.take(is_known)
}
