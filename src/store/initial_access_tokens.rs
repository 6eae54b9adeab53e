//! Initial access tokens: the operator's leave to register clients (RFC 7591 section 3). What spends them is in
//! [`super::registrations`].

use crate::error::Internal;
use crate::ports::{Database, Freshness, Statement};
use crate::store::SWEPT_WITH_EACH;

/// Keeps a token for so many uses until `expires_at`, and sweeps those that have expired.
pub async fn keep(
    database: &impl Database,
    token_hash: &str,
    uses: i64,
    expires_at: i64,
    now: i64,
) -> Result<(), Internal> {
    let insert = Statement::new(
        "INSERT INTO initial_access_tokens (token_hash, uses_left, expires_at, created_at) \
         VALUES (?1, ?2, ?3, ?4)",
    )
    .bind(token_hash)
    .bind(uses)
    .bind(expires_at)
    .bind(now);
    database.batch(vec![sweep(now, SWEPT_WITH_EACH), insert]).await.map(drop)
}

/// Deletes at most `limit` tokens that have expired.
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM initial_access_tokens WHERE token_hash IN \
         (SELECT token_hash FROM initial_access_tokens WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now)
    .bind(limit)
}

/// Whether a token would register a client. Only what spends it says whether it does.
pub async fn is_good(
    database: &impl Database,
    token_hash: &str,
    now: i64,
) -> Result<bool, Internal> {
    let statement = Statement::new(
        "SELECT token_hash FROM initial_access_tokens \
         WHERE token_hash = ?1 AND uses_left > 0 AND expires_at > ?2",
    )
    .bind(token_hash)
    .bind(now);
    Ok(!database.run(Freshness::Primary, statement).await?.is_empty())
}
