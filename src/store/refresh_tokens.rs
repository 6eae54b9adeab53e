//! Refresh tokens.

use crate::error::Internal;
use crate::ports::{Database, Freshness, Statement};
use crate::store::batch::Batch;
use crate::store::grants::{Grant, grant_columns};

/// A refresh token as stored.
#[derive(Debug)]
pub struct RefreshToken {
    /// Until when it may be used, in Unix seconds.
    pub expires_at: i64,
    /// When it was first used, in Unix seconds.
    pub spent_at: Option<i64>,
    /// Whether the token that was given for it has been used.
    pub is_successor_spent: bool,
    /// The grant that it belongs to.
    pub grant: Grant,
}

/// The token that this client presents.
pub async fn find(
    database: &impl Database,
    token_hash: &str,
    successor_hash: &str,
    client_id: &str,
) -> Result<Option<RefreshToken>, Internal> {
    let statement = Statement::new(concat!(
        "SELECT own.expires_at AS expires_at, own.spent_at AS spent_at, \
           successor.spent_at IS NOT NULL AS is_successor_spent, ",
        grant_columns!(),
        " FROM refresh_tokens AS own JOIN grants ON grants.id = own.grant_id \
           JOIN users ON users.sub = grants.sub \
           LEFT JOIN refresh_tokens AS successor ON successor.token_hash = ?2 \
         WHERE own.token_hash = ?1 AND client_id = ?3",
    ))
    .bind(token_hash)
    .bind(successor_hash)
    .bind(client_id);
    let Some(mut row) = database.run(Freshness::Primary, statement).await?.pop() else {
        return Ok(None);
    };
    Ok(Some(RefreshToken {
        expires_at: row.integer()?,
        spent_at: row.integer_or_null()?,
        is_successor_spent: row.integer()? == 1,
        grant: Grant::from_row(&mut row)?,
    }))
}

/// Spends a token for its successor. Of any number of callers at once, one does; to the others the
/// successor is there as well, for it follows from the token. Returns whether it is there: not where the secret
/// that it follows by was changed in between.
pub async fn rotate(
    database: &impl Database,
    token_hash: &str,
    successor_hash: &str,
    expires_at: i64,
    now: i64,
) -> Result<bool, Internal> {
    let succeed = Statement::new(
        "INSERT INTO refresh_tokens (token_hash, grant_id, expires_at) \
         SELECT ?2, grant_id, ?3 FROM refresh_tokens WHERE token_hash = ?1 AND spent_at IS NULL \
         ON CONFLICT (token_hash) DO NOTHING",
    )
    .bind(token_hash)
    .bind(successor_hash)
    .bind(expires_at);
    let spend = Statement::new(
        "UPDATE refresh_tokens SET spent_at = ?2 WHERE token_hash = ?1 AND spent_at IS NULL",
    )
    .bind(token_hash)
    .bind(now);
    let look = Statement::new("SELECT token_hash FROM refresh_tokens WHERE token_hash = ?1");
    let mut batch = Batch::default();
    batch.add(succeed);
    batch.add(spend);
    let successor = batch.query(look.bind(successor_hash));
    Ok(batch.run(database).await?.row(successor)?.is_some())
}
