//! Initial access tokens, by which the operator permits the registration of clients (RFC 7591 section 3).
//! [`super::registrations`] counts their uses.

use crate::error::Internal;
use crate::ports::{Database, Freshness, Statement};
use crate::store::SWEPT_WITH_EACH;

/// Stores a token that registers `uses` clients until `expires_at` (Unix seconds), and deletes some that have expired.
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
    database.batch(&[sweep(now, SWEPT_WITH_EACH), insert]).await.map(drop)
}

/// Deletes at most `limit` expired tokens.
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM initial_access_tokens WHERE token_hash IN \
         (SELECT token_hash FROM initial_access_tokens WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now)
    .bind(limit)
}

/// Returns whether a token can register a client now. Only [`super::registrations::register`] decides, because a
/// concurrent request may take the last use.
pub async fn is_valid(
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
