//! The client assertions that were used (RFC 7523), so that none is accepted twice.

use crate::lifetimes::SWEEP_DELAY_SECONDS;
use crate::ports::Statement;
use crate::store::SWEPT_WITH_EACH;
use crate::store::batch::{Batch, Handle, exists};

/// The use of an assertion by a request.
#[derive(Debug)]
pub struct Assertion<'a> {
    pub client_id: &'a str,
    /// The hash of its `jti`.
    pub jti_hash: &'a str,
    /// When the `jti` may be forgotten, in Unix seconds.
    pub expires_at: i64,
    /// The random id of the request.
    pub use_id: &'a str,
}

/// Records the `jti` of an assertion, unless its client has used it before (RFC 7523 section 3). The result is whether
/// this request was the first: of several concurrent ones, only one is.
pub(super) fn use_once(batch: &mut Batch, assertion: &Assertion<'_>, now: i64) -> Handle<bool> {
    // A client that does not exist must not fill the table.
    let record = Statement::new(
        "INSERT INTO client_assertions (client_id, jti_hash, expires_at, used_by) \
         SELECT client_id, ?2, ?3, ?4 FROM clients WHERE client_id = ?1 \
         ON CONFLICT (client_id, jti_hash) DO NOTHING",
    )
    .bind(assertion.client_id)
    .bind(assertion.jti_hash)
    .bind(assertion.expires_at)
    .bind(assertion.use_id);
    let find = Statement::new(
        "SELECT 1 FROM client_assertions WHERE client_id = ?1 AND jti_hash = ?2 AND used_by = ?3",
    )
    .bind(assertion.client_id)
    .bind(assertion.jti_hash)
    .bind(assertion.use_id);
    batch.add(sweep(now, SWEPT_WITH_EACH));
    batch.add(record);
    batch.query(find, exists)
}

/// Deletes at most `limit` assertions that expired [`SWEEP_DELAY_SECONDS`] ago.
pub(super) fn sweep(now: i64, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM client_assertions WHERE (client_id, jti_hash) IN \
         (SELECT client_id, jti_hash FROM client_assertions WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now - SWEEP_DELAY_SECONDS)
    .bind(limit)
}
