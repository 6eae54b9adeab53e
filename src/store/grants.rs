//! Grants: what a user allowed a client, and whether it still stands.

use crate::error::Internal;
use crate::ports::{Database, Freshness, Statement};
use crate::protocol::access_token::AccessToken;

/// A grant about to be recorded.
#[derive(Debug)]
pub struct NewGrant<'a> {
    /// Its id: 128 random bits.
    pub id: &'a str,
    /// The user.
    pub sub: &'a str,
    /// The client.
    pub client_id: &'a str,
    /// The granted scopes.
    pub scope: &'a str,
    /// Now, in Unix seconds.
    pub created_at: i64,
}

/// Whether a grant was recorded.
#[derive(Debug, Eq, PartialEq)]
pub enum Recording {
    /// There is no such user, or not any more.
    NoSuchUser,
    /// It is recorded.
    Recorded,
}

/// Records a grant, if its user exists: a user deleted a moment ago gets none.
pub async fn record(database: &impl Database, grant: &NewGrant<'_>) -> Result<Recording, Internal> {
    let statement = Statement::new(
        "INSERT INTO grants (id, sub, client_id, scope, created_at) \
         SELECT ?1, sub, ?3, ?4, ?5 FROM users WHERE sub = ?2 AND deleted_at IS NULL RETURNING id",
    )
    .bind(grant.id)
    .bind(grant.sub)
    .bind(grant.client_id)
    .bind(grant.scope)
    .bind(grant.created_at);
    let rows = database.run(Freshness::Primary, statement).await?;
    Ok(if rows.is_empty() { Recording::NoSuchUser } else { Recording::Recorded })
}

/// What stands behind an access token.
#[derive(Debug)]
pub enum Standing {
    /// The grant was revoked, or the user deleted.
    Revoked,
    /// The grant stands; the user's claims as JSON.
    Stands(String),
    /// No grant of this id for this user and client.
    Unknown,
}

/// Finds the user through the token's grant, and whether the grant still stands, in one statement.
pub async fn standing(
    database: &impl Database,
    freshness: Freshness,
    token: &AccessToken,
) -> Result<Standing, Internal> {
    let statement = Statement::new(
        "SELECT grants.revoked_at, users.claims \
         FROM grants JOIN users ON users.sub = grants.sub \
         WHERE grants.id = ?1 AND grants.sub = ?2 AND grants.client_id = ?3",
    )
    .bind(token.grant_id.as_str())
    .bind(token.sub.as_str())
    .bind(token.client_id.as_str());
    let Some(mut row) = database.run(freshness, statement).await?.pop() else {
        return Ok(Standing::Unknown);
    };
    // A deleted user has no claims left.
    Ok(match (row.integer_or_null()?, row.text_or_null()?) {
        (None, Some(claims)) => Standing::Stands(claims),
        _ => Standing::Revoked,
    })
}

/// Revokes a grant and everything issued under it. Returns when that happened first, or `None` where
/// there is no such grant.
pub async fn revoke(database: &impl Database, id: &str, now: i64) -> Result<Option<i64>, Internal> {
    let statement = Statement::new(
        "UPDATE grants SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1 RETURNING revoked_at",
    )
    .bind(id)
    .bind(now);
    let mut rows = database.run(Freshness::Primary, statement).await?;
    rows.pop().map(|mut row| row.integer()).transpose()
}
