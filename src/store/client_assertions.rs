//! The client assertions that were used (RFC 7523), so that none is accepted twice.

use crate::error::Internal;
use crate::ports::{Database, Statement};
use crate::store::SWEPT_WITH_EACH;
use crate::store::batch::Batch;

/// Records the `jti` of an assertion until it expires at `until` (Unix seconds). Returns `false` if the client has used
/// this `jti` before (RFC 7523 section 3). Only one of several concurrent calls returns `true`.
pub async fn spend(
    database: &impl Database,
    client_id: &str,
    jti_hash: &str,
    until: i64,
    now: i64,
) -> Result<bool, Internal> {
    let spend = Statement::new(
        "INSERT INTO client_assertions (client_id, jti_hash, expires_at) VALUES (?1, ?2, ?3) \
         ON CONFLICT (client_id, jti_hash) DO NOTHING RETURNING jti_hash",
    )
    .bind(client_id)
    .bind(jti_hash)
    .bind(until);
    let mut batch = Batch::default();
    batch.add(sweep(now, SWEPT_WITH_EACH));
    let is_new = batch.query(spend);
    Ok(batch.run(database).await?.row(is_new)?.is_some())
}

/// Deletes at most `limit` expired assertions.
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM client_assertions WHERE (client_id, jti_hash) IN \
         (SELECT client_id, jti_hash FROM client_assertions WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now)
    .bind(limit)
}
