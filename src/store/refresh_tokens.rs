//! Refresh tokens.

use crate::error::Internal;
use crate::ports::{Database, Freshness, Statement};
use crate::store::batch::Batch;
use crate::store::grants::{Grant, grant_columns};

/// A refresh token as stored.
#[derive(Debug)]
pub struct RefreshToken {
    /// When it expires, in Unix seconds.
    pub expires_at: i64,
    /// When it was first used, in Unix seconds.
    pub spent_at: Option<i64>,
    /// Whether its successor has been used.
    pub is_successor_spent: bool,
    /// The grant that it was issued for.
    pub grant: Grant,
}

/// Finds a refresh token of this client.
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

/// Rotates a refresh token: records its successor and marks it as used. Idempotent: the successor is derived from the
/// token, so concurrent callers record the same one.
///
/// Returns `false` if another successor is recorded, because `KEY_ENCRYPTION_KEY` changed in between.
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
