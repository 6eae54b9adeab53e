//! Grants as the operator sees them.

use crate::context::Context;
use crate::error::Internal;
use crate::lifetimes::{REFRESH_TOKEN_IDLE_SECONDS, UNREFRESHED_GRANT_SECONDS};
use crate::ports::{Database, Row, Statement};
use crate::store::batch::{Batch, all, exists};
use crate::store::grants::is_unrevoked;
use crate::store::session_list;

/// A grant.
#[derive(Debug)]
pub struct ListedGrant {
    pub id: String,
    pub sub: String,
    pub client_id: String,
    pub scope: String,
    /// When it was made, in Unix seconds.
    pub created_at: i64,
    /// When it was revoked, in Unix seconds, unless it was revoked with all others of its user or client.
    pub revoked_at: Option<i64>,
    /// The session that it was made in, if that has not ended: see [`super::session_list`].
    pub session: Option<String>,
    /// The claim `sid` of its tokens.
    pub sid: Option<String>,
    is_user_disabled: bool,
    is_unrevoked: bool,
    /// When the last of its tokens expires that D1 knows of, in Unix seconds.
    alive_until: Option<i64>,
    /// When its newest refresh token expires, in Unix seconds.
    refreshable_until: Option<i64>,
}

/// Whether a grant counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GrantState {
    Active,
    /// Its tokens have expired.
    Expired,
    Revoked,
    /// The user is disabled. It counts again when the user is enabled.
    UserDisabled,
}

impl ListedGrant {
    fn from_row(mut row: Row) -> Result<Self, Internal> {
        Ok(Self {
            id: row.text()?,
            sub: row.text()?,
            client_id: row.text()?,
            scope: row.text()?,
            created_at: row.integer()?,
            revoked_at: row.integer_or_null()?,
            session: row.text_or_null()?.map(|hash| session_list::name(&hash)),
            sid: row.text_or_null()?,
            is_user_disabled: row.integer()? == 1,
            is_unrevoked: row.integer()? == 1,
            alive_until: row.integer_or_null()?,
            refreshable_until: row.integer_or_null()?,
        })
    }

    /// Returns when it last got tokens, in Unix seconds: when its newest refresh token was issued, or when it was made. A
    /// refresh of its last thirty days counts as the first of these days, because its token expires with the grant.
    pub fn used_at(&self) -> i64 {
        let refreshed_at = self.refreshable_until.map(|end| end - REFRESH_TOKEN_IDLE_SECONDS);
        refreshed_at.map_or(self.created_at, |at| at.max(self.created_at))
    }

    /// Returns its state. The code of a new grant counts as a token.
    pub fn state(&self, now: i64) -> GrantState {
        let ends = [
            Some(self.created_at + UNREFRESHED_GRANT_SECONDS),
            self.alive_until,
            self.refreshable_until,
        ];
        let is_alive = ends.into_iter().flatten().any(|end| end > now);
        match (self.is_unrevoked, self.is_user_disabled) {
            (false, _) => GrantState::Revoked,
            (true, _) if !is_alive => GrantState::Expired,
            (true, true) => GrantState::UserDisabled,
            (true, false) => GrantState::Active,
        }
    }
}

impl GrantState {
    /// Returns the name, as the operator's interface has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::UserDisabled => "user_disabled",
        }
    }
}

/// The columns and tables of a [`ListedGrant`].
macro_rules! select_grants {
    ($index:literal) => {
        concat!(
            "SELECT grants.id, grants.sub, grants.client_id, grants.scope, grants.created_at, \
               grants.revoked_at, \
               (SELECT cookie_hash FROM sessions WHERE id = grants.session_id), \
               grants.sid, users.disabled_at IS NOT NULL, ",
            is_unrevoked!(),
            ", grants.alive_until, \
               (SELECT max(expires_at) FROM refresh_tokens WHERE grant_id = grants.id) \
             FROM grants INDEXED BY ",
            $index,
            " JOIN users ON users.sub = grants.sub \
              LEFT JOIN clients ON clients.client_id = grants.client_id"
        )
    };
}

/// The grants that are listed.
#[derive(Clone, Copy, Debug)]
pub enum GrantFilter<'a> {
    OfClient { client_id: &'a str },
    OfUser { sub: &'a str },
    OfUserAndClient { sub: &'a str, client_id: &'a str },
}

impl GrantFilter<'_> {
    /// Returns the statement that lists the grants after one, or from the first one. Those of a user are in the order of client
    /// and time.
    fn statement(self, after: Option<&str>, limit: i64) -> Statement {
        let bind = |statement: Statement| statement.bind(after).bind(limit);
        match self {
            Self::OfClient { client_id } => bind(Statement::new(concat!(
                select_grants!("grants_by_client"),
                " WHERE grants.client_id = ?3 AND grants.id > coalesce(?1, '') \
                 ORDER BY grants.id LIMIT ?2",
            )))
            .bind(client_id),
            Self::OfUser { sub } => bind(Statement::new(concat!(
                select_grants!("grants_by_user"),
                " WHERE grants.sub = ?3 AND (grants.client_id, grants.created_at, grants.id) > ( \
                   SELECT client_id, created_at, id FROM grants WHERE id = ?1 \
                   UNION ALL SELECT '', 0, '' WHERE ?1 IS NULL) \
                 ORDER BY grants.client_id, grants.created_at, grants.id LIMIT ?2",
            )))
            .bind(sub),
            Self::OfUserAndClient { sub, client_id } => bind(Statement::new(concat!(
                select_grants!("grants_by_user"),
                " WHERE grants.sub = ?3 AND grants.client_id = ?4 \
                   AND (grants.created_at, grants.id) > ( \
                     SELECT created_at, id FROM grants WHERE id = ?1 \
                     UNION ALL SELECT -1, '' WHERE ?1 IS NULL) \
                 ORDER BY grants.created_at, grants.id LIMIT ?2",
            )))
            .bind(sub)
            .bind(client_id),
        }
    }
}

/// Lists grants. Returns `None` if the one to list after does not exist, because it was deleted since.
pub async fn list(
    context: &Context<'_, impl Database>,
    filter: GrantFilter<'_>,
    after: Option<&str>,
    limit: i64,
) -> Result<Option<Vec<ListedGrant>>, Internal> {
    let find =
        Statement::new("SELECT 1 WHERE ?1 IS NULL OR EXISTS (SELECT 1 FROM grants WHERE id = ?1)")
            .bind(after);
    let mut batch = Batch::default();
    let is_known = batch.query(find, exists);
    let found = batch.query(filter.statement(after, limit), all);
    let mut outcome = batch.run_idempotent(context).await?;
    if !outcome.take(is_known)? {
        return Ok(None);
    }
    let found = outcome.take(found)?;
    found.into_iter().map(ListedGrant::from_row).collect::<Result<_, _>>().map(Some)
}
